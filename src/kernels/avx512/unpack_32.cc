// Unpackers of the types with blocks of 32.
#include <immintrin.h>
#include <string.h>

#include "kernels/avx512/decode_32.h"
#include "kernels/avx512/parts.h"
#include "kernels/avx512/sink.h"

namespace firesteel {
namespace {

template <typename Type>
void unpack(const uint8_t* src, size_t row_bytes, int n_rows, int64_t tile, int n_blocks, QTile* out) {
  src += tile * 8 * Type::kBytes;
  alignas(64) uint8_t copy[kPanelRows * 8 * Type::kBytes];
  if (n_rows < kPanelRows || n_blocks % 4 != 0) {  // ragged: as whole rows of a whole tile, without reading beyond the last byte
    memset(copy, 0, sizeof copy);
    for (int r = 0; r < kPanelRows; ++r) {
      const int row = r < n_rows ? r : n_rows - 1;
      memcpy(copy + r * 8 * Type::kBytes, src + static_cast<size_t>(row) * row_bytes, static_cast<size_t>(n_blocks * Type::kBytes));
    }
    src = copy;
    row_bytes = 8 * Type::kBytes;
  }
  TileSink sink = {out};
#pragma GCC unroll 1
  for (int b = 0; b < n_blocks; b += 4) decode_four_blocks<Type>(src + b * Type::kBytes, row_bytes, b, &sink);
}

}  // namespace

void fill_avx512_unpack_32(KernelTable* table) {
  table->unpack_q[kTypeQ8_0] = unpack<Q8_0>;
  table->unpack_q[kTypeQ4_0] = unpack<Q4_0>;
  table->unpack_q[kTypeQ4_1] = unpack<Q4_1>;
  table->unpack_q[kTypeQ5_0] = unpack<Q5_0>;
  table->unpack_q[kTypeQ5_1] = unpack<Q5_1>;
  table->unpack_q[kTypeIQ4_NL] = unpack<IQ4_NL>;
  table->unpack_q[kTypeMXFP4] = unpack<MXFP4>;
}

}  // namespace firesteel
