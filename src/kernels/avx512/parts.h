// The parts of the AVX-512 column (F, BW, DQ, VL, VNNI, BF16, VBMI): each overrides entries of the generic table.
// Not for use outside the folder.
#pragma once

#include "kernels/table.h"

namespace firesteel {

void fill_avx512_unpack(KernelTable* table);       // unpack*.cc
void fill_avx512_pack(KernelTable* table);         // pack.cc
void fill_avx512_dot(KernelTable* table);          // dot*.cc
void fill_avx512_attention(KernelTable* table);    // attention.cc
void fill_avx512_elementwise(KernelTable* table);  // elementwise.cc

}  // namespace firesteel
