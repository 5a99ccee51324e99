// Decoding and multiplying in one pass, for small widths of a column tile; each qmul_*.cc instantiates one type.
//
// Against a tile in between this saves 80 to 96 stores of 64 bytes (2 cycles each) per 16 x 256 weights, and the decoding runs
// beside the products instead of before them: the difference between arithmetic and memory as the limit at small widths.
#pragma once

#include <immintrin.h>

#include "kernels/avx512/decode_32.h"
#include "kernels/avx512/decode_k.h"
#include "kernels/avx512/sink.h"

namespace firesteel {
namespace {

constexpr bool has_min(int kind) { return kind == kMin32 || kind == kMin16; }

template <typename Type, int w>
void qmul_k(float* acc, const uint8_t* src, size_t row_bytes, int64_t n_blocks, const unsigned char* acts, const uint8_t* next) {
  constexpr int kSubs = Type::kKind == kBiased16 || Type::kKind == kMin16 ? 16 : 8;
  DotSink<w, has_min(Type::kKind), (16 * Type::kBytes + 64 * kSubs - 1) / (64 * kSubs)> sink;
  sink.load(acc);
  for (int64_t t = 0; t < n_blocks / 8; ++t) {
    sink.acts = acts + t * 8 * kActBlockColBytes * w;
    sink.next = next != nullptr ? next + t * 16 * Type::kBytes : nullptr;
    Type::tile(src + t * Type::kBytes, row_bytes, &sink);
  }
  sink.store(acc);
}

template <typename Type, int w>
void qmul_32(float* acc, const uint8_t* src, size_t row_bytes, int64_t n_blocks, const unsigned char* acts, const uint8_t* next) {
  DotSink<w, has_min(Type::kKind), (16 * Type::kBytes + 63) / 64> sink;
  sink.load(acc);
  for (int64_t b = 0; b < n_blocks; b += 4) {
    sink.acts = acts + b * kActBlockColBytes * w;
    sink.next = next != nullptr ? next + b * 16 * Type::kBytes : nullptr;
    decode_four_blocks<Type>(src + b * Type::kBytes, row_bytes, 0, &sink);
  }
  sink.store(acc);
}

// A type of super-blocks has tile().
template <typename Type, int w>
void qmul_w(float* acc, const uint8_t* src, size_t row_bytes, int64_t n_blocks, const unsigned char* acts, const uint8_t* next) {
  if constexpr (Type::kBytes > 64) {
    qmul_k<Type, w>(acc, src, row_bytes, n_blocks, acts, next);
  } else {
    qmul_32<Type, w>(acc, src, row_bytes, n_blocks, acts, next);
  }
}

// Widths 1 to 4; for the types that most models use up to 8, and 12: more instances cost compile time, and the gain shrinks with w.
enum class Widths { kSmall, kAll };

template <typename Type, Widths widths>
void qmul(float* acc, int w, const uint8_t* src, size_t row_bytes, int64_t n_blocks, const void* acts, const uint8_t* next) {
  const unsigned char* a = static_cast<const unsigned char*>(acts);
  switch (w) {
    case 1: return qmul_w<Type, 1>(acc, src, row_bytes, n_blocks, a, next);
    case 2: return qmul_w<Type, 2>(acc, src, row_bytes, n_blocks, a, next);
    case 3: return qmul_w<Type, 3>(acc, src, row_bytes, n_blocks, a, next);
    case 4: return qmul_w<Type, 4>(acc, src, row_bytes, n_blocks, a, next);
    default: break;
  }
  if constexpr (widths == Widths::kAll) {
    switch (w) {
      case 5: return qmul_w<Type, 5>(acc, src, row_bytes, n_blocks, a, next);
      case 6: return qmul_w<Type, 6>(acc, src, row_bytes, n_blocks, a, next);
      case 7: return qmul_w<Type, 7>(acc, src, row_bytes, n_blocks, a, next);
      case 8: return qmul_w<Type, 8>(acc, src, row_bytes, n_blocks, a, next);
      case 12: return qmul_w<Type, 12>(acc, src, row_bytes, n_blocks, a, next);
      default: return;
    }
  }
}

template <typename Type, Widths widths>
void set_qmul(KernelTable* table, int type) {
  table->qmul[type] = qmul<Type, widths>;
  table->qmul_widths[type] = widths == Widths::kAll ? 0b1'0001'1111'1110 : 0b1'1110;
}

}  // namespace
}  // namespace firesteel
