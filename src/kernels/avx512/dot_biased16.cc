#include "kernels/avx512/parts.h"
#include "kernels/avx512/qdot.h"

namespace firesteel {

void fill_avx512_dot_biased16(KernelTable* table) { table->qdot[kBiased16] = qdot_any<true, false>; }

}  // namespace firesteel
