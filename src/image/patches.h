// A picture as patches: what a model that sees pictures gets instead of tokens. Training and serving share this code.
#pragma once

#include <cstdint>
#include <span>

#include "base/result.h"
#include "base/rgb_image.h"

namespace firesteel {

// Pixels, both sides: what the decoders accept and the resizer's sums have room for.
inline constexpr int32_t kImageSideMax = 16384;

struct PatchParams {
  int32_t patch_size = 16;       // pixels, both sides of a square
  int32_t pixels_per_patch = 10; // a picture of w x h pixels gets about w/10 x h/10 squares: small pictures are enlarged
  int32_t max_side = 16;         // squares per row or column
  int32_t max_patches = 256;     // of one picture
  int32_t split = 1;             // patches side by side in a square: with 2 they are 8 x 16, about the room of a letter
  int32_t patch_width() const { return patch_size / split; }
  int32_t max_columns() const { return max_side * split; }
  int64_t patch_dim() const { return int64_t{3} * patch_size * patch_width(); }
  // All at least 1, patch_size and max_side at most 256: what a model file says is checked by this.
  bool valid() const {
    return patch_size >= 1 && patch_size <= 256 && pixels_per_patch >= 1 && max_side >= 1 && max_side <= 256 && max_patches >= 1 && split >= 1 &&
           split <= patch_size && patch_size % split == 0;
  }
};

struct PatchGrid {
  int32_t columns = 0;
  int32_t rows = 0;
  int32_t n() const { return columns * rows; }
};

// The grid for a picture: each side ceil(side / pixels_per_patch), at least 1 (columns: ceil(split * side / pixels_per_patch)). Where
// max_side or max_patches does not hold, the longer side of the picture gets as many patches as fit and the other side its share,
// rounded. Integers only.
// Requires width, height > 0 and params that valid() accepts.
PatchGrid plan_patches(int32_t width, int32_t height, const PatchParams& params);

// Resizes the picture to the grid and cuts it. Each axis by itself: exact area average when it shrinks, bilinear (pixel centres)
// when it grows; sums are integers, so the bytes are the same on every machine.
//
//   image  sides 1 to kImageSideMax, pixels.size() == 3 * width * height.
//   grid   any with columns in 1 to params.max_columns(), rows in 1 to params.max_side.
//   out    [grid.n()][patch_dim()], patches row by row; within a patch y, x, channel; values in [-1, 1].
//
// Needs memory for a few rows of the result only, whatever the picture's size.
void make_patches(const RgbImage& image, PatchGrid grid, const PatchParams& params, std::span<float> out);

}  // namespace firesteel
