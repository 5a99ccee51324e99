// One KV block for a tile of queries, for any representation of K and V: a file per representation supplies `Op` and includes this.
//
// K and V are read in lines of 64 bytes that hold, for each of 16 lanes, kPerLine consecutive d (K) or slots (V): the layouts of
// tensor/kv_layout.h differ in nothing else. A line is loaded once and multiplied by broadcast words of all queries, so a tile of 12
// does 12 (int8: 24) dot products per line.
//
// Op has:
//   kPerLine, kWords       elements per lane of a line; 32-bit words of a query (or of probabilities) that meet one line
//   Acc, Line              accumulator of 16 lanes; a line as operands
//   line(p), tail(p, n)    the operands of the line at p; the same with all but the first n of kPerLine elements zero
//   zero(), dot(acc, line, words)
//   score(acc, q, k, head_dim, g)     scores of group g from the accumulator
//   weights(p, visible, v, head_dim, words)   p[4] (64 slots) to words; returns the scale of the products
//   begin(out), end(out, acc, scale)  where the sum over slots starts, and what is stored
//   kDegree                of the exponential
#pragma once

#include <immintrin.h>
#include <stdint.h>

#include "kernels/avx512/exp2.h"
#include "kernels/table.h"

namespace firesteel {
namespace {

constexpr int kLanes = 16;
constexpr int kGroups = kAttnSlots / kLanes;
constexpr int kQueryWords = kAttnQueryBytes / 4;

inline void prefetch(const unsigned char* p, ptrdiff_t delta) {
  // Not pointer arithmetic: the other block is another object.
  _mm_prefetch(reinterpret_cast<const char*>(reinterpret_cast<uintptr_t>(p) + static_cast<uintptr_t>(delta)), _MM_HINT_T0);
}

// Scores of kQ queries against groups g .. g + kG - 1 (16 keys each): s [kQ][64].
template <typename Op, size_t kQ, size_t kG>
void scores(const AttnTile* tile, const unsigned char* k, size_t g, float* s) {
  const int n_lines = tile->head_dim / Op::kPerLine;
  const size_t group_bytes = static_cast<size_t>(n_lines) * 64;
  const uint32_t* q = static_cast<const uint32_t*>(tile->q);
  const unsigned char* p = k + g * group_bytes;
  const ptrdiff_t next = tile->next;
  typename Op::Acc acc[kQ][kG];
  for (size_t i = 0; i < kQ; ++i) {
    for (size_t j = 0; j < kG; ++j) acc[i][j] = Op::zero();
  }
  for (int line = 0; line < n_lines; ++line, p += 64, q += Op::kWords) {
    typename Op::Line keys[kG];
#pragma GCC unroll 4
    for (size_t j = 0; j < kG; ++j) {
      keys[j] = Op::line(p + j * group_bytes);
      prefetch(p + j * group_bytes, next);
    }
#pragma GCC unroll 12
    for (size_t i = 0; i < kQ; ++i) {
#pragma GCC unroll 4
      for (size_t j = 0; j < kG; ++j) acc[i][j] = Op::dot(acc[i][j], keys[j], q + i * kQueryWords);
    }
  }
  const unsigned char* record = static_cast<const unsigned char*>(tile->q);
  for (size_t i = 0; i < kQ; ++i) {
    for (size_t j = 0; j < kG; ++j) {
      _mm512_store_ps(s + i * kAttnSlots + (g + j) * kLanes,
                      Op::score(acc[i][j], record + i * kAttnQueryBytes, k, tile->head_dim, g + j));
    }
  }
}

inline __m512 soft_cap(__m512 s, float cap) {
  const __m512 one = _mm512_set1_ps(1.0f);
  const __m512 e = exp2_approx<6>(s);
  return _mm512_mul_ps(_mm512_set1_ps(cap), _mm512_sub_ps(one, _mm512_div_ps(_mm512_set1_ps(2.0f), _mm512_add_ps(e, one))));
}

// Online softmax of query i, which sees the slots of `visible`: rescales its state, leaves the probabilities as words.
template <typename Op>
float softmax(const AttnTile* tile, size_t i, uint64_t visible, const float* s, const unsigned char* v, uint32_t* words) {
  __m512 x[kGroups];
  for (int g = 0; g < kGroups; ++g) {
    x[g] = _mm512_load_ps(s + g * kLanes);
    if (tile->cap != 0) x[g] = soft_cap(x[g], tile->cap);
    // Hidden slots may hold anything: replaced, not multiplied.
    x[g] = _mm512_mask_mov_ps(_mm512_set1_ps(-__builtin_inff()), static_cast<__mmask16>(visible >> (g * kLanes)), x[g]);
  }
  const __m512 top = _mm512_max_ps(_mm512_max_ps(x[0], x[1]), _mm512_max_ps(x[2], x[3]));
  float* out = tile->out + static_cast<int64_t>(i) * tile->head_dim;
  float* l = tile->l + i * kLanes;
  float m = tile->m[i];
  if (_mm512_cmp_ps_mask(top, _mm512_set1_ps(m), _CMP_GT_OQ) != 0) {
    const float max = _mm512_reduce_max_ps(top);
    const __m512 r = exp2_of_difference<Op::kDegree>(_mm512_set1_ps(m - max));
    for (int d = 0; d < tile->head_dim; d += kLanes) _mm512_store_ps(out + d, _mm512_mul_ps(_mm512_load_ps(out + d), r));
    _mm512_store_ps(l, _mm512_mul_ps(_mm512_load_ps(l), r));
    tile->m[i] = m = max;
  }
  __m512 sum = _mm512_load_ps(l);
  for (int g = 0; g < kGroups; ++g) {
    x[g] = exp2_of_difference<Op::kDegree>(_mm512_sub_ps(x[g], _mm512_set1_ps(m)));  // -inf gives 0
    sum = _mm512_add_ps(sum, x[g]);
  }
  _mm512_store_ps(l, sum);
  return Op::weights(x, v, tile->head_dim, words);
}

// out[..][d0 .. d0 + 16*kC) += probabilities * V over slots [t0, t1).
template <typename Op, size_t kQ, size_t kC>
void values(const AttnTile* tile, const unsigned char* v, const uint32_t* words, const float* scale, int d0, int t0, int t1) {
  constexpr int kStride = kAttnSlots * Op::kWords / Op::kPerLine;  // words per query
  const int64_t row_bytes = static_cast<int64_t>(tile->head_dim) * 4;
  const int64_t n_full = t1 / Op::kPerLine;
  const unsigned char* p = v + (t0 / Op::kPerLine) * row_bytes + d0 * 4;
  const ptrdiff_t next = tile->next;
  float* out = tile->out + d0;
  typename Op::Acc acc[kQ][kC];
  for (size_t i = 0; i < kQ; ++i) {
    for (size_t c = 0; c < kC; ++c) acc[i][c] = Op::begin(out + static_cast<int64_t>(i) * tile->head_dim + c * kLanes);
  }
  int64_t line = t0 / Op::kPerLine;
  for (; line < n_full; ++line, p += row_bytes) {
    typename Op::Line operands[kC];
#pragma GCC unroll 4
    for (size_t c = 0; c < kC; ++c) {
      operands[c] = Op::line(p + c * 64);
      prefetch(p + c * 64, next);
    }
#pragma GCC unroll 12
    for (size_t i = 0; i < kQ; ++i) {
#pragma GCC unroll 4
      for (size_t c = 0; c < kC; ++c) acc[i][c] = Op::dot(acc[i][c], operands[c], words + i * kStride + line * Op::kWords);
    }
  }
  const int n_left = t1 % Op::kPerLine;
  if (Op::kPerLine > 1 && n_left != 0) {  // slots beyond t1 may hold anything, and 0 * NaN is NaN
    for (size_t c = 0; c < kC; ++c) {
      const typename Op::Line operand = Op::tail(p + c * 64, n_left);
      for (size_t i = 0; i < kQ; ++i) acc[i][c] = Op::dot(acc[i][c], operand, words + i * kStride + line * Op::kWords);
    }
  }
  for (size_t i = 0; i < kQ; ++i) {
    for (size_t c = 0; c < kC; ++c) Op::end(out + static_cast<int64_t>(i) * tile->head_dim + c * kLanes, acc[i][c], scale[i]);
  }
}

template <typename Op, size_t kQ>
void block(const AttnTile* tile, const unsigned char* k, const unsigned char* v) {
  uint64_t visible[kQ];
  int t0 = kAttnSlots;
  int t1 = 0;
  for (size_t i = 0; i < kQ; ++i) {
    const int lo = tile->lo[i];
    const int hi = tile->hi[i];
    visible[i] = lo < hi ? (~uint64_t{0} >> (kAttnSlots - hi)) & (~uint64_t{0} << lo) : 0;
    if (lo < hi && lo < t0) t0 = lo;
    if (lo < hi && hi > t1) t1 = hi;
  }
  if (t0 >= t1) return;

  // Accumulators: at most 12 for scores (few queries take several groups at once, so that latency is hidden), 24 for values.
  constexpr size_t kG = kQ <= 3 ? 4 : kQ <= 6 ? 2 : 1;
  constexpr size_t kC = kQ * 4 + sizeof(typename Op::Line) / 16 <= 30 ? 4 : 2;  // accumulators and 4 lines in 32 registers
  alignas(64) float s[kQ * kAttnSlots];
  alignas(64) uint32_t words[kQ * kAttnSlots];
  float scale[kQ];
  constexpr int kKeys = static_cast<int>(kG) * kLanes;
  for (int t = t0 / kKeys * kKeys; t < t1; t += kKeys) scores<Op, kQ, kG>(tile, k, static_cast<size_t>(t / kLanes), s);
  for (size_t i = 0; i < kQ; ++i) {
    uint32_t* own = words + i * (kAttnSlots * Op::kWords / Op::kPerLine);
    if (visible[i] != 0) {
      scale[i] = softmax<Op>(tile, i, visible[i], s + i * kAttnSlots, v, own);
    } else {
      scale[i] = 0;
      for (int t = 0; t < kAttnSlots * Op::kWords / Op::kPerLine; ++t) own[t] = 0;
    }
  }
  constexpr int kColumns = static_cast<int>(kC) * kLanes;
  int d = 0;
  for (; d + kColumns <= tile->head_dim; d += kColumns) values<Op, kQ, kC>(tile, v, words, scale, d, t0, t1);
  for (; d < tile->head_dim; d += kLanes) values<Op, kQ, 1>(tile, v, words, scale, d, t0, t1);
}

template <typename Op>
void attn_block(const AttnTile* tile, const void* k, const void* v) {
  using Fn = void (*)(const AttnTile*, const unsigned char*, const unsigned char*);
  static constexpr Fn kByWidth[kAttnQueries] = {block<Op, 1>, block<Op, 2>, block<Op, 3>, block<Op, 4>,  block<Op, 5>,  block<Op, 6>,
                                                block<Op, 7>, block<Op, 8>, block<Op, 9>, block<Op, 10>, block<Op, 11>, block<Op, 12>};
  kByWidth[tile->n_q - 1](tile, static_cast<const unsigned char*>(k), static_cast<const unsigned char*>(v));
}

}  // namespace
}  // namespace firesteel
