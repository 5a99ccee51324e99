// The parts of the AVX-512 column (F, BW, DQ, VL, VNNI, BF16, VBMI): each overrides entries of the generic table.
// Not for use outside the folder.
#pragma once

#include "kernels/table.h"

namespace firesteel {

void fill_avx512_unpack(KernelTable* table);       // unpack*.cc
void fill_avx512_pack(KernelTable* table);         // pack.cc
void fill_avx512_dot(KernelTable* table);          // dot*.cc
void fill_avx512_attention(KernelTable* table);    // attention.cc; calls the three below
void fill_avx512_attention_f32(KernelTable* table);
void fill_avx512_attention_bf16(KernelTable* table);
void fill_avx512_attention_int8(KernelTable* table);
void fill_avx512_elementwise(KernelTable* table);  // elementwise.cc
void fill_avx512_train(KernelTable* table);        // train.cc: generic's loops, and ...
void fill_avx512_train_mul(KernelTable* table);    // ... train_mul.cc: the products

// Parts of fill_avx512_unpack and fill_avx512_dot.
void fill_avx512_unpack_32(KernelTable* table);     // unpack_32.cc
void fill_avx512_unpack_k(KernelTable* table);      // unpack_k.cc
void fill_avx512_unpack_float(KernelTable* table);  // unpack_float.cc
void fill_avx512_dot_biased32(KernelTable* table);  // dot_biased32.cc
void fill_avx512_dot_biased16(KernelTable* table);  // dot_biased16.cc
void fill_avx512_dot_min32(KernelTable* table);     // dot_min32.cc
void fill_avx512_dot_min16(KernelTable* table);     // dot_min16.cc
void fill_avx512_qmul_float(KernelTable* table);
void fill_avx512_qmul_q8_0(KernelTable* table);
void fill_avx512_qmul_q4_0(KernelTable* table);
void fill_avx512_qmul_q4_1(KernelTable* table);
void fill_avx512_qmul_q5_0(KernelTable* table);
void fill_avx512_qmul_q5_1(KernelTable* table);
void fill_avx512_qmul_iq4_nl(KernelTable* table);
void fill_avx512_qmul_mxfp4(KernelTable* table);
void fill_avx512_qmul_q2_k(KernelTable* table);
void fill_avx512_qmul_q3_k(KernelTable* table);
void fill_avx512_qmul_q4_k(KernelTable* table);
void fill_avx512_qmul_q5_k(KernelTable* table);
void fill_avx512_qmul_q6_k(KernelTable* table);
void fill_avx512_qmul_iq4_xs(KernelTable* table);

}  // namespace firesteel
