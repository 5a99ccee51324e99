// Decoders. Each product is formed in the order of the formula in blocks.h, in f32: other decoders must match to the bit.
#include <cstring>

#include "base/check.h"
#include "tensor/blocks.h"
#include "tensor/half.h"
#include "tensor/quantise.h"

namespace firesteel {
namespace {

uint32_t load_u32(const uint8_t* p) {
  return static_cast<uint32_t>(p[0]) | static_cast<uint32_t>(p[1]) << 8 | static_cast<uint32_t>(p[2]) << 16 | static_cast<uint32_t>(p[3]) << 24;
}

void decode(const BlockQ4_0& b, float* y) {
  const float d = f16_to_f32(b.d);
  for (int j = 0; j < 16; ++j) {
    y[j] = d * static_cast<float>((b.qs[j] & 15) - 8);
    y[j + 16] = d * static_cast<float>((b.qs[j] >> 4) - 8);
  }
}

void decode(const BlockQ4_1& b, float* y) {
  const float d = f16_to_f32(b.d), m = f16_to_f32(b.m);
  for (int j = 0; j < 16; ++j) {
    y[j] = d * static_cast<float>(b.qs[j] & 15) + m;
    y[j + 16] = d * static_cast<float>(b.qs[j] >> 4) + m;
  }
}

void decode(const BlockQ5_0& b, float* y) {
  const float d = f16_to_f32(b.d);
  const uint32_t h = load_u32(b.qh);
  for (int j = 0; j < 16; ++j) {
    const int low = (b.qs[j] & 15) | static_cast<int>((h >> j) & 1) << 4;
    const int high = (b.qs[j] >> 4) | static_cast<int>((h >> (j + 16)) & 1) << 4;
    y[j] = d * static_cast<float>(low - 16);
    y[j + 16] = d * static_cast<float>(high - 16);
  }
}

void decode(const BlockQ5_1& b, float* y) {
  const float d = f16_to_f32(b.d), m = f16_to_f32(b.m);
  const uint32_t h = load_u32(b.qh);
  for (int j = 0; j < 16; ++j) {
    const int low = (b.qs[j] & 15) | static_cast<int>((h >> j) & 1) << 4;
    const int high = (b.qs[j] >> 4) | static_cast<int>((h >> (j + 16)) & 1) << 4;
    y[j] = d * static_cast<float>(low) + m;
    y[j + 16] = d * static_cast<float>(high) + m;
  }
}

void decode(const BlockQ8_0& b, float* y) {
  const float d = f16_to_f32(b.d);
  for (int j = 0; j < 32; ++j) y[j] = d * static_cast<float>(b.qs[j]);
}

void decode(const BlockIQ4_NL& b, float* y) {
  const float d = f16_to_f32(b.d);
  for (int j = 0; j < 16; ++j) {
    y[j] = d * static_cast<float>(kIq4Values[b.qs[j] & 15]);
    y[j + 16] = d * static_cast<float>(kIq4Values[b.qs[j] >> 4]);
  }
}

void decode(const BlockMXFP4& b, float* y) {
  const float d = mxfp4_scale(b.e);
  for (int j = 0; j < 16; ++j) {
    y[j] = d * static_cast<float>(kMxfp4Values[b.qs[j] & 15]);
    y[j + 16] = d * static_cast<float>(kMxfp4Values[b.qs[j] >> 4]);
  }
}

void decode(const BlockQ2_K& b, float* y) {
  const float d = f16_to_f32(b.d), dmin = f16_to_f32(b.dmin);
  for (int i = 0; i < 256; ++i) {
    const int half = i / 128, step = i / 32 % 4, l = i % 32;
    const int q = (b.qs[32 * half + l] >> (2 * step)) & 3;
    const uint8_t s = b.scales[i / 16];
    y[i] = d * static_cast<float>(s & 15) * static_cast<float>(q) - dmin * static_cast<float>(s >> 4);
  }
}

void decode(const BlockQ3_K& b, float* y) {
  const float d = f16_to_f32(b.d);
  for (int i = 0; i < 256; ++i) {
    const int half = i / 128, step = i / 32 % 4, l = i % 32;
    const int q = ((b.qs[32 * half + l] >> (2 * step)) & 3) - ((b.hmask[l] >> (4 * half + step)) & 1 ? 0 : 4);
    y[i] = d * static_cast<float>(q3k_scale(b.scales, i / 16)) * static_cast<float>(q);
  }
}

void decode(const BlockQ4_K& b, float* y) {
  const float d = f16_to_f32(b.d), dmin = f16_to_f32(b.dmin);
  for (int j = 0; j < 8; ++j) {
    const ScaleMin sm = q4k_scale_min(b.scales, j);
    const float dl = d * static_cast<float>(sm.scale), ml = dmin * static_cast<float>(sm.min);
    for (int l = 0; l < 32; ++l) {
      const int q = (b.qs[32 * (j / 2) + l] >> (4 * (j % 2))) & 15;
      y[32 * j + l] = dl * static_cast<float>(q) - ml;
    }
  }
}

void decode(const BlockQ5_K& b, float* y) {
  const float d = f16_to_f32(b.d), dmin = f16_to_f32(b.dmin);
  for (int j = 0; j < 8; ++j) {
    const ScaleMin sm = q4k_scale_min(b.scales, j);
    const float dl = d * static_cast<float>(sm.scale), ml = dmin * static_cast<float>(sm.min);
    for (int l = 0; l < 32; ++l) {
      const int q = ((b.qs[32 * (j / 2) + l] >> (4 * (j % 2))) & 15) | ((b.qh[l] >> j) & 1) << 4;
      y[32 * j + l] = dl * static_cast<float>(q) - ml;
    }
  }
}

void decode(const BlockQ6_K& b, float* y) {
  const float d = f16_to_f32(b.d);
  for (int i = 0; i < 256; ++i) {
    const int half = i / 128, quarter = i / 32 % 4, l = i % 32;
    const int low = (b.ql[64 * half + 32 * (quarter % 2) + l] >> (4 * (quarter / 2))) & 15;
    const int high = (b.qh[32 * half + l] >> (2 * quarter)) & 3;
    y[i] = d * static_cast<float>(b.scales[i / 16]) * static_cast<float>((low | high << 4) - 32);
  }
}

void decode(const BlockIQ4_XS& b, float* y) {
  const float d = f16_to_f32(b.d);
  for (int ib = 0; ib < 8; ++ib) {
    const float dl = d * static_cast<float>(iq4xs_scale(b, ib));
    for (int j = 0; j < 16; ++j) {
      const uint8_t q = b.qs[16 * ib + j];
      y[32 * ib + j] = dl * static_cast<float>(kIq4Values[q & 15]);
      y[32 * ib + j + 16] = dl * static_cast<float>(kIq4Values[q >> 4]);
    }
  }
}

template <typename Block>
void decode_row(const void* src, float* dst, int64_t n, int64_t block_elems) {
  const Block* blocks = static_cast<const Block*>(src);  // packed: alignment 1
  for (int64_t i = 0; i < n / block_elems; ++i) decode(blocks[i], dst + i * block_elems);
}

template <float (*Convert)(uint16_t)>
void convert_row(const void* src, float* dst, int64_t n) {
  const auto* bytes = static_cast<const uint8_t*>(src);
  for (int64_t i = 0; i < n; ++i) {
    uint16_t bits = 0;
    std::memcpy(&bits, bytes + 2 * i, sizeof bits);
    dst[i] = Convert(bits);
  }
}

}  // namespace

void dequantise_row(DType dtype, const void* src, float* dst, int64_t n) {
  CHECK(n >= 0 && n % dtype_info(dtype).block_elems == 0);
  switch (dtype) {
    case DType::kF32:
      if (n > 0) std::memcpy(dst, src, static_cast<size_t>(n) * sizeof(float));
      return;
    case DType::kF16: return convert_row<f16_to_f32>(src, dst, n);
    case DType::kBF16: return convert_row<bf16_to_f32>(src, dst, n);
    case DType::kQ8_0: return decode_row<BlockQ8_0>(src, dst, n, 32);
    case DType::kQ4_0: return decode_row<BlockQ4_0>(src, dst, n, 32);
    case DType::kQ4_1: return decode_row<BlockQ4_1>(src, dst, n, 32);
    case DType::kQ5_0: return decode_row<BlockQ5_0>(src, dst, n, 32);
    case DType::kQ5_1: return decode_row<BlockQ5_1>(src, dst, n, 32);
    case DType::kQ2_K: return decode_row<BlockQ2_K>(src, dst, n, 256);
    case DType::kQ3_K: return decode_row<BlockQ3_K>(src, dst, n, 256);
    case DType::kQ4_K: return decode_row<BlockQ4_K>(src, dst, n, 256);
    case DType::kQ5_K: return decode_row<BlockQ5_K>(src, dst, n, 256);
    case DType::kQ6_K: return decode_row<BlockQ6_K>(src, dst, n, 256);
    case DType::kIQ4_NL: return decode_row<BlockIQ4_NL>(src, dst, n, 32);
    case DType::kIQ4_XS: return decode_row<BlockIQ4_XS>(src, dst, n, 256);
    case DType::kMXFP4: return decode_row<BlockMXFP4>(src, dst, n, 32);
  }
}

}  // namespace firesteel
