#include "kernels/avx512/parts.h"
#include "kernels/avx512/qmul.h"

namespace firesteel {

void fill_avx512_qmul_q5_k(KernelTable* table) { set_qmul<Q5_K, Widths::kSmall>(table, kTypeQ5_K); }

}  // namespace firesteel
