// Generic's loops, compiled for this column (see parts.h).
#include "kernels/neon/parts.h"

#define fill_generic_pack fill_neon_pack
#include "kernels/generic/pack.cc"
