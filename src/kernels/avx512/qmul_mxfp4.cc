#include "kernels/avx512/parts.h"
#include "kernels/avx512/qmul.h"

namespace firesteel {

void fill_avx512_qmul_mxfp4(KernelTable* table) { set_qmul<MXFP4, Widths::kSmall>(table, kTypeMXFP4); }

}  // namespace firesteel
