#include "kernels/avx512/parts.h"
#include "kernels/avx512/qmul.h"

namespace firesteel {

void fill_avx512_qmul_q2_k(KernelTable* table) { set_qmul<Q2_K, Widths::kSmall>(table, kTypeQ2_K); }

}  // namespace firesteel
