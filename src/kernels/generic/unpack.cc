// Weights of every file type to tiles, by the formulas of docs/formats/gguf.md. The oracle for the unpackers of other columns.
#include <string.h>

#include "kernels/generic/parts.h"
#include "tensor/half.h"

namespace firesteel {
namespace {

// One row of up to 256 values, before it is scattered into a tile. Sub-blocks of 32 use the first 8 scales.
struct RowTile {
  uint8_t q[kTileK];
  float d[16];
  float m[16];
};

float load_f16(const uint8_t* p) {
  uint16_t bits;
  memcpy(&bits, p, sizeof bits);
  return f16_to_f32(bits);
}

// 2^(e-128), also where that is subnormal.
float e8m0_half(uint8_t e) {
  const uint32_t bits = e >= 2 ? static_cast<uint32_t>(e - 1) << 23 : e == 1 ? 0x00400000u : 0x00200000u;
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

constexpr uint8_t kIq4Codes[16] = {1, 24, 45, 63, 79, 93, 106, 118, 129, 141, 153, 166, 181, 197, 217, 241};       // table + 128
constexpr uint8_t kMxfp4Codes[16] = {128, 129, 130, 131, 132, 134, 136, 140, 128, 127, 126, 125, 124, 122, 120, 116};  // table + 128

// A row decoder reads the n_blocks * 32 values at `p` (the first byte of a file block).
using RowDecoder = void (*)(const uint8_t* p, int n_blocks, RowTile* row);

void row_q8_0(const uint8_t* p, int n_blocks, RowTile* row) {
  for (int b = 0; b < n_blocks; ++b, p += 34) {
    row->d[b] = load_f16(p);
    for (int i = 0; i < 32; ++i) row->q[32 * b + i] = static_cast<uint8_t>(p[2 + i] ^ 0x80);
  }
}

// Value of element i (0..31) of 16 bytes of nibbles: low nibbles first.
uint8_t nibble(const uint8_t* qs, int i) { return static_cast<uint8_t>(i < 16 ? qs[i] & 15 : qs[i - 16] >> 4); }

void row_q4_0(const uint8_t* p, int n_blocks, RowTile* row) {
  for (int b = 0; b < n_blocks; ++b, p += 18) {
    row->d[b] = load_f16(p);
    for (int i = 0; i < 32; ++i) row->q[32 * b + i] = static_cast<uint8_t>(nibble(p + 2, i) + 120);
  }
}

void row_q4_1(const uint8_t* p, int n_blocks, RowTile* row) {
  for (int b = 0; b < n_blocks; ++b, p += 20) {
    row->d[b] = load_f16(p);
    row->m[b] = -load_f16(p + 2);
    for (int i = 0; i < 32; ++i) row->q[32 * b + i] = nibble(p + 4, i);
  }
}

uint8_t fifth_bit(const uint8_t* qh, int i) { return static_cast<uint8_t>(((qh[i / 8] >> (i % 8)) & 1) << 4); }

void row_q5_0(const uint8_t* p, int n_blocks, RowTile* row) {
  for (int b = 0; b < n_blocks; ++b, p += 22) {
    row->d[b] = load_f16(p);
    for (int i = 0; i < 32; ++i) row->q[32 * b + i] = static_cast<uint8_t>((nibble(p + 6, i) | fifth_bit(p + 2, i)) + 112);
  }
}

void row_q5_1(const uint8_t* p, int n_blocks, RowTile* row) {
  for (int b = 0; b < n_blocks; ++b, p += 24) {
    row->d[b] = load_f16(p);
    row->m[b] = -load_f16(p + 2);
    for (int i = 0; i < 32; ++i) row->q[32 * b + i] = nibble(p + 8, i) | fifth_bit(p + 4, i);
  }
}

void row_iq4_nl(const uint8_t* p, int n_blocks, RowTile* row) {
  for (int b = 0; b < n_blocks; ++b, p += 18) {
    row->d[b] = load_f16(p);
    for (int i = 0; i < 32; ++i) row->q[32 * b + i] = kIq4Codes[nibble(p + 2, i)];
  }
}

void row_mxfp4(const uint8_t* p, int n_blocks, RowTile* row) {
  for (int b = 0; b < n_blocks; ++b, p += 17) {
    row->d[b] = e8m0_half(p[0]);
    for (int i = 0; i < 32; ++i) row->q[32 * b + i] = kMxfp4Codes[nibble(p + 1, i)];
  }
}

// The types below have blocks of 256, so n_blocks is always 8.

void row_q2_k(const uint8_t* p, int, RowTile* row) {
  const float d = load_f16(p + 80);
  const float dmin = load_f16(p + 82);
  for (int s = 0; s < 16; ++s) {
    row->d[s] = d * static_cast<float>(p[s] & 15);
    row->m[s] = dmin * static_cast<float>(p[s] >> 4);
  }
  for (int i = 0; i < kTileK; ++i) {
    const int half = i / 128, step = i % 128 / 32, l = i % 32;
    row->q[i] = (p[16 + 32 * half + l] >> (2 * step)) & 3;
  }
}

void row_q3_k(const uint8_t* p, int, RowTile* row) {
  const uint8_t* hmask = p;
  const uint8_t* qs = p + 32;
  const uint8_t* s = p + 96;
  const float d = load_f16(p + 108);
  for (int i = 0; i < 16; ++i) {
    const int low = i < 8 ? s[i] & 15 : s[i - 8] >> 4;
    const int high = (s[8 + i % 4] >> (2 * (i / 4))) & 3;
    row->d[i] = d * static_cast<float>((low | high << 4) - 32);
  }
  for (int i = 0; i < kTileK; ++i) {
    const int half = i / 128, step = i % 128 / 32, l = i % 32;
    const int low = (qs[32 * half + l] >> (2 * step)) & 3;
    const int high = (hmask[l] >> (4 * half + step)) & 1;
    row->q[i] = static_cast<uint8_t>(124 + low + 4 * high);
  }
}

// The 6-bit scales and minima of Q4_K and Q5_K.
void scales_k4(const uint8_t* p, RowTile* row) {
  const float d = load_f16(p);
  const float dmin = load_f16(p + 2);
  const uint8_t* s = p + 4;
  for (int j = 0; j < 8; ++j) {
    const int scale = j < 4 ? s[j] & 63 : (s[j + 4] & 15) | (s[j - 4] >> 6) << 4;
    const int min = j < 4 ? s[j + 4] & 63 : (s[j + 4] >> 4) | (s[j] >> 6) << 4;
    row->d[j] = d * static_cast<float>(scale);
    row->m[j] = dmin * static_cast<float>(min);
  }
}

void row_q4_k(const uint8_t* p, int, RowTile* row) {
  scales_k4(p, row);
  for (int i = 0; i < kTileK; ++i) {
    const int byte = p[16 + 32 * (i / 64) + i % 32];
    row->q[i] = static_cast<uint8_t>((byte >> (4 * (i / 32 % 2))) & 15);
  }
}

void row_q5_k(const uint8_t* p, int, RowTile* row) {
  scales_k4(p, row);
  for (int i = 0; i < kTileK; ++i) {
    const int byte = p[48 + 32 * (i / 64) + i % 32];
    const int high = (p[16 + i % 32] >> (i / 32)) & 1;
    row->q[i] = static_cast<uint8_t>(((byte >> (4 * (i / 32 % 2))) & 15) | high << 4);
  }
}

void row_q6_k(const uint8_t* p, int, RowTile* row) {
  const uint8_t* ql = p;
  const uint8_t* qh = p + 128;
  const float d = load_f16(p + 208);
  for (int s = 0; s < 16; ++s) row->d[s] = d * static_cast<float>(static_cast<int8_t>(p[192 + s]));
  for (int i = 0; i < kTileK; ++i) {
    const int half = i / 128, quarter = i % 128 / 32, l = i % 32;
    const int low = (ql[64 * half + 32 * (quarter % 2) + l] >> (4 * (quarter / 2))) & 15;
    const int high = (qh[32 * half + l] >> (2 * quarter)) & 3;
    row->q[i] = static_cast<uint8_t>((low | high << 4) + 96);
  }
}

void row_iq4_xs(const uint8_t* p, int, RowTile* row) {
  const float d = load_f16(p);
  const int high = p[2] | p[3] << 8;
  for (int b = 0; b < 8; ++b) {
    const int scale = ((p[4 + b / 2] >> (4 * (b % 2))) & 15) | ((high >> (2 * b)) & 3) << 4;
    row->d[b] = d * static_cast<float>(scale - 32);
    for (int i = 0; i < 32; ++i) row->q[32 * b + i] = kIq4Codes[nibble(p + 8 + 16 * b, i)];
  }
}

// Row r of a panel; beyond the last the last again.
const uint8_t* row_at(const uint8_t* src, size_t row_bytes, int n_rows, int r) {
  return src + static_cast<size_t>(r < n_rows ? r : n_rows - 1) * row_bytes;
}

// k_block, block_bytes: of the file type. n_sub, with_min: what the tile kind uses.
template <RowDecoder decode, int k_block, int block_bytes, int n_sub, bool with_min>
void unpack_q(const uint8_t* src, size_t row_bytes, int n_rows, int64_t tile, int n_blocks, QTile* out) {
  src += tile * (kTileK / k_block) * block_bytes;
  RowTile row;
  for (int r = 0; r < kPanelRows; ++r) {
    if (r < n_rows) decode(src + static_cast<size_t>(r) * row_bytes, n_blocks, &row);  // beyond: the last row again
    for (int i = 0; i < 32 * n_blocks; ++i) out->q[i / 32][i % 32 / 4][r][i % 4] = row.q[i];
    const int n_scales = n_sub == 16 ? 16 : n_blocks;
    for (int s = 0; s < n_scales; ++s) out->d[s][r] = row.d[s];
    if (with_min) {
      for (int s = 0; s < n_scales; ++s) out->m[s][r] = row.m[s];
    }
  }
}

template <RowDecoder decode, int k_block, int block_bytes, int n_sub, bool with_min>
void unpack_f32_of_q(const uint8_t* src, size_t row_bytes, int n_rows, int64_t k0, int64_t n_k, float* out) {
  RowTile row;
  for (int r = 0; r < kPanelRows; ++r) {
    const uint8_t* blocks = row_at(src, row_bytes, n_rows, r) + k0 / k_block * block_bytes;
    for (int64_t k = 0; k < n_k; k += kTileK) {
      const int n = static_cast<int>(n_k - k < kTileK ? n_k - k : kTileK);
      decode(blocks + k / k_block * block_bytes, n / 32, &row);
      for (int i = 0; i < n; ++i) {
        const int s = n_sub == 16 ? i / 16 : i / 32;
        const float q = static_cast<float>(with_min ? row.q[i] : row.q[i] - 128);
        out[(k + i) * kPanelRows + r] = with_min ? row.d[s] * q - row.m[s] : row.d[s] * q;
      }
    }
  }
}

template <RowDecoder decode, int k_block, int block_bytes, int n_sub, bool with_min>
void fill_type(KernelTable* table, int type) {
  table->unpack_q[type] = unpack_q<decode, k_block, block_bytes, n_sub, with_min>;
  table->unpack_f32[type] = unpack_f32_of_q<decode, k_block, block_bytes, n_sub, with_min>;
}

void unpack_f32(const uint8_t* src, size_t row_bytes, int n_rows, int64_t k0, int64_t n_k, float* out) {
  for (int r = 0; r < kPanelRows; ++r) {
    const uint8_t* p = row_at(src, row_bytes, n_rows, r) + k0 * 4;
    for (int64_t k = 0; k < n_k; ++k) {
      float value;
      memcpy(&value, p + 4 * k, sizeof value);
      out[k * kPanelRows + r] = value;
    }
  }
}

uint16_t load_u16(const uint8_t* p) {
  uint16_t bits;
  memcpy(&bits, p, sizeof bits);
  return bits;
}

template <float (*to_f32)(uint16_t)>
void unpack_half(const uint8_t* src, size_t row_bytes, int n_rows, int64_t k0, int64_t n_k, float* out) {
  for (int r = 0; r < kPanelRows; ++r) {
    const uint8_t* p = row_at(src, row_bytes, n_rows, r) + k0 * 2;
    for (int64_t k = 0; k < n_k; ++k) out[k * kPanelRows + r] = to_f32(load_u16(p + 2 * k));
  }
}

void unpack_bf16(const uint8_t* src, size_t row_bytes, int n_rows, int64_t k0, int64_t n_k, uint16_t* out) {
  for (int r = 0; r < kPanelRows; ++r) {
    const uint8_t* p = row_at(src, row_bytes, n_rows, r) + k0 * 2;
    for (int64_t k = 0; k < n_k + (n_k & 1); ++k) {
      out[(k / 2 * kPanelRows + r) * 2 + k % 2] = k < n_k ? load_u16(p + 2 * k) : uint16_t{0};
    }
  }
}

}  // namespace

void fill_generic_unpack(KernelTable* table) {
  table->unpack_f32[kTypeF32] = unpack_f32;
  table->unpack_f32[kTypeF16] = unpack_half<f16_to_f32>;
  table->unpack_f32[kTypeBF16] = unpack_half<bf16_to_f32>;
  table->unpack_bf16 = unpack_bf16;
  fill_type<row_q8_0, 32, 34, 8, false>(table, kTypeQ8_0);
  fill_type<row_q4_0, 32, 18, 8, false>(table, kTypeQ4_0);
  fill_type<row_q4_1, 32, 20, 8, true>(table, kTypeQ4_1);
  fill_type<row_q5_0, 32, 22, 8, false>(table, kTypeQ5_0);
  fill_type<row_q5_1, 32, 24, 8, true>(table, kTypeQ5_1);
  fill_type<row_q2_k, 256, 84, 16, true>(table, kTypeQ2_K);
  fill_type<row_q3_k, 256, 110, 16, false>(table, kTypeQ3_K);
  fill_type<row_q4_k, 256, 144, 8, true>(table, kTypeQ4_K);
  fill_type<row_q5_k, 256, 176, 8, true>(table, kTypeQ5_K);
  fill_type<row_q6_k, 256, 210, 16, false>(table, kTypeQ6_K);
  fill_type<row_iq4_nl, 32, 18, 8, false>(table, kTypeIQ4_NL);
  fill_type<row_iq4_xs, 256, 136, 8, false>(table, kTypeIQ4_XS);
  fill_type<row_mxfp4, 32, 17, 8, false>(table, kTypeMXFP4);
}

}  // namespace firesteel
