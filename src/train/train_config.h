// The configuration of a training run, as TOML. An unknown key is refused with the nearest valid one.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "train/network_shape.h"

namespace firesteel {

enum class Schedule : uint8_t { kLinear, kCosine, kStable };

struct TrainConfig {
  std::string name = "kindling";
  std::string tokenizer;           // GGUF file with the vocabulary and the prompt format
  NetworkShape shape;              // n_vocab comes from the tokenizer

  // [train]
  uint64_t seed = 1;
  int64_t n_tokens = 50'000'000;   // of the whole run; clocks the schedule
  int64_t shard_tokens = 1024;     // one thread's share; no sample is longer
  int64_t n_shards = 8;            // of a step: a batch is shards x shard_tokens
  int64_t n_lanes = 4;             // partial sums of a step's gradient; also the most threads that can help
  std::string precision = "bf16";  // or f32
  Schedule schedule = Schedule::kLinear;
  double rate = 1.5e-3, final_rate = 0.02;  // final_rate: as a share of rate
  int64_t warmup_tokens = 500'000;
  int64_t decay_tokens = 0;        // kStable: at the end of the run
  double beta1 = 0.9, beta2 = 0.98, eps = 1e-8, weight_decay = 0.1, clip = 1.0;
  std::string optimizer = "adamw"; // or muon: for the matrices of the layers
  double muon_rate = 1, muon_momentum = 0.95;  // muon_rate: times the rate
  double digits_share = 1.0 / 6;   // samples without number markers
  double mark_weight = 0.5;        // of what is to be seen in single patches, against a token of an answer; 0: it is not asked

  // [data]
  std::string source = "synth";    // or files
  std::vector<std::string> files;  // folders of shards (data synth), one after the other, again and again
  std::string files_digest;        // what lies there, set by who opens them: their paths do not count
  std::string real_gsm8k, real_mawps;  // [data.real]: paths of real problems that synthesis mixes in as real/...; empty: none
  std::vector<std::pair<std::string, double>> mixture;

  // [eval]
  std::vector<std::string> eval_files;  // of source "files": folders of held-out samples; none: no evaluation
  int64_t eval_samples = 256;
  int64_t eval_every_tokens = 1'000'000;
  int64_t save_every_tokens = 1'000'000;
  std::string export_type = "bf16";  // f32, f16, bf16, q8_0

  // Identity of everything that decides about the bytes of the weights: a checkpoint is resumed only under the same.
  std::string digest() const;
};

// text: the file's content; name: for messages.
Result<TrainConfig> parse_train_config(std::string_view text, const std::string& name);

// At this many tokens, warm-up and decay included.
double learning_rate(const TrainConfig& config, int64_t n_tokens);

}  // namespace firesteel
