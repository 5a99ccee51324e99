// Generic's loops, compiled for this column (see parts.h).
#include "kernels/neon/parts.h"

#define fill_generic_attention fill_neon_attention
#include "kernels/generic/attention.cc"
