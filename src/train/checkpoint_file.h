// The state of a training run on disk: weights, the optimiser's moments, and the place in the stream. Written whole or not at all.
//
// Layout: "FSTRAIN1", u64 length of the header, header (JSON), then per array n f32 little-endian, then 32 hex digits: Hash128 of all before.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"

namespace firesteel {

struct TrainState {
  std::string digest;          // of the configuration
  std::string shape_digest;    // of the parameters' names and sizes
  int64_t step = 0;
  int64_t n_tokens = 0;        // trained on so far
  int64_t n_samples = 0;
  uint64_t position = 0;       // index of the next sample
  double smooth_loss = 0;      // what the watch over the loss knows
  double best_loss = 0;
  std::vector<float> weights, m, v;
};

Status write_train_state(const std::string& path, const TrainState& state);
// kDataLoss: damaged, named with what was expected and found.
Result<TrainState> read_train_state(const std::string& path);

}  // namespace firesteel
