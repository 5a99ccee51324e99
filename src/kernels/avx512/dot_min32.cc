#include "kernels/avx512/parts.h"
#include "kernels/avx512/qdot.h"

namespace firesteel {

void fill_avx512_dot_min32(KernelTable* table) { table->qdot[kMin32] = qdot_any<false, true>; }

}  // namespace firesteel
