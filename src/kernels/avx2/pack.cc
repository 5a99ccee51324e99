// Generic's loops, compiled for this column (see parts.h).
#include "kernels/avx2/parts.h"

#define fill_generic_pack fill_avx2_pack
#include "kernels/generic/pack.cc"
