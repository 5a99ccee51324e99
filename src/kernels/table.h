// The kernel table: every hot loop behind one function pointer, one column (set of functions) per instruction set.
//
// ISA files include only this header, intrinsics and C headers, keep helpers in an unnamed namespace and export one symbol
// (avx2_table() ...): an inline function compiled with AVX flags could be picked by the linker for everyone. So this header has
// plain structs and pointers only. Threads, memory and shapes are the business of the drivers (matmul.h, attention.h): a table
// function runs on one thread, allocates nothing and cannot fail.
//
// Numbers (invariant 1): each output element has one fixed order of operations that depends on K and head_dim only, never on the
// number of columns, rows, tiles or threads. Columns of a tile do not influence each other. Integer parts are exact and therefore
// the same on every ISA; float parts use explicit fused multiply-add in the same order as generic/, so the quantised matmul is
// bit-identical across ISAs (bf16 products and exp are not; tests state their tolerance).
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace firesteel {

static constexpr int kPanelRows = 16, kTileK = 256, kMaxCols = 12, kActBlock = 32;

// The values of DType (tensor/dtype.h), for files that may not include it; matmul.cc checks that they agree.
enum TableType {
  kTypeF32, kTypeF16, kTypeBF16, kTypeQ8_0, kTypeQ4_0, kTypeQ4_1, kTypeQ5_0, kTypeQ5_1,
  kTypeQ2_K, kTypeQ3_K, kTypeQ4_K, kTypeQ5_K, kTypeQ6_K, kTypeIQ4_NL, kTypeIQ4_XS, kTypeMXFP4,
};

// ---- Weights --------------------------------------------------------------------------------------------------------
// A panel is 16 consecutive rows (output features) of a weight matrix. Whatever the file's type, an unpacker turns
// 16 rows x 256 k into one QTile; the dot kernels know only QTiles. q is unsigned; what it means depends on the kind:
//   kBiased*: w = d * (q - 128)          (Q8_0, Q4_0, Q5_0, IQ4_NL, IQ4_XS, MXFP4: sub-blocks of 32; Q6_K, Q3_K: of 16)
//   kMin*:    w = d * q - m, q <= 31     (Q4_1, Q5_1 (m = -min), Q4_K, Q5_K: 32; Q2_K: 16)
// d and m are indexed [sub-block][row]; with sub-blocks of 32 only the first 8 are used.
enum QTileKind { kBiased32 = 0, kBiased16 = 1, kMin32 = 2, kMin16 = 3 };

struct alignas(64) QTile {
  uint8_t q[8][8][kPanelRows][4];  // [block of 32][group of 4 k][row][k]
  float d[16][kPanelRows];
  float m[16][kPanelRows];
};

// src: first of 16 rows, row_bytes apart; rows at or beyond n_rows (< 16 for the last panel) repeat the last row, so that every
// value is one of the file's; nobody uses their products. Reads no byte beyond the last of the n_rows rows.
// Unpacks k = 256*tile .. of `n_blocks` blocks of 32 (8 except at the end of a row whose length is not a multiple of 256).
typedef void (*UnpackQFn)(const uint8_t* src, size_t row_bytes, int n_rows, int64_t tile, int n_blocks, QTile* out);

// The same for float tiles: f32 [n_k][16], for the float path: k = k0 .. k0+n_k (k0 and n_k multiples of the type's block).
typedef void (*UnpackF32Fn)(const uint8_t* src, size_t row_bytes, int n_rows, int64_t k0, int64_t n_k, float* out);
// bf16 source only: [n_k/2][16][2]; an odd last k is padded with zero.
typedef void (*UnpackBf16Fn)(const uint8_t* src, size_t row_bytes, int n_rows, int64_t k0, int64_t n_k, uint16_t* out);

// ---- Activations ----------------------------------------------------------------------------------------------------
// Columns are grouped in column tiles of width w <= 12, packed for broadcast: no stride is ever a multiple of 4 KiB.
// int8 column tile: for each block of 32 k, w * kActBlockColBytes bytes:
//   f32 scale[w]; f32 sum16[2][w]; f32 sum32[w]; i32 corr16[2][w]; i32 corr32[w]; i8 q[8][w][4]
// with scale = amax/127, q = round-half-even(x * (127/amax)), isum = sum of q over the (half) block, sum = scale * isum,
// corr = -128 * isum. amax < 1e-30: scale and q are 0. A NaN or infinity among the 32: scale is NaN and q is 0, so that it shows.
// f32 column tile: [K][w]. bf16 column tile: [(K+1)/2][w][2].
// k must be a multiple of 32 for int8. A chunk of k can be packed alone, at its offset, when it starts at a multiple of 32.
static constexpr int kActBlockColBytes = 60;  // 7 words + 32 values

// x: [w][ldx] f32 rows (column n of the tile is x + n*ldx, or x + index[n]*ldx when index is not null).
typedef void (*PackActsFn)(const float* x, int64_t ldx, const int32_t* index, int w, int64_t k, void* out);

// ---- Dot products ---------------------------------------------------------------------------------------------------
// Several panels at once, so that what is loaded of the activations serves more than one: sums of panel p at acc + p * kMaxCols * 16,
// acc[n][r] += sum over the blocks, in order of k:
//   kBiased: acc = fma(float(isum(q*a) + corr), d * scale, acc) per sub-block
//   kMin:    acc = fma(float(isum(q*a)), d * scale, acc); acc = fma(-m, sum, acc) per sub-block
// tiles: [n_panels][QTiles that cover n_blocks blocks of 32]. acts: the column tile at the first of these blocks.
// With sub-blocks of 16, those of each half of a tile (128 k) come in the order 0, 2, 4, 6, 1, 3, 5, 7: the order in which the
// file's types decode best. n_blocks is a multiple of 8 then.
typedef void (*QDotFn)(float* acc, int w, int n_panels, const QTile* tiles, int64_t n_blocks, const void* acts);
// Unpacking and multiplying in one pass without a tile in between, for one column tile of int8 activations (types f32 and f16: f32,
// bf16: bf16): the same bytes. 16 whole rows; n_blocks blocks of 32 k, for quantised types a multiple of 4. `next`: 16 * row_bytes
// bytes that will be read soon, or null.
typedef void (*QMulFn)(float* acc, int w, const uint8_t* src, size_t row_bytes, int64_t n_blocks, const void* acts, const uint8_t* next);
// Several panels at once, so that narrow column tiles have enough independent sums: tiles [n_panels][n_k][16], and the sums of
// panel p at acc + p * kMaxCols * 16. acc[n][r] = fma(tile[k][r], acts[k][n], acc[n][r]) for k in order.
typedef void (*FDotFn)(float* acc, int w, int n_panels, const float* tiles, int64_t n_k, const float* acts);
// The same with pairs (2j, 2j+1) of bf16, tiles [n_panels][n_pairs][16][2]: as vdpbf16ps where there is one, emulated elsewhere
// (the odd product is added first, then the even one, each with one rounding).
typedef void (*BDotFn)(float* acc, int w, int n_panels, const uint16_t* tiles, int64_t n_pairs, const uint16_t* acts);

// ---- Attention ------------------------------------------------------------------------------------------------------
// Online softmax over one KV block (kAttnSlots positions; layouts: tensor/kv_layout.h) for a tile of up to kAttnQueries queries
// that share a KV head. Queries of a tile do not influence each other. Scores are in base 2: attn_pack_q scales the query by
// scale * log2(e), or, with a softcap c, by scale * 2*log2(e)/c, and s = cap * tanh(score) with cap = c*log2(e), where
// tanh = 1 - 2/(2^score + 1). Query i sees slots [lo[i], hi[i]), 0 <= lo, hi <= 64 (lo >= hi: nothing, its state stays as it is).
// Slots that no query of the tile sees are not used: they may hold anything.
//
// State of a query: out [head_dim] f32 (unnormalised), m (running maximum, kAttnNone at first), l [16] partial sums of the
// denominator, one per lane (slot % 16). Per block: the maximum of the visible scores; only if it is above m: r = 2^(m - max),
// out *= r, l *= r, m = max. Then p = 2^(s - m) (0 at s - m <= -126, and where not visible), l[slot % 16] += p in slot order, and:
//   f32   s = fma(k, q, s) in order of d;         out = fma(p, v, out) in order of slots
//   bf16  q and p rounded to bf16. s: pairs (2j, 2j+1) of d in order, the odd product added first, then the even one, each with one
//         rounding (the order of vdpbf16ps); out likewise with pairs of slots
//   int8  q is 16-bit: q16 = round(q * (32767/amax)); s = float(isum(q16 * k)) * (amax/32767 * k_scale[slot]); p * v_scale[slot] is
//         16-bit relative to its maximum over the block; out = fma(float(isum(p16 * v)), pmax/32767, out). Sums are exact.
// 2^x is a polynomial (generic/exp2.h), of degree 6 for f32 and 4 otherwise. So f32 and int8 have the same bytes on every ISA.
enum TableKv { kTableKvF32, kTableKvBf16, kTableKvInt8 };  // the values of KvType (tensor/kv_layout.h); generic checks
enum { kAttnSlots = 64, kAttnQueries = 12, kAttnMaxHeadDim = 512, kAttnQueryBytes = kAttnMaxHeadDim * 4 + 64 };
static constexpr float kAttnNone = -1e30f;  // below any score; finite, so that differences of maxima are never NaN

struct AttnTile {
  int n_q;              // 1..12
  int head_dim;         // multiple of 16, <= kAttnMaxHeadDim
  const void* q;        // n_q records of kAttnQueryBytes, by attn_pack_q of the same KvType; 64-byte aligned
  float* out;           // [n_q][head_dim], 64-byte aligned
  float* m;             // [n_q]
  float* l;             // [n_q][16], 64-byte aligned
  const int* lo;        // [n_q]
  const int* hi;        // [n_q]
  float cap;            // 0: no softcap
  ptrdiff_t next;       // a hint: k + next and v + next are read soon (0: nothing known)
};
typedef void (*AttnPackQFn)(const float* q, int head_dim, float scale, void* record);
typedef void (*AttnBlockFn)(const AttnTile* tile, const void* k, const void* v);
// Adds the state of later blocks to that of earlier ones: max = max(m, part_m), a = 2^(m - max), b = 2^(part_m - max) (degree 6),
// out = fma(part_out, b, out * a), l likewise, m = max. Shapes as in AttnTile.
typedef void (*AttnMergeFn)(int n_q, int head_dim, float* out, float* m, float* l, const float* part_out, const float* part_m,
                            const float* part_l);
// result = fma(out, 1 / (sum of l in lane order), +0); zeros when nothing was visible. The +0 removes the sign of a zero, which
// may depend on the tile (0 * v of slots that only other queries see).
typedef void (*AttnFinishFn)(int head_dim, const float* out, const float* l, float* result);
// Writes one token's key and value (f32 [head_dim] each) into slot `slot` of a (layer, head) of a block, and touches no byte of
// other slots. int8: scale = amax/127, q = round-half-even(x * (127/amax)), all 0 when amax < 1e-30; NaN scale when x is not finite.
typedef void (*KvWriteFn)(void* k, void* v, int slot, int head_dim, const float* key, const float* value);

// ---- Element-wise and rows (dim > 0, any dim; the same bytes on every ISA) ----------------------------------------------
// out = x * (1 / sqrt(sum/dim + eps)) * weight; weight may be null (ones); out may be x. Sum of squares by fma in 16 lanes (i % 16),
// then lanes in order.
typedef void (*RmsNormFn)(float* out, const float* x, const float* weight, int64_t dim, float eps);
// out = act(gate) * up; out may be gate or up. silu(g) = g / (1 + e^-g); gelu (tanh form) = g / (1 + e^(-2u)) with
// u = sqrt(2/pi) * (g + 0.044715 g^3). e^x as in generic/exp2.h.
typedef void (*GluFn)(float* out, const float* gate, const float* up, int64_t n);
// Rotates the first n_pairs*2 values of one head: cs [n_pairs][2] = cos, sin. neox: pairs (i, i+n_pairs), else (2i, 2i+1).
// (a, b) becomes fma(a, cos, -(b*sin)), fma(a, sin, b*cos).
typedef void (*RopeFn)(float* head, const float* cs, int64_t n_pairs, int neox);
typedef void (*AddFn)(float* x, const float* y, int64_t n);          // x += y
typedef void (*AxpyFn)(float* x, const float* y, float a, int64_t n);  // x = fma(a, y, x)
typedef float (*MaxFn)(const float* x, int64_t n);                    // n > 0; ignores NaN; -inf if there is nothing else
// Sum of exp((x - max) * scale), max >= every x, as 2^((x - max) * (scale * log2(e))): the argument is rounded to f32, so a term is
// off by 1e-7 of its logarithm. Of each 64, lane j adds (j + j+16) + (j+32 + j+48) in f32 to its sum in f64; then lanes in order.
typedef double (*SumExpFn)(const float* x, int64_t n, float max, float scale);

// ---- Training (drivers: train/) ------------------------------------------------------------------------------------------
// Operands of products are bf16 (or f32: the exact mode), sums are f32. An operand has one of two layouts:
//   rows    [n_rows][k], as activations lie
//   panel   32 columns of the contraction's other side: bf16 [ceil(k/2)][32][2], f32 [k][32]; what lies beyond is zero
// A unit is what one step of the contraction takes: a pair of bf16 (4 bytes), or one f32. Strides of operands are in units.
// Everything but mul has the same bytes on every ISA; mul of bf16 may differ where numbers are subnormal.
enum { kTrainPanel = 32 };
enum TrainType { kTrainBf16, kTrainF32 };

// c[r][j] = sum over the n_units units u, in order, of a(r, u) * panel(u, j), for r < n_rows and j < width (<= 32; others are not
// written). a(r, u) = a + r*a_row + u*a_unit. accumulate: c += the finished sum. Of a pair, the odd product is added first.
typedef void (*TrainMulFn)(const void* a, int64_t a_row, int64_t a_unit, int64_t n_rows, const void* panel, int64_t n_units, float* c, int64_t ldc,
                           int width, int accumulate);
struct TrainTypeKernels {
  TrainMulFn mul;
  void (*store)(const float* x, int64_t n, void* out);       // to the operand's type (to nearest even)
  void (*load)(const void* x, int64_t n, float* out);        // and back
  // One panel whose columns are `width` columns of x [n_k][ld] elements: pairs are of neighbouring rows (an odd last one is
  // completed with zeros).
  void (*pack)(const void* x, int64_t ld, int64_t n_k, int width, void* panel);
  // One panel whose columns are `width` rows of x [width][ld]; k even.
  void (*pack_transposed)(const void* x, int64_t ld, int width, int64_t k, void* panel);
};

struct TrainKernels {
  TrainTypeKernels type[2];  // by TrainType
  // One row. out = x * inv * weight, inv = 1 / sqrt(mean(x^2) + eps): the bytes of rms_norm. Returns inv.
  float (*norm)(float* out, const float* x, const float* weight, int64_t dim, float eps);
  // dx += d loss / d x; d_weight += the row's part.
  void (*norm_backward)(float* dx, float* d_weight, const float* dy, const float* x, const float* weight, float inv, int64_t dim);
  // out = silu(gate) * up is silu_mul above. Backward: d_gate, d_up and once more out. d_out may be d_gate.
  void (*swiglu_backward)(float* out, float* d_gate, float* d_up, const float* d_out, const float* gate, const float* up, int64_t n);
  // scores [n] to probabilities p of scale * score, in place; values n .. n_padded become 0.
  void (*softmax)(float* scores, int64_t n, int64_t n_padded, float scale);
  // dp [n] to d score = scale * p * (dp - sum(dp * p)), in place; zero up to n_padded.
  void (*softmax_backward)(float* dp, const float* p, int64_t n, int64_t n_padded, float scale);
  // logits [n] to d logit = scale * (p - [j == target]), in place. Returns -log p[target]; *hit: target had the largest logit.
  double (*cross_entropy)(float* logits, int64_t n, int64_t target, float scale, int* hit);
  // AdamW: g = grad * grad_scale; m, v moving averages; w -= rate * (m * m_scale / (sqrt(v * v_scale) + eps) + decay * w).
  void (*adamw)(float* w, float* m, float* v, const float* grad, int64_t n, const float* p /* TrainAdam */);
  double (*sum_squares)(const float* x, int64_t n);
};
enum TrainAdam { kAdamGradScale, kAdamBeta1, kAdamBeta2, kAdamEps, kAdamRate, kAdamDecay, kAdamMScale, kAdamVScale, kAdamParams };

struct KernelTable {
  const char* isa;
  // Indexed by DType (tensor/dtype.h), 16 entries; null where the type has no such tile (unpack_q of float types).
  UnpackQFn unpack_q[16];
  UnpackF32Fn unpack_f32[16];
  UnpackBf16Fn unpack_bf16;
  PackActsFn pack_acts_int8;
  PackActsFn pack_acts_f32;
  PackActsFn pack_acts_bf16;
  QDotFn qdot[4];  // by QTileKind
  QMulFn qmul[16];           // by DType, for the widths w with bit w set in ...
  uint16_t qmul_widths[16];  // ... this: those where it is faster than a tile in between; 0: none
  FDotFn fdot;
  BDotFn bdot;
  AttnPackQFn attn_pack_q[3];  // by KvType
  AttnBlockFn attn_block[3];
  KvWriteFn kv_write[3];
  AttnMergeFn attn_merge;
  AttnFinishFn attn_finish;
  RmsNormFn rms_norm;
  GluFn silu_mul;
  GluFn gelu_mul;  // tanh approximation
  RopeFn rope;
  AddFn add;
  AxpyFn axpy;
  MaxFn max_value;
  SumExpFn sum_exp;
  TrainKernels train;
};

// One per column; each copies generic_table() and overrides what it improves.
KernelTable generic_table();
KernelTable avx2_table();
KernelTable avx512_table();
KernelTable neon_table();

}  // namespace firesteel
