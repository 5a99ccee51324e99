#include "tensor/quantise.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "base/rng.h"
#include "tensor/blocks.h"
#include "tensor/half.h"

namespace firesteel {
namespace {

std::vector<float> gaussian(uint64_t seed, size_t n, double sigma) {
  Rng rng(seed);
  std::vector<float> x(n);
  for (float& v : x) v = static_cast<float>(sigma * rng.normal());
  return x;
}

std::vector<float> round_trip(DType dtype, const std::vector<float>& x, const float* importance = nullptr) {
  const auto n = static_cast<int64_t>(x.size());
  std::vector<unsigned char> bytes(row_bytes(dtype, n));  // exact size: the sanitizer sees every step beyond
  quantise_row(dtype, x.data(), bytes.data(), n, importance);
  std::vector<float> y(x.size());
  dequantise_row(dtype, bytes.data(), y.data(), n);
  return y;
}

double relative_error(const std::vector<float>& x, const std::vector<float>& y) {
  double error = 0, energy = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    error += std::pow(static_cast<double>(x[i]) - static_cast<double>(y[i]), 2);
    energy += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  }
  return std::sqrt(error / energy);
}

std::vector<DType> all_types() {
  std::vector<DType> types;
  for (int i = 0; i < kNDTypes; ++i) types.push_back(static_cast<DType>(i));
  return types;
}

// Errors of the usual encoders on normally distributed weights: docs/formats/gguf.md. MXFP4 has the coarsest scale of the 4-bit types.
TEST(Quantise, GaussianRowsMeetTheUsualError) {
  const struct { DType dtype; double expected; } kTable[] = {
      {DType::kF32, 0}, {DType::kF16, 0.0002}, {DType::kBF16, 0.0016}, {DType::kQ8_0, 0.005}, {DType::kQ6_K, 0.018}, {DType::kQ5_K, 0.036},
      {DType::kQ5_1, 0.038}, {DType::kQ5_0, 0.043}, {DType::kQ4_K, 0.071}, {DType::kIQ4_NL, 0.076}, {DType::kIQ4_XS, 0.077},
      {DType::kQ4_1, 0.078}, {DType::kQ4_0, 0.086}, {DType::kQ3_K, 0.15}, {DType::kQ2_K, 0.30}, {DType::kMXFP4, 0.115},
  };
  ASSERT_EQ(std::size(kTable), static_cast<size_t>(kNDTypes));
  for (const double sigma : {0.02, 1.0}) {
    const std::vector<float> x = gaussian(7, 256 * 64, sigma);
    for (const auto& [dtype, expected] : kTable) {
      const double error = relative_error(x, round_trip(dtype, x));
      std::printf("%-6s sigma %.2f: %.4f (expected about %.4f)\n", dtype_info(dtype).name, sigma, error, expected);
      EXPECT_LE(error, expected * 1.1) << dtype_info(dtype).name;
      EXPECT_GE(error, expected * 0.6) << dtype_info(dtype).name << ": better than the format allows, is the test still measuring?";
    }
  }
}

TEST(Quantise, EncodingDecodedValuesLosesLittleMore) {
  const std::vector<float> x = gaussian(8, 256 * 16, 0.05);
  for (const DType dtype : all_types()) {
    const std::vector<float> once = round_trip(dtype, x), twice = round_trip(dtype, once);
    EXPECT_LE(relative_error(once, twice), 0.75 * relative_error(x, once) + 1e-7) << dtype_info(dtype).name;
  }
}

TEST(Quantise, RowsDoNotDependOnTheirNeighbours) {
  const std::vector<float> x = gaussian(9, 512, 1);
  for (const DType dtype : all_types()) {
    std::vector<unsigned char> both(row_bytes(dtype, 512)), one(row_bytes(dtype, 256));
    quantise_row(dtype, x.data(), both.data(), 512);
    quantise_row(dtype, x.data() + 256, one.data(), 256);
    EXPECT_EQ(std::memcmp(both.data() + one.size(), one.data(), one.size()), 0) << dtype_info(dtype).name;
  }
}

TEST(Quantise, ImportantElementsComeOutBetter) {
  const std::vector<float> x = gaussian(10, 256 * 16, 1);
  std::vector<float> importance(x.size(), 1.0f);
  for (size_t i = 0; i < x.size(); i += 4) importance[i] = 100.0f;
  const auto important_error = [&](const std::vector<float>& y) {
    double error = 0;
    for (size_t i = 0; i < x.size(); i += 4) error += std::pow(static_cast<double>(x[i]) - static_cast<double>(y[i]), 2);
    return error;
  };
  for (const DType dtype : {DType::kQ4_0, DType::kQ5_0, DType::kQ2_K, DType::kQ3_K, DType::kQ4_K, DType::kIQ4_NL, DType::kIQ4_XS, DType::kMXFP4}) {
    EXPECT_LT(important_error(round_trip(dtype, x, importance.data())), 0.97 * important_error(round_trip(dtype, x))) << dtype_info(dtype).name;
  }
}

TEST(Quantise, ZerosStayZeros) {
  for (const DType dtype : all_types()) {
    for (const float v : round_trip(dtype, std::vector<float>(512, 0.0f))) EXPECT_EQ(v, 0.0f) << dtype_info(dtype).name;
  }
}

TEST(Quantise, ConstantRowsStayNearlyConstant) {
  for (const float c : {1.0f, -1.0f, 0.003f, -250.0f}) {
    for (const DType dtype : all_types()) {
      const std::vector<float> y = round_trip(dtype, std::vector<float>(256, c));
      // One-sided grids hold the extreme exactly up to f16 and 6-bit scale rounding; E2M1 has 4 and 6 but not 5.
      const float tolerance = dtype == DType::kMXFP4 ? 0.2f : 0.05f;
      for (const float v : y) EXPECT_NEAR(v, c, tolerance * std::fabs(c)) << dtype_info(dtype).name << " of " << c;
    }
  }
}

TEST(Quantise, OutlierSurvivesAndDoesNotPoisonOthers) {
  for (const float outlier : {1000.0f, -1000.0f, 60000.0f}) {
    std::vector<float> x = gaussian(11, 256, 0.01);
    x[77] = outlier;
    for (const DType dtype : all_types()) {
      const std::vector<float> y = round_trip(dtype, x);
      for (size_t i = 0; i < y.size(); ++i) {
        ASSERT_TRUE(std::isfinite(y[i])) << dtype_info(dtype).name;
        if (i != 77) {
          EXPECT_LT(std::fabs(y[i]), std::fabs(outlier) * 0.2f) << dtype_info(dtype).name;
        }
      }
      EXPECT_NEAR(y[77], outlier, std::fabs(outlier) * (dtype == DType::kMXFP4 ? 0.35f : 0.1f)) << dtype_info(dtype).name;
    }
  }
}

TEST(Quantise, AnyFloatGivesFiniteValues) {
  Rng rng(12);
  for (int round = 0; round < 200; ++round) {
    std::vector<float> x(256);
    for (float& v : x) {
      const uint32_t bits = rng.next_u32();  // denormals, infinities, NaN and every magnitude
      std::memcpy(&v, &bits, sizeof v);
    }
    if (round % 4 == 1) for (float& v : x) v = std::ldexp(v, -140);
    if (round % 4 == 2) for (float& v : x) v = std::numeric_limits<float>::denorm_min() * static_cast<float>(rng.below(5));
    if (round % 4 == 3) for (float& v : x) v = rng.below(2) == 0 ? std::numeric_limits<float>::max() : -std::numeric_limits<float>::max();
    for (const DType dtype : all_types()) {
      if (dtype == DType::kF16) continue;  // large values are infinite in f16: converting to it is refused where it matters
      for (const float v : round_trip(dtype, x)) {
        ASSERT_TRUE(std::isfinite(v) || dtype == DType::kBF16) << dtype_info(dtype).name << " round " << round;
      }
    }
  }
}

TEST(Quantise, UnalignedRowsReadAndWriteTheSame) {
  const std::vector<float> x = gaussian(13, 256, 1);
  for (const DType dtype : all_types()) {
    std::vector<unsigned char> aligned(row_bytes(dtype, 256)), odd(aligned.size() + 1);
    quantise_row(dtype, x.data(), aligned.data(), 256);
    quantise_row(dtype, x.data(), odd.data() + 1, 256);
    EXPECT_EQ(std::memcmp(aligned.data(), odd.data() + 1, aligned.size()), 0);
    std::vector<float> a(256), b(256);
    dequantise_row(dtype, aligned.data(), a.data(), 256);
    dequantise_row(dtype, odd.data() + 1, b.data(), 256);
    EXPECT_EQ(a, b) << dtype_info(dtype).name;
  }
}

// Decoders against values worked out by hand from the layout, element by element where order could go wrong.
template <typename Block>
std::vector<float> decode(DType dtype, const Block& block) {
  std::vector<float> y(static_cast<size_t>(dtype_info(dtype).block_elems));
  dequantise_row(dtype, &block, y.data(), static_cast<int64_t>(y.size()));
  return y;
}

constexpr uint16_t kHalf1 = 0x3C00, kHalf2 = 0x4000, kHalfQuarter = 0x3400, kHalfMinus3 = 0xC200, kHalfTiny = 0x0001;

TEST(Dequantise, FourBitBlocks) {
  BlockQ4_0 b{kHalf2, {}};
  b.qs[0] = 0xF0;  // element 0: level 0, element 16: level 15
  b.qs[15] = 0x19;  // element 15: 9, element 31: 1
  const auto y = decode(DType::kQ4_0, b);
  EXPECT_EQ(y[0], -16.0f);
  EXPECT_EQ(y[16], 14.0f);
  EXPECT_EQ(y[15], 2.0f);
  EXPECT_EQ(y[31], -14.0f);
  EXPECT_EQ(y[1], -16.0f);

  BlockQ4_1 c{kHalf2, kHalfMinus3, {}};
  c.qs[2] = 0xA1;
  const auto z = decode(DType::kQ4_1, c);
  EXPECT_EQ(z[2], -1.0f);
  EXPECT_EQ(z[18], 17.0f);
  EXPECT_EQ(z[0], -3.0f);

  BlockIQ4_NL n{kHalf2, {}};
  n.qs[3] = 0xF7;
  const auto v = decode(DType::kIQ4_NL, n);
  EXPECT_EQ(v[3], -20.0f);
  EXPECT_EQ(v[19], 226.0f);
  EXPECT_EQ(v[0], -254.0f);
}

TEST(Dequantise, FiveBitBlocks) {
  BlockQ5_0 b{kHalf1, {0x04, 0, 0x08, 0x80}, {}};  // fifth bits of elements 2, 19 and 31
  b.qs[2] = 0x03;
  b.qs[15] = 0xF0;
  const auto y = decode(DType::kQ5_0, b);
  EXPECT_EQ(y[2], 3.0f);
  EXPECT_EQ(y[19], 0.0f);
  EXPECT_EQ(y[31], 15.0f);
  EXPECT_EQ(y[0], -16.0f);
  BlockQ5_1 c{kHalf1, kHalfQuarter, {0x04, 0, 0x08, 0x80}, {}};
  c.qs[2] = 0x03;
  const auto z = decode(DType::kQ5_1, c);
  EXPECT_EQ(z[2], 19.25f);
  EXPECT_EQ(z[19], 16.25f);
  EXPECT_EQ(z[18], 0.25f);
}

TEST(Dequantise, Q8AndSubnormalScale) {
  BlockQ8_0 b{kHalfTiny, {}};
  b.qs[0] = -128;
  b.qs[31] = 127;
  const auto y = decode(DType::kQ8_0, b);
  EXPECT_EQ(y[0], -128 * 0x1.0p-24f);
  EXPECT_EQ(y[31], 127 * 0x1.0p-24f);
}

TEST(Dequantise, Mxfp4Exponents) {
  BlockMXFP4 b{128, {}};
  for (int q = 0; q < 16; ++q) b.qs[q] = static_cast<uint8_t>(q);
  const auto y = decode(DType::kMXFP4, b);
  const std::vector<float> table = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
  for (size_t q = 0; q < 16; ++q) EXPECT_EQ(y[q], table[q]);
  EXPECT_EQ(mxfp4_scale(0), 0x1.0p-128f);
  EXPECT_EQ(mxfp4_scale(1), 0x1.0p-127f);
  EXPECT_EQ(mxfp4_scale(2), 0x1.0p-126f);
  EXPECT_EQ(mxfp4_scale(254), 0x1.0p126f);
}

TEST(Dequantise, Q4KScalesAndOrder) {
  BlockQ4_K b{};
  b.d = kHalf1;
  b.dmin = kHalf2;
  // Sub-block 1: scale 33, min 5. Sub-block 6: scale 0b101101 = 45, min 0b010011 = 19.
  b.scales[1] = 33;
  b.scales[5] = 5;
  b.scales[10] = static_cast<uint8_t>((45 & 15) | (19 & 15) << 4);
  b.scales[2] = static_cast<uint8_t>((45 >> 4) << 6);
  b.scales[6] = static_cast<uint8_t>((19 >> 4) << 6);
  b.qs[4] = 0x70;        // sub-block 1, element 36: 7
  b.qs[32 * 3 + 9] = 3;  // sub-block 6, element 201: 3
  const auto y = decode(DType::kQ4_K, b);
  EXPECT_EQ(y[36], 33 * 7 - 10.0f);
  EXPECT_EQ(y[37], -10.0f);
  EXPECT_EQ(y[201], 45 * 3 - 38.0f);
  EXPECT_EQ(y[0], 0.0f);
}

TEST(Dequantise, Q5KFifthBits) {
  BlockQ5_K b{};
  b.d = kHalf1;
  b.scales[3] = 2;   // sub-block 3
  b.scales[8] = 3;   // sub-block 4, low bits
  b.qh[7] = 1 << 3;  // element 32*3+7
  b.qs[32 * 1 + 7] = 0x50;
  b.qh[8] = 1 << 4;  // element 32*4+8
  const auto y = decode(DType::kQ5_K, b);
  EXPECT_EQ(y[103], 2 * 21.0f);
  EXPECT_EQ(y[136], 3 * 16.0f);
  EXPECT_EQ(y[135], 0.0f);
}

TEST(Dequantise, Q6KOrder) {
  BlockQ6_K b{};
  b.d = kHalf1;
  for (int i = 0; i < 16; ++i) b.scales[i] = static_cast<int8_t>(i - 8);
  b.ql[64 + 32 + 5] = 0xC3;                // second half: elements 128+32+5 (low), 128+96+5 (high)
  b.qh[32 + 5] = static_cast<uint8_t>(2 << 2 | 3 << 6);
  const auto y = decode(DType::kQ6_K, b);
  EXPECT_EQ(y[165], (10 - 8) * ((3 | 2 << 4) - 32.0f));
  EXPECT_EQ(y[229], (14 - 8) * ((12 | 3 << 4) - 32.0f));
  EXPECT_EQ(y[0], -8 * -32.0f);
}

TEST(Dequantise, Q3KAndQ2KOrder) {
  BlockQ3_K b{};
  b.d = kHalf1;
  b.scales[5] = 0x9 << 4;                       // sub-block 13: low bits 9
  b.scales[8 + 1] = static_cast<uint8_t>(3 << 6);  // and high bits 3: 57 - 32 = 25
  b.qs[32 + 3] = 2 << 4;                        // second half, step 2, l = 3: element 195, sub-block 12
  b.hmask[20] = 1 << 6;                         // element 128 + 64 + 20 = 212, sub-block 13
  const auto y = decode(DType::kQ3_K, b);
  EXPECT_EQ(y[212], 0.0f);
  EXPECT_EQ(y[213], 25 * -4.0f);
  EXPECT_EQ(y[195], -32 * -2.0f);
  BlockQ2_K c{};
  c.d = kHalf1;
  c.dmin = kHalf2;
  c.scales[12] = 0x35;
  c.qs[32 + 3] = 2 << 4;
  const auto z = decode(DType::kQ2_K, c);
  EXPECT_EQ(z[195], 5 * 2 - 2 * 3.0f);
  EXPECT_EQ(z[196], -6.0f);
  EXPECT_EQ(z[212], 0.0f);
}

TEST(Dequantise, Iq4XsScales) {
  BlockIQ4_XS b{};
  b.d = kHalf1;
  b.scales_l[2] = 0x70;                                // sub-block 5: low 7
  b.scales_h = static_cast<uint16_t>(2 << 10);         // high 2: 39 - 32 = 7
  b.qs[16 * 5 + 1] = 0x8F;                             // element 161: 15, element 177: 8
  const auto y = decode(DType::kIQ4_XS, b);
  EXPECT_EQ(y[161], 7 * 113.0f);
  EXPECT_EQ(y[177], 7 * 1.0f);
  EXPECT_EQ(y[0], -32 * -127.0f);
}

TEST(Half, EveryHalfRoundTrips) {
  for (uint32_t h = 0; h < 65536; ++h) {
    const float f = f16_to_f32(static_cast<uint16_t>(h));
    if (std::isnan(f)) continue;
    EXPECT_EQ(f32_to_f16(f), h);
  }
}

TEST(Half, RoundsToNearestEvenBetweenNeighbours) {
  for (uint32_t h = 0; h < 0x7BFF; ++h) {
    const float low = f16_to_f32(static_cast<uint16_t>(h)), high = f16_to_f32(static_cast<uint16_t>(h + 1));
    const float middle = 0.5f * (low + high);  // exact in f32
    EXPECT_EQ(f32_to_f16(middle), h % 2 == 0 ? h : h + 1) << h;
    EXPECT_EQ(f32_to_f16(std::nextafter(middle, 0.0f)), h) << h;
    EXPECT_EQ(f32_to_f16(std::nextafter(middle, 1e9f)), h + 1) << h;
  }
  EXPECT_EQ(f32_to_f16(65519.996f), 0x7BFF);
  EXPECT_EQ(f32_to_f16(65520.0f), 0x7C00);
  EXPECT_EQ(f32_to_bf16(1.00390625f), 0x3F80);  // a tie: to even
}

}  // namespace
}  // namespace firesteel
