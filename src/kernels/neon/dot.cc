// Integer products with sdot (ARMv8.2 dot product): four signed bytes of a row times four of the activation. Biased weights become
// signed by flipping the top bit; weights with a minimum are at most 31 and are signed as they are. The float steps are generic's.
#include <arm_neon.h>
#include <string.h>

#include "kernels/neon/parts.h"

namespace firesteel {
namespace {

constexpr int kQuads = kPanelRows / 4;

inline int8x16_t word(const unsigned char* p) {
  int32_t value;
  memcpy(&value, p, sizeof value);
  return vreinterpretq_s8_s32(vdupq_n_s32(value));
}

inline float scalar(const unsigned char* p) {
  float value;
  memcpy(&value, p, sizeof value);
  return value;
}

template <bool sub16, bool with_min, int kCols>
inline void sub_block(float* acc, const QTile& tile, int in_tile, int s, const unsigned char* block, int w, int n) {
  constexpr int kSubs = sub16 ? 2 : 1;
  constexpr int kGroups = 8 / kSubs;
  int32x4_t sum[static_cast<size_t>(kCols)][kQuads];
  for (int c = 0; c < kCols; ++c) {
    for (int r = 0; r < kQuads; ++r) sum[c][r] = vdupq_n_s32(0);
  }
  const unsigned char* a = block + 28 * w + (s * kGroups * w + n) * 4;
  for (int g = 0; g < kGroups; ++g, a += 4 * w) {
    const uint8_t* q = &tile.q[in_tile][s * kGroups + g][0][0];
    for (int r = 0; r < kQuads; ++r) {
      uint8x16_t bytes = vld1q_u8(q + 16 * r);
      if (!with_min) bytes = veorq_u8(bytes, vdupq_n_u8(0x80));
      const int8x16_t weights = vreinterpretq_s8_u8(bytes);
      for (int c = 0; c < kCols; ++c) sum[c][r] = vdotq_s32(sum[c][r], weights, word(a + 4 * c));
    }
  }
  const int sub = in_tile * kSubs + s;
  for (int c = 0; c < kCols; ++c) {
    const float scale = scalar(block + 4 * (n + c));
    float* out = acc + (n + c) * kPanelRows;
    for (int r = 0; r < kQuads; ++r) {
      const float32x4_t d = vmulq_n_f32(vld1q_f32(tile.d[sub] + 4 * r), scale);
      float32x4_t x = vfmaq_f32(vld1q_f32(out + 4 * r), vcvtq_f32_s32(sum[c][r]), d);
      if (with_min) {
        const float a_sum = scalar(block + 4 * ((sub16 ? 1 + s : 3) * w + n + c));
        x = vfmsq_f32(x, vld1q_f32(tile.m[sub] + 4 * r), vdupq_n_f32(a_sum));
      }
      vst1q_f32(out + 4 * r, x);
    }
  }
}

template <bool sub16, bool with_min>
void qdot(float* acc, int w, const QTile* tiles, int64_t n_blocks, const void* acts) {
  constexpr int kOrder16[8] = {0, 2, 4, 6, 1, 3, 5, 7};
  constexpr int kSubs = sub16 ? 2 : 1;
  constexpr int kRun = sub16 ? 4 : 1;
  for (int64_t first = 0; first < n_blocks; first += kRun) {
    const QTile& tile = tiles[first / 8];
    for (int i = 0; i < kRun * kSubs; ++i) {
      const int sub = sub16 ? kOrder16[i] : i;
      const int64_t b = first + sub / kSubs;
      const unsigned char* block = static_cast<const unsigned char*>(acts) + b * kActBlockColBytes * w;
      const int in_tile = static_cast<int>(b % 8);
      const int s = sub % kSubs;
      int n = 0;
      for (; n + 4 <= w; n += 4) sub_block<sub16, with_min, 4>(acc, tile, in_tile, s, block, w, n);
      for (; n < w; ++n) sub_block<sub16, with_min, 1>(acc, tile, in_tile, s, block, w, n);
    }
  }
}

template <bool sub16, bool with_min>
void qdot_panels(float* acc, int w, int n_panels, const QTile* tiles, int64_t n_blocks, const void* acts) {
  for (int p = 0; p < n_panels; ++p, acc += kMaxCols * kPanelRows, tiles += (n_blocks + 7) / 8) {
    qdot<sub16, with_min>(acc, w, tiles, n_blocks, acts);
  }
}

}  // namespace

void fill_neon_dot(KernelTable* table) {
  table->qdot[kBiased32] = qdot_panels<false, false>;
  table->qdot[kBiased16] = qdot_panels<true, false>;
  table->qdot[kMin32] = qdot_panels<false, true>;
  table->qdot[kMin16] = qdot_panels<true, true>;
}

}  // namespace firesteel
