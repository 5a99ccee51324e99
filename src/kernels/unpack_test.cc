// Unpackers: generic against tensor/quantise.h, every other column against generic, bit for bit, from buffers before a forbidden page.
#include <gtest/gtest.h>

#include <cstring>
#include <memory>

#include "kernels/dispatch.h"
#include "kernels/matmul.h"
#include "kernels/test_weights.h"
#include "tensor/quantise.h"

namespace firesteel {
namespace {

constexpr uint64_t kSeed = 20240611;

DType type_at(int i) { return static_cast<DType>(i); }
bool has_min(DType dtype) { return tile_kind(dtype) == kMin32 || tile_kind(dtype) == kMin16; }
int n_subs(DType dtype, int n_blocks) { return tile_kind(dtype) == kBiased16 || tile_kind(dtype) == kMin16 ? 16 : n_blocks; }

// Row lengths that end in a whole tile, and for blocks of 32 also in a partial one.
std::vector<int64_t> lengths(DType dtype) {
  if (dtype_info(dtype).block_elems == 256) return {256, 768};
  return {256, 32, 512 + 96, 256 + 224};
}

TEST(UnpackQ, GenericTilesReproduceTheDecoder) {
  const KernelTable table = generic_table();
  Rng rng(kSeed);
  for (int type = 0; type < kNDTypes; ++type) {
    const DType dtype = type_at(type);
    if (!is_quantised(dtype)) {
      EXPECT_EQ(table.unpack_q[type], nullptr);
      continue;
    }
    for (const int64_t k : lengths(dtype)) {
      for (const int n_rows : {16, 1, 7}) {
        SCOPED_TRACE(testing::Message() << dtype_info(dtype).name << " k=" << k << " rows=" << n_rows);
        const size_t ld = row_bytes(dtype, k);
        const GuardedBytes src(random_weights(dtype, n_rows, k, &rng));
        std::vector<float> expected(static_cast<size_t>(k));
        for (int64_t t = 0; t * kTileK < k; ++t) {
          const int n_blocks = static_cast<int>(std::min<int64_t>(8, (k - t * kTileK) / 32));
          auto tile = std::make_unique<QTile>();
          std::memset(tile.get(), 0xA5, sizeof(QTile));
          table.unpack_q[type](src.data, ld, n_rows, t, n_blocks, tile.get());
          for (int r = 0; r < kPanelRows; ++r) {
            if (r < n_rows) dequantise_row(dtype, src.data + static_cast<size_t>(r) * ld, expected.data(), k);
            for (int i = 0; i < 32 * n_blocks; ++i) {
              const int q = tile->q[i / 32][i % 32 / 4][r][i % 4];
              const int s = n_subs(dtype, n_blocks) == 16 ? i / 16 : i / 32;
              const float d = tile->d[s][r];
              const float value = has_min(dtype) ? d * static_cast<float>(q) - tile->m[s][r] : d * static_cast<float>(q - 128);
              ASSERT_EQ(value, expected[static_cast<size_t>(t * kTileK + i)]) << "row " << r << " element " << t * kTileK + i;
              ASSERT_TRUE(!has_min(dtype) || q <= 31);
            }
          }
        }
      }
    }
  }
}

TEST(UnpackF32, GenericReproducesTheDecoderFromAnyBlock) {
  const KernelTable table = generic_table();
  Rng rng(kSeed + 1);
  for (int type = 0; type < kNDTypes; ++type) {
    const DType dtype = type_at(type);
    const int64_t unit = dtype_info(dtype).block_elems, k = 5 * unit;
    for (const int n_rows : {16, 3}) {
      const GuardedBytes src(random_weights(dtype, n_rows, k, &rng));
      for (const int64_t k0 : {int64_t{0}, unit, 3 * unit}) {
        for (const int64_t n_k : {unit, k - k0}) {
          std::vector<float> out(static_cast<size_t>(n_k * kPanelRows), 7.0f), expected(static_cast<size_t>(k));
          table.unpack_f32[type](src.data, row_bytes(dtype, k), n_rows, k0, n_k, out.data());
          for (int r = 0; r < kPanelRows; ++r) {
            if (r < n_rows) dequantise_row(dtype, src.data + static_cast<size_t>(r) * row_bytes(dtype, k), expected.data(), k);
            for (int64_t i = 0; i < n_k; ++i) {
              ASSERT_EQ(out[static_cast<size_t>(i * kPanelRows + r)], expected[static_cast<size_t>(k0 + i)])
                  << dtype_info(dtype).name << " row " << r << " k " << k0 + i;
            }
          }
        }
      }
    }
  }
}

class UnpackIsa : public testing::TestWithParam<std::string> {
 protected:
  const KernelTable generic_ = generic_table();
  const KernelTable& table_ = **kernel_table(GetParam());
};

TEST_P(UnpackIsa, QTilesEqualGeneric) {
  Rng rng(kSeed + 2);
  for (int type = 0; type < kNDTypes; ++type) {
    const DType dtype = type_at(type);
    if (!is_quantised(dtype)) continue;
    for (const int64_t k : lengths(dtype)) {
      for (const int n_rows : {16, 1, 2, 9, 15}) {
        SCOPED_TRACE(testing::Message() << dtype_info(dtype).name << " k=" << k << " rows=" << n_rows);
        const GuardedBytes src(random_weights(dtype, n_rows, k, &rng));
        for (int64_t t = 0; t * kTileK < k; ++t) {
          const int n_blocks = static_cast<int>(std::min<int64_t>(8, (k - t * kTileK) / 32));
          auto expected = std::make_unique<QTile>(), actual = std::make_unique<QTile>();
          generic_.unpack_q[type](src.data, row_bytes(dtype, k), n_rows, t, n_blocks, expected.get());
          table_.unpack_q[type](src.data, row_bytes(dtype, k), n_rows, t, n_blocks, actual.get());
          for (int i = 0; i < 32 * n_blocks; ++i) {
            for (int r = 0; r < kPanelRows; ++r) {
              ASSERT_EQ(actual->q[i / 32][i % 32 / 4][r][i % 4], expected->q[i / 32][i % 32 / 4][r][i % 4]) << "row " << r << " k " << i;
            }
          }
          const size_t n_bytes = static_cast<size_t>(n_subs(dtype, n_blocks)) * kPanelRows * sizeof(float);
          ASSERT_EQ(std::memcmp(actual->d, expected->d, n_bytes), 0);
          ASSERT_TRUE(!has_min(dtype) || std::memcmp(actual->m, expected->m, n_bytes) == 0);
        }
      }
    }
  }
}

TEST_P(UnpackIsa, FloatTilesEqualGeneric) {
  Rng rng(kSeed + 3);
  for (int type = 0; type < kNDTypes; ++type) {
    const DType dtype = type_at(type);
    const int64_t unit = dtype_info(dtype).block_elems;
    for (const int64_t k : {unit, 3 * unit, std::max<int64_t>(unit, 37), int64_t{512}}) {
      if (k % unit != 0) continue;
      for (const int n_rows : {16, 1, 11}) {
        const GuardedBytes src(random_weights(dtype, n_rows, k, &rng));
        for (int64_t k0 = 0; k0 < k; k0 += k <= 3 * unit ? unit : std::max<int64_t>(unit, 64)) {
          const auto n = static_cast<size_t>((k - k0) * kPanelRows);
          std::vector<float> expected(n), actual(n);
          generic_.unpack_f32[type](src.data, row_bytes(dtype, k), n_rows, k0, k - k0, expected.data());
          table_.unpack_f32[type](src.data, row_bytes(dtype, k), n_rows, k0, k - k0, actual.data());
          for (size_t i = 0; i < n; ++i) {
            ASSERT_EQ(std::bit_cast<uint32_t>(actual[i]), std::bit_cast<uint32_t>(expected[i]))
                << dtype_info(dtype).name << " k=" << k << " k0=" << k0 << " rows=" << n_rows << " at " << i;
          }
        }
      }
    }
  }
}

TEST_P(UnpackIsa, Bf16TilesEqualGeneric) {
  Rng rng(kSeed + 4);
  for (const int64_t k : {int64_t{1}, int64_t{2}, int64_t{31}, int64_t{32}, int64_t{33}, int64_t{64}, int64_t{257}}) {
    for (const int n_rows : {16, 1, 11}) {
      const GuardedBytes src(random_weights(DType::kBF16, n_rows, k, &rng));
      for (int64_t k0 = 0; k0 < k; k0 += 32) {
        const auto n = static_cast<size_t>((k - k0 + 1) / 2 * 2 * kPanelRows);
        std::vector<uint16_t> expected(n), actual(n);
        generic_.unpack_bf16(src.data, static_cast<size_t>(k) * 2, n_rows, k0, k - k0, expected.data());
        table_.unpack_bf16(src.data, static_cast<size_t>(k) * 2, n_rows, k0, k - k0, actual.data());
        ASSERT_EQ(actual, expected) << "k=" << k << " k0=" << k0 << " rows=" << n_rows;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Isas, UnpackIsa, testing::ValuesIn(available_isas()), [](const auto& param) { return param.param; });

}  // namespace
}  // namespace firesteel
