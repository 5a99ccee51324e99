// Activations to column tiles.
#include <float.h>
#include <math.h>
#include <string.h>

#include "kernels/generic/parts.h"
#include "tensor/half.h"

namespace firesteel {
namespace {

const float* row_of(const float* x, int64_t ldx, const int32_t* index, int n) {
  return x + (index != nullptr ? static_cast<int64_t>(index[n]) : static_cast<int64_t>(n)) * ldx;
}

constexpr float kActMin = 1e-30f;  // below it 127 / amax would overflow

// Rounds half to even without the C library: |value| < 128, and adding 1.5 * 2^23 leaves no bits for a fraction.
int round_even(float value) {
  const float shifted = value + 12582912.0f;
  int32_t bits;
  memcpy(&bits, &shifted, sizeof bits);
  return bits - 0x4B400000;
}

void pack_int8(const float* x, int64_t ldx, const int32_t* index, int w, int64_t k, void* out) {
  unsigned char* block = static_cast<unsigned char*>(out);
  for (int64_t k0 = 0; k0 < k; k0 += kActBlock, block += static_cast<int64_t>(kActBlockColBytes) * w) {
    for (int n = 0; n < w; ++n) {
      const float* row = row_of(x, ldx, index, n) + k0;
      // The largest magnitude by its bits: a NaN or an infinity compares above every number, so it is never lost.
      uint32_t amax_bits = 0;
      for (int i = 0; i < kActBlock; ++i) {
        uint32_t bits;
        memcpy(&bits, &row[i], sizeof bits);
        amax_bits = (bits & 0x7FFFFFFFu) > amax_bits ? bits & 0x7FFFFFFFu : amax_bits;
      }
      float amax;
      memcpy(&amax, &amax_bits, sizeof amax);
      const int usable = amax >= kActMin && amax <= FLT_MAX;
      const float scale = usable ? amax / 127.0f : (amax < kActMin ? 0.0f : NAN);
      const float inverse = usable ? 127.0f / amax : 0.0f;
      int32_t isum[2] = {0, 0};
      int8_t q[kActBlock];
      for (int i = 0; i < kActBlock; ++i) {
        const int value = usable ? round_even(row[i] * inverse) : 0;
        q[i] = static_cast<int8_t>(value);
        isum[i / 16] += value;
      }
      for (int g = 0; g < 8; ++g) memcpy(block + 28 * w + (g * w + n) * 4, q + 4 * g, 4);
      float words[4] = {scale, scale * static_cast<float>(isum[0]), scale * static_cast<float>(isum[1]),
                        scale * static_cast<float>(isum[0] + isum[1])};
      int32_t corr[3] = {-128 * isum[0], -128 * isum[1], -128 * (isum[0] + isum[1])};
      for (int i = 0; i < 4; ++i) memcpy(block + (i * w + n) * 4, &words[i], 4);
      for (int i = 0; i < 3; ++i) memcpy(block + ((4 + i) * w + n) * 4, &corr[i], 4);
    }
  }
}

void pack_f32(const float* x, int64_t ldx, const int32_t* index, int w, int64_t k, void* out) {
  float* dst = static_cast<float*>(out);
  for (int n = 0; n < w; ++n) {
    const float* row = row_of(x, ldx, index, n);
    for (int64_t i = 0; i < k; ++i) dst[i * w + n] = row[i];
  }
}

void pack_bf16(const float* x, int64_t ldx, const int32_t* index, int w, int64_t k, void* out) {
  uint16_t* dst = static_cast<uint16_t*>(out);
  for (int n = 0; n < w; ++n) {
    const float* row = row_of(x, ldx, index, n);
    for (int64_t i = 0; i < k + (k & 1); ++i) dst[(i / 2 * w + n) * 2 + i % 2] = i < k ? f32_to_bf16(row[i]) : uint16_t{0};
  }
}

}  // namespace

void fill_generic_pack(KernelTable* table) {
  table->pack_acts_int8 = pack_int8;
  table->pack_acts_f32 = pack_f32;
  table->pack_acts_bf16 = pack_bf16;
}

}  // namespace firesteel
