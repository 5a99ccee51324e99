#include "tune/lora.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <map>
#include <utility>

#include "base/check.h"
#include "base/rng.h"
#include "checkpoint/gguf_writer.h"

namespace firesteel {
namespace {

constexpr int64_t kRowsPerTask = 64;

const TrainTypeKernels& f32_kernels(const TrainOps& ops) { return ops.table->train.type[kTrainF32]; }

// One panel of 32 columns over n_k values of the contraction.
size_t panel_bytes(int64_t n_k) { return static_cast<size_t>(n_k) * kTrainPanel * sizeof(float); }

std::string tensor_name(const LoraSet::Place& place) {
  return "blk." + std::to_string(place.layer) + "." + adapter_tensor_stem(place.target) + ".weight";
}

}  // namespace

Result<std::vector<AdapterTarget>> parse_targets(const std::string& text) {
  std::vector<AdapterTarget> targets;
  std::vector<bool> wanted(kNAdapterTargets, text == "all");
  for (size_t at = 0; text != "all" && at <= text.size();) {
    const size_t comma = std::min(text.find(',', at), text.size());
    const std::string word = text.substr(at, comma - at);
    at = comma + 1;
    bool known = false;
    for (int i = 0; i < kNAdapterTargets; ++i) {
      const auto target = static_cast<AdapterTarget>(i);
      const bool same = word == adapter_target_name(target) || word == adapter_tensor_stem(target);
      if (same) wanted[static_cast<size_t>(i)] = true;
      known = known || same;
    }
    if (word == "attention" || word == "ffn") {
      for (int i = word == "ffn" ? 4 : 0; i < (word == "ffn" ? kNAdapterTargets : 4); ++i) wanted[static_cast<size_t>(i)] = true;
      known = true;
    }
    if (!known) return Error{ErrorCode::kInvalidArgument, "targets: expected all, attention, ffn, or some of q,k,v,o,gate,up,down, found \"" + word + "\""};
  }
  for (int i = 0; i < kNAdapterTargets; ++i) {
    if (wanted[static_cast<size_t>(i)]) targets.push_back(static_cast<AdapterTarget>(i));
  }
  return targets;
}

std::string targets_text(const std::vector<AdapterTarget>& targets) {
  std::string text;
  for (const AdapterTarget target : targets) text += (text.empty() ? "" : ",") + std::string(adapter_target_name(target));
  return text;
}

Result<LoraSet> LoraSet::plan(const NetworkShape& shape, LoraSettings settings) {
  LoraSet set;
  if (settings.targets.empty()) settings.targets = parse_targets("all").value();
  const auto invalid = [](const std::string& text) { return Error{ErrorCode::kInvalidArgument, text}; };
  if (!(settings.alpha > 0 && settings.alpha <= 1e4)) return invalid("alpha: expected a number above 0, at most 10000");
  ModelConfig config;
  config.dim = shape.dim;
  config.ffn_dim = shape.ffn_dim;
  config.n_heads = static_cast<int>(shape.n_heads);
  config.n_kv_heads = static_cast<int>(shape.n_kv_heads);
  config.head_dim = static_cast<int>(shape.head_dim);
  const ParameterLayout base = plan_parameters(shape);
  std::map<std::string, const ParameterInfo*> by_name;
  for (const ParameterInfo& info : base.tensors) by_name.emplace(info.name, &info);
  for (int layer = 0; layer < shape.n_layers; ++layer) {
    for (const AdapterTarget target : settings.targets) {
      const MatrixShape matrix = adapter_target_shape(config, target);
      const int64_t rank_max = std::min({int64_t{kAdapterRankMax}, matrix.k, matrix.n_rows});
      if (settings.rank < 1 || settings.rank > rank_max) return invalid("rank: expected 1 to " + std::to_string(rank_max) + ", found " + std::to_string(settings.rank));
      Place place{.layer = layer, .target = target, .k = matrix.k, .n_rows = matrix.n_rows};
      const auto found = by_name.find(tensor_name(place));
      CHECK(found != by_name.end() && found->second->rows == matrix.n_rows && found->second->cols == matrix.k);
      place.weights = found->second->offset;
      const auto add = [&set](const std::string& name, int64_t rows, int64_t cols) {
        ParameterInfo info;
        info.name = name;
        info.kind = ParameterKind::kMatrix;
        info.rows = rows;
        info.cols = cols;
        info.offset = set.layout_.n;
        set.layout_.n += rows * cols;
        set.layout_.tensors.push_back(info);
        return info.offset;
      };
      place.a = add(tensor_name(place) + ".lora_a", settings.rank, matrix.k);
      place.b = add(tensor_name(place) + ".lora_b", matrix.n_rows, settings.rank);
      set.places_.push_back(place);
    }
  }
  set.layout_.n_text = set.layout_.n;
  set.settings_ = std::move(settings);
  return set;
}

void LoraSet::init(uint64_t seed, std::span<float> flat) const {
  CHECK(static_cast<int64_t>(flat.size()) == n());
  std::fill(flat.begin(), flat.end(), 0.0f);
  for (size_t i = 0; i < places_.size(); ++i) {
    const Place& place = places_[i];
    Rng rng(seed * 0x9E3779B97F4A7C15u + i);
    const double bound = 1 / std::sqrt(static_cast<double>(place.k));
    for (int64_t j = 0; j < settings_.rank * place.k; ++j) flat[static_cast<size_t>(place.a + j)] = static_cast<float>((2 * rng.uniform() - 1) * bound);
  }
}

void LoraSet::apply(Exec* exec, const TrainOps& ops, std::span<const float> base, std::span<const float> flat, std::span<float> effective) const {
  struct Task {
    const Place* place;
    int64_t row, n;
  };
  std::vector<Task> tasks;
  for (const Place& place : places_) {
    for (int64_t row = 0; row < place.n_rows; row += kRowsPerTask) tasks.push_back({&place, row, std::min(kRowsPerTask, place.n_rows - row)});
  }
  const int64_t rank = settings_.rank;
  exec->parallel_for(static_cast<int64_t>(tasks.size()), [&](int64_t index, int thread) {
    const Task& task = tasks[static_cast<size_t>(index)];
    const Place& place = *task.place;
    const size_t first = static_cast<size_t>(place.weights + task.row * place.k), count = static_cast<size_t>(task.n * place.k);
    std::memcpy(effective.data() + first, base.data() + first, count * sizeof(float));
    std::byte* panel = exec->scratch(thread, panel_bytes(rank) + static_cast<size_t>(task.n * rank) * sizeof(float));
    auto* scaled = reinterpret_cast<float*>(panel + panel_bytes(rank));
    const auto scale_by = static_cast<float>(scale());
    const float* b = flat.data() + place.b + task.row * rank;
    for (int64_t i = 0; i < task.n * rank; ++i) scaled[i] = b[i] * scale_by;
    for (int64_t col = 0; col < place.k; col += kTrainPanel) {
      const int width = static_cast<int>(std::min<int64_t>(kTrainPanel, place.k - col));
      f32_kernels(ops).pack(flat.data() + place.a + col, place.k, rank, width, panel);
      f32_kernels(ops).mul(scaled, rank, 1, task.n, panel, rank, effective.data() + first + col, place.k, width, 1);
    }
  });
}

void LoraSet::gradients(Exec* exec, const TrainOps& ops, const float* d_weights, std::span<const float> flat, std::span<float> d_flat) const {
  const int64_t rank = settings_.rank;
  const auto scale_by = static_cast<float>(scale());
  // A task: B's gradient of one matrix, or 32 columns of A's.
  struct Task {
    const Place* place;
    int64_t col;  // -1: B
  };
  std::vector<Task> tasks;
  for (const Place& place : places_) {
    tasks.push_back({&place, -1});
    for (int64_t col = 0; col < place.k; col += kTrainPanel) tasks.push_back({&place, col});
  }
  exec->parallel_for(static_cast<int64_t>(tasks.size()), [&](int64_t index, int thread) {
    const Task& task = tasks[static_cast<size_t>(index)];
    const Place& place = *task.place;
    const float* dw = d_weights + place.weights;
    std::byte* panel = exec->scratch(thread, panel_bytes(std::max(place.k, place.n_rows)));
    if (task.col < 0) {
      float* db = d_flat.data() + place.b;
      for (int64_t r = 0; r < rank; r += kTrainPanel) {
        const int width = static_cast<int>(std::min<int64_t>(kTrainPanel, rank - r));
        f32_kernels(ops).pack_transposed(flat.data() + place.a + r * place.k, place.k, width, place.k, panel);
        f32_kernels(ops).mul(dw, place.k, 1, place.n_rows, panel, place.k, db + r, rank, width, 0);
      }
      for (int64_t i = 0; i < place.n_rows * rank; ++i) db[i] *= scale_by;
      return;
    }
    const int width = static_cast<int>(std::min<int64_t>(kTrainPanel, place.k - task.col));
    f32_kernels(ops).pack(dw + task.col, place.k, place.n_rows, width, panel);
    float* da = d_flat.data() + place.a + task.col;
    f32_kernels(ops).mul(flat.data() + place.b, 1, rank, rank, panel, place.n_rows, da, place.k, width, 0);
    for (int64_t r = 0; r < rank; ++r) {
      for (int j = 0; j < width; ++j) da[r * place.k + j] *= scale_by;
    }
  });
}

Status LoraSet::write(const std::string& path, std::span<const float> flat, const std::string& architecture, const std::string& name,
                      const std::vector<std::pair<std::string, std::string>>& facts) const {
  FS_TRY(GgufWriter writer, GgufWriter::create(path));
  writer.add("general.type", std::string_view("adapter"));
  writer.add("general.architecture", std::string_view(architecture));
  writer.add("general.name", std::string_view(name));
  writer.add("adapter.type", std::string_view("lora"));
  writer.add("adapter.lora.alpha", settings_.alpha);
  for (const auto& [key, value] : facts) writer.add(key, std::string_view(value));
  for (const ParameterInfo& info : layout_.tensors) {
    const std::array<int64_t, 2> ne = {info.cols, info.rows};
    writer.add_tensor(info.name, DType::kF32, ne);
  }
  FS_TRY_VOID(writer.begin());
  FS_TRY_VOID(writer.write(std::as_bytes(flat)));
  return writer.commit();
}

}  // namespace firesteel
