// Any picture, any parameters: the grid holds its limits, every patch value lies between the extremes of its channel in the picture.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/check.h"
#include "image/patches.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace firesteel;
  if (size < 8) return 0;
  const PatchParams params{.patch_size = 1 + data[0] % 16, .pixels_per_patch = 1 + data[1] % 64, .max_side = 1 + data[2] % 12,
                           .max_patches = 1 + data[3], .split = data[0] % 2 == 1 ? 1 + (data[0] >> 7) : 1};
  CHECK(params.valid());
  const int32_t width = 1 + (data[4] | data[5] << 8) % kImageSideMax;
  const int32_t height = 1 + (data[6] | data[7] << 8) % kImageSideMax;
  const PatchGrid any = plan_patches(width, height, params);
  CHECK(any.columns >= 1 && any.rows >= 1 && any.columns <= params.max_columns() && any.rows <= params.max_side && any.n() <= params.max_patches);

  RgbImage image{width, std::min(height, std::max(1, 20'000 / width)), {}};
  image.pixels.resize(image.offset(0, image.height));
  int low[3] = {255, 255, 255};
  int high[3] = {0, 0, 0};
  for (size_t i = 0; i < image.pixels.size(); ++i) {
    const uint8_t value = size > 8 ? data[8 + i % (size - 8)] : 0;
    image.pixels[i] = value;
    low[i % 3] = std::min(low[i % 3], int{value});
    high[i % 3] = std::max(high[i % 3], int{value});
  }
  const PatchGrid grid = plan_patches(image.width, image.height, params);
  std::vector<float> patches(static_cast<size_t>(grid.n() * params.patch_dim()), 9.0F);
  make_patches(image, grid, params, patches);
  for (size_t i = 0; i < patches.size(); ++i) {
    const auto bound = [](int level) { return static_cast<float>(2 * level - 255) / 255.0F; };
    CHECK(patches[i] >= bound(low[i % 3]) && patches[i] <= bound(high[i % 3]));
  }
  return 0;
}
