#include "kernels/avx512/parts.h"
#include "kernels/avx512/qmul.h"

namespace firesteel {

void fill_avx512_qmul_q5_0(KernelTable* table) { set_qmul<Q5_0, Widths::kSmall>(table, kTypeQ5_0); }

}  // namespace firesteel
