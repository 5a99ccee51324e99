// The parts of the NEON column (arm64 with dot products). Where generic's loops are what a compiler can vectorise, this column is those very
// loops compiled with 128-bit vectors and fused multiply-add: the same bytes by construction. Not for use outside the folder.
#pragma once

#include "kernels/table.h"

namespace firesteel {

void fill_neon_unpack(KernelTable* table);       // unpack.cc: generic's loops
void fill_neon_pack(KernelTable* table);         // pack.cc: generic's loops
void fill_neon_dot_float(KernelTable* table);    // dot_float.cc: generic's loops
void fill_neon_dot(KernelTable* table);          // dot.cc
void fill_neon_attention(KernelTable* table);    // attention.cc: generic's loops
void fill_neon_elementwise(KernelTable* table);  // elementwise.cc: generic's loops

}  // namespace firesteel
