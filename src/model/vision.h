// The part of a model that sees: a picture's patches become rows that take the place of token embeddings.
//
//   row of patch p at (r, c) = rms_norm(W p + b) * norm + row[r] + column[c]
//
// A second GGUF file beside the text model ("NAME.mmproj.gguf", general.architecture "kindling-vision"), so that the text file stays
// ordinary. Tensors (f32; f16 and bf16 are taken too): v.patch.weight [dim][patch_dim], v.patch.bias [dim], v.norm.weight [dim],
// v.row.weight [16][dim], v.column.weight [16 * split][dim]; metadata kindling.vision.{patch_size, pixels_per_patch, max_side,
// max_patches, split (1 unless said), dim}.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/result.h"
#include "base/rgb_image.h"
#include "checkpoint/checkpoint.h"
#include "image/patches.h"
#include "kernels/matmul.h"
#include "kernels/table.h"

namespace firesteel {

inline constexpr int64_t kVisionSideMax = 16;       // rows of v.row.weight, and times split of v.column.weight
inline constexpr int64_t kVisionSplitMax = 4;
inline constexpr int64_t kVisionPatchesMax = 256;   // of one picture

// Immutable, thread-safe; keeps the checkpoint alive.
class VisionModel {
 public:
  // Every key and tensor is checked: kDataLoss names what was expected and found, kUnsupported another architecture or type. Reads
  // the small tensors only. (A file inside the program: give a Checkpoint made from memory.)
  static Result<std::shared_ptr<const VisionModel>> load(std::shared_ptr<const Checkpoint> checkpoint);

  int64_t dim() const { return dim_; }  // must be the text model's
  const PatchParams& params() const { return params_; }
  const Checkpoint& checkpoint() const { return *checkpoint_; }
  int64_t n_parameters() const;

  // Of a decoded picture (sides 1 to kImageSideMax, pixels complete; CHECKed).
  PatchGrid plan(const RgbImage& image) const { return plan_patches(image.width, image.height, params_); }
  // [plan(image).n()][dim]. On the caller's thread, f32 in a fixed order: the same bytes whenever and wherever it is called.
  std::vector<float> embed(const RgbImage& image, const KernelTable& table) const;

 private:
  explicit VisionModel(std::shared_ptr<const Checkpoint> checkpoint) : checkpoint_(std::move(checkpoint)) {}
  Status read();
  Result<int32_t> read_int(const char* key, int64_t low, int64_t high) const;
  Result<const TensorInfo*> tensor(const char* name, int64_t n_columns, int64_t n_rows) const;
  Result<std::vector<float>> small_tensor(const char* name, int64_t n_rows) const;

  std::shared_ptr<const Checkpoint> checkpoint_;
  PatchParams params_;
  int64_t dim_ = 0;
  WeightView patch_;                         // [dim][patch_dim]
  std::vector<float> bias_, norm_;           // [dim]
  std::vector<float> row_, column_;          // [kVisionSideMax][dim], column_ [kVisionSideMax * split][dim]
};

}  // namespace firesteel
