#include "tune/lora.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "base/check.h"
#include "base/rng.h"
#include "checkpoint/gguf_writer.h"

namespace firesteel {
namespace {

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

Result<LoraSet> LoraSet::plan(const ModelConfig& config, LoraSettings settings) {
  LoraSet set;
  if (settings.targets.empty()) settings.targets = parse_targets("all").value();
  const auto invalid = [](const std::string& text) { return Error{ErrorCode::kInvalidArgument, text}; };
  if (!(settings.alpha > 0 && settings.alpha <= 1e4)) return invalid("alpha: expected a number above 0, at most 10000");
  for (int layer = 0; layer < config.n_layers; ++layer) {
    for (const AdapterTarget target : settings.targets) {
      const MatrixShape matrix = adapter_target_shape(config, target);
      const int64_t rank_max = std::min({int64_t{kAdapterRankMax}, matrix.k, matrix.n_rows});
      if (settings.rank < 1 || settings.rank > rank_max) return invalid("rank: expected 1 to " + std::to_string(rank_max) + ", found " + std::to_string(settings.rank));
      Place place{.layer = layer, .target = target, .k = matrix.k, .n_rows = matrix.n_rows};
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

Status LoraSet::write(const std::string& path, std::span<const float> flat, const std::string& architecture, const std::string& name,
                      const std::vector<std::pair<std::string, std::string>>& facts, std::span<const int32_t> activation) const {
  FS_TRY(GgufWriter writer, GgufWriter::create(path));
  writer.add("general.type", std::string_view("adapter"));
  writer.add("general.architecture", std::string_view(architecture));
  writer.add("general.name", std::string_view(name));
  writer.add("adapter.type", std::string_view("lora"));
  writer.add("adapter.lora.alpha", settings_.alpha);
  if (!activation.empty()) writer.add_u32s(kActivationKey, std::vector<uint32_t>(activation.begin(), activation.end()));
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
