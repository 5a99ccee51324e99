// Generic's loops, compiled for this column (see parts.h).
#include "kernels/avx2/parts.h"

#define fill_generic_attention fill_avx2_attention
#include "kernels/generic/attention.cc"
