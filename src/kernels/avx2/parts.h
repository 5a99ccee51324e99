// The parts of the AVX2 column (AVX2, FMA, F16C). Where generic's loops are what a compiler can vectorise, this column is those very
// loops compiled with 256-bit vectors and fused multiply-add: the same bytes by construction. Not for use outside the folder.
#pragma once

#include "kernels/table.h"

namespace firesteel {

void fill_avx2_unpack(KernelTable* table);       // unpack.cc: generic's loops
void fill_avx2_pack(KernelTable* table);         // pack.cc: generic's loops
void fill_avx2_dot_float(KernelTable* table);    // dot_float.cc: generic's loops
void fill_avx2_dot(KernelTable* table);          // dot.cc
void fill_avx2_attention(KernelTable* table);    // attention.cc: generic's loops
void fill_avx2_elementwise(KernelTable* table);  // elementwise.cc: generic's loops
void fill_avx2_train(KernelTable* table);        // train.cc: generic's loops

}  // namespace firesteel
