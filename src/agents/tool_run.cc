#include "agents/tool_run.h"

#include <utility>

#include "agents/agent_run.h"
#include "agents/run_record.h"
#include "base/clock.h"

namespace firesteel {
namespace {

FinishReason reason_of(const ToolLoopAnswer& answer) {
  const bool was_stopped = answer.end != ToolLoopAnswer::End::kAnswered && answer.done.reason == FinishReason::kStop;
  return was_stopped ? FinishReason::kLength : answer.done.reason;  // a limit cut it, whichever
}

const char* mode_of(const GenerateRequest& request, const ModelInfo& info) {
  const auto* chat = std::get_if<ChatPrompt>(&request.prompt);
  const Json* thinks = chat != nullptr && chat->template_variables.is_object() ? chat->template_variables.find("enable_thinking") : nullptr;
  const bool is_off = request.stop.thinking_budget == 0 || (thinks != nullptr && *thinks == Json(false));
  return info.can_think && !is_off ? "thinking" : "instant";
}

}  // namespace

std::string RoundTexts::next(std::string_view text) {
  if (text.empty()) return {};
  std::string out;
  if (gap_) out = "\n\n";
  gap_ = false;
  any_ = true;
  return out.append(text);
}

TaintGate::Policy policy_of(const ToolUse& use) {
  TaintGate::Policy policy;
  policy.allowed.insert(use.allowed.begin(), use.allowed.end());
  return policy;
}

ToolRun answer_with_tools(Generator* generator, const GenerateRequest& request, const AgentTools& tools, std::unique_ptr<TokenStream> first,
                          const std::function<void(GenerateEvent)>& publish, Confirmations* confirmations) {
  ToolRun run;
  const Clock& clock = system_clock();
  const int64_t start_us = clock.now_us();
  RoundTexts texts, thoughts;
  const auto show = [&](std::string words, bool thinking) {
    (thinking ? run.thinking : run.text) += words;
    GenerateEvent out;
    out.text = std::move(words);
    out.thinking = thinking;
    publish(std::move(out));
  };
  ToolLoopHooks hooks;
  hooks.on_token = [&](std::string_view text, std::string_view thought, bool is_thinking_token) {
    // Readers count thinking tokens, so each of them is one event, shown or not.
    if (is_thinking_token || !thought.empty()) show(thoughts.next(thought), true);
    if (!text.empty()) show(texts.next(text), false);
  };
  const bool reports = request.tools && request.tools->reports_calls;
  const auto report = [&](Json event) {
    GenerateEvent out;
    out.kind = GenerateEvent::Kind::kAgent;
    out.report = std::make_shared<const Json>(std::move(event));
    publish(std::move(out));
  };
  const auto report_call = [&](AgentEvent::Kind kind, const ToolCall& call) {
    if (reports) report(AgentEvent{.kind = kind, .call = call}.to_json());
  };
  hooks.on_call = [&](const ToolCall& call) { report_call(AgentEvent::Kind::kToolCall, call); };
  hooks.on_result = [&](const ToolCall& call) {
    texts.end_round();
    thoughts.end_round();
    report_call(AgentEvent::Kind::kToolResult, call);
  };
  TaintGate::Policy policy = request.tools ? policy_of(*request.tools) : TaintGate::Policy();
  if (confirmations != nullptr) policy.confirm = [&](const ConsentQuestion& question) { return confirmations->ask(question, report); };
  const auto gate = std::make_shared<TaintGate>(std::move(policy));
  ToolLoopLimits limits;
  limits.n_tokens_max = request.stop.max_tokens;
  Result<ToolLoopAnswer> answer = run_tool_loop(generator, request, tools, limits, hooks, std::move(first),
                                                 {.gate = gate, .cancelled = [group = request.group] { return group != nullptr && group->cancelled(); }, .lane_key = "answer"});

  LaneRecord lane;
  lane.key = lane.role = "answer";
  lane.title = "Answer";
  lane.seed = request.sampling.seed;
  lane.end_us = run.ledger.total_us = clock.now_us() - start_us;
  if (answer.ok()) {
    run.reason = reason_of(*answer);
    run.error = answer->done.error;
    lane.usage = answer->done.usage;
    lane.tools = std::move(answer->calls);
    for (ToolCall& call : lane.tools) {
      call.start_us -= start_us;
      call.end_us -= start_us;
    }
    lane.state = lane_state_of(answer->done.reason, answer->end);
    lane.error = run.error.message;
    if (lane.error.empty() && answer->end != ToolLoopAnswer::End::kAnswered) lane.error = std::string("a limit of its tools: ") + tool_loop_end_name(answer->end);
  } else {
    run.reason = FinishReason::kError;
    run.error = std::move(answer).error();
    lane.state = LaneState::kFailed;
    lane.error = run.error.message;
  }
  lane.text = run.text;
  lane.thinking = run.thinking;
  run.ledger.tainted_by = gate->tainted_by();
  run.ledger.mode = mode_of(request, generator->info());
  run.ledger.lanes.push_back(std::move(lane));
  return run;
}

GenerateEvent done_event(const ToolRun& run, const GenerateRequest& request, const std::string& model_digest) {
  GenerateEvent end;
  end.kind = GenerateEvent::Kind::kDone;
  end.reason = run.reason;
  end.error = run.error;
  const LaneRecord& lane = run.ledger.lanes.front();
  end.usage = lane.usage;
  end.usage.total_us = run.ledger.total_us;
  if (lane.tools.empty() && lane.error.empty()) return end;
  Json report = run.ledger.to_json();
  Json::Array calls;
  for (const ToolCall& call : lane.tools) {
    Json one = Json::Object{{"name", call.name}, {"arguments", call.arguments}, {"result", call.result}};
    if (call.failed) one.set("failed", true);
    if (call.consent != Consent::kNotNeeded) one.set("consent", consent_name(call.consent));
    calls.push_back(std::move(one));
  }
  report.set("tool_calls", std::move(calls));
  report.set("answer", run.text);
  report.set("model_digest", model_digest);
  const auto* chat = std::get_if<ChatPrompt>(&request.prompt);
  report.set("request", request_json(request, chat == nullptr ? Json() : chat->tools));
  end.report = std::make_shared<const Json>(std::move(report));
  return end;
}

}  // namespace firesteel
