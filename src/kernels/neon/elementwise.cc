// Generic's loops, compiled for this column (see parts.h).
#include "kernels/neon/parts.h"

#define fill_generic_elementwise fill_neon_elementwise
#include "kernels/generic/elementwise.cc"
