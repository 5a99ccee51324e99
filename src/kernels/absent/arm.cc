// Columns of the Arm architecture, in a build for another one: the generic table under its own name, which dispatch does not offer.
#include "kernels/table.h"

namespace firesteel {

KernelTable neon_table() { return generic_table(); }

}  // namespace firesteel
