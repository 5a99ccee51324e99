// The numbers that a tuning run changes: A and B of each targeted matrix, as one flat array.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/adapter.h"
#include "train/network_shape.h"

namespace firesteel {

struct LoraSettings {
  int rank = 8;
  double alpha = 16;
  std::vector<AdapterTarget> targets = {};  // empty: all seven
};

// "q,v" or "all" to targets. kInvalidArgument names the part.
Result<std::vector<AdapterTarget>> parse_targets(const std::string& text);
std::string targets_text(const std::vector<AdapterTarget>& targets);

class LoraSet {
 public:
  struct Place {
    int layer = 0;
    AdapterTarget target = AdapterTarget::kQ;
    int64_t k = 0, n_rows = 0;
    int64_t a = 0, b = 0;     // offsets in the flat array of the set: A [rank][k], B [n_rows][rank]
  };

  // kInvalidArgument: rank, alpha or targets.
  static Result<LoraSet> plan(const ModelConfig& config, LoraSettings settings);

  const LoraSettings& settings() const { return settings_; }
  const std::vector<Place>& places() const { return places_; }
  const ParameterLayout& layout() const { return layout_; }  // as the optimiser wants it
  int64_t n() const { return layout_.n; }
  double scale() const { return settings_.alpha / settings_.rank; }

  // A uniform in +-1/sqrt(k), each matrix from its own stream of the seed; B zero: the tuned model begins as the base.
  void init(uint64_t seed, std::span<float> flat) const;

  // Writes a GGUF adapter (f32), whole or not at all. facts: more metadata, keys with their texts. activation: the tokens from which on it
  // counts (model/adapter.h), empty: everywhere.
  Status write(const std::string& path, std::span<const float> flat, const std::string& architecture, const std::string& name,
               const std::vector<std::pair<std::string, std::string>>& facts, std::span<const int32_t> activation = {}) const;

 private:
  LoraSettings settings_;
  std::vector<Place> places_;
  ParameterLayout layout_;
};

}  // namespace firesteel
