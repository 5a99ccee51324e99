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

enum { kPanelRows = 16, kTileK = 256, kMaxCols = 12, kActBlock = 32 };

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

// src: first of 16 rows, row_bytes apart; rows at or beyond n_rows (< 16 for the last panel) are filled with zeros (d = m = 0).
// Unpacks k = 256*tile .. of `n_blocks` blocks of 32 (8 except at the end of a row whose length is not a multiple of 256).
typedef void (*UnpackQFn)(const uint8_t* src, size_t row_bytes, int n_rows, int64_t tile, int n_blocks, QTile* out);

// The same for float tiles: f32 [n_k][16], for the float path: k = k0 .. k0+n_k (k0 and n_k multiples of the type's block).
typedef void (*UnpackF32Fn)(const uint8_t* src, size_t row_bytes, int n_rows, int64_t k0, int64_t n_k, float* out);
// bf16 source only: [n_k/2][16][2]; an odd last k is padded with zero.
typedef void (*UnpackBf16Fn)(const uint8_t* src, size_t row_bytes, int n_rows, int64_t k0, int64_t n_k, uint16_t* out);

// ---- Activations ----------------------------------------------------------------------------------------------------
// Columns are grouped in column tiles of width w <= 12, packed for broadcast: no stride is ever a multiple of 4 KiB.
// int8 column tile: for each block of 32 k, kActBlockBytes(w) bytes:
//   f32 scale[w]; f32 sum16[2][w]; f32 sum32[w]; i32 corr16[2][w]; i32 corr32[w]; i8 q[8][w][4]
// with scale = amax/127 (0 for an all-zero block), q = round-half-even(x / scale), isum = sum of q over the (half) block,
// sum = scale * isum, corr = -128 * isum.
// f32 column tile: [K][w]. bf16 column tile: [(K+1)/2][w][2].
enum { kActBlockFixedBytes = 28, kActBlockColBytes = 60 };  // 7 words + 32 values

// x: [w][ldx] f32 rows (column n of the tile is x + n*ldx, or x + index[n]*ldx when index is not null).
typedef void (*PackActsFn)(const float* x, int64_t ldx, const int32_t* index, int w, int64_t k, void* out);

// ---- Dot products ---------------------------------------------------------------------------------------------------
// acc [w][16] f32, in and out: acc[n][r] += sum over the blocks, in order of k:
//   kBiased: acc = fma(float(isum(q*a) + corr), d * scale, acc) per sub-block
//   kMin:    acc = fma(float(isum(q*a)), d * scale, acc); acc = fma(-m, sum, acc) per sub-block
// tiles: consecutive QTiles covering n_blocks blocks of 32. acts: the column tile at the first of these blocks.
typedef void (*QDotFn)(float* acc, int w, const QTile* tiles, int64_t n_blocks, const void* acts);
// acc[n][r] = fma(tile[k][r], acts[k][n], acc[n][r]) for k in order.
typedef void (*FDotFn)(float* acc, int w, const float* tile, int64_t n_k, const float* acts);
// Pairs (2j, 2j+1) of bf16 products added to f32: as vdpbf16ps where there is one, emulated elsewhere.
typedef void (*BDotFn)(float* acc, int w, const uint16_t* tile, int64_t n_pairs, const uint16_t* acts);

// ---- Attention ------------------------------------------------------------------------------------------------------
// Online softmax over one KV block for a tile of up to 12 queries that share a KV head. Scores are in base 2: the caller scales
// q by scale * log2(e). Query i sees slots [lo[i], hi[i]) of this block (lo >= hi: nothing, its state stays untouched).
// State per query: out [head_dim] f32 (unnormalised), m (running maximum, -inf at first), l [16] partial sums of the
// denominator (one per key lane; the caller adds them up in lane order). Fixed order: keys in lanes of 16, PV in slot order.
// softcap: 0, or c for s = c*tanh(s/c) (in the caller's natural-log scale: the kernel converts).
struct AttnTile {
  int n_q;              // 1..12
  int head_dim;         // multiple of 16, <= 512
  const float* q;       // [n_q][head_dim], scaled
  float* out;           // [n_q][head_dim]
  float* m;             // [n_q]
  float* l;             // [n_q][16]
  const int* lo;        // [n_q]
  const int* hi;        // [n_q]
  float softcap;
};
typedef void (*AttnBlockFn)(const AttnTile* tile, const void* k, const void* v);
// Writes one token's key and value (f32 [head_dim] each) into slot `slot` of a (layer, head) of a block.
typedef void (*KvWriteFn)(void* k, void* v, int slot, int head_dim, const float* key, const float* value);

// ---- Element-wise and rows (dim > 0, any dim) -----------------------------------------------------------------------
// out = x * weight / sqrt(mean(x^2) + eps); weight may be null (ones). Sum of squares in 16 lanes, then lanes in order.
typedef void (*RmsNormFn)(float* out, const float* x, const float* weight, int64_t dim, float eps);
typedef void (*GluFn)(float* out, const float* gate, const float* up, int64_t n);  // out = act(gate) * up
// Rotates the first n_pairs*2 values of one head: cs [n_pairs][2] = cos, sin. neox: pairs (i, i+n_pairs), else (2i, 2i+1).
typedef void (*RopeFn)(float* head, const float* cs, int64_t n_pairs, int neox);
typedef void (*AddFn)(float* x, const float* y, int64_t n);          // x += y
typedef void (*AxpyFn)(float* x, const float* y, float a, int64_t n);  // x = fma(a, y, x)
typedef float (*MaxFn)(const float* x, int64_t n);                    // n > 0
// Sum of exp((x - max) * scale), in f64 over fixed lanes of 16, then lanes in order.
typedef double (*SumExpFn)(const float* x, int64_t n, float max, float scale);

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
  FDotFn fdot;
  BDotFn bdot;
  AttnBlockFn attn_block[3];  // by KvType
  KvWriteFn kv_write[3];
  RmsNormFn rms_norm;
  GluFn silu_mul;
  GluFn gelu_mul;  // tanh approximation
  RopeFn rope;
  AddFn add;
  AxpyFn axpy;
  MaxFn max_value;
  SumExpFn sum_exp;
};

// One per column; each copies generic_table() and overrides what it improves.
KernelTable generic_table();
KernelTable avx2_table();
KernelTable avx512_table();
KernelTable neon_table();

}  // namespace firesteel
