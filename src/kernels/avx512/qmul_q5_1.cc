#include "kernels/avx512/parts.h"
#include "kernels/avx512/qmul.h"

namespace firesteel {

void fill_avx512_qmul_q5_1(KernelTable* table) { set_qmul<Q5_1, Widths::kSmall>(table, kTypeQ5_1); }

}  // namespace firesteel
