// A tuning run: examples to an adapter.
//
// A step takes `batch` examples (pairs, for preferences) of a shuffled epoch, packs them into passes, in which an example sees itself only,
// and changes A and B by AdamW. The order of every sum is fixed, so the bytes depend on the configuration and the data, never on threads,
// memory or interruptions.
//
// In the run's folder: adapter.gguf (of the last checkpoint), checkpoint.bin (state), log.jsonl (a line per step), tune.json (what made it).
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/json.h"
#include "kernels/table.h"
#include "tune/base_model.h"
#include "tune/dataset.h"
#include "tune/lora.h"

namespace firesteel {

enum class TuneMethod : uint8_t { kSft, kDpo, kOrpo };
const char* tune_method_name(TuneMethod method);  // "sft", "dpo", "orpo"

struct TuneSettings {
  TuneMethod method = TuneMethod::kSft;
  LoraSettings lora;
  int64_t epochs = 3;
  int64_t batch = 16;            // examples of a step
  double rate = 1e-3;            // at its highest: rises over the first part of the steps, then falls to zero in a line
  double warmup = 0.05;          // that part
  double beta = 0.1;             // DPO
  double lambda = 0.2;           // ORPO
  bool by_length = false;        // DPO with log-probabilities per token
  double weight_decay = 0, clip = 1;
  uint64_t seed = 1;
  int64_t shard_tokens = 1024;   // no example is longer
  int64_t lanes = 4;             // so many times shard_tokens go through the network at once
  std::string precision = "bf16";  // or f32
  std::vector<int32_t> activation = {};  // activated LoRA: as the data was read with

  // kInvalidArgument names the setting.
  Status check() const;
  Json json() const;
};

struct TuneProgress {
  int64_t step = 0, n_steps = 0;
  double epoch = 0, loss = 0;    // loss: running mean
  double accuracy = 0;           // SFT: tokens right; preferences: pairs with the preferred answer ahead; running means
  double rate = 0, gradient_norm = 0, tokens_per_s = 0, eta_s = 0;
};

struct TuneOptions {
  TuneSettings settings;
  std::string folder;
  std::string name = "adapter";  // general.name of the file
  bool resume = false;
  int64_t save_every_steps = 50;
  int n_threads = 1;
  uint64_t memory_max = uint64_t{4} << 30;  // of the process, the model's file included
  std::optional<bool> checkpointing;  // empty: when it would not fit otherwise
  const KernelTable* table = nullptr;
  const Clock* clock = nullptr;
  std::atomic<bool>* stop = nullptr;  // set it, and the run ends after the step, with a checkpoint
  std::function<void(const TuneProgress&)> progress = nullptr;
  std::function<void(const std::string&)> note = nullptr;
};

struct TuneResult {
  bool finished = false;
  int64_t step = 0, n_steps = 0, n_tokens = 0;
  double loss = 0, accuracy = 0;
  std::string adapter;           // path
  std::string digest;            // SHA-256 of the file, as the engine names it
};

// kResourceExhausted: it would not fit into memory_max. kFailedPrecondition: the folder's checkpoint is of other settings, data or base, or there is a run and resume was not asked for.
// kDataLoss: a loss or gradient that is not finite (the last checkpoint stays), a damaged checkpoint.
Result<TuneResult> tune(const TuneOptions& options, const BaseModel& base, const TuneData& data);

}  // namespace firesteel
