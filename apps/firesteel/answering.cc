#include "answering.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include <fmt/format.h>

#include "terminal.h"

namespace firesteel {
namespace {

constexpr const char* kDim = "\033[2m";
constexpr const char* kPlain = "\033[0m";

// What a person would call the arguments: the text itself when there is only one.
std::string arguments_text(const std::string& arguments) {
  const auto json = Json::parse(arguments);
  if (!json.ok() || !json->is_object() || json->as_object().size() != 1) return arguments;
  const Json& value = json->as_object().front().second;
  return value.is_string() ? value.as_string() : arguments;
}

// Text of a model on a terminal: what could move the cursor is not shown.
std::string printable(std::string text) {
  std::replace_if(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }, ' ');
  return text;
}

class Screen {
 public:
  explicit Screen(bool quiet) : quiet_(quiet), on_terminal_(is_terminal(STDOUT_FILENO)) {}

  void text(std::string_view piece, bool thinking) {
    if (quiet_ || (thinking && !on_terminal_)) return;
    if (thinking != thinking_) {
      if (!thinking) end_line();
      std::fputs(thinking ? kDim : kPlain, stdout);
      thinking_ = thinking;
    }
    std::fwrite(piece.data(), 1, piece.size(), stdout);
    std::fflush(stdout);
    at_line_start_ = piece.empty() ? at_line_start_ : piece.back() == '\n';
  }

  void result(const ToolCall& call) {
    if (quiet_) return;
    end_line();
    const bool dim = is_terminal(STDERR_FILENO);
    fmt::print(stderr, "{}{}: {} {} {}{}\n", dim ? kDim : "", printable(call.name), printable(arguments_text(call.arguments)),
               call.failed ? "is an" : "=", printable(call.result), dim ? kPlain : "");
  }

  void finish() {
    if (thinking_) std::fputs(kPlain, stdout);
    std::fflush(stdout);
  }

 private:
  void end_line() {
    if (on_terminal_ && !at_line_start_) std::fputc('\n', stdout);
    at_line_start_ = true;
    std::fflush(stdout);
  }
  bool quiet_, on_terminal_;
  bool thinking_ = false;
  bool at_line_start_ = true;
};

}  // namespace

bool can_ask_on_terminal() { return is_terminal(STDIN_FILENO) && is_terminal(STDERR_FILENO); }

ConfirmWord ask_on_terminal(const std::string& call, const std::string& source, bool may_always) {
  const std::string after = source.empty() ? std::string() : " after text from " + printable(source) + " was read";
  fmt::print(stderr, "\nThe model wants to run {}{}. Allow this call? [{}] ", printable(call), after, may_always ? "y/a/N, a: always in this run" : "y/N");
  char answer[16] = {};
  if (std::fgets(answer, sizeof answer, stdin) == nullptr) return ConfirmWord::kDeny;
  if (answer[0] == 'y' || answer[0] == 'Y') return ConfirmWord::kAllow;
  return may_always && (answer[0] == 'a' || answer[0] == 'A') ? ConfirmWord::kAlways : ConfirmWord::kDeny;
}

Result<ConversationAnswer> answer_conversation(Generator* generator, GenerateRequest request, const AgentTools& tools, bool quiet,
                                               const std::function<void(TokenStream*)>& on_stream) {
  Screen screen(quiet);
  ToolLoopHooks hooks;
  hooks.on_text = [&](std::string_view text, bool thinking) { screen.text(text, thinking); };
  hooks.on_result = [&](const ToolCall& call) { screen.result(call); };
  hooks.on_stream = on_stream;
  ToolSurroundings around;
  TaintGate::Policy policy;
  policy.confirm = [](const ConsentQuestion& question) {
    if (!can_ask_on_terminal()) return Consent::kNobody;
    switch (ask_on_terminal(question.call.name + " " + question.call.arguments.dump(), question.tainted_by, question.may_always)) {
      case ConfirmWord::kAllow: return Consent::kAllowed;
      case ConfirmWord::kAlways: return Consent::kAllowedAlways;
      case ConfirmWord::kDeny: return Consent::kDenied;
    }
    return Consent::kDenied;
  };
  around.gate = std::make_shared<TaintGate>(std::move(policy));
  auto answer = run_tool_loop(generator, std::move(request), tools, {}, hooks, nullptr, std::move(around));
  screen.finish();
  if (!answer.ok()) return std::move(answer).error();
  if (answer->end != ToolLoopAnswer::End::kAnswered && !quiet) {
    fmt::print(stderr, "firesteel: the model went on calling tools and was stopped (limit: {})\n", tool_loop_end_name(answer->end));
  }
  return ConversationAnswer{{std::move(answer->text), std::move(answer->thinking), std::move(answer->done)}, std::move(answer->calls)};
}

Json calls_json(const std::vector<ToolCall>& calls) {
  Json::Array out;
  for (const ToolCall& call : calls) {
    const auto arguments = Json::parse(call.arguments);
    out.push_back(Json::Object{{"name", call.name}, {"arguments", arguments.ok() ? *arguments : Json(call.arguments)}, {"result", call.result}, {"failed", call.failed}});
  }
  return out;
}

}  // namespace firesteel
