// Generic's loops, compiled for this column (see parts.h).
#include "kernels/avx2/parts.h"

#define fill_generic_elementwise fill_avx2_elementwise
#include "kernels/generic/elementwise.cc"
