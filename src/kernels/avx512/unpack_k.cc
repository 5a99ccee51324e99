// Unpackers of the types with super-blocks of 256.
#include <immintrin.h>
#include <string.h>

#include "kernels/avx512/decode_k.h"
#include "kernels/avx512/parts.h"
#include "kernels/avx512/sink.h"

namespace firesteel {
namespace {

template <typename Type>
void unpack(const uint8_t* src, size_t row_bytes, int n_rows, int64_t tile, int, QTile* out) {
  src += tile * Type::kBytes;
  alignas(64) uint8_t copy[kPanelRows * Type::kBytes];
  if (n_rows < kPanelRows) {
    for (int r = 0; r < kPanelRows; ++r) {
      memcpy(copy + r * Type::kBytes, src + static_cast<size_t>(r < n_rows ? r : n_rows - 1) * row_bytes, Type::kBytes);
    }
    src = copy;
    row_bytes = Type::kBytes;
  }
  TileSink sink = {out};
  Type::tile(src, row_bytes, &sink);
}

}  // namespace

void fill_avx512_unpack_k(KernelTable* table) {
  table->unpack_q[kTypeQ2_K] = unpack<Q2_K>;
  table->unpack_q[kTypeQ3_K] = unpack<Q3_K>;
  table->unpack_q[kTypeQ4_K] = unpack<Q4_K>;
  table->unpack_q[kTypeQ5_K] = unpack<Q5_K>;
  table->unpack_q[kTypeQ6_K] = unpack<Q6_K>;
  table->unpack_q[kTypeIQ4_XS] = unpack<IQ4_XS>;
}

}  // namespace firesteel
