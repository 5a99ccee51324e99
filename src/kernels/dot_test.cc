// Packed activations and tile products of every column against generic: bit for bit, except bf16 products.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <memory>

#include "base/rng.h"
#include "kernels/dispatch.h"
#include "kernels/matmul.h"
#include "kernels/test_weights.h"
#include "tensor/half.h"

namespace firesteel {
namespace {

constexpr uint64_t kSeed = 77001;

std::vector<float> random_floats(size_t n, Rng* rng) {
  std::vector<float> values(n);
  for (float& value : values) value = static_cast<float>(rng->normal());
  return values;
}

class DotIsa : public testing::TestWithParam<std::string> {
 protected:
  const KernelTable generic_ = generic_table();
  const KernelTable& table_ = **kernel_table(GetParam());
};

bool same_bytes(const std::vector<float>& a, const std::vector<float>& b) { return std::memcmp(a.data(), b.data(), a.size() * 4) == 0; }

TEST(PackActs, Int8BlockHoldsScaleSumsAndCodes) {
  const KernelTable table = generic_table();
  std::vector<float> x(32, 0.0f);
  x[0] = -254.0f;  // scale 2
  x[1] = 1.0f;     // 0.5 rounds to even: 0
  x[2] = 3.0f;     // 1.5 rounds to even: 2
  x[31] = 6.0f;
  std::vector<uint8_t> out(kActBlockColBytes);
  table.pack_acts_int8(x.data(), 32, nullptr, 1, 32, out.data());
  float words[4];
  int32_t corr[3];
  std::memcpy(words, out.data(), 16);
  std::memcpy(corr, out.data() + 16, 12);
  EXPECT_EQ(words[0], 2.0f);
  EXPECT_EQ(words[1], 2.0f * (-127 + 2));
  EXPECT_EQ(words[2], 2.0f * 3);
  EXPECT_EQ(words[3], 2.0f * (-127 + 5));
  EXPECT_EQ(corr[0], 128 * 125);
  EXPECT_EQ(corr[1], -128 * 3);
  EXPECT_EQ(corr[2], 128 * 122);
  EXPECT_EQ(static_cast<int8_t>(out[28]), -127);
  EXPECT_EQ(out[29], 0);
  EXPECT_EQ(out[30], 2);
  EXPECT_EQ(out[59], 3);
}

TEST_P(DotIsa, PackedActivationsEqualGeneric) {
  Rng rng(kSeed);
  const float specials[] = {0.0f, -0.0f, 1e-31f, -1e-44f, 3e38f, std::numeric_limits<float>::infinity(), std::nanf("")};
  for (int w = 1; w <= kMaxCols; ++w) {
    for (const int64_t k : {int64_t{32}, int64_t{96}, int64_t{256}}) {
      const int64_t ldx = k + 5;
      std::vector<float> x = random_floats(static_cast<size_t>(ldx * 20), &rng);
      for (size_t i = 0; i < x.size(); i += 41) x[i] = specials[rng.below(7)];
      for (int64_t i = 0; i < 32; ++i) x[static_cast<size_t>(i)] = 0.0f;
      std::vector<int32_t> index;
      for (int n = 0; n < w; ++n) index.push_back(static_cast<int32_t>(rng.below(20)));
      for (const int32_t* rows : {static_cast<const int32_t*>(nullptr), static_cast<const int32_t*>(index.data())}) {
        const auto same = [&](PackActsFn expected_fn, PackActsFn actual_fn, int64_t n_k, size_t n_bytes) {
          std::vector<uint8_t> expected(n_bytes), actual(n_bytes);
          expected_fn(x.data(), ldx, rows, w, n_k, expected.data());
          actual_fn(x.data(), ldx, rows, w, n_k, actual.data());
          return expected == actual;
        };
        EXPECT_TRUE(same(generic_.pack_acts_int8, table_.pack_acts_int8, k, static_cast<size_t>(k / 32 * kActBlockColBytes * w))) << w << " " << k;
        for (const int64_t n_k : {k, k - 1, k - 31, k - 17}) {
          EXPECT_TRUE(same(generic_.pack_acts_f32, table_.pack_acts_f32, n_k, static_cast<size_t>(n_k * w * 4))) << w << " " << n_k;
          EXPECT_TRUE(same(generic_.pack_acts_bf16, table_.pack_acts_bf16, n_k, static_cast<size_t>((n_k + 1) / 2 * w * 4))) << w << " " << n_k;
        }
      }
    }
  }
}

std::vector<QTile> random_tiles(size_t n, int kind, Rng* rng) {
  std::vector<QTile> tiles(n);
  for (QTile& tile : tiles) {
    auto* q = &tile.q[0][0][0][0];
    for (size_t i = 0; i < sizeof tile.q; ++i) q[i] = static_cast<uint8_t>(kind >= kMin32 ? rng->below(32) : rng->below(256));
    for (int s = 0; s < 16; ++s) {
      for (int r = 0; r < kPanelRows; ++r) {
        tile.d[s][r] = static_cast<float>(rng->normal() * 0.01);
        tile.m[s][r] = static_cast<float>(rng->normal() * 0.1);
      }
    }
  }
  return tiles;
}

TEST_P(DotIsa, QuantisedProductsEqualGenericAtEveryWidthAndLength) {
  Rng rng(kSeed + 1);
  for (int kind = 0; kind < 4; ++kind) {
    const std::vector<QTile> tiles = random_tiles(9, kind, &rng);
    for (int w = 1; w <= kMaxCols; ++w) {
      for (const int n_blocks : {1, 2, 3, 8, 9, 16, 20, 24}) {
        const int n_panels = 1 + (w + n_blocks) % 3;
        if (n_blocks % 8 != 0 && (kind == kBiased16 || kind == kMin16)) continue;
        const std::vector<float> x = random_floats(static_cast<size_t>(w * n_blocks * 32), &rng);
        std::vector<uint8_t> acts(static_cast<size_t>(n_blocks * kActBlockColBytes * w));
        generic_.pack_acts_int8(x.data(), n_blocks * 32, nullptr, w, n_blocks * 32, acts.data());
        std::vector<float> expected = random_floats(static_cast<size_t>(n_panels * kMaxCols * kPanelRows), &rng), actual = expected;
        generic_.qdot[kind](expected.data(), w, n_panels, tiles.data(), n_blocks, acts.data());
        table_.qdot[kind](actual.data(), w, n_panels, tiles.data(), n_blocks, acts.data());
        EXPECT_TRUE(same_bytes(actual, expected)) << "kind " << kind << " w " << w << " blocks " << n_blocks;
      }
    }
  }
}

TEST_P(DotIsa, DecodingAndMultiplyingInOnePassEqualsTiles) {
  Rng rng(kSeed + 6);
  for (int type = 0; type < kNDTypes; ++type) {
    const auto dtype = static_cast<DType>(type);
    for (int w = 1; w <= kMaxCols; ++w) {
      if ((table_.qmul_widths[type] >> w & 1) == 0) continue;
      if (!is_quantised(dtype)) continue;  // see FloatRowsInOnePassEqualTiles
      for (const int n_blocks : {4, 8, 12, 16, 28}) {
        const int64_t k = n_blocks * 32;
        if (k % dtype_info(dtype).block_elems != 0) continue;
        const GuardedBytes src(random_weights(dtype, kPanelRows, k, &rng));
        const std::vector<float> x = random_floats(static_cast<size_t>(w * k), &rng);
        std::vector<uint8_t> acts(static_cast<size_t>(n_blocks * kActBlockColBytes * w));
        generic_.pack_acts_int8(x.data(), k, nullptr, w, k, acts.data());
        std::vector<float> expected = random_floats(static_cast<size_t>(w * kPanelRows), &rng), actual = expected;
        std::vector<QTile> tiles(static_cast<size_t>((n_blocks + 7) / 8));
        for (int t = 0; t * 8 < n_blocks; ++t) {
          generic_.unpack_q[type](src.data, row_bytes(dtype, k), kPanelRows, t, std::min(8, n_blocks - 8 * t), &tiles[static_cast<size_t>(t)]);
        }
        generic_.qdot[tile_kind(dtype)](expected.data(), w, 1, tiles.data(), n_blocks, acts.data());
        table_.qmul[type](actual.data(), w, src.data, row_bytes(dtype, k), n_blocks, acts.data(), src.data);
        EXPECT_TRUE(same_bytes(actual, expected)) << dtype_info(dtype).name << " w " << w << " blocks " << n_blocks;
      }
    }
  }
}

TEST_P(DotIsa, FloatRowsInOnePassEqualTiles) {
  Rng rng(kSeed + 7);
  for (const int type : {kTypeF32, kTypeF16, kTypeBF16}) {
    const auto dtype = static_cast<DType>(type);
    for (int w = 1; w <= kMaxCols; ++w) {
      if ((table_.qmul_widths[type] >> w & 1) == 0) continue;
      for (const int n_blocks : {1, 2, 5}) {
        const int64_t k = n_blocks * 32;
        const GuardedBytes src(random_weights(dtype, kPanelRows, k, &rng));
        const std::vector<float> x = random_floats(static_cast<size_t>(w * k), &rng);
        std::vector<float> expected = random_floats(static_cast<size_t>(w * kPanelRows), &rng), actual = expected;
        std::vector<float> acts(static_cast<size_t>(w * k)), tile(static_cast<size_t>(k * kPanelRows));
        if (type == kTypeBF16) {  // against this column's own products: the order inside the instruction is not generic's
          generic_.pack_acts_bf16(x.data(), k, nullptr, w, k, acts.data());
          auto* pairs = reinterpret_cast<uint16_t*>(tile.data());
          generic_.unpack_bf16(src.data, row_bytes(dtype, k), kPanelRows, 0, k, pairs);
          table_.bdot(expected.data(), w, 1, pairs, k / 2, reinterpret_cast<const uint16_t*>(acts.data()));
        } else {
          generic_.pack_acts_f32(x.data(), k, nullptr, w, k, acts.data());
          generic_.unpack_f32[type](src.data, row_bytes(dtype, k), kPanelRows, 0, k, tile.data());
          generic_.fdot(expected.data(), w, 1, tile.data(), k, acts.data());
        }
        table_.qmul[type](actual.data(), w, src.data, row_bytes(dtype, k), n_blocks, acts.data(), src.data);
        EXPECT_TRUE(same_bytes(actual, expected)) << dtype_info(dtype).name << " w " << w << " blocks " << n_blocks;
      }
    }
  }
}

TEST_P(DotIsa, ExtremeCodesDoNotSaturate) {
  for (int kind = 0; kind < 4; ++kind) {
    Rng rng(kSeed + 2);
    std::vector<QTile> tiles = random_tiles(1, kind, &rng);
    std::memset(tiles[0].q, kind >= kMin32 ? 31 : 255, sizeof tiles[0].q);
    for (const float sign : {1.0f, -1.0f}) {
      const std::vector<float> x(256, sign);
      std::vector<uint8_t> acts(8 * kActBlockColBytes);
      generic_.pack_acts_int8(x.data(), 256, nullptr, 1, 256, acts.data());
      std::vector<float> expected(kPanelRows, 0.0f), actual(kPanelRows, 0.0f);
      generic_.qdot[kind](expected.data(), 1, 1, tiles.data(), 8, acts.data());
      table_.qdot[kind](actual.data(), 1, 1, tiles.data(), 8, acts.data());
      EXPECT_TRUE(same_bytes(actual, expected)) << kind;
    }
  }
}

TEST_P(DotIsa, ColumnsDoNotInfluenceEachOtherAndChunksAddUp) {
  Rng rng(kSeed + 3);
  constexpr int kBlocks = 24;
  for (int kind = 0; kind < 4; ++kind) {
    const std::vector<QTile> tiles = random_tiles(3, kind, &rng);
    const std::vector<float> x = random_floats(kMaxCols * kBlocks * 32, &rng);
    std::vector<float> together(kMaxCols * kPanelRows, 0.0f);
    std::vector<uint8_t> acts(kBlocks * kActBlockColBytes * kMaxCols);
    table_.pack_acts_int8(x.data(), kBlocks * 32, nullptr, kMaxCols, kBlocks * 32, acts.data());
    table_.qdot[kind](together.data(), kMaxCols, 1, tiles.data(), kBlocks, acts.data());
    for (int n = 0; n < kMaxCols; ++n) {
      std::vector<float> alone(kPanelRows, 0.0f);
      std::vector<uint8_t> column(kBlocks * kActBlockColBytes);
      table_.pack_acts_int8(x.data() + n * kBlocks * 32, 0, nullptr, 1, kBlocks * 32, column.data());
      for (int first = 0; first < kBlocks; first += 8) {  // a tile at a time
        table_.qdot[kind](alone.data(), 1, 1, tiles.data() + first / 8, 8, column.data() + first * kActBlockColBytes);
      }
      EXPECT_EQ(std::memcmp(alone.data(), together.data() + n * kPanelRows, kPanelRows * 4), 0) << kind << " column " << n;
    }
  }
}

TEST_P(DotIsa, F32ProductsEqualGeneric) {
  Rng rng(kSeed + 4);
  for (int w = 1; w <= kMaxCols; ++w) {
    for (const int n_panels : {1, 2, 3, 4}) {
      for (const int n_k : {1, 2, 5, 64, 129}) {
        const std::vector<float> tiles = random_floats(static_cast<size_t>(n_panels * n_k * kPanelRows), &rng);
        const std::vector<float> acts = random_floats(static_cast<size_t>(n_k * w), &rng);
        std::vector<float> expected = random_floats(static_cast<size_t>(n_panels * kMaxCols * kPanelRows), &rng), actual = expected;
        generic_.fdot(expected.data(), w, n_panels, tiles.data(), n_k, acts.data());
        table_.fdot(actual.data(), w, n_panels, tiles.data(), n_k, acts.data());
        EXPECT_TRUE(same_bytes(actual, expected)) << "w " << w << " panels " << n_panels << " k " << n_k;
      }
    }
  }
}

// bf16 products are exact in f32, so only the additions round: |error| <= 2 * n_additions * 2^-24 * sum |w a| for two orders.
// Which panels are multiplied together must not show at all.
TEST_P(DotIsa, Bf16ProductsAreWithinRoundingOfGeneric) {
  Rng rng(kSeed + 5);
  const auto random_bf16 = [&rng](size_t n) {
    std::vector<uint16_t> values(n);
    for (uint16_t& value : values) value = f32_to_bf16(static_cast<float>(rng.normal()));
    return values;
  };
  for (int w = 1; w <= kMaxCols; ++w) {
    for (const int n_pairs : {1, 3, 64, 130}) {
      constexpr int kPanels = 4;
      const int tile_size = n_pairs * kPanelRows * 2;
      const std::vector<uint16_t> tiles = random_bf16(static_cast<size_t>(kPanels * tile_size));
      const std::vector<uint16_t> acts = random_bf16(static_cast<size_t>(n_pairs * w * 2));
      std::vector<float> expected(kPanels * kMaxCols * kPanelRows, 0.0f), actual = expected, one_by_one = expected;
      generic_.bdot(expected.data(), w, kPanels, tiles.data(), n_pairs, acts.data());
      table_.bdot(actual.data(), w, kPanels, tiles.data(), n_pairs, acts.data());
      for (int p = 0; p < kPanels; ++p) {
        table_.bdot(one_by_one.data() + p * kMaxCols * kPanelRows, w, 1, tiles.data() + p * tile_size, n_pairs, acts.data());
        for (int n = 0; n < w; ++n) {
          for (int r = 0; r < kPanelRows; ++r) {
            double magnitude = 0;
            for (int i = 0; i < 2 * n_pairs; ++i) {
              const auto weight_at = static_cast<size_t>(p * tile_size + (i / 2 * kPanelRows + r) * 2 + i % 2);
              magnitude += std::fabs(static_cast<double>(bf16_to_f32(tiles[weight_at])) *
                                     static_cast<double>(bf16_to_f32(acts[static_cast<size_t>((i / 2 * w + n) * 2 + i % 2)])));
            }
            const auto at = static_cast<size_t>((p * kMaxCols + n) * kPanelRows + r);
            EXPECT_NEAR(actual[at], expected[at], 4.0 * n_pairs * 0x1.0p-24 * magnitude);
          }
        }
      }
      EXPECT_TRUE(same_bytes(one_by_one, actual));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Isas, DotIsa, testing::ValuesIn(available_isas()), [](const auto& param) { return param.param; });

}  // namespace
}  // namespace firesteel
