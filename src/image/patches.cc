#include "image/patches.h"

#include <algorithm>
#include <vector>

#include "base/check.h"

namespace firesteel {
namespace {

constexpr uint32_t kFraction = 256;  // intermediate values are in 1/256 of a grey level
constexpr int32_t kFullScale = 255 * static_cast<int32_t>(kFraction);

// Which source pixels make one result pixel: pixels first .. first + n - 1 with integer weights that sum to Axis::total.
struct Taps {
  int32_t first = 0;
  int32_t n = 0;
  size_t weights = 0;  // index of the first in Axis::weights
};

// One axis of the resize. Weights are exact: overlaps in units of 1/n_out pixel (area), or distances in units of 1/(2 n_out) (bilinear).
struct Axis {
  std::vector<Taps> taps;
  std::vector<uint32_t> weights;
  uint32_t total = 0;  // at most max(kImageSideMax, 2 * 256 * 256): total * kFullScale fits in 64 bits with ease
};

Axis area_axis(int64_t n_in, int64_t n_out) {
  Axis axis;
  axis.total = static_cast<uint32_t>(n_in);
  for (int64_t o = 0; o < n_out; ++o) {
    const int64_t begin = o * n_in;  // in units of 1/n_out source pixel
    const int64_t end = begin + n_in;
    const int64_t first = begin / n_out;
    const int64_t last = (end - 1) / n_out;
    axis.taps.push_back({static_cast<int32_t>(first), static_cast<int32_t>(last - first + 1), axis.weights.size()});
    for (int64_t i = first; i <= last; ++i) {
      axis.weights.push_back(static_cast<uint32_t>(std::min(end, (i + 1) * n_out) - std::max(begin, i * n_out)));
    }
  }
  return axis;
}

Axis bilinear_axis(int64_t n_in, int64_t n_out) {
  Axis axis;
  axis.total = static_cast<uint32_t>(2 * n_out);
  for (int64_t o = 0; o < n_out; ++o) {
    // Centre of the result pixel among the source's pixel centres: (o + 1/2) * n_in / n_out - 1/2, times 2 n_out.
    const int64_t position = std::clamp((2 * o + 1) * n_in - n_out, int64_t{0}, 2 * n_out * (n_in - 1));
    const int64_t first = position / (2 * n_out);
    const int64_t rest = position % (2 * n_out);
    axis.taps.push_back({static_cast<int32_t>(first), rest == 0 ? 1 : 2, axis.weights.size()});
    axis.weights.push_back(static_cast<uint32_t>(2 * n_out - rest));
    if (rest != 0) axis.weights.push_back(static_cast<uint32_t>(rest));
  }
  return axis;
}

Axis make_axis(int64_t n_in, int64_t n_out) { return n_out > n_in ? bilinear_axis(n_in, n_out) : area_axis(n_in, n_out); }

// One source row, resized to [n_out][3] in 1/256 grey levels.
void resize_row(const uint8_t* pixels, const Axis& axis, uint16_t* out) {
  for (const Taps& taps : axis.taps) {
    const uint8_t* p = pixels + 3 * static_cast<size_t>(taps.first);
    const uint32_t* w = axis.weights.data() + taps.weights;
    uint64_t sums[3] = {};
    for (int32_t i = 0; i < taps.n; ++i, p += 3) {
      for (size_t c = 0; c < 3; ++c) sums[c] += uint64_t{w[i]} * p[c];
    }
    for (const uint64_t sum : sums) *out++ = static_cast<uint16_t>((sum * kFraction + axis.total / 2) / axis.total);
  }
}

// The two source rows resized last: neighbouring result rows share at most one, and a bilinear pair is used again and again.
class RowCache {
 public:
  RowCache(const RgbImage& image, const Axis& axis) : image_(image), axis_(axis) {
    for (std::vector<uint16_t>& row : rows_) row.resize(3 * axis.taps.size());
  }

