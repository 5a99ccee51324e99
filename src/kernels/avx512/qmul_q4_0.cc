#include "kernels/avx512/parts.h"
#include "kernels/avx512/qmul.h"

namespace firesteel {

void fill_avx512_qmul_q4_0(KernelTable* table) { set_qmul<Q4_0, Widths::kAll>(table, kTypeQ4_0); }

}  // namespace firesteel
