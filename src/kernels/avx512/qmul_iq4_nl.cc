#include "kernels/avx512/parts.h"
#include "kernels/avx512/qmul.h"

namespace firesteel {

void fill_avx512_qmul_iq4_nl(KernelTable* table) { set_qmul<IQ4_NL, Widths::kSmall>(table, kTypeIQ4_NL); }

}  // namespace firesteel
