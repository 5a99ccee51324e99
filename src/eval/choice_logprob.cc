#include "eval/choice_logprob.h"

#include "eval/answer_text.h"

namespace firesteel {
namespace {

constexpr int kAlternatives = 20;

}  // namespace

Attempt choose_by_logprob(Generator* generator, GenerateRequest request, size_t n_choices) {
  Attempt out;
  request.sampling = {};
  request.sampling.temperature = 0;
  request.sampling.n_top_logprobs = kAlternatives;
  request.stop.max_tokens = 1;
  request.stop.thinking_budget = 0;
  Result<std::unique_ptr<TokenStream>> stream = generator->submit(std::move(request));
  if (!stream.ok()) {
    out.error = stream.error().message;
    out.finish = "error";
    return out;
  }
  float best = 0;
  while (std::optional<GenerateEvent> event = (*stream)->next()) {
    if (event->kind == GenerateEvent::Kind::kDone) {
      out.finish = "stop";  // after one token, as it should be
      if (event->reason == FinishReason::kError) out.error = event->error.message;
      out.cancelled = event->reason == FinishReason::kCancelled;
      out.prompt_tokens = event->usage.prompt_tokens;
      out.generated_tokens = event->usage.generated_tokens;
      out.time_us = event->usage.total_us;
      continue;
    }
    out.text += event->text;
    for (const TokenLogprob& one : event->top) {
      const std::string token(trim(generator->token_text(one.id)));
      if (token.size() != 1 || token[0] < 'A' || static_cast<size_t>(token[0] - 'A') >= n_choices) continue;
      if (out.choice < 0 || one.logprob > best) {
        out.choice = token[0] - 'A';
        best = one.logprob;
      }
    }
  }
  return out;
}

}  // namespace firesteel
