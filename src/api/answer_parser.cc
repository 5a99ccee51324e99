#include "api/answer_parser.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/json.h"
#include "base/utf8.h"

namespace firesteel {
namespace {

constexpr std::string_view kThinkBegin = "<think>";
constexpr std::string_view kThinkEnd = "</think>";
constexpr std::string_view kHermes = "<tool_call>";
constexpr std::string_view kHermesEnd = kCallEndMarker;
constexpr std::string_view kMistral = "[TOOL_CALLS]";
constexpr std::string_view kPython = "<|python_tag|>";
constexpr std::array<std::string_view, 3> kCallMarkers = {kHermes, kMistral, kPython};
constexpr size_t kCallBytesMax = 1u << 20;
constexpr int kFailedCallsMax = 16;
constexpr size_t kBetweenMax = 64;  // "[CALL_ID]...[ARGS]" between a name and its arguments

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }
size_t skip_space(std::string_view text, size_t at = 0) {
  while (at < text.size() && is_space(text[at])) ++at;
  return at;
}
bool starts_with(std::string_view text, std::string_view prefix) { return text.substr(0, prefix.size()) == prefix; }
bool is_name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
}

// How many bytes at the end of text may be the beginning of the marker (never all of it).
size_t open_suffix(std::string_view text, std::string_view marker) {
  for (size_t n = std::min(text.size(), marker.size() - 1); n > 0; --n) {
    if (text.substr(text.size() - n) == marker.substr(0, n)) return n;
  }
  return 0;
}

// White space at the end.
size_t space_suffix(std::string_view text) {
  size_t n = 0;
  while (n < text.size() && is_space(text[text.size() - 1 - n])) ++n;
  return n;
}

// Whether a JSON object whose beginning this is may still be a call: its first key decides.
bool may_be_call(std::string_view text) {
  const size_t quote = skip_space(text, 1);
  if (quote >= text.size()) return true;
  if (text[quote] != '"') return false;
  const size_t end = text.find('"', quote + 1);
  const std::string_view key = text.substr(quote + 1, end == std::string_view::npos ? end : end - quote - 1);
  for (const std::string_view name : {"name", "type", "function", "parameters", "arguments", "id"}) {
    if (end == std::string_view::npos ? starts_with(name, key) : name == key) return true;
  }
  return false;
}

}  // namespace

size_t JsonScan::end(std::string_view text) {
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (in_string) {
      if (escape) escape = false;
      else if (c == '\\') escape = true;
      else if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if ((c == '}' || c == ']') && --depth <= 0) {
      return at + 1;
    }
  }
  return 0;
}

void AnswerParser::show(AnswerDelta::Kind kind, std::string_view text, std::vector<AnswerDelta>* out) {
  if (text.empty()) return;
  if (!out->empty() && out->back().kind == kind && kind != AnswerDelta::Kind::kCallBegin && out->back().call_idx == n_calls_) {
    out->back().text += text;
    return;
  }
  out->push_back({kind, std::string(text), n_calls_});
}

void AnswerParser::push(std::string_view text, bool thinking, std::vector<AnswerDelta>* out) {
  if (text.empty()) return;
  if (state_ == State::kStart && pending_.empty() && utf8_.empty()) first_is_thinking_ = thinking;
  if (state_ == State::kThinking && !sees_markers_ && (!thinking || !after_.empty())) {
    after_ += text;
    if (!thinking && !end_silent_thinking(false, out)) return;
    utf8_ += std::exchange(after_, {});
    text = {};
  }
  utf8_ += text;
  const size_t whole = complete_utf8_prefix(utf8_);
  pending_.append(utf8_, 0, whole);
  utf8_.erase(0, whole);
  while (step(false, out)) {}
}

// Markers that are control tokens have no text: then the engine's word ends the thinking. But a marker's text may come late, held back
// by a stop string; what may be its beginning waits in after_. False: not decided yet.
bool AnswerParser::end_silent_thinking(bool at_end, std::vector<AnswerDelta>* out) {
  const std::string near = pending_ + after_;
  if (near.find(kThinkEnd) != std::string::npos) {
    sees_markers_ = true;
    return true;
  }
  if (!at_end && open_suffix(near, kThinkEnd) > 0) return false;
  pending_ += std::exchange(utf8_, {});
  while (step(true, out)) {}
  pending_.clear();
  space_.clear();
  state_ = State::kAfterThinking;
  return true;
}

