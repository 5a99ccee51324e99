#include "kernels/avx512/parts.h"
#include "kernels/avx512/qmul.h"

namespace firesteel {

void fill_avx512_qmul_q8_0(KernelTable* table) { set_qmul<Q8_0, Widths::kAll>(table, kTypeQ8_0); }

}  // namespace firesteel
