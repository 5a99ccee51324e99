// A request on its way through the engine: its sequence, and what turns tokens into events. Made by a caller's thread, then owned
// by the engine thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/generator.h"
#include "engine/constraint.h"
#include "engine/pictures.h"
#include "engine/sequence.h"
#include "engine/speculation.h"
#include "engine/stop_matcher.h"
#include "engine/thinking.h"
#include "model/adapter.h"
#include "sampling/seen_tokens.h"
#include "tokenizer/tokenizer.h"

namespace firesteel {

class StreamState;
struct Trail;

// The sum of a prompt's hidden states, in the order of positions, so that it does not depend on how the prompt was cut; then their
// mean, scaled to length 1. The engine thread's until the job has ended.
struct Embedding {
  std::vector<double> sum;
  std::vector<float> out;
};

struct Job final : Sequence {
  SamplingParams sampling;
  StopParams stop;
  std::shared_ptr<RequestGroup> group;  // nullable
  int depth = 0;                        // of forks inside forks
  std::vector<PlacedPicture> pictures;
  std::shared_ptr<const Adapter> adapter;  // null: the base model
  std::shared_ptr<StreamState> stream;
  std::shared_ptr<KvContext> becomes;   // prefill_only: where the blocks go; null to only compute `context` again
  std::shared_ptr<Embedding> embedding;  // prefill_only: every row's hidden state is wanted
  SeenTokens counts;                   // kept when penalties want them
  std::optional<StreamDecoder> decoder;    // with a tokenizer only
  std::vector<std::string> numbers;        // what number markers in the answer stand for
  std::optional<ThinkTracker> thinking;
  StopMatcher stop_matcher;
  std::shared_ptr<GrammarMasks> grammar;   // of a constrained answer
  std::optional<TokenId> think_start;      // the token with which the model may begin to think
  std::optional<ConstraintRun> constraint;  // made by the engine thread
  NgramIndex ngrams;                   // of tokens; made when it first guesses
  SpeculationBudget speculation;
  std::vector<TokenId> draft;          // guessed in this step: behind the last known token
  Trail* trail = nullptr;              // what it leaves for others to follow (engine/trails.h)
  Trail* follows = nullptr;            // whose steps it takes; the scheduler does not know it meanwhile
  std::shared_ptr<KvContext> left_with;  // keys and values of what it had in common with whom it followed; until it is admitted
  int64_t submitted_us = 0;
  int64_t started_us = -1;              // first step
  int64_t first_token_us = -1;
  int64_t n_generated() const { return n_tokens() - n_prompt; }
};

}  // namespace firesteel