void AnswerParser::finish(std::vector<AnswerDelta>* out) {
  if (!after_.empty()) {
    end_silent_thinking(true, out);
    utf8_ += std::exchange(after_, {});
  }
  pending_ += std::exchange(utf8_, {});  // cut by the end of the answer: shown as U+FFFD
  while (step(true, out)) {}
}

// False when nothing more can be done with what is there.
bool AnswerParser::step(bool at_end, std::vector<AnswerDelta>* out) {
  switch (state_) {
    case State::kStart: return step_start(at_end);
    case State::kThinking: return step_thinking(at_end, out);
    case State::kAfterThinking: {
      drop(skip_space(pending_));
      if (pending_.empty()) return false;
      state_ = format_.only_call ? State::kOnlyCall : State::kText;
      return true;
    }
    case State::kText: return step_text(at_end, out);
    case State::kCalls: return step_calls(at_end, out);
    case State::kAfterCall: return step_after_call(at_end);
    case State::kOnlyCall: return step_only_call(out);
  }
  return false;
}

bool AnswerParser::step_start(bool at_end) {
  const size_t begin = skip_space(pending_);
  const std::string_view rest = std::string_view(pending_).substr(begin);
  if (starts_with(rest, kThinkBegin)) {
    drop(begin + kThinkBegin.size());
    sees_markers_ = true;
    state_ = State::kThinking;
    think_newline_ = true;
    return true;
  }
  if (!at_end && (rest.empty() || starts_with(kThinkBegin, rest))) return false;
  if (first_is_thinking_) {  // the prompt opened it
    state_ = State::kThinking;
    think_newline_ = true;
    return true;
  }
  if (pending_.empty()) return false;
  state_ = format_.only_call ? State::kOnlyCall : State::kText;
  return true;
}

bool AnswerParser::step_thinking(bool at_end, std::vector<AnswerDelta>* out) {
  if (think_newline_) {
    if (pending_.empty()) return false;
    if (pending_.front() == '\n') drop(1);
    think_newline_ = false;
  }
  const size_t end = pending_.find(kThinkEnd);
  std::string_view text = std::string_view(pending_).substr(0, end);
  size_t n_taken = text.size();
  if (end == std::string::npos) {
    if (!at_end) n_taken -= open_suffix(text, kThinkEnd);
    text = text.substr(0, n_taken);
  } else {
    n_taken += kThinkEnd.size();
  }
  // White space before the end marker is not shown; elsewhere it is.
  std::string shown = std::exchange(space_, {});
  shown += text;
  const size_t n_space = space_suffix(shown);
  if (end == std::string::npos) space_ = shown.substr(shown.size() - n_space);
  shown.resize(shown.size() - n_space);
  show(AnswerDelta::Kind::kReasoning, shown, out);
  drop(n_taken);
  if (end == std::string::npos) return false;
  state_ = State::kAfterThinking;
  return true;
}

bool AnswerParser::step_text(bool at_end, std::vector<AnswerDelta>* out) {
  if (pending_.empty() && (!at_end || space_.empty())) return false;
  if (!format_.tools) {
    show(AnswerDelta::Kind::kText, std::exchange(pending_, {}), out);
    return false;
  }
  // A bare object or array at the very beginning.
  if (!any_text_ && n_calls_ == 0 && marker_.empty()) {
    const size_t begin = skip_space(pending_);
    if (begin == pending_.size() && !at_end) return false;
    if (begin < pending_.size() && (pending_[begin] == '{' || pending_[begin] == '[') && !starts_with(kMistral, pending_.substr(begin, kMistral.size()))) {
      space_ += pending_.substr(0, begin);
      drop(begin);
      scan_ = {};
      state_ = State::kCalls;
      return true;
    }
  }
  size_t at = std::string::npos;
  std::string_view marker;
  for (const std::string_view one : kCallMarkers) {
    const size_t found = pending_.find(one);
    if (found < at) {
      at = found;
      marker = one;
    }
  }
  size_t n_taken = at == std::string::npos ? pending_.size() : at;
  if (at == std::string::npos && !at_end) {
    size_t n_open = 0;
    for (const std::string_view one : kCallMarkers) n_open = std::max(n_open, open_suffix(pending_, one));
    n_taken -= n_open;
  }
  // White space before a call is not shown.
  std::string shown = std::exchange(space_, {}) + pending_.substr(0, n_taken);
  const size_t n_space = at_end && at == std::string::npos && n_calls_ == 0 ? 0 : space_suffix(shown);
  space_ = shown.substr(shown.size() - n_space);
  shown.resize(shown.size() - n_space);
  if (n_calls_ > 0 && !any_text_) shown.erase(0, skip_space(shown));
  any_text_ = any_text_ || skip_space(shown) < shown.size();
  show(AnswerDelta::Kind::kText, shown, out);
  drop(n_taken);
  if (at == std::string::npos) {
    if (at_end) space_.clear();
    return false;
  }
  marker_ = std::string(marker);
  drop(marker.size());
  scan_ = {};
  state_ = State::kCalls;
  return true;
}

