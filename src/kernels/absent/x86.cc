// Columns of the x86 architecture, in a build for another one: the generic table under its own name, which dispatch does not offer.
#include "kernels/table.h"

namespace firesteel {

KernelTable avx2_table() { return generic_table(); }
KernelTable avx512_table() { return generic_table(); }

}  // namespace firesteel
