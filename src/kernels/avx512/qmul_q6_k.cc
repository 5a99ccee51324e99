#include "kernels/avx512/parts.h"
#include "kernels/avx512/qmul.h"

namespace firesteel {

void fill_avx512_qmul_q6_k(KernelTable* table) { set_qmul<Q6_K, Widths::kAll>(table, kTypeQ6_K); }

}  // namespace firesteel