// What was taken for a call is text after all.
void AnswerParser::not_a_call(std::vector<AnswerDelta>* out) {
  any_text_ = true;
  // Each try may read all that is left, so an answer made of markers would cost the square of its length.
  if (++n_failed_ >= kFailedCallsMax) format_.tools = false;
  show(AnswerDelta::Kind::kText, std::exchange(space_, {}) + std::exchange(marker_, {}), out);
  // One byte is shown at once, so that the same bytes are not taken for a call again.
  if (!pending_.empty()) {
    const size_t n = decode_utf8(pending_, 0).n_bytes;
    show(AnswerDelta::Kind::kText, pending_.substr(0, n), out);
    drop(n);
  }
  state_ = State::kText;
}

bool AnswerParser::step_calls(bool at_end, std::vector<AnswerDelta>* out) {
  const bool bare = marker_.empty();
  const size_t begin = skip_space(pending_);
  const std::string_view rest = std::string_view(pending_).substr(begin);
  if (rest.empty()) {
    if (!at_end || bare) return false;
    not_a_call(out);
    return true;
  }
  // [TOOL_CALLS]name[ARGS]{...}
  size_t name_size = 0;
  size_t value_at = 0;
  if (marker_ == kMistral && is_name_char(rest.front())) {
    while (name_size < rest.size() && is_name_char(rest[name_size])) ++name_size;
    value_at = rest.find('{');
    const bool none = value_at == std::string_view::npos;
    const std::string_view between = rest.substr(name_size, none ? value_at : value_at - name_size);
    if (between.size() > kBetweenMax || (!between.empty() && between.front() != '[')) {
      not_a_call(out);
      return true;
    }
    if (none) {
      if (!at_end) return false;
      not_a_call(out);
      return true;
    }
  }
  const std::string_view value = rest.substr(value_at);
  if (value.front() != '{' && value.front() != '[') {
    not_a_call(out);
    return true;
  }
  const bool is_bare_object = bare && value.front() == '{';
  if (is_bare_object && !may_be_call(value)) {
    not_a_call(out);
    return true;
  }
  if (bare && value.front() == '[') {
    const size_t inner = skip_space(value, 1);
    if (inner < value.size() && (value[inner] != '{' || !may_be_call(value.substr(inner)))) {
      not_a_call(out);
      return true;
    }
  }
  const size_t value_size = scan_.end(value);
  if (value_size == 0 && !at_end && value.size() <= kCallBytesMax) return false;
  if (value_size == 0) format_.tools = false;  // no end to it: all the rest is text
  if (value_size == 0 || value_size > kCallBytesMax ||
      !tell_call(value.substr(0, value_size), rest.substr(0, name_size), bare || marker_ == kPython, out)) {
    not_a_call(out);
    return true;
  }
  drop(begin + value_at + value_size);
  space_.clear();
  call_end_ = marker_ == kHermes ? kHermesEnd : ";";
  marker_.clear();
  state_ = State::kAfterCall;
  return true;
}

// The end marker may be missing: a stop string took it, or the model forgot it. Bare calls have ';' between them, or nothing.
bool AnswerParser::step_after_call(bool at_end) {
  const size_t begin = skip_space(pending_);
  const std::string_view rest = std::string_view(pending_).substr(begin);
  if (!at_end && call_end_.substr(0, rest.size()) == rest) return false;
  const bool found = starts_with(rest, call_end_);
  if (call_end_ == kHermesEnd) {
    if (found) drop(begin + call_end_.size());
    state_ = State::kText;
    return !pending_.empty();
  }
  const size_t next = skip_space(pending_, begin + (found ? call_end_.size() : 0));
  if (next == pending_.size() && !at_end) return false;
  if (next < pending_.size() && pending_[next] == '{') {
    drop(next);
    scan_ = {};
    state_ = State::kCalls;
    return true;
  }
  state_ = State::kText;
  return !pending_.empty();
}

