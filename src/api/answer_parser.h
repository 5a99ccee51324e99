// What a model wrote, taken apart while it is written: thinking, text, tool calls. Deltas do not depend on how the text was cut.
//
// Tool calls are read in the forms that models are trained on (their model cards and chat templates say so):
//   Hermes, Qwen    <tool_call>{"name": "f", "arguments": {...}}</tool_call>, several times, text before
//   Llama 3.1       {"name": "f", "parameters": {...}}, as the whole answer, perhaps after <|python_tag|>, several with ';' between
//   Mistral         [TOOL_CALLS] [{"name": "f", "arguments": {...}}, ...], or f[ARGS]{...}; the marker may be hidden as a control token
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace firesteel {

constexpr std::string_view kCallEndMarker = "</tool_call>";

struct AnswerFormat {
  bool tools = false;                        // tool calls are looked for
  bool only_call = false;                    // the whole answer is one {"name", "arguments"}, as a constraint made sure
  bool parallel = true;                      // false: calls after the first are dropped
  std::vector<std::string> tool_names = {};  // a bare JSON object is a call only with one of these names
};

struct AnswerDelta {
  enum class Kind : uint8_t { kText, kReasoning, kCallBegin, kCallArguments };
  Kind kind = Kind::kText;
  std::string text = {};   // kCallBegin: the tool's name; kCallArguments: a piece of the arguments' JSON text
  size_t call_idx = 0;     // of the calls of this answer
};

// Finds the end of a JSON object or array that comes in pieces.
struct JsonScan {
  size_t at = 0;
  int depth = 0;
  bool in_string = false;
  bool escape = false;
  // text: from the beginning each time, longer than before. One past the end, or 0 while it is not whole.
  size_t end(std::string_view text);
};

class AnswerParser {
 public:
  explicit AnswerParser(AnswerFormat format) : format_(std::move(format)) {}

  // thinking: the engine says that the text lies between the think markers (they are part of the text, or of the prompt).
  void push(std::string_view text, bool thinking, std::vector<AnswerDelta>* out);
  // What was held back. A call that is not whole is text, unless it has begun to be told (only_call).
  void finish(std::vector<AnswerDelta>* out);
  size_t n_calls() const { return n_calls_; }

 private:
  enum class State : uint8_t { kStart, kThinking, kAfterThinking, kText, kCalls, kAfterCall, kOnlyCall };

  bool end_silent_thinking(bool at_end, std::vector<AnswerDelta>* out);
  bool step(bool at_end, std::vector<AnswerDelta>* out);
  bool step_start(bool at_end);
  bool step_thinking(bool at_end, std::vector<AnswerDelta>* out);
  bool step_text(bool at_end, std::vector<AnswerDelta>* out);
  bool step_calls(bool at_end, std::vector<AnswerDelta>* out);
  bool step_after_call(bool at_end);
  bool step_only_call(std::vector<AnswerDelta>* out);
  void not_a_call(std::vector<AnswerDelta>* out);
  void show(AnswerDelta::Kind kind, std::string_view text, std::vector<AnswerDelta>* out);
  bool tell_call(std::string_view json, std::string_view name, bool named_tools_only, std::vector<AnswerDelta>* out);
  void drop(size_t n) { pending_.erase(0, n); }

  AnswerFormat format_;
  State state_ = State::kStart;
  std::string utf8_;             // bytes of a character that is not whole yet
  std::string pending_;          // read, not told
  std::string after_;            // of an answer whose thinking has ended, perhaps
  std::string space_;            // white space that is shown only if something follows
  bool first_is_thinking_ = false;
  bool sees_markers_ = false;    // "<think>" was part of the text, so "</think>" will be
  bool any_text_ = false;        // something but white space was shown as text
  bool think_newline_ = false;   // the line break after <think> is not shown
  std::string marker_;           // of the call being read, to give it back when it is none
  std::string_view call_end_;    // what comes after the call just read
  JsonScan scan_;                // of the call being read
  size_t n_calls_ = 0;
  int n_failed_ = 0;
  // kOnlyCall: where in {"name": "f", "arguments": {...}} the reading is.
  int depth_ = 0;
  bool in_string_ = false, escape_ = false, in_arguments_ = false, begun_ = false;
  std::string key_, string_;
  bool is_key_ = false;
};

}  // namespace firesteel
