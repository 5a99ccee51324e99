#include "kernels/avx512/parts.h"
#include "kernels/avx512/qmul.h"

namespace firesteel {

void fill_avx512_qmul_q3_k(KernelTable* table) { set_qmul<Q3_K, Widths::kSmall>(table, kTypeQ3_K); }

}  // namespace firesteel
