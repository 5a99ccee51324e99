// Generic's loops, compiled for this column (see parts.h). Its integer products are replaced in dot.cc.
#include "kernels/neon/parts.h"

#define fill_generic_dot fill_neon_dot_float
#include "kernels/generic/dot.cc"
