// The only place that wires concrete types together: Checkpoint > Model > Tokenizer > ChatTemplate > Engine.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "checkpoint/checkpoint.h"
#include "command_line.h"
#include "engine/engine.h"
#include "model/model.h"
#include "model/vision.h"
#include "tokenizer/chat_template.h"
#include "tokenizer/number_binding.h"
#include "tokenizer/tokenizer.h"

namespace firesteel {

// Options that every command with a model takes.
struct ModelOptions {
  std::string model;
  std::string chat_template_file;  // instead of the model's own
  std::string mmproj;              // file of the vision part; empty: the one beside the model; "none": without
  std::string kv;                  // "", "f32", "bf16", "int8"
  std::string precision = "fast";
  std::string adapter;             // file of a LoRA adapter; empty: none
  int64_t n_threads = 0;           // 0: the CPUs this process may use
  int64_t n_draft = 4;             // tokens guessed ahead; 0: none
  int64_t context_length = 0;      // 0: the model's, lowered to what memory holds
};

void add_model_option(Command* command, ModelOptions* options);    // --model only
void add_vision_option(Command* command, ModelOptions* options);   // --mmproj
void add_engine_options(Command* command, ModelOptions* options);  // --threads --kv --precision --ctx --draft

struct LoadedModel {
  std::string path;
  std::shared_ptr<const Checkpoint> checkpoint;
  std::shared_ptr<const Model> model;
  std::shared_ptr<const VisionModel> vision;          // null when the model cannot see pictures
  std::shared_ptr<const Tokenizer> tokenizer;         // null when the file has none
  std::shared_ptr<const ChatTemplate> chat_template;  // null when the model has none
  std::shared_ptr<const NumberBinding> numbers;       // null when the model has no number markers
  SamplingDefaults sampling = {};                     // how the model wants to be sampled where nobody says
};

// Maps the file, checks it and builds tokenizer tables (on a second thread, beside the checks). A tokenizer that the file has but
// that cannot be loaded is an error; so is a chat template, unless want_template is false.
Result<LoadedModel> load_model(const ModelOptions& options, bool want_template);

// Without weights: fast. Also takes tokenizer files (tokenizer.json, .model, .tiktoken).
Result<std::shared_ptr<const Tokenizer>> load_tokenizer(const ModelOptions& options);

// Whether the file says that its numbers are marked, its pictures cut ... as Kindling's are.
bool is_kindling(const Checkpoint& checkpoint);

// What the file wishes (general.sampling.temp, top_k, top_p, min_p, penalty_repeat); Kindling, which is asked for results, is greedy
// unless its file says otherwise. kDataLoss: a wish out of range.
Result<SamplingDefaults> sampling_defaults(const Checkpoint& checkpoint);

// The source of the model's chat template; empty when it has none.
Result<std::string> chat_template_source(const Checkpoint& checkpoint, const std::string& override_file);

// `engine_options` holds what the command wants; threads, context and KV type of `options` are put in.
Result<std::unique_ptr<Engine>> create_engine(const LoadedModel& loaded, const ModelOptions& options, Engine::Options engine_options = {});

void add_adapter_option(Command* command, ModelOptions* options);  // --adapter FILE
// Loads options.adapter into the engine; the digest that requests name, empty without the option.
Result<std::string> use_adapter(Engine* engine, const ModelOptions& options);

// An installation's adapters, by content: STATE/adapters/DIGEST.gguf, where servers and evaluations find those of variants.
std::string adapter_store(const std::string& state_dir);
// Checks a file against the model and copies it there. The digest.
Result<std::string> store_adapter(const std::string& file, const LoadedModel& loaded, const std::string& state_dir);

int threads_to_use(const ModelOptions& options);
KvType kv_type_to_use(const ModelOptions& options, KvType otherwise);

}  // namespace firesteel
