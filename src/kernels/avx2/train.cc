// Generic's loops, compiled for this column (see parts.h).
#include "kernels/avx2/parts.h"

#define fill_generic_train fill_avx2_train
#include "kernels/generic/train.cc"
