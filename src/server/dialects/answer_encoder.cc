#include "server/dialects/answer_encoder.h"

#include <array>
#include <utility>

#include "base/rng.h"
#include "base/utf8.h"
#include "server/told_question.h"

namespace firesteel {
namespace {

constexpr std::string_view kLetters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

std::string letters(const std::string& request_id, uint32_t a, uint32_t b, size_t n) {
  uint64_t key = 0xcbf29ce484222325u;  // FNV-1a
  for (const char c : request_id) key = (key ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  std::string out;
  for (uint32_t block = 0; out.size() < n; ++block) {
    for (const uint32_t word : philox4x32({a, b, block, 0x1d5u}, key)) {
      if (out.size() < n) out.push_back(kLetters[word % kLetters.size()]);
    }
  }
  return out;
}

}  // namespace

std::string make_call_id(const std::string& request_id, size_t choice, size_t call_idx) {
  return letters(request_id, static_cast<uint32_t>(choice), static_cast<uint32_t>(call_idx) + 1, 9);
}

std::string make_id(std::string_view prefix, const std::string& request_id, uint32_t part) {
  return std::string(prefix) + letters(request_id, part, 0, 24);
}

AnswerEncoder::AnswerEncoder(size_t n_choices, const AnswerFormat& format, bool stream, bool raw, std::string request_id)
    : choices_(n_choices, Choice(format)), stream_(stream), raw_(raw), request_id_(std::move(request_id)) {}

void AnswerEncoder::event(size_t index, const GenerateEvent& event, std::string* out) {
  if (index >= choices_.size() || choices_[index].done) return;
  if (event.kind == GenerateEvent::Kind::kAgent) {
    const std::optional<ToldQuestion> question = stream_ && event.report != nullptr ? read_question(*event.report) : std::nullopt;
    if (question) write_question(Json(Json::Object{{question->is_over ? "confirmed" : "confirm", question->told}}).dump(), out);
    return;
  }
  Choice& choice = choices_[index];
  const bool is_token = event.kind == GenerateEvent::Kind::kToken;
  if (is_token) {
    if (event.thinking) ++choice.n_thinking;
    else if (keep_logprobs_) choice.logprobs.push_back({event.token, event.logprob, event.top});
  }
  deltas_.clear();
  if (raw_) {
    choice.partial += event.text;
    const size_t whole = is_token ? complete_utf8_prefix(choice.partial) : choice.partial.size();
    if (whole > 0) deltas_.push_back({AnswerDelta::Kind::kText, choice.partial.substr(0, whole), 0});
    choice.partial.erase(0, whole);
  } else {
    choice.parser.push(event.text, event.thinking, &deltas_);
    if (!is_token) choice.parser.finish(&deltas_);
  }
  for (const AnswerDelta& delta : deltas_) {
    const bool is_call = delta.kind == AnswerDelta::Kind::kCallBegin || delta.kind == AnswerDelta::Kind::kCallArguments;
    if (delta.kind != AnswerDelta::Kind::kCallArguments) {
      if (!is_call && !choice.parts.empty() && choice.parts.back().kind == delta.kind) choice.parts.back().text += delta.text;
      else choice.parts.push_back(delta);
    }
    switch (delta.kind) {
      case AnswerDelta::Kind::kText: choice.text += delta.text; break;
      case AnswerDelta::Kind::kReasoning: choice.reasoning += delta.text; break;
      case AnswerDelta::Kind::kCallBegin:
        choice.calls.push_back({make_call_id(request_id_, index, delta.call_idx), delta.text, {}});
        break;
      case AnswerDelta::Kind::kCallArguments:
        if (!choice.calls.empty()) choice.calls.back().arguments += delta.text;
        break;
    }
  }
  if (stream_ && (!deltas_.empty() || is_token)) write_deltas(index, deltas_, out);
  if (is_token) return;
  choice.done = true;
  choice.reason = event.reason;
  if (event.stop_string != kCallEndMarker) choice.stop_string = event.stop_string;  // that one is ours
  choice.usage = event.usage;
  choice.ledger = event.report;
  if (stream_) write_done(index, out);
}

std::string AnswerEncoder::with_agents(const std::string& report) const {
  std::shared_ptr<const Json> ledger;  // of the first choice that has one: agents answer one choice, tools may be called for any
  for (const Choice& choice : choices_) ledger = ledger != nullptr ? ledger : choice.ledger;
  if (ledger == nullptr || report.empty() || report.back() != '}') return report;
  std::string out = report;
  out.pop_back();
  if (out.size() > 1) out.push_back(',');
  if (ledger->find("tool_calls") != nullptr) return out + "\"tool_calls\":" + tool_calls().dump() + "}";
  Json told = Json::Object{};
  for (const auto& [name, value] : ledger->as_object()) {
    if (name != "request" && name != "answer") told.set(name, value);
  }
  if (told.find("lanes") != nullptr && told.find("lanes")->is_array()) {
    Json::Array lanes;
    for (const Json& lane : told.find("lanes")->as_array()) {
      Json short_lane = Json::Object{};
      for (const auto& [name, value] : lane.as_object()) {
        if (name != "text" && name != "thinking") short_lane.set(name, value);
      }
      lanes.push_back(std::move(short_lane));
    }
    told.set("lanes", std::move(lanes));
  }
  return out + "\"agents\":" + told.dump() + "}";
}

Json AnswerEncoder::tool_calls() const {
  Json::Array out;
  for (size_t i = 0; i < choices_.size(); ++i) {
    const Json* calls = choices_[i].ledger == nullptr ? nullptr : choices_[i].ledger->find("tool_calls");
    if (calls == nullptr || !calls->is_array()) continue;
    for (Json call : calls->as_array()) {
      if (choices_.size() > 1) call.set("choice", static_cast<int64_t>(i));
      out.push_back(std::move(call));
    }
  }
  return out;
}

AnswerTotals AnswerEncoder::totals(size_t choices_per_prompt) const {
  AnswerTotals sum;
  for (size_t i = 0; i < choices_.size(); ++i) {
    if (i % choices_per_prompt == 0) {
      sum.prompt += choices_[i].usage.prompt_tokens;
      sum.cached += choices_[i].usage.cached_tokens;
    }
    sum.generated += choices_[i].usage.generated_tokens;
    sum.thinking += choices_[i].n_thinking;
  }
  return sum;
}

}  // namespace firesteel
