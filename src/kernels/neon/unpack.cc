// Generic's loops, compiled for this column (see parts.h).
#include "kernels/neon/parts.h"

#define fill_generic_unpack fill_neon_unpack
#include "kernels/generic/unpack.cc"
