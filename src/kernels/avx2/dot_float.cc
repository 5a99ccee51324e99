// Generic's loops, compiled for this column (see parts.h). Its integer products are replaced in dot.cc.
#include "kernels/avx2/parts.h"

#define fill_generic_dot fill_avx2_dot_float
#include "kernels/generic/dot.cc"
