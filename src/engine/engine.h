// The engine: requests in, streams of events out. One thread owns scheduler, KV cache and model state; callers' threads validate,
// render and encode before, and read their streams after. Thread-safe.
//
//   submit: validate > render the template > encode > queue      (caller's thread)
//   step:   Scheduler::plan > Model::forward > Sampler::sample > detokenize, stop strings > events      (engine thread)
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "api/generator.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/result.h"
#include "engine/stats.h"
#include "kernels/table.h"
#include "model/model.h"
#include "model/vision.h"
#include "tensor/kv_layout.h"
#include "tokenizer/chat_template.h"
#include "tokenizer/number_binding.h"
#include "tokenizer/tokenizer.h"

namespace firesteel {

class Engine final : public Generator {
 public:
  struct Options {
    int n_threads = 0;               // of the forward pass, 1..256; 0: the CPUs the process may use
    int64_t context_length = 0;      // tokens per sequence (prompt and answer); 0: the model's, lowered to what kv_bytes_max holds
    uint64_t kv_bytes_max = 0;       // hard limit of KV memory (reserved, committed when used); 0: a quarter of the available memory
    std::optional<KvType> kv_type = {};  // default: the model's
    int max_batch_rows = 512;        // tokens of one step
    int max_sequences = 64;          // that hold KV blocks and advance together; <= max_batch_rows
    int max_queue = 1024;            // requests that wait
    int prefill_chunk = 128;         // prompt tokens of a step beside which others decode; alone, a prompt takes the whole step
    int max_contexts = 256;          // alive at a time
    int max_adapters = 64;           // loaded at a time
    int max_draft = 0;               // tokens guessed ahead per sequence and step (engine/speculation.h), 0..16; 0: none. Changes no answer
    int64_t batch_ageing_us = 10'000'000;  // Priority::kBatch counts as interactive after this wait
    std::shared_ptr<const VisionModel> vision = {};  // nullptr: pictures are refused
    std::optional<TokenId> picture_token = {};       // that stands for a patch; default: "<|image_pad|>" of the tokenizer
    const KernelTable* table = nullptr;    // nullptr: default_kernel_table()
    const Clock* clock = nullptr;          // nullptr: system_clock()
    std::shared_ptr<const NumberBinding> numbers = {};  // of the tokenizer; null: the model has no number markers
    bool poison_free_blocks = false;       // tests: released blocks are filled with NaN, so that a stray read is seen
    ModelInfo info = {};                   // what info() cannot know from here: name, quantisation, sizes and date of the file, template
  };

  // tokenizer and chat_template may be null: then only TokenPrompt is accepted, texts are empty, and stop strings are refused.
  // kInvalidArgument names the option; kFailedPrecondition when tokenizer or vision part do not fit the model; kResourceExhausted when kv_bytes_max does not hold context_length.
  static Result<std::unique_ptr<Engine>> create(std::shared_ptr<const Model> model, std::shared_ptr<const Tokenizer> tokenizer,
                                                std::shared_ptr<const ChatTemplate> chat_template, Options options);
  // Ends every open request with kCancelled. Streams and contexts may outlive the engine.
  ~Engine() override;

  Result<std::unique_ptr<TokenStream>> submit(GenerateRequest request) override;
  Result<std::shared_ptr<Context>> prefill(GenerateRequest request) override;
  Result<std::vector<std::unique_ptr<TokenStream>>> fork(const std::shared_ptr<Context>& context,
                                                         std::vector<BranchRequest> branches) override;
  Result<std::shared_ptr<Context>> context_of(const TokenStream& stream, int64_t n_generated = -1) override;

  Result<int64_t> count_tokens(const Prompt& prompt, std::span<const ImagePtr> images = {}) override;
  Result<std::vector<TokenId>> tokenize(const Prompt& prompt, std::span<const ImagePtr> images = {}) override;
  Result<std::string> detokenize(std::span<const TokenId> ids) override;
  std::string token_text(TokenId id) const override;
  ModelInfo info() const override;
  GeneratorStats stats() const override;
  Result<std::vector<float>> embed(const Prompt& prompt) override;

  Result<AdapterInfo> load_adapter(const std::string& path) override;
  Status unload_adapter(const std::string& digest) override;
  std::vector<AdapterInfo> adapters() const override;

  // As tokenize.
  Result<std::vector<TokenId>> encode(const Prompt& prompt, std::span<const ImagePtr> images = {}) const;

  // Writes a context's tokens, keys and values to a file, and back. The file is for this model and KV layout only: kFailedPrecondition
  // names the difference (or that there are pictures: snapshots hold text only), kDataLoss a corruption. A snapshot is data of the namespace it came from: the caller keeps it apart.
  Status save_context(const std::shared_ptr<Context>& context, const std::string& path);
  // adapter: digest of the loaded adapter that the context was made with, empty: none.
  Result<std::shared_ptr<Context>> load_context(const std::string& path, CacheNamespace cache_namespace, const std::string& adapter = {});

  EngineStats engine_stats() const;
  int64_t context_length() const;  // effective
  KvLayout kv_layout() const;
  int n_threads() const;

 private:
  struct Impl;
  explicit Engine(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace firesteel
