#include "kernels/avx512/parts.h"
#include "kernels/avx512/qmul.h"

namespace firesteel {

void fill_avx512_qmul_q4_1(KernelTable* table) { set_qmul<Q4_1, Widths::kSmall>(table, kTypeQ4_1); }

}  // namespace firesteel
