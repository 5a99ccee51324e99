// What all encoders share: events become the parts of answers, counted once, whether they are streamed or not.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "api/answer_parser.h"
#include "server/exchange.h"

namespace firesteel {

// Nine letters and digits, as some models' templates demand; different for each call of each answer.
std::string make_call_id(const std::string& request_id, size_t choice, size_t call_idx);
// `prefix` and 24 letters and digits from the request's id: names of answers and their parts. part 0 is the answer.
std::string make_id(std::string_view prefix, const std::string& request_id, uint32_t part = 0);

struct LogprobEntry {
  TokenId token = 0;
  float logprob = 0;
  std::vector<TokenLogprob> top;
};

// Tokens.
struct AnswerTotals {
  int64_t prompt = 0, cached = 0, generated = 0, thinking = 0;
};

class AnswerEncoder : public ReplyEncoder {
 public:
  void event(size_t choice, const GenerateEvent& event, std::string* out) final;

 protected:
  struct Call {
    std::string id, name, arguments;
  };
  struct Choice {
    explicit Choice(AnswerFormat format) : parser(std::move(format)) {}
    AnswerParser parser;
    std::string text, reasoning;
    std::vector<Call> calls;
    std::vector<AnswerDelta> parts;       // the same in order, neighbours of a kind joined; of a call its beginning only
    std::string partial;                  // raw: bytes of a character that is not whole yet
    std::vector<LogprobEntry> logprobs;   // if kept; not of thinking
    size_t n_logprobs_told = 0;
    bool done = false;
    FinishReason reason = FinishReason::kStop;
    std::string stop_string;
    Usage usage;
    int64_t n_thinking = 0;               // tokens
    std::shared_ptr<const Json> ledger = {};
    bool is_cut() const { return reason == FinishReason::kLength || reason == FinishReason::kDeadline; }
  };
  // raw: text is passed on as it is, thinking and tool calls are not looked for.
  AnswerEncoder(size_t n_choices, const AnswerFormat& format, bool stream, bool raw, std::string request_id);

  // When the exchange streams: what became known with one event (perhaps nothing), then the end of the choice.
  virtual void write_deltas(size_t choice, const std::vector<AnswerDelta>& deltas, std::string* out) = 0;
  virtual void write_done(size_t choice, std::string* out) = 0;
  // A question about a call, or its end: {"confirm": {"id", "name", "arguments", ...}} or {"confirmed": {"id", "outcome"}}.
  virtual void write_question(const std::string& /*extension*/, std::string* /*out*/) {}

  // The extension's report with what agents did, where they did: {"seed": ..., "agents": {the ledger, without texts}}; or with the calls
  // of the server's own tools: {"seed": ..., "tool_calls": [{"name", "arguments", "result", "failed"?, "choice"?}...]}.
  std::string with_agents(const std::string& report) const;

  // Of all choices; that many in a row share one prompt, which is counted once.
  AnswerTotals totals(size_t choices_per_prompt) const;

  std::vector<Choice> choices_;
  bool keep_logprobs_ = false;
  const bool stream_;
  const bool raw_;
  const std::string request_id_;

 private:
  Json tool_calls() const;
  std::vector<AnswerDelta> deltas_;
};

}  // namespace firesteel
