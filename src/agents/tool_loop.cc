#include "agents/tool_loop.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

#include "api/answer_parser.h"
#include "base/utf8.h"

namespace firesteel {
namespace {

struct Round {
  std::string text, thinking;
  std::vector<ToolCall> calls;
  int64_t n_thinking = 0;  // tokens
  GenerateEvent done;
};

AnswerFormat format_of(const AgentTools& tools) {
  AnswerFormat format;
  format.tools = !tools.empty();
  for (const auto& tool : tools) format.tool_names.push_back(tool->name());
  return format;
}

Round read_round(TokenStream* stream, const AgentTools& tools, const ToolLoopHooks& hooks) {
  AnswerParser parser(format_of(tools));
  Round round;
  std::vector<AnswerDelta> deltas;
  const auto take_deltas = [&](bool is_token, bool in_thinking) {
    std::string shown, thought;
    for (AnswerDelta& delta : deltas) {
      switch (delta.kind) {
        case AnswerDelta::Kind::kText:
        case AnswerDelta::Kind::kReasoning: {
          const bool thinking = delta.kind == AnswerDelta::Kind::kReasoning;
          (thinking ? round.thinking : round.text) += delta.text;
          if (hooks.on_token) (thinking ? thought : shown) += delta.text;
          if (hooks.on_text) hooks.on_text(delta.text, thinking);
          break;
        }
        case AnswerDelta::Kind::kCallBegin: round.calls.push_back({.name = std::move(delta.text)}); break;
        case AnswerDelta::Kind::kCallArguments: round.calls.back().arguments += delta.text; break;
      }
    }
    deltas.clear();
    if (hooks.on_token && (is_token || !shown.empty() || !thought.empty())) hooks.on_token(shown, thought, is_token && in_thinking);
  };
  while (std::optional<GenerateEvent> event = stream->next()) {
    const bool is_token = event->kind == GenerateEvent::Kind::kToken;
    if (is_token && event->thinking) ++round.n_thinking;
    parser.push(event->text, event->thinking, &deltas);
    take_deltas(is_token, event->thinking);
    if (event->kind == GenerateEvent::Kind::kDone) round.done = std::move(*event);
  }
  parser.finish(&deltas);
  take_deltas(false, false);
  return round;
}

// Pictures go to `images`.
void run_call(ToolCall* call, const AgentTools& tools, size_t bytes_max, const ToolContext& context, TaintGate* gate, std::vector<ImagePtr>* images) {
  const auto tool = std::find_if(tools.begin(), tools.end(), [&](const auto& one) { return one->name() == call->name; });
  Result<ToolResult> result = Error{ErrorCode::kNotFound, ""};
  if (tool == tools.end()) {
    std::string names;
    for (const auto& one : tools) names += (names.empty() ? "" : ", ") + one->name();
    result = Error{ErrorCode::kNotFound, "there is no such tool; there is " + names};
  } else if (auto arguments = Json::parse(call->arguments, {.depth = 64, .values = 1u << 18}); !arguments.ok()) {
    result = std::move(arguments).error();
  } else {
    result = run_tool(**tool, *arguments, context, gate, &call->consent);
  }
  call->failed = !result.ok();
  call->result = result.ok() ? std::move(result->text) : "error: " + result.error().message;
  if (result.ok()) std::move(result->images.begin(), result->images.end(), std::back_inserter(*images));
  if (call->result.size() > bytes_max) {
    call->result.resize(bytes_max);
    call->result.resize(complete_utf8_prefix(call->result));
    call->result += " [cut]";
  }
}

// What a round used beside those before it. The prompt of a later round repeats the earlier one and what was generated since; new in it
// are the results of tools. Each token counts once, by counts that do not depend on what the prefix cache held.
void add_usage(const Usage& usage, const Usage& round_before, Usage* sum) {
  if (round_before.prompt_tokens == 0) {
    sum->prompt_tokens = usage.prompt_tokens;
    sum->cached_tokens = usage.cached_tokens;
    sum->queued_us = usage.queued_us;
    sum->first_token_us = usage.first_token_us;
  } else {
    sum->prompt_tokens += std::max<int64_t>(0, usage.prompt_tokens - round_before.prompt_tokens - round_before.generated_tokens);
  }
  sum->generated_tokens += usage.generated_tokens;
  sum->total_us += usage.total_us;
}

void append_messages(const Round& round, size_t n_images, Json::Array* messages) {
  Json::Array calls;
  for (size_t i = 0; i < round.calls.size(); ++i) {
    const ToolCall& call = round.calls[i];
    const auto arguments = Json::parse(call.arguments);
    const Json function = Json::Object{{"name", call.name}, {"arguments", arguments.ok() ? *arguments : Json(Json::Object{})}};
    calls.push_back(Json::Object{{"id", "call_" + std::to_string(messages->size()) + "_" + std::to_string(i)}, {"type", "function"}, {"function", function}});
  }
  const Json::Array ids = calls;
  messages->push_back(Json::Object{{"role", "assistant"}, {"content", round.text}, {"tool_calls", std::move(calls)}});
  for (size_t i = 0; i < round.calls.size(); ++i) {
    const ToolCall& call = round.calls[i];
    messages->push_back(Json::Object{{"role", "tool"}, {"tool_call_id", *ids[i].find("id")}, {"name", call.name}, {"content", call.result}});
  }
  if (n_images == 0) return;
  Json::Array parts(n_images, Json::Object{{"type", "image"}});
  parts.push_back(Json::Object{{"type", "text"}, {"text", "The pictures that the tools gave."}});
  messages->push_back(Json::Object{{"role", "user"}, {"content", std::move(parts)}});
}

bool holds_tool_results(const ChatPrompt& chat) {
  if (!chat.messages.is_array()) return false;
  return std::any_of(chat.messages.as_array().begin(), chat.messages.as_array().end(), [](const Json& message) {
    const Json* role = message.find("role");
    return role != nullptr && *role == Json("tool");
  });
}

}  // namespace

const char* tool_loop_end_name(ToolLoopAnswer::End end) {
  switch (end) {
    case ToolLoopAnswer::End::kAnswered: return "answered";
    case ToolLoopAnswer::End::kRounds: return "rounds";
    case ToolLoopAnswer::End::kIdentical: return "identical";
    case ToolLoopAnswer::End::kCalls: return "calls";
    case ToolLoopAnswer::End::kTokens: return "tokens";
  }
  return "?";
}

Result<ToolLoopAnswer> run_tool_loop(Generator* generator, GenerateRequest request, const AgentTools& tools, const ToolLoopLimits& limits,
                                     const ToolLoopHooks& hooks, std::unique_ptr<TokenStream> first, ToolSurroundings around) {
  auto* chat = std::get_if<ChatPrompt>(&request.prompt);
  if (!tools.empty() && (chat == nullptr || !chat->messages.is_array())) {
    return Error{ErrorCode::kInvalidArgument, "tools need a conversation, found a raw prompt"};
  }
  if (!tools.empty() && chat->tools.is_null()) chat->tools = tools_json(tools);
  const Clock& clock = around.clock != nullptr ? *around.clock : system_clock();
  if (around.gate == nullptr) around.gate = std::make_shared<TaintGate>();
  if (chat != nullptr && holds_tool_results(*chat)) around.gate->taint("the conversation");
  if (request.tools && !request.tools->tainted_by.empty()) around.gate->taint(request.tools->tainted_by);
  const std::string owner = request.tools ? request.tools->owner : std::string();
  request.tools.reset();
  const int64_t max_tokens = request.stop.max_tokens;
  Usage round_before;
  std::map<std::pair<std::string, std::string>, int> n_seen;
  ToolLoopAnswer answer;
  for (;;) {
    if (limits.n_tokens_max >= 0) {
      const int64_t n_left = limits.n_tokens_max - answer.done.usage.generated_tokens;
      if (answer.n_rounds > 0 && n_left <= 0) {
        answer.end = ToolLoopAnswer::End::kTokens;
        return answer;
      }
      request.stop.max_tokens = max_tokens < 0 ? n_left : std::min(max_tokens, n_left);
    }
    Result<std::unique_ptr<TokenStream>> stream = first != nullptr ? std::move(first) : generator->submit(request);
    if (!stream.ok()) {
      if (answer.n_rounds == 0) return std::move(stream).error();
      answer.done.reason = FinishReason::kError;
      answer.done.error = std::move(stream).error();
      return answer;
    }
    if (hooks.on_stream) hooks.on_stream(stream->get());
    Round round = read_round(stream->get(), tools, hooks);
    if (hooks.on_stream) hooks.on_stream(nullptr);
    ++answer.n_rounds;
    Usage usage = answer.done.usage;
    add_usage(round.done.usage, round_before, &usage);
    round_before = round.done.usage;
    if (request.stop.thinking_budget > 0) request.stop.thinking_budget = std::max<int64_t>(0, request.stop.thinking_budget - round.n_thinking);
    answer.text = round.text;
    if (!round.thinking.empty()) answer.thinking += (answer.thinking.empty() ? "" : "\n\n") + round.thinking;
    answer.done = std::move(round.done);
    answer.done.usage = usage;
    const bool finished = answer.done.reason == FinishReason::kStop || answer.done.reason == FinishReason::kLength;
    if (round.calls.empty() || !finished) return answer;

    std::vector<ImagePtr> images;
    for (ToolCall& call : round.calls) {
      if (++n_seen[{call.name, call.arguments}] > limits.n_identical_max) answer.end = ToolLoopAnswer::End::kIdentical;
      if (static_cast<int>(answer.calls.size()) >= limits.n_calls_max) answer.end = ToolLoopAnswer::End::kCalls;
      if (answer.end != ToolLoopAnswer::End::kAnswered) return answer;
      if (hooks.on_call) hooks.on_call(call);
      call.start_us = clock.now_us();
      run_call(&call, tools, limits.result_bytes_max, {.owner = owner, .images = request.images, .cancelled = around.cancelled, .lane = around.lane, .lane_key = around.lane_key},
               around.gate.get(), &images);
      call.end_us = clock.now_us();
      if (hooks.on_result) hooks.on_result(call);
      answer.calls.push_back(call);
    }
    if (answer.n_rounds >= limits.n_rounds_max) {
      answer.end = ToolLoopAnswer::End::kRounds;
      return answer;
    }
    const size_t n_shown = std::min(images.size(), kImagesMax - std::min(kImagesMax, request.images.size()));
    request.images.insert(request.images.end(), images.begin(), images.begin() + static_cast<std::ptrdiff_t>(n_shown));
    append_messages(round, n_shown, &chat->messages.as_array());
  }
}

}  // namespace firesteel
