#include "kernels/avx512/parts.h"
#include "kernels/avx512/qmul.h"

namespace firesteel {

void fill_avx512_qmul_iq4_xs(KernelTable* table) { set_qmul<IQ4_XS, Widths::kSmall>(table, kTypeIQ4_XS); }

}  // namespace firesteel
