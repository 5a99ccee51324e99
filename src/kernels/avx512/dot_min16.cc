#include "kernels/avx512/parts.h"
#include "kernels/avx512/qdot.h"

namespace firesteel {

void fill_avx512_dot_min16(KernelTable* table) { table->qdot[kMin16] = qdot_any<true, true>; }

}  // namespace firesteel
