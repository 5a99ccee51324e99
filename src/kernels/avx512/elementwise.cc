#include "kernels/avx512/parts.h"

namespace firesteel {

void fill_avx512_elementwise(KernelTable*) {}

}  // namespace firesteel
