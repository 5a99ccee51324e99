#include "kernels/avx512/parts.h"
#include "kernels/avx512/qmul.h"

namespace firesteel {

void fill_avx512_qmul_q4_k(KernelTable* table) { set_qmul<Q4_K, Widths::kAll>(table, kTypeQ4_K); }

}  // namespace firesteel
