#include "kernels/table.h"

namespace firesteel {

// Nothing faster than generic yet; the name stays "generic", so dispatch does not offer this column.
KernelTable avx2_table() { return generic_table(); }

}  // namespace firesteel