  const uint16_t* row(int32_t y) {
    const size_t slot = static_cast<size_t>(y) % 2;
    if (index_[slot] != y) {
      resize_row(image_.pixels.data() + image_.offset(0, y), axis_, rows_[slot].data());
      index_[slot] = y;
    }
    return rows_[slot].data();
  }

 private:
  const RgbImage& image_;
  const Axis& axis_;
  std::vector<uint16_t> rows_[2];
  int32_t index_[2] = {-1, -1};
};

}  // namespace

PatchGrid plan_patches(int32_t width, int32_t height, const PatchParams& params) {
  CHECK(width > 0 && height > 0 && params.valid());
  const int64_t w = width;
  const int64_t h = height;
  const int64_t columns = (w * params.split + params.pixels_per_patch - 1) / params.pixels_per_patch;
  const int64_t rows = (h + params.pixels_per_patch - 1) / params.pixels_per_patch;
  const auto fits = [&](int64_t a, int64_t b) { return a <= params.max_columns() && b <= params.max_side && a * b <= params.max_patches; };
  if (fits(columns, rows)) return {static_cast<int32_t>(columns), static_cast<int32_t>(rows)};
  const int64_t longer = std::max(w, h);
  for (int64_t n = w >= h ? std::min<int64_t>(params.max_columns(), columns) : std::min<int64_t>(params.max_side, rows); n > 1; --n) {
    const int64_t over = w >= h ? longer * params.split : longer, share = w >= h ? h * n : w * n * params.split;
    const int64_t other = std::max<int64_t>(1, (share + over / 2) / over);
    const PatchGrid grid = {static_cast<int32_t>(w >= h ? n : other), static_cast<int32_t>(w >= h ? other : n)};
    if (fits(grid.columns, grid.rows)) return grid;
  }
  return {1, 1};
}

void make_patches(const RgbImage& image, PatchGrid grid, const PatchParams& params, std::span<float> out) {
  CHECK(params.valid() && image.width >= 1 && image.height >= 1 && image.width <= kImageSideMax && image.height <= kImageSideMax);
  CHECK(image.pixels.size() == image.offset(0, image.height));
  CHECK(grid.columns >= 1 && grid.rows >= 1 && grid.columns <= params.max_columns() && grid.rows <= params.max_side);
  CHECK(out.size() == static_cast<size_t>(grid.n() * params.patch_dim()));

  const auto patch_size = static_cast<size_t>(params.patch_size);
  const auto patch_width = static_cast<size_t>(params.patch_width());
  const auto n_columns = static_cast<size_t>(grid.columns);
  const Axis across = make_axis(image.width, int64_t{grid.columns} * params.patch_width());
  const Axis down = make_axis(image.height, int64_t{grid.rows} * params.patch_size);
  RowCache rows(image, across);
  const size_t row_size = 3 * across.taps.size();
  std::vector<uint64_t> sums(row_size);
  for (size_t y = 0; y < down.taps.size(); ++y) {
    const Taps& taps = down.taps[y];
    std::fill(sums.begin(), sums.end(), 0);
    for (int32_t i = 0; i < taps.n; ++i) {
      const uint16_t* row = rows.row(taps.first + i);
      const uint64_t weight = down.weights[taps.weights + static_cast<size_t>(i)];
      for (size_t x = 0; x < row_size; ++x) sums[x] += weight * row[x];
    }
    // Row y of the result is row y % patch_size of each patch of one row of patches.
    float* patch = out.data() + (y / patch_size) * n_columns * static_cast<size_t>(params.patch_dim());
    for (size_t x = 0; x < row_size; ++x) {
      const size_t column = x / (3 * patch_width);
      const size_t within = x % (3 * patch_width);
      const auto level = static_cast<int32_t>((sums[x] + down.total / 2) / down.total);  // 0 to kFullScale
      // The division is exact at both ends and rounded once: no result leaves [-1, 1].
      patch[column * static_cast<size_t>(params.patch_dim()) + (y % patch_size) * 3 * patch_width + within] =
          static_cast<float>(2 * level - kFullScale) / static_cast<float>(kFullScale);
    }
  }
}

}  // namespace firesteel
