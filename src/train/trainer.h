// The training loop: samples to steps, steps to weights.
//
// A step takes `n_shards` shards of packed samples. Shard i adds its gradient to lane i % n_lanes; lanes run in parallel, each on one
// thread, and are summed in order: the same bytes for any number of threads. The state after a step (TrainState) decides all that
// follows, so a resumed run gives the bytes of one that was never interrupted.
//
// In the run's folder: checkpoint.bin (state), model.gguf and model.mmproj.gguf (weights of the last checkpoint), log.jsonl,
// curve.html.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "kernels/exec.h"
#include "train/checkpoint_file.h"
#include "train/network.h"
#include "train/sample_feed.h"
#include "train/train_config.h"

namespace firesteel {

// What a line of progress says.
struct TrainProgress {
  int64_t step = 0, n_tokens = 0, n_tokens_all = 0, n_samples = 0;
  double loss = 0, token_accuracy = 0, sample_accuracy = 0;  // running means over about 50 steps
  double rate = 0, gradient_norm = 0, tokens_per_s = 0, eta_s = 0;
  std::string kinds;                     // "math 91.2 % pictures 40.1 %": whole samples right, running
};

struct TrainerOptions {
  TrainConfig config;
  std::string folder;
  int n_threads = 1;
  int n_feed_threads = 1;
  bool resume = false;          // from folder/checkpoint.bin; kNotFound without one
  std::string from;             // another run's checkpoint.bin: its weights, moments and place, under this configuration
  std::string init;             // model.gguf to begin from; moments at zero
  const KernelTable* table = nullptr;
  const Clock* clock = nullptr;
  std::atomic<bool>* stop = nullptr;                            // set it, and the run ends after the step, with a checkpoint
  std::function<void(const TrainProgress&)> progress = nullptr; // after each step
  std::function<void(const std::string&)> note = nullptr;       // a line for the person: evaluation, checkpoint, samples passed over
};

struct TrainResult {
  bool finished = false;        // false: stopped
  int64_t step = 0, n_tokens = 0;
  double loss = 0;
};

// source, eval_source (null: no evaluation) and encoder outlive the call. kFailedPrecondition: the checkpoint is of another
// configuration, or the folder holds a run and neither resume nor from was asked for. kDataLoss: loss not finite or exploding (the
// last checkpoint stays as it was), a damaged source or checkpoint.
Result<TrainResult> train(const TrainerOptions& options, const SampleSource& source, const SampleSource* eval_source, const SampleEncoder& encoder);

}  // namespace firesteel
