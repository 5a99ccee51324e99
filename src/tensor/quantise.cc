// Encoders of the 32-element types, and the dispatch over all types.
#include "tensor/quantise.h"

#include <cstring>

#include "base/check.h"
#include "tensor/quantise_blocks.h"
#include "tensor/quantise_fit.h"

namespace firesteel {
namespace {

// The value of largest magnitude, with its sign; the first of equals.
float extreme_of(const float* x) {
  float extreme = 0;
  for (int i = 0; i < 32; ++i) {
    if (std::fabs(x[i]) > std::fabs(extreme)) extreme = x[i];
  }
  return extreme;
}

// Scale of a symmetric type with levels -half..half-1: the extreme falls on -half exactly, unless importance asks for a search.
float symmetric_scale(const float* x, const float* importance, int half) {
  const float extreme = extreme_of(x);
  if (importance == nullptr) return extreme / static_cast<float>(-half);
  float square = 0;
  for (int i = 0; i < 32; ++i) square += x[i] * x[i];
  float w[32];
  for (int i = 0; i < 32; ++i) w[i] = importance[i] * std::sqrt(square / 32.0f + x[i] * x[i]);
  return fit_symmetric(x, w, 32, half, 0.1f, 9);
}

// Rounds with the scale before it is rounded to f16, as other writers of these types do (equal bytes), unless f16 cut it off.
float rounding_inverse(float scale, HalfScale stored) {
  return inverse_or_zero(std::fabs(scale) > 65504.0f ? stored.value : scale);
}

// The level below v within 0..top; callers add one half to round.
int level(float v, int top) { return static_cast<int>(std::clamp(v, 0.0f, static_cast<float>(top))); }

void encode(const float* x, const float* importance, BlockQ4_0* b) {
  const float scale = symmetric_scale(x, importance, 8);
  const HalfScale d(scale);
  const float inverse = rounding_inverse(scale, d);
  b->d = d.bits;
  for (int j = 0; j < 16; ++j) {
    b->qs[j] = static_cast<uint8_t>(level(x[j] * inverse + 8.5f, 15) | level(x[j + 16] * inverse + 8.5f, 15) << 4);
  }
}

void put_fifth_bits(const int* q, uint8_t* qh, uint8_t* qs) {
  uint32_t high = 0;
  for (int j = 0; j < 16; ++j) {
    qs[j] = static_cast<uint8_t>((q[j] & 15) | (q[j + 16] & 15) << 4);
    high |= static_cast<uint32_t>(q[j] >> 4) << j | static_cast<uint32_t>(q[j + 16] >> 4) << (j + 16);
  }
  for (int k = 0; k < 4; ++k) qh[k] = static_cast<uint8_t>(high >> (8 * k));
}

void encode(const float* x, const float* importance, BlockQ5_0* b) {
  const float scale = symmetric_scale(x, importance, 16);
  const HalfScale d(scale);
  const float inverse = rounding_inverse(scale, d);
  b->d = d.bits;
  int q[32];
  for (int j = 0; j < 32; ++j) q[j] = level(x[j] * inverse + 16.5f, 31);
  put_fifth_bits(q, b->qh, b->qs);
}

struct MinScale {
  HalfScale d, m;
  float inverse, min;
};
// The whole range between minimum and maximum, in max_level steps.
MinScale min_max_scale(const float* x, int max_level) {
  const auto [low, high] = std::minmax_element(x, x + 32);
  const float scale = (*high - *low) / static_cast<float>(max_level);
  const HalfScale d(scale), m(*low);
  return {d, m, rounding_inverse(scale, d), std::fabs(*low) > 65504.0f ? m.value : *low};
}

void encode(const float* x, const float*, BlockQ4_1* b) {
  const MinScale s = min_max_scale(x, 15);
  b->d = s.d.bits;
  b->m = s.m.bits;
  for (int j = 0; j < 16; ++j) {
    b->qs[j] = static_cast<uint8_t>(level((x[j] - s.min) * s.inverse + 0.5f, 15) | level((x[j + 16] - s.min) * s.inverse + 0.5f, 15) << 4);
  }
}

void encode(const float* x, const float*, BlockQ5_1* b) {
  const MinScale s = min_max_scale(x, 31);
  b->d = s.d.bits;
  b->m = s.m.bits;
  int q[32];
  for (int j = 0; j < 32; ++j) q[j] = level((x[j] - s.min) * s.inverse + 0.5f, 31);
  put_fifth_bits(q, b->qh, b->qs);
}

void encode(const float* x, const float*, BlockQ8_0* b) {
  const float scale = std::fabs(extreme_of(x)) / 127.0f;
  const HalfScale d(scale);
  const float inverse = rounding_inverse(scale, d);
  b->d = d.bits;
  for (int j = 0; j < 32; ++j) b->qs[j] = static_cast<int8_t>(std::clamp(std::round(x[j] * inverse), -127.0f, 127.0f));
}

// Nearest E2M1 magnitude (doubled) and sign, as an index of kMxfp4Values.
int nearest_mxfp4(float v) {
  static constexpr float kMidpoints[7] = {0.5f, 1.5f, 2.5f, 3.5f, 5.0f, 7.0f, 10.0f};
  const float magnitude = std::fabs(v);
  int index = 0;
  while (index < 7 && magnitude > kMidpoints[index]) ++index;
  return index > 0 && v < 0 ? index + 8 : index;
}

// 2^-128 * kMxfp4Values to 2^127 * kMxfp4Values. The exponent that just holds the extreme (6 units of E2M1), or a neighbour when
// the squared error is smaller with it.
void encode(const float* x, const float* importance, BlockMXFP4* b) {
  const float extreme = std::fabs(extreme_of(x));
  if (extreme == 0) {
    std::memset(b, 0, sizeof *b);
    return;
  }
  const int exponent = std::ilogb(extreme) - 2 + 127;
  double best_error = -1;
  for (int e = exponent + 1; e >= exponent - 1; --e) {
    const auto candidate = static_cast<uint8_t>(std::clamp(e, 0, 252));  // 12 * 2^124 is the largest finite product
    const double scale = static_cast<double>(mxfp4_scale(candidate));
    double error = 0;
    uint8_t q[32];
    for (int j = 0; j < 32; ++j) {
      const double v = static_cast<double>(x[j]) / scale;
      q[j] = static_cast<uint8_t>(nearest_mxfp4(static_cast<float>(v)));
      const double miss = (v - static_cast<double>(kMxfp4Values[q[j]])) * scale;
      error += (importance != nullptr ? static_cast<double>(importance[j]) : 1.0) * miss * miss;
    }
    if (best_error >= 0 && error >= best_error) continue;
    best_error = error;
    b->e = candidate;
    for (int j = 0; j < 16; ++j) b->qs[j] = static_cast<uint8_t>(q[j] | q[j + 16] << 4);
  }
}

template <typename Block, size_t kElems>
void encode_row(const float* src, void* dst, int64_t n, const float* importance, float largest) {
  auto* out = static_cast<unsigned char*>(dst);
  for (size_t i = 0; i < static_cast<size_t>(n); i += kElems, out += sizeof(Block)) {
    float x[kElems];
    for (size_t j = 0; j < kElems; ++j) {
      const float v = src[i + j];
      x[j] = std::isfinite(v) ? std::clamp(v, -largest, largest) : 0.0f;
    }
    Block block;
    encode(x, importance == nullptr ? nullptr : importance + i, &block);
    std::memcpy(out, &block, sizeof block);
  }
}

template <uint16_t (*Convert)(float)>
void convert_row(const float* src, void* dst, int64_t n) {
  auto* out = static_cast<unsigned char*>(dst);
  for (int64_t i = 0; i < n; ++i) {
    const uint16_t bits = Convert(std::isfinite(src[i]) ? src[i] : 0.0f);
    std::memcpy(out + 2 * i, &bits, sizeof bits);
  }
}

}  // namespace

void quantise_row(DType dtype, const float* src, void* dst, int64_t n, const float* importance) {
  CHECK(n >= 0 && n % dtype_info(dtype).block_elems == 0);
  switch (dtype) {
    case DType::kF32:
      for (int64_t i = 0; i < n; ++i) {
        const float v = std::isfinite(src[i]) ? src[i] : 0.0f;
        std::memcpy(static_cast<unsigned char*>(dst) + 4 * i, &v, sizeof v);
      }
      return;
    case DType::kF16: return convert_row<f32_to_f16>(src, dst, n);
    case DType::kBF16: return convert_row<f32_to_bf16>(src, dst, n);
    case DType::kQ8_0: return encode_row<BlockQ8_0, 32>(src, dst, n, importance, kLargest);
    case DType::kQ4_0: return encode_row<BlockQ4_0, 32>(src, dst, n, importance, kLargest);
    case DType::kQ4_1: return encode_row<BlockQ4_1, 32>(src, dst, n, importance, kLargest);
    case DType::kQ5_0: return encode_row<BlockQ5_0, 32>(src, dst, n, importance, kLargest);
    case DType::kQ5_1: return encode_row<BlockQ5_1, 32>(src, dst, n, importance, kLargest);
    case DType::kQ2_K: return encode_row<BlockQ2_K, 256>(src, dst, n, importance, kLargest);
    case DType::kQ3_K: return encode_row<BlockQ3_K, 256>(src, dst, n, importance, kLargest);
    case DType::kQ4_K: return encode_row<BlockQ4_K, 256>(src, dst, n, importance, kLargest);
    case DType::kQ5_K: return encode_row<BlockQ5_K, 256>(src, dst, n, importance, kLargest);
    case DType::kQ6_K: return encode_row<BlockQ6_K, 256>(src, dst, n, importance, kLargest);
    case DType::kIQ4_NL: return encode_row<BlockIQ4_NL, 32>(src, dst, n, importance, kLargest);
    case DType::kIQ4_XS: return encode_row<BlockIQ4_XS, 256>(src, dst, n, importance, kLargest);
    case DType::kMXFP4: return encode_row<BlockMXFP4, 32>(src, dst, n, importance, 3.0e38f);
  }
}

}  // namespace firesteel
