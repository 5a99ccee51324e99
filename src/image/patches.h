// A picture as patches: what a model that sees pictures gets instead of tokens. Training and serving share this code.
#pragma once

#include <cstdint>
#include <span>

#include "base/result.h"
#include "base/rgb_image.h"

namespace firesteel {

struct PatchParams {
  int32_t patch_size = 16;       // pixels, both sides
  int32_t pixels_per_patch = 10; // a picture of w x h pixels gets about w/10 x h/10 patches: small pictures are enlarged
  int32_t max_side = 16;         // patches per row or column
  int32_t max_patches = 256;     // of one picture
  int64_t patch_dim() const { return int64_t{3} * patch_size * patch_size; }
};

struct PatchGrid {
  int32_t columns = 0;
  int32_t rows = 0;
  int32_t n() const { return columns * rows; }
};

// The grid for a picture: each side ceil(side / pixels_per_patch), at least 1; both scaled down, keeping the aspect ratio, until
// max_side and max_patches hold. Requires width, height > 0.
PatchGrid plan_patches(int32_t width, int32_t height, const PatchParams& params);

// Resizes the picture to the grid (area average when it shrinks, bilinear when it grows; fixed-point, the same bytes on every
// machine) and cuts it. out: [grid.n()][patch_dim()], patches row by row; within a patch y, x, channel; values in [-1, 1].
void make_patches(const RgbImage& image, PatchGrid grid, const PatchParams& params, std::span<float> out);

}  // namespace firesteel
