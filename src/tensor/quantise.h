// Rows of any element type to f32 and back. The decoders are the formulas of docs/formats/gguf.md, bit-exact; they are the oracle
// for every unpacker in kernels/. The encoders minimise squared error (K-quants search scales and minima per sub-block).
#pragma once

#include <cstdint>

#include "tensor/dtype.h"

namespace firesteel {

// src: one row, n elements (multiple of block_elems), any alignment. dst: [n] f32.
void dequantise_row(DType dtype, const void* src, float* dst, int64_t n);

// importance: [n] f32 weights of the squared error, or nullptr for the type's usual weighting.
// Non-finite input is the caller's to refuse (checkpoint/convert does); here it becomes 0.
void quantise_row(DType dtype, const float* src, void* dst, int64_t n, const float* importance = nullptr);

}  // namespace firesteel
