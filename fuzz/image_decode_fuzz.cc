// Any bytes as a picture: pixels within the budget, or an error; the patches of what was decoded are all in -1..1.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "image/decode.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace firesteel;
  const auto bytes = std::as_bytes(std::span(data, size));
  const ImageLimits limits{.max_pixels = 250'000, .max_side = 4096, .max_bytes = 1 << 20};
  const auto header = read_image_header(bytes, limits);
  const auto image = decode_image(bytes, limits);
  if (!header.ok()) CHECK(!image.ok() && image.error().message.starts_with("image: "));
  const auto uri = decode_data_uri(std::string_view(reinterpret_cast<const char*>(data), size), 1 << 16);
  if (uri.ok()) CHECK(uri->size() <= size);
  if (!image.ok()) return 0;
  CHECK(image->width >= 1 && image->height >= 1 && image->pixels.size() == image->offset(0, image->height));
  CHECK(int64_t{image->width} * image->height <= limits.max_pixels && header->n_pixels() == int64_t{image->width} * image->height);
  const PatchParams params{.max_patches = 100};
  const PatchGrid grid = plan_patches(image->width, image->height, params);
  std::vector<float> patches(static_cast<size_t>(grid.n() * params.patch_dim()));
  make_patches(*image, grid, params, patches);
  for (const float value : patches) CHECK(value >= -1 && value <= 1);
  return 0;
}
