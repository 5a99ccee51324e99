#include "image/patches.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/rng.h"

namespace firesteel {
namespace {

RgbImage noise_image(int32_t width, int32_t height, uint64_t seed) {
  RgbImage image{width, height, {}};
  image.pixels.resize(image.offset(0, height));
  Rng rng(seed);
  for (uint8_t& value : image.pixels) value = static_cast<uint8_t>(rng.next_u32() >> 24);
  return image;
}

std::vector<float> patches_of(const RgbImage& image, PatchGrid grid, const PatchParams& params) {
  std::vector<float> out(static_cast<size_t>(grid.n() * params.patch_dim()), -7.0F);
  make_patches(image, grid, params, out);
  return out;
}

// Value of the result pixel (x, y, channel) in the layout of make_patches.
float at(const std::vector<float>& patches, PatchGrid grid, const PatchParams& params, int32_t x, int32_t y, int32_t channel) {
  const int64_t patch = int64_t{y / params.patch_size} * grid.columns + x / params.patch_width();
  const int64_t within = (int64_t{y % params.patch_size} * params.patch_width() + x % params.patch_width()) * 3 + channel;
  return patches[static_cast<size_t>(patch * params.patch_dim() + within)];
}

// What weight source pixel i has in result pixel o of one axis, in floating point and from the definition.
double reference_weight(int32_t n_in, int32_t n_out, int32_t o, int32_t i) {
  const double scale = static_cast<double>(n_in) / n_out;
  if (n_out > n_in) {
    const double position = std::clamp((o + 0.5) * scale - 0.5, 0.0, n_in - 1.0);
    return std::max(0.0, 1.0 - std::abs(position - i));
  }
  return std::max(0.0, std::min((o + 1) * scale, i + 1.0) - std::max(o * scale, static_cast<double>(i))) / scale;
}

double reference_pixel(const RgbImage& image, int32_t n_x, int32_t n_y, int32_t x, int32_t y, int32_t channel) {
  double sum = 0;
  for (int32_t i = 0; i < image.height; ++i) {
    const double weight_y = reference_weight(image.height, n_y, y, i);
    if (weight_y == 0) continue;
    for (int32_t j = 0; j < image.width; ++j) {
      const double weight = weight_y * reference_weight(image.width, n_x, x, j);
      sum += weight * image.pixels[image.offset(j, i) + static_cast<size_t>(channel)];
    }
  }
  return sum / 127.5 - 1.0;
}

uint64_t fnv(const std::vector<float>& values) {
  uint64_t hash = 14695981039346656037U;
  for (const float value : values) {
    hash = (hash ^ std::bit_cast<uint32_t>(value)) * 1099511628211U;
  }
  return hash;
}

TEST(PlanPatches, SmallPicturesGetOnePatchPerTenPixels) {
  const PatchParams params;
  const auto plan = [&](int32_t w, int32_t h) {
    const PatchGrid grid = plan_patches(w, h, params);
    return std::pair(grid.columns, grid.rows);
  };
  EXPECT_EQ(plan(1, 1), std::pair(1, 1));
  EXPECT_EQ(plan(10, 11), std::pair(1, 2));
  EXPECT_EQ(plan(30, 30), std::pair(3, 3));
  EXPECT_EQ(plan(100, 100), std::pair(10, 10));
  EXPECT_EQ(plan(160, 101), std::pair(16, 11));
}

TEST(PlanPatches, LimitsScaleBothSidesDown) {
  PatchParams params;
  const auto plan = [&](int32_t w, int32_t h) {
    const PatchGrid grid = plan_patches(w, h, params);
    return std::pair(grid.columns, grid.rows);
  };
  EXPECT_EQ(plan(1600, 1600), std::pair(16, 16));
  EXPECT_EQ(plan(1600, 800), std::pair(16, 8));
  EXPECT_EQ(plan(800, 1600), std::pair(8, 16));
  EXPECT_EQ(plan(16384, 1), std::pair(16, 1));
  EXPECT_EQ(plan(1, 16384), std::pair(1, 16));
  params.max_patches = 100;
  EXPECT_EQ(plan(1600, 1600), std::pair(10, 10));
  EXPECT_EQ(plan(1600, 900), std::pair(13, 7));
  EXPECT_EQ(plan(101, 100), std::pair(10, 10));
  params.max_patches = 1;
  EXPECT_EQ(plan(5000, 7), std::pair(1, 1));
}

TEST(PlanPatches, HoldsItsLimitsForEveryPicture) {
  Rng rng(11);
  for (int i = 0; i < 20000; ++i) {
    const PatchParams params{16, static_cast<int32_t>(rng.between(1, 40)), static_cast<int32_t>(rng.between(1, 40)),
                             static_cast<int32_t>(rng.between(1, 300))};
    const auto side = [&] { return static_cast<int32_t>(rng.between(1, int64_t{1} << rng.between(0, 14))); };
    const int32_t width = side();
    const int32_t height = side();
    const PatchGrid grid = plan_patches(width, height, params);
    ASSERT_TRUE(grid.columns >= 1 && grid.rows >= 1 && grid.columns <= params.max_side && grid.rows <= params.max_side &&
                grid.n() <= params.max_patches) << width << "x" << height;
    const PatchGrid turned = plan_patches(height, width, params);
    ASSERT_EQ(grid.columns, turned.rows);
    ASSERT_EQ(grid.rows, turned.columns);
  }
}

TEST(PlanPatches, NarrowPatchesLieSideBySideInASquare) {
  PatchParams params{.max_patches = 200, .split = 2};
  const auto plan = [&](int32_t w, int32_t h) {
    const PatchGrid grid = plan_patches(w, h, params);
    return std::pair(grid.columns, grid.rows);
  };
  EXPECT_EQ(params.patch_dim(), 3 * 8 * 16);
  EXPECT_EQ(plan(5, 10), std::pair(1, 1));
  EXPECT_EQ(plan(6, 10), std::pair(2, 1));
  EXPECT_EQ(plan(30, 30), std::pair(6, 3));
  EXPECT_EQ(plan(1000, 1000), std::pair(20, 10));
  EXPECT_EQ(plan(500, 1000), std::pair(14, 14));
  EXPECT_EQ(plan(16384, 1), std::pair(32, 1));
  // The same pixels as squares, in another order.
  const RgbImage image = noise_image(31, 22, 9);
  const PatchGrid narrow{6, 3}, square{3, 3};
  const PatchParams squares;
  const std::vector<float> a = patches_of(image, narrow, params), b = patches_of(image, square, squares);
  for (int32_t y = 0; y < 48; ++y) {
    for (int32_t x = 0; x < 48; ++x) ASSERT_EQ(at(a, narrow, params, x, y, x % 3), at(b, square, squares, x, y, x % 3));
  }
}

TEST(MakePatches, SameSizeIsACopy) {
  const PatchParams params{.patch_size = 4};
  const RgbImage image = noise_image(8, 12, 1);
  const PatchGrid grid{2, 3};
  const std::vector<float> patches = patches_of(image, grid, params);
  for (int32_t y = 0; y < 12; ++y) {
    for (int32_t x = 0; x < 8; ++x) {
      for (int32_t c = 0; c < 3; ++c) {
        const int32_t value = image.pixels[image.offset(x, y) + static_cast<size_t>(c)];
        ASSERT_EQ(at(patches, grid, params, x, y, c), static_cast<float>(2 * value - 255) / 255.0F);
      }
    }
  }
}

TEST(MakePatches, HalvingAverages) {
  const PatchParams params{.patch_size = 1};
  const RgbImage image{2, 2, {0, 10, 255, 4, 20, 255, 8, 30, 255, 12, 40, 255}};
  const std::vector<float> patches = patches_of(image, {1, 1}, params);
  EXPECT_EQ(patches, (std::vector<float>{(2 * 6 - 255) / 255.0F, (2 * 25 - 255) / 255.0F, 1.0F}));
}

TEST(MakePatches, GrowingInterpolatesBetweenCentres) {
  const PatchParams params{.patch_size = 4};
  const RgbImage image{2, 1, {0, 0, 0, 100, 100, 100}};
  const std::vector<float> patches = patches_of(image, {1, 1}, params);
  const float expected[] = {0, 25, 75, 100};  // the outer quarters repeat the edge
  for (int32_t y = 0; y < 4; ++y) {
    for (int32_t x = 0; x < 4; ++x) EXPECT_EQ(at(patches, {1, 1}, params, x, y, 0), (2 * expected[x] - 255) / 255);
  }
}

TEST(MakePatches, OneColourStaysThatColourExactly) {
  for (const int32_t value : {0, 1, 127, 254, 255}) {
    for (const auto& [width, height] : {std::pair(1, 1), std::pair(3, 200), std::pair(99, 101), std::pair(16384, 1)}) {
      RgbImage image{width, height, {}};
      image.pixels.assign(image.offset(0, height), static_cast<uint8_t>(value));
      const PatchParams params;
      for (const float v : patches_of(image, plan_patches(width, height, params), params)) {
        ASSERT_EQ(v, static_cast<float>(2 * value - 255) / 255.0F);
      }
    }
  }
}

TEST(MakePatches, AgreesWithTheDefinitionInFloatingPoint) {
  const std::pair<int32_t, int32_t> sizes[] = {{1, 1}, {1, 70}, {70, 1}, {7, 5}, {15, 17}, {31, 33}, {60, 30}, {101, 43}};
  const PatchParams params{.patch_size = 5};
  for (const auto& [width, height] : sizes) {
    const RgbImage image = noise_image(width, height, static_cast<uint64_t>(width * 1000 + height));
    for (const PatchGrid grid : {PatchGrid{1, 1}, PatchGrid{3, 2}, PatchGrid{2, 7}}) {
      const std::vector<float> patches = patches_of(image, grid, params);
      const int32_t n_x = grid.columns * params.patch_size;
      const int32_t n_y = grid.rows * params.patch_size;
      for (int32_t y = 0; y < n_y; ++y) {
        for (int32_t x = 0; x < n_x; ++x) {
          for (int32_t c = 0; c < 3; ++c) {
            // Two roundings of half of 1/256 grey level, a grey level being 2/255.
            ASSERT_NEAR(static_cast<double>(at(patches, grid, params, x, y, c)), reference_pixel(image, n_x, n_y, x, y, c), 1.01 / 32640)
                << width << "x" << height << " to " << n_x << "x" << n_y << " at " << x << "," << y;
          }
        }
      }
    }
  }
}

// The same on every machine and compiler: training and serving rest on it.
TEST(MakePatches, BytesAreKnown) {
  const PatchParams params;
  const auto digest = [&](int32_t width, int32_t height) {
    return fnv(patches_of(noise_image(width, height, 5), plan_patches(width, height, params), params));
  };
  EXPECT_EQ(digest(30, 30), 10845548668938996161U);
  EXPECT_EQ(digest(100, 77), 16117737153330523175U);
  EXPECT_EQ(digest(640, 480), 17875589333825234694U);
}

}  // namespace
}  // namespace firesteel
