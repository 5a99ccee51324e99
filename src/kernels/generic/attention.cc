// Attention over one KV block, the write of keys and values, and what joins states: the specification in table.h, spelled out.
// Loops run over lanes of 16 keys or over head_dim innermost, so that a compiler can use vectors where it has fused multiply-add.
#include "kernels/generic/exp2.h"
#include "kernels/generic/parts.h"
#include "tensor/half.h"
#include "tensor/kv_layout.h"

namespace firesteel {
namespace {

constexpr int kLanes = 16;
static_assert(kAttnSlots == kKvBlockTokens);
static_assert(static_cast<int>(KvType::kF32) == static_cast<int>(kTableKvF32));
static_assert(static_cast<int>(KvType::kBF16) == static_cast<int>(kTableKvBf16));
static_assert(static_cast<int>(KvType::kInt8) == static_cast<int>(kTableKvInt8));

template <typename T>
T* at(void* base, size_t byte) {
  return reinterpret_cast<T*>(static_cast<unsigned char*>(base) + byte);
}

template <typename T>
const T* at(const void* base, size_t byte) {
  return reinterpret_cast<const T*>(static_cast<const unsigned char*>(base) + byte);
}

float max_magnitude(const float* x, int n) {
  float max = 0;
  for (int i = 0; i < n; ++i) {
    const float magnitude = fabsf(x[i]);
    max = magnitude > max || magnitude != magnitude ? magnitude : max;
    if (max != max) return max;
  }
  return max;
}

// Offset of the scales behind the 64 * head_dim bytes of an int8 half block.
size_t scales_at(int head_dim) { return static_cast<size_t>(kAttnSlots) * static_cast<size_t>(head_dim); }

// ---- Queries --------------------------------------------------------------------------------------------------------

void pack_q_f32(const float* q, int head_dim, float scale, void* record) {
  float* out = at<float>(record, 0);
  for (int d = 0; d < head_dim; ++d) out[d] = q[d] * scale;
}

void pack_q_bf16(const float* q, int head_dim, float scale, void* record) {
  uint16_t* out = at<uint16_t>(record, 0);
  for (int d = 0; d < head_dim; ++d) out[d] = f32_to_bf16(q[d] * scale);
}

// Record: i16 [head_dim/4][2][2] = (d, d+2), (d+1, d+3) of each group of four (AVX-512 splits bytes into words that way), then
// f32 amax/32767.
void pack_q_int8(const float* q, int head_dim, float scale, void* record) {
  int16_t* out = at<int16_t>(record, 0);
  const float max = max_magnitude(q, head_dim) * fabsf(scale);
  const bool usable = max >= 1e-30f && max < INFINITY;
  const float inverse = usable ? 32767.0f / max : 0.0f;
  for (int d = 0; d < head_dim; ++d) {
    const int place = (d & ~3) | ((d & 1) << 1) | ((d & 2) >> 1);
    out[place] = static_cast<int16_t>(usable ? round_to_int(q[d] * scale * inverse) : 0);
  }
  *at<float>(record, static_cast<size_t>(head_dim) * 2) = max < 1e-30f ? 0.0f : usable ? max / 32767.0f : NAN;
}

// ---- Scores of one query against 64 keys, 16 at a time, groups [g0, g1) -------------------------------------------------

void scores_f32(const void* record, const void* k, int head_dim, int g0, int g1, float* s) {
  const float* q = at<float>(record, 0);
  for (int g = g0; g < g1; ++g) {
    const float* keys = at<float>(k, 0) + static_cast<ptrdiff_t>(g) * head_dim * kLanes;
    float acc[kLanes] = {};
    for (int d = 0; d < head_dim; ++d) {
      for (int lane = 0; lane < kLanes; ++lane) acc[lane] = fmaf(keys[d * kLanes + lane], q[d], acc[lane]);
    }
    memcpy(s + g * kLanes, acc, sizeof acc);
  }
}

// The products of two bf16 are exact in f32, so a product and a sum are one rounding.
void scores_bf16(const void* record, const void* k, int head_dim, int g0, int g1, float* s) {
  const uint16_t* q = at<uint16_t>(record, 0);
  for (int g = g0; g < g1; ++g) {
    const uint16_t* keys = at<uint16_t>(k, 0) + static_cast<ptrdiff_t>(g) * head_dim * kLanes;
    float acc[kLanes] = {};
    for (int d = 0; d < head_dim; d += 2) {
      const float q0 = bf16_to_f32(q[d]);
      const float q1 = bf16_to_f32(q[d + 1]);
      const uint16_t* pair = keys + d * kLanes;
      for (int lane = 0; lane < kLanes; ++lane) {
        acc[lane] += bf16_to_f32(pair[2 * lane + 1]) * q1;
        acc[lane] += bf16_to_f32(pair[2 * lane]) * q0;
      }
    }
    memcpy(s + g * kLanes, acc, sizeof acc);
  }
}

void scores_int8(const void* record, const void* k, int head_dim, int g0, int g1, float* s) {
  const int16_t* q = at<int16_t>(record, 0);
  const float q_scale = *at<float>(record, static_cast<size_t>(head_dim) * 2);
  const float* k_scale = at<float>(k, scales_at(head_dim));
  for (int g = g0; g < g1; ++g) {
    const int8_t* keys = at<int8_t>(k, 0) + static_cast<ptrdiff_t>(g) * head_dim * kLanes;
    int32_t acc[kLanes] = {};  // |sum| <= 512 * 32767 * 127 < 2^31
    for (int d = 0; d < head_dim; d += 4) {
      for (int lane = 0; lane < kLanes; ++lane) {
        const int8_t* key = keys + d * kLanes + lane * 4;
        acc[lane] += key[0] * q[d] + key[2] * q[d + 1] + key[1] * q[d + 2] + key[3] * q[d + 3];
      }
    }
    for (int lane = 0; lane < kLanes; ++lane) {
      s[g * kLanes + lane] = static_cast<float>(acc[lane]) * (q_scale * k_scale[g * kLanes + lane]);
    }
  }
}

// ---- Probabilities times values: out += sum of p[slot] * v[slot] over slots [t0, t1); p is 0 where this query sees nothing ------

void values_f32(const float* p, const void* v, int head_dim, int t0, int t1, float* out) {
  for (int t = t0; t < t1; ++t) {
    const float* value = at<float>(v, 0) + static_cast<ptrdiff_t>(t) * head_dim;
    for (int d = 0; d < head_dim; ++d) out[d] = fmaf(p[t], value[d], out[d]);
  }
}

void values_bf16(const float* p, const void* v, int head_dim, int t0, int t1, float* out) {
  for (int t = t0 & ~1; t < t1; t += 2) {
    const float p0 = bf16_to_f32(f32_to_bf16(p[t]));
    const float p1 = bf16_to_f32(f32_to_bf16(p[t + 1]));
    const uint16_t* pair = at<uint16_t>(v, 0) + static_cast<ptrdiff_t>(t) * head_dim;
    if (t + 1 < t1) {
      for (int d = 0; d < head_dim; ++d) out[d] += p1 * bf16_to_f32(pair[2 * d + 1]);
    }
    for (int d = 0; d < head_dim; ++d) out[d] += p0 * bf16_to_f32(pair[2 * d]);
  }
}

void values_int8(const float* p, const void* v, int head_dim, int t0, int t1, float* out) {
  const float* v_scale = at<float>(v, scales_at(head_dim));
  float weight[kAttnSlots] = {};
  for (int t = t0; t < t1; ++t) weight[t] = p[t] == 0.0f ? 0.0f : p[t] * v_scale[t];
  const float max = max_magnitude(weight, kAttnSlots);
  const bool usable = max >= 1e-30f && max < INFINITY;
  if (max < 1e-30f) return;
  const float inverse = usable ? 32767.0f / max : 0.0f;
  const float scale = usable ? max / 32767.0f : NAN;
  int32_t p16[kAttnSlots];
  for (int t = 0; t < kAttnSlots; ++t) p16[t] = usable ? round_to_int(weight[t] * inverse) : 0;
  for (int d = 0; d < head_dim; ++d) {
    int32_t sum = 0;
    for (int t = t0; t < t1; ++t) sum += p16[t] * at<int8_t>(v, 0)[((t / 4) * head_dim + d) * 4 + t % 4];
    out[d] = fmaf(static_cast<float>(sum), scale, out[d]);
  }
}

// ---- One block ----------------------------------------------------------------------------------------------------------

using ScoresFn = void (*)(const void*, const void*, int, int, int, float*);
using ValuesFn = void (*)(const float*, const void*, int, int, int, float*);

template <ScoresFn scores, ValuesFn values, int kDegree>
void attn_block(const AttnTile* tile, const void* k, const void* v) {
  const int head_dim = tile->head_dim;
  for (int i = 0; i < tile->n_q; ++i) {
    const int lo = tile->lo[i];
    const int hi = tile->hi[i];
    if (lo >= hi) continue;
    float s[kAttnSlots];
    scores(at<unsigned char>(tile->q, static_cast<size_t>(i) * kAttnQueryBytes), k, head_dim, lo / kLanes,
           (hi + kLanes - 1) / kLanes, s);
    if (tile->cap != 0) {
      for (int t = lo; t < hi; ++t) {
        const float e = exp2_approx<6>(s[t]);
        s[t] = tile->cap * (1.0f - 2.0f / (e + 1.0f));
      }
    }
    float max = kAttnNone;
    for (int t = lo; t < hi; ++t) max = s[t] > max ? s[t] : max;
    float* out = tile->out + static_cast<ptrdiff_t>(i) * head_dim;
    float* l = tile->l + i * kLanes;
    if (max > tile->m[i]) {
      const float r = exp2_approx<kDegree>(tile->m[i] - max);
      for (int d = 0; d < head_dim; ++d) out[d] *= r;
      for (int lane = 0; lane < kLanes; ++lane) l[lane] *= r;
      tile->m[i] = max;
    }
    float p[kAttnSlots] = {};
    for (int t = lo; t < hi; ++t) {
      p[t] = exp2_approx<kDegree>(s[t] - tile->m[i]);
      l[t % kLanes] += p[t];
    }
    values(p, v, head_dim, lo, hi, out);
  }
}

void attn_merge(int n_q, int head_dim, float* out, float* m, float* l, const float* part_out, const float* part_m, const float* part_l) {
  for (int i = 0; i < n_q; ++i) {
    const float max = part_m[i] > m[i] ? part_m[i] : m[i];
    const float a = exp2_approx<6>(m[i] - max);
    const float b = exp2_approx<6>(part_m[i] - max);
    m[i] = max;
    for (int lane = i * kLanes; lane < (i + 1) * kLanes; ++lane) l[lane] = fmaf(part_l[lane], b, l[lane] * a);
    for (ptrdiff_t d = static_cast<ptrdiff_t>(i) * head_dim; d < static_cast<ptrdiff_t>(i + 1) * head_dim; ++d) {
      out[d] = fmaf(part_out[d], b, out[d] * a);
    }
  }
}

void attn_finish(int head_dim, const float* out, const float* l, float* result) {
  float sum = 0;
  for (int lane = 0; lane < kLanes; ++lane) sum += l[lane];
  const float inverse = sum == 0 ? 0.0f : 1.0f / sum;
  for (int d = 0; d < head_dim; ++d) result[d] = fmaf(out[d], inverse, 0.0f);
}

// ---- Writing ------------------------------------------------------------------------------------------------------------

void kv_write_f32(void* k, void* v, int slot, int head_dim, const float* key, const float* value) {
  float* keys = at<float>(k, 0) + static_cast<ptrdiff_t>(slot / kLanes) * head_dim * kLanes + slot % kLanes;
  for (int d = 0; d < head_dim; ++d) keys[d * kLanes] = key[d];
  memcpy(at<float>(v, 0) + static_cast<ptrdiff_t>(slot) * head_dim, value, static_cast<size_t>(head_dim) * sizeof(float));
}

void kv_write_bf16(void* k, void* v, int slot, int head_dim, const float* key, const float* value) {
  uint16_t* keys = at<uint16_t>(k, 0) + static_cast<ptrdiff_t>(slot / kLanes) * head_dim * kLanes + (slot % kLanes) * 2;
  uint16_t* values = at<uint16_t>(v, 0) + static_cast<ptrdiff_t>(slot / 2) * head_dim * 2 + slot % 2;
  for (int d = 0; d < head_dim; ++d) keys[(d / 2) * kLanes * 2 + d % 2] = f32_to_bf16(key[d]);
  for (int d = 0; d < head_dim; ++d) values[d * 2] = f32_to_bf16(value[d]);
}

// Returns the scale; the caller multiplies by `inverse` and rounds.
float int8_scale(const float* x, int n, float* inverse) {
  const float max = max_magnitude(x, n);
  const bool usable = max >= 1e-30f && max < INFINITY;
  *inverse = usable ? 127.0f / max : 0.0f;
  return max < 1e-30f ? 0.0f : usable ? max / 127.0f : NAN;
}

int8_t to_int8(float x, float inverse) { return static_cast<int8_t>(inverse == 0 ? 0 : round_to_int(x * inverse)); }

void kv_write_int8(void* k, void* v, int slot, int head_dim, const float* key, const float* value) {
  int8_t* keys = at<int8_t>(k, 0) + static_cast<ptrdiff_t>(slot / kLanes) * head_dim * kLanes + (slot % kLanes) * 4;
  int8_t* values = at<int8_t>(v, 0) + static_cast<ptrdiff_t>(slot / 4) * head_dim * 4 + slot % 4;
  float inverse = 0;
  at<float>(k, scales_at(head_dim))[slot] = int8_scale(key, head_dim, &inverse);
  for (int d = 0; d < head_dim; ++d) keys[(d / 4) * kLanes * 4 + d % 4] = to_int8(key[d], inverse);
  at<float>(v, scales_at(head_dim))[slot] = int8_scale(value, head_dim, &inverse);
  for (int d = 0; d < head_dim; ++d) values[d * 4] = to_int8(value[d], inverse);
}

}  // namespace

void fill_generic_attention(KernelTable* table) {
  table->attn_pack_q[kTableKvF32] = pack_q_f32;
  table->attn_pack_q[kTableKvBf16] = pack_q_bf16;
  table->attn_pack_q[kTableKvInt8] = pack_q_int8;
  table->attn_block[kTableKvF32] = attn_block<scores_f32, values_f32, 6>;
  table->attn_block[kTableKvBf16] = attn_block<scores_bf16, values_bf16, 4>;
  table->attn_block[kTableKvInt8] = attn_block<scores_int8, values_int8, 4>;
  table->kv_write[kTableKvF32] = kv_write_f32;
  table->kv_write[kTableKvBf16] = kv_write_bf16;
  table->kv_write[kTableKvInt8] = kv_write_int8;
  table->attn_merge = attn_merge;
  table->attn_finish = attn_finish;
}

}  // namespace firesteel
