// Generic's loops, compiled for this column (see parts.h).
#include "kernels/avx512/parts.h"

#define fill_generic_train fill_avx512_train
#include "kernels/generic/train.cc"
