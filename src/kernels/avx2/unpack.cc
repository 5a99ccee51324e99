// Generic's loops, compiled for this column (see parts.h).
#include "kernels/avx2/parts.h"

#define fill_generic_unpack fill_avx2_unpack
#include "kernels/generic/unpack.cc"