// JSON of one call, or of an array of calls, or (with a name before it) of the arguments alone. False: it is none.
bool AnswerParser::tell_call(std::string_view json, std::string_view name, bool named_tools_only, std::vector<AnswerDelta>* out) {
  const auto parsed = Json::parse(json, {.depth = 64, .values = 1u << 18});
  if (!parsed.ok()) return false;
  struct Call {
    std::string name;
    std::string arguments;
  };
  std::vector<Call> calls;
  const auto add = [&](const Json& one) {
    const Json* inner = one.find("function");
    const Json& call = inner != nullptr && inner->is_object() ? *inner : one;
    const Json* called = call.find("name");
    if (called == nullptr || !called->is_string() || called->as_string().empty()) return false;
    if (named_tools_only && std::find(format_.tool_names.begin(), format_.tool_names.end(), called->as_string()) == format_.tool_names.end()) return false;
    const Json* arguments = call.find("arguments");
    if (arguments == nullptr) arguments = call.find("parameters");
    std::string text = "{}";
    if (arguments != nullptr && arguments->is_string()) {  // JSON in a string
      const auto read = Json::parse(arguments->as_string(), {.depth = 64, .values = 1u << 18});
      if (!read.ok() || !read->is_object()) return false;
      text = read->dump();
    } else if (arguments != nullptr && arguments->is_object()) {
      text = arguments->dump();
    } else if (arguments != nullptr && !arguments->is_null()) {
      return false;
    }
    calls.push_back({called->as_string(), std::move(text)});
    return true;
  };
  if (!name.empty()) {
    if (!parsed->is_object()) return false;
    calls.push_back({std::string(name), parsed->dump()});
  } else if (parsed->is_array()) {
    for (const Json& one : parsed->as_array()) {
      if (!add(one)) return false;
    }
    if (calls.empty()) return false;
  } else if (!add(*parsed)) {
    return false;
  }
  for (Call& call : calls) {
    if (!format_.parallel && n_calls_ > 0) break;
    out->push_back({AnswerDelta::Kind::kCallBegin, std::move(call.name), n_calls_});
    out->push_back({AnswerDelta::Kind::kCallArguments, std::move(call.arguments), n_calls_});
    ++n_calls_;
  }
  return true;
}

// The constraint made sure of the form, so arguments are told as they come.
bool AnswerParser::step_only_call(std::vector<AnswerDelta>* out) {
  std::string arguments;
  for (size_t i = 0; i < pending_.size(); ++i) {
    const char c = pending_[i];
    if (depth_ == 0 && n_calls_ == 0 && c != '{' && !is_space(c)) {  // not what was promised: text
      drop(i);
      state_ = State::kText;
      format_.tools = false;
      return true;
    }
    if (in_string_) {
      if (escape_) escape_ = false;
      else if (c == '\\') escape_ = true;
      else if (c == '"') in_string_ = false;
      if (depth_ == 1 && in_string_) string_.push_back(c);
      if (depth_ == 1 && !in_string_) {
        if (is_key_) {
          key_ = std::exchange(string_, {});
          is_key_ = false;
        } else if (key_ == "name" && !begun_) {
          begun_ = true;
          const auto name = Json::parse('"' + std::exchange(string_, {}) + '"');
          out->push_back({AnswerDelta::Kind::kCallBegin, name.ok() && name->is_string() ? name->as_string() : std::string(), n_calls_++});
        }
      }
    } else if (c == '"') {
      in_string_ = true;
      if (depth_ == 1) string_.clear();
    } else if (c == '{' || c == '[') {
      if (depth_ == 0) is_key_ = true;
      if (depth_ == 1 && begun_ && key_ == "arguments") in_arguments_ = true;
      ++depth_;
    } else if (c == '}' || c == ']') {
      --depth_;
      if (in_arguments_ && depth_ == 1) {
        arguments.push_back(c);
        in_arguments_ = false;
        continue;
      }
    } else if (c == ',' && depth_ == 1) {
      is_key_ = true;
    }
    if (in_arguments_) arguments.push_back(c);
  }
  pending_.clear();
  if (!arguments.empty()) {
    if (!out->empty() && out->back().kind == AnswerDelta::Kind::kCallArguments) out->back().text += arguments;
    else out->push_back({AnswerDelta::Kind::kCallArguments, std::move(arguments), n_calls_ - 1});
  }
  return false;
}

}  // namespace firesteel
