#include "model/vision.h"

#include <cstring>
#include <string>
#include <utility>

#include "base/check.h"
#include "kernels/exec.h"
#include "tensor/quantise.h"

namespace firesteel {
namespace {

constexpr float kNormEps = 1e-5F;
constexpr int64_t kDimMax = 65536;

std::string shape_text(int64_t n_columns, int64_t n_rows) {
  return "[" + std::to_string(n_columns) + (n_rows > 1 ? ", " + std::to_string(n_rows) : "") + "]";
}

}  // namespace

Result<std::shared_ptr<const VisionModel>> VisionModel::load(std::shared_ptr<const Checkpoint> checkpoint) {
  const std::shared_ptr<VisionModel> model(new VisionModel(std::move(checkpoint)));
  if (const Status status = model->read(); !status.ok()) {
    return Error{status.error().code, model->checkpoint_->path() + ": " + status.error().message};
  }
  return std::shared_ptr<const VisionModel>(model);
}

Result<int32_t> VisionModel::read_int(const char* key, int64_t low, int64_t high) const {
  const std::string name = std::string("kindling.vision.") + key;
  FS_TRY(const std::optional<int64_t> value, checkpoint_->metadata().get_int(name));
  if (!value) return Error{ErrorCode::kDataLoss, "expected the key \"" + name + "\", found none"};
  if (*value < low || *value > high) {
    return Error{ErrorCode::kDataLoss, "\"" + name + "\": expected " + std::to_string(low) + " to " + std::to_string(high) + ", found " +
                                           std::to_string(*value)};
  }
  return static_cast<int32_t>(*value);
}

Result<const TensorInfo*> VisionModel::tensor(const char* name, int64_t n_columns, int64_t n_rows) const {
  const TensorInfo* info = checkpoint_->find(name);
  const std::string expected = "tensor \"" + std::string(name) + "\": expected " + shape_text(n_columns, n_rows) + ", found ";
  if (info == nullptr) return Error{ErrorCode::kDataLoss, expected + "no such tensor"};
  if (info->ne[0] != n_columns || info->ne[1] != n_rows || info->ne[2] != 1 || info->ne[3] != 1) {
    return Error{ErrorCode::kDataLoss, expected + shape_text(info->ne[0], info->n_elements() / info->ne[0])};
  }
  if (info->dtype != DType::kF32 && info->dtype != DType::kF16 && info->dtype != DType::kBF16) {
    return Error{ErrorCode::kUnsupported, "tensor \"" + std::string(name) + "\": expected F32, F16 or BF16, found " + dtype_info(info->dtype).name};
  }
  CHECK(info->slices.size() == 1);
  return info;
}

Result<std::vector<float>> VisionModel::small_tensor(const char* name, int64_t n_rows) const {
  FS_TRY(const TensorInfo* info, tensor(name, dim_, n_rows));
  std::vector<float> values(static_cast<size_t>(dim_ * n_rows));
  dequantise_row(info->dtype, info->slices[0], values.data(), dim_ * n_rows);
  return values;
}

Status VisionModel::read() {
  FS_TRY(const auto architecture, checkpoint_->metadata().get_string("general.architecture"));
  if (architecture != "kindling-vision") {
    return Error{ErrorCode::kUnsupported, "general.architecture: expected \"kindling-vision\", found " +
                                              (architecture ? "\"" + std::string(*architecture) + "\"" : std::string("none"))};
  }
  FS_TRY(params_.patch_size, read_int("patch_size", 1, 256));
  FS_TRY(params_.pixels_per_patch, read_int("pixels_per_patch", 1, kImageSideMax));
  FS_TRY(params_.max_side, read_int("max_side", 1, kVisionSideMax));
  FS_TRY(params_.max_patches, read_int("max_patches", 1, kVisionPatchesMax));
  if (checkpoint_->metadata().has("kindling.vision.split")) {
    FS_TRY(params_.split, read_int("split", 1, kVisionSplitMax));
  }
  if (params_.patch_size % params_.split != 0) {
    return Error{ErrorCode::kDataLoss, "\"kindling.vision.split\": expected a divisor of patch_size, " + std::to_string(params_.patch_size) + ", found " +
                                           std::to_string(params_.split)};
  }
  FS_TRY(dim_, read_int("dim", 1, kDimMax));
  CHECK(params_.valid());
  FS_TRY(const TensorInfo* patch, tensor("v.patch.weight", params_.patch_dim(), dim_));
  patch_ = {.dtype = patch->dtype, .data = patch->slices[0], .n_rows = dim_, .k = params_.patch_dim()};
  FS_TRY(bias_, small_tensor("v.patch.bias", 1));
  FS_TRY(norm_, small_tensor("v.norm.weight", 1));
  FS_TRY(row_, small_tensor("v.row.weight", kVisionSideMax));
  FS_TRY(column_, small_tensor("v.column.weight", kVisionSideMax * params_.split));
  return {};
}

int64_t VisionModel::n_parameters() const { return dim_ * (params_.patch_dim() + 2 + (1 + params_.split) * kVisionSideMax); }

std::vector<float> VisionModel::embed(const RgbImage& image, const KernelTable& table) const {
  const PatchGrid grid = plan(image);
  const int64_t n = grid.n();
  std::vector<float> patches(static_cast<size_t>(n * params_.patch_dim()));
  make_patches(image, grid, params_, patches);

  std::vector<float> rows(static_cast<size_t>(n * dim_));
  Exec exec(1);
  Activations activations;
  activations.reserve(n, params_.patch_dim());
  activations.set(&exec, table, ActKind::kF32, patches.data(), params_.patch_dim(), nullptr, n, params_.patch_dim());
  const MatmulJob job{.weights = patch_, .out = rows.data(), .ldo = dim_, .bias = bias_.data()};
  matmul(&exec, table, activations, std::span(&job, 1));
  for (int64_t i = 0; i < n; ++i) {
    float* row = rows.data() + i * dim_;
    table.rms_norm(row, row, norm_.data(), dim_, kNormEps);
    table.add(row, row_.data() + i / grid.columns * dim_, dim_);
    table.add(row, column_.data() + i % grid.columns * dim_, dim_);
  }
  return rows;
}

}  // namespace firesteel
