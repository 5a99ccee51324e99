// The numbers that a tuning run changes: A and B of each targeted matrix, as one flat array, and what they do to the base's weights.
//
// The network of train/ computes with effective weights W + (alpha / rank) B A, made anew each step; the gradient of A and B follows from
// that of W: dB = scale * dW A^T, dA = scale * B^T dW. So forward and backward pass are those that trained the model.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "kernels/exec.h"
#include "model/adapter.h"
#include "train/linear.h"
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
    int64_t weights = 0;      // offset of the matrix in the base's flat array
    int64_t a = 0, b = 0;     // offsets in the flat array of the set: A [rank][k], B [n_rows][rank]
  };

  // kInvalidArgument: rank, alpha or targets.
  static Result<LoraSet> plan(const NetworkShape& shape, LoraSettings settings);

  const LoraSettings& settings() const { return settings_; }
  const std::vector<Place>& places() const { return places_; }
  const ParameterLayout& layout() const { return layout_; }  // as the optimiser wants it
  int64_t n() const { return layout_.n; }
  double scale() const { return settings_.alpha / settings_.rank; }

  // A uniform in +-1/sqrt(k), each matrix from its own stream of the seed; B zero: the tuned model begins as the base.
  void init(uint64_t seed, std::span<float> flat) const;

  // effective = base + scale * B A at the targeted matrices; other weights of `effective` are not touched. The same bytes for any number
  // of threads.
  void apply(Exec* exec, const TrainOps& ops, std::span<const float> base, std::span<const float> flat, std::span<float> effective) const;
  // d_flat = the gradient of A and B, from that of the effective weights.
  void gradients(Exec* exec, const TrainOps& ops, const float* d_weights, std::span<const float> flat, std::span<float> d_flat) const;

  // Writes a GGUF adapter (f32), whole or not at all. facts: more metadata, keys with their texts.
  Status write(const std::string& path, std::span<const float> flat, const std::string& architecture, const std::string& name,
               const std::vector<std::pair<std::string, std::string>>& facts) const;

 private:
  LoraSettings settings_;
  std::vector<Place> places_;
  ParameterLayout layout_;
};

}  // namespace firesteel
