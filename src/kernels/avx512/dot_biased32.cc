#include "kernels/avx512/parts.h"
#include "kernels/avx512/qdot.h"

namespace firesteel {

void fill_avx512_dot_biased32(KernelTable* table) { table->qdot[kBiased32] = qdot_any<false, false>; }

}  // namespace firesteel
