// Samples to token ids, targets and patches, with the code that serves: the chat encoder and the patches.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/metadata.h"
#include "base/result.h"
#include "checkpoint/checkpoint.h"
#include "image/patches.h"
#include "schema/sample.h"
#include "tokenizer/chat_encoder.h"
#include "train/shard.h"

namespace firesteel {

struct EncodedSample {
  std::string kind;
  std::vector<int32_t> ids;          // prompt, target, end of turn
  int32_t n_prompt = 0;              // all after it is to be learnt
  int32_t adapter_from = 0;          // as in ShardSegment
  std::vector<ShardPatch> patches;   // positions within ids
  std::vector<float> patch_values;
  // What is to be seen in a patch, as a token: the first of a mark's text or a later one, of one mark in it. In order of position.
  std::vector<ShardTarget> seen;
};

// What a trained model begins from: a GGUF file with vocabulary, chat template and number markers. Its metadata goes on into the
// model. Immutable, safe to share between threads.
class SampleEncoder {
 public:
  static Result<std::unique_ptr<const SampleEncoder>> open(const std::string& tokenizer_path);

  int64_t n_vocab() const { return tokenizer_->n_vocab(); }
  const Checkpoint& file() const { return *file_; }
  const Tokenizer& tokenizer() const { return *tokenizer_; }

  // bind_numbers: with markers, or (false) in digits, as an engine sees it that does not know them. patches: null when the network
  // sees no pictures: kUnsupported for a sample that has some.
  Result<EncodedSample> encode(const Sample& sample, bool bind_numbers, const PatchParams* patches) const;

 private:
  SampleEncoder() = default;
  std::shared_ptr<const Checkpoint> file_;
  std::unique_ptr<const Tokenizer> tokenizer_;
  std::unique_ptr<const ChatTemplate> chat_template_;
  std::shared_ptr<const NumberBinding> numbers_;
  Json calculator_;
};

// Appends a sample to a shard. kind: as in ShardSegment. mark_weight: above 0, `seen` becomes marks of that weight.
void append_sample(const EncodedSample& sample, int32_t kind, float mark_weight, Shard* shard);

}  // namespace firesteel
