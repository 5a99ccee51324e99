// What the OpenAI routes share: sampling parameters, stream options, usage, log probabilities.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "server/dialects/answer_encoder.h"
#include "server/dialects/generation.h"
#include "server/dialects/parameters.h"

namespace firesteel {

struct StreamOptions {
  bool on = false;
  bool include_usage = false;
};
StreamOptions read_stream_options(const BodyReader& body);

// temperature, top_p, penalties, seed, stop, logit_bias.
void read_openai_sampling(const BodyReader& body, size_t n_stop_max, const ModelInfo& info, Generation* out);
// The first of the names that is there; two that differ fail.
void read_openai_max_tokens(const BodyReader& body, std::initializer_list<std::string_view> names, Generation* out);
// A prompt or several: a string, strings, token ids, or lists of token ids; 1 to n_max of them.
std::vector<Prompt> read_prompts(const BodyReader& body, std::string_view name, size_t n_max, const ModelInfo& info);
// user, metadata, store = false, modalities = ["text"].
void read_openai_bookkeeping(const BodyReader& body);

// The members that every object of an answer begins with.
struct OpenAiHead {
  std::string id, model, fingerprint, request_id;
  int64_t created = 0;
  Generator* generator = nullptr;  // outlives the encoder
  static OpenAiHead make(std::string_view id_prefix, std::string model, const ModelInfo& info, const ExchangeContext& context);
  // Without braces: "id":...,"object":...
  std::string text(std::string_view object) const;
};

void write_openai_usage(const AnswerTotals& totals, std::string* out);

// {"content": [{token, logprob, bytes, top_logprobs}], "refusal": null} of the entries from *n_told on, which moves to the end.
void write_openai_logprobs(const std::vector<LogprobEntry>& entries, size_t* n_told, const Generator* generator, std::string* out);
// JSON has no infinity: the least likely of tokens is -9999.
double shown_logprob(float logprob);

}  // namespace firesteel
