#include "train/patch_start.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/check.h"

namespace firesteel {
namespace {

constexpr int64_t kMarks = 30'000, kSamples = 20'000;
constexpr uint64_t kBlankOneIn = 6;      // of the patches without a mark
constexpr double kRidge = 3e-3;          // of the mean diagonal
constexpr float kPositionShare = 0.25F;

// Sums of a least squares problem with n inputs (the last is 1) and m outputs.
struct Sums {
  Sums(size_t n_inputs, size_t n_outputs) : n(n_inputs), m(n_outputs), xx(n * n), xy(n * m) {}
  size_t n, m;
  std::vector<double> xx, xy;

  void add(std::span<const float> x, const float* y) {  // x without the 1
    const auto at = [&](size_t i) { return i + 1 < n ? x[i] : 1.0F; };
    for (size_t i = 0; i < n; ++i) {
      const auto xi = static_cast<double>(at(i));
      for (size_t j = 0; j <= i; ++j) xx[i * n + j] += xi * static_cast<double>(at(j));
      for (size_t k = 0; k < m; ++k) xy[i * m + k] += xi * static_cast<double>(y[k]);
    }
  }

  // xy becomes the solution [n][m]: Cholesky, xx = L L^T in place.
  void solve() {
    double trace = 0;
    for (size_t i = 0; i < n; ++i) trace += xx[i * n + i];
    for (size_t i = 0; i < n; ++i) xx[i * n + i] += kRidge * trace / static_cast<double>(n);
    for (size_t i = 0; i < n; ++i) {
      for (size_t j = 0; j <= i; ++j) {
        double sum = xx[i * n + j];
        for (size_t k = 0; k < j; ++k) sum -= xx[i * n + k] * xx[j * n + k];
        xx[i * n + j] = i == j ? std::sqrt(std::max(sum, 1e-12)) : sum / xx[j * n + j];
      }
    }
    for (size_t i = 0; i < n; ++i) {
      for (size_t j = 0; j < i; ++j) subtract(i, j, xx[i * n + j]);
      divide(i);
    }
    for (size_t i = n; i-- > 0;) {
      for (size_t j = i + 1; j < n; ++j) subtract(i, j, xx[j * n + i]);
      divide(i);
    }
  }

 private:
  void subtract(size_t row, size_t other, double factor) {
    for (size_t k = 0; k < m; ++k) xy[row * m + k] -= factor * xy[other * m + k];
  }
  void divide(size_t row) {
    for (size_t k = 0; k < m; ++k) xy[row * m + k] /= xx[row * n + row];
  }
};

}  // namespace

Result<PatchStart> start_patches(const NetworkShape& shape, const SampleSource& source, const SampleEncoder& encoder, std::span<float> weights) {
  const ParameterLayout layout = plan_parameters(shape);
  CHECK(shape.vision && static_cast<int64_t>(weights.size()) == layout.n);
  const auto patch_dim = static_cast<size_t>(shape.patches.patch_dim()), dim = static_cast<size_t>(shape.dim);
  const auto embedding = [&](int32_t token) { return weights.data() + layout.embedding + int64_t{token} * shape.dim; };
  Sums sums(patch_dim + 1, dim);
  PatchStart start;
  double squares = 0;
  uint64_t n_blank = 0;
  for (int64_t i = 0; i < kSamples && start.n_marks < kMarks; ++i) {
    FS_TRY(const Sample sample, source.sample(static_cast<uint64_t>(i)));
    if (sample.marks.empty()) continue;
    const Result<EncodedSample> encoded = encoder.encode(sample, true, &shape.patches);
    if (!encoded.ok()) continue;
    ++start.n_samples;
    size_t next = 0;  // of encoded->seen, which has the order of the patches
    for (size_t p = 0; p < encoded->patches.size(); ++p) {
      const std::span<const float> pixels = std::span(encoded->patch_values).subspan(p * patch_dim, patch_dim);
      const int32_t position = encoded->patches[p].position;
      const bool marked = next < encoded->seen.size() && encoded->seen[next].position == position;
      if (!marked && n_blank++ % kBlankOneIn != 0) continue;
      const float* target = embedding(marked ? encoded->seen[next].next : encoded->ids[static_cast<size_t>(position)]);
      sums.add(pixels, target);
      if (!marked) continue;
      ++next;
      ++start.n_marks;
      for (size_t k = 0; k < dim; ++k) squares += static_cast<double>(target[k]) * static_cast<double>(target[k]);
    }
  }
  if (start.n_marks == 0) return start;
  sums.solve();
  for (size_t o = 0; o < dim; ++o) {
    for (size_t x = 0; x < patch_dim; ++x) weights[static_cast<size_t>(layout.patch_weight) + o * patch_dim + x] = static_cast<float>(sums.xy[x * dim + o]);
    weights[static_cast<size_t>(layout.patch_bias) + o] = static_cast<float>(sums.xy[patch_dim * dim + o]);
  }
  // The norm gives every row the size of a usual embedding.
  const auto size = static_cast<float>(std::sqrt(squares / static_cast<double>(start.n_marks) / static_cast<double>(dim)));
  std::fill_n(weights.begin() + layout.patch_norm, dim, size);
  for (const ParameterInfo& info : layout.tensors) {
    if (info.offset != layout.patch_row && info.offset != layout.patch_column) continue;
    for (float& value : weights.subspan(static_cast<size_t>(info.offset), static_cast<size_t>(info.n()))) value *= kPositionShare;
  }
  return start;
}

}  // namespace firesteel
