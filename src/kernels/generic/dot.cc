// Tile products, one output at a time. fmaf is exact everywhere (one rounding), so the quantised and f32 products define the
// bits that every other column must reproduce.
#include <math.h>
#include <string.h>

#include "kernels/generic/parts.h"
#include "tensor/half.h"

namespace firesteel {
namespace {

float word_f32(const unsigned char* p) {
  float value;
  memcpy(&value, p, sizeof value);
  return value;
}

int32_t word_i32(const unsigned char* p) {
  int32_t value;
  memcpy(&value, p, sizeof value);
  return value;
}

// Sum of q * a over groups [g0, g1) of 4 k for column n, per row. a points at q[8][w][4] of the block.
void isum_block(const uint8_t (*q)[kPanelRows][4], const unsigned char* a, int w, int n, int g0, int g1, int32_t* isum) {
  for (int r = 0; r < kPanelRows; ++r) isum[r] = 0;
  for (int g = g0; g < g1; ++g) {
    int8_t act[4];
    memcpy(act, a + (g * w + n) * 4, 4);
    for (int r = 0; r < kPanelRows; ++r) {
      isum[r] += q[g][r][0] * act[0] + q[g][r][1] * act[1] + q[g][r][2] * act[2] + q[g][r][3] * act[3];
    }
  }
}

constexpr int kOrder16[8] = {0, 2, 4, 6, 1, 3, 5, 7};

template <bool sub16, bool with_min>
void qdot(float* acc, int w, const QTile* tiles, int64_t n_blocks, const void* acts) {
  constexpr int kSubs = sub16 ? 2 : 1;  // sub-blocks per block of 32
  constexpr int kRun = sub16 ? 4 : 1;   // blocks
  for (int64_t first = 0; first < n_blocks; first += kRun) {  // a run: the sub-blocks whose order is not by k alone
    const QTile& tile = tiles[first / 8];
    for (int i = 0; i < kRun * kSubs; ++i) {
      const int sub = sub16 ? kOrder16[i] : i;
      const int64_t b = first + sub / kSubs;
      const int in_tile = static_cast<int>(b % 8), s = sub % kSubs;
      const unsigned char* block = static_cast<const unsigned char*>(acts) + b * kActBlockColBytes * w;
      const float* d = tile.d[in_tile * kSubs + s];
      const float* m = tile.m[in_tile * kSubs + s];
      for (int n = 0; n < w; ++n) {
        const float scale = word_f32(block + 4 * n);
        const float sum = word_f32(block + 4 * ((sub16 ? 1 + s : 3) * w + n));
        const int32_t corr = word_i32(block + 4 * ((sub16 ? 4 + s : 6) * w + n));
        int32_t isum[kPanelRows];
        isum_block(tile.q[in_tile], block + 28 * w, w, n, s * 8 / kSubs, (s + 1) * 8 / kSubs, isum);
        float* out = acc + n * kPanelRows;
        for (int r = 0; r < kPanelRows; ++r) {
          if (with_min) {
            out[r] = fmaf(static_cast<float>(isum[r]), d[r] * scale, out[r]);
            out[r] = fmaf(-m[r], sum, out[r]);
          } else {
            out[r] = fmaf(static_cast<float>(isum[r] + corr), d[r] * scale, out[r]);
          }
        }
      }
    }
  }
}

template <bool sub16, bool with_min>
void qdot_panels(float* acc, int w, int n_panels, const QTile* tiles, int64_t n_blocks, const void* acts) {
  for (int p = 0; p < n_panels; ++p, acc += kMaxCols * kPanelRows, tiles += (n_blocks + 7) / 8) {
    qdot<sub16, with_min>(acc, w, tiles, n_blocks, acts);
  }
}

void fdot_panel(float* acc, int w, const float* tile, int64_t n_k, const float* acts) {
  for (int64_t k = 0; k < n_k; ++k) {
    for (int n = 0; n < w; ++n) {
      const float a = acts[k * w + n];
      for (int r = 0; r < kPanelRows; ++r) acc[n * kPanelRows + r] = fmaf(tile[k * kPanelRows + r], a, acc[n * kPanelRows + r]);
    }
  }
}

void fdot(float* acc, int w, int n_panels, const float* tiles, int64_t n_k, const float* acts) {
  for (int p = 0; p < n_panels; ++p) fdot_panel(acc + p * kMaxCols * kPanelRows, w, tiles + p * n_k * kPanelRows, n_k, acts);
}

void bdot_panel(float* acc, int w, const uint16_t* tile, int64_t n_pairs, const uint16_t* acts) {
  for (int64_t j = 0; j < n_pairs; ++j) {
    for (int n = 0; n < w; ++n) {
      const float a0 = bf16_to_f32(acts[(j * w + n) * 2]);
      const float a1 = bf16_to_f32(acts[(j * w + n) * 2 + 1]);
      for (int r = 0; r < kPanelRows; ++r) {
        const uint16_t* pair = tile + (j * kPanelRows + r) * 2;
        float* out = acc + n * kPanelRows + r;
        *out = fmaf(bf16_to_f32(pair[1]), a1, *out);  // the odd element first, as the instruction is specified
        *out = fmaf(bf16_to_f32(pair[0]), a0, *out);
      }
    }
  }
}

void bdot(float* acc, int w, int n_panels, const uint16_t* tiles, int64_t n_pairs, const uint16_t* acts) {
  for (int p = 0; p < n_panels; ++p) bdot_panel(acc + p * kMaxCols * kPanelRows, w, tiles + p * n_pairs * 2 * kPanelRows, n_pairs, acts);
}

}  // namespace

void fill_generic_dot(KernelTable* table) {
  table->qdot[kBiased32] = qdot_panels<false, false>;
  table->qdot[kBiased16] = qdot_panels<true, false>;
  table->qdot[kMin32] = qdot_panels<false, true>;
  table->qdot[kMin16] = qdot_panels<true, true>;
  table->fdot = fdot;
  table->bdot = bdot;
}

}  // namespace firesteel
