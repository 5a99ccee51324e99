#include "server/request_trace.h"

#include <algorithm>
#include <string_view>

namespace firesteel {
namespace {

constexpr size_t kLanesMax = 256, kToolsMax = 64;

std::string text_of(const Json& object, std::string_view name) {
  const Json* found = object.find(name);
  return found != nullptr && found->is_string() ? found->as_string().substr(0, 128) : std::string();
}
int64_t us_of_ms(const Json& object, std::string_view name) {
  const Json* found = object.find(name);
  return found != nullptr && found->is_number() ? static_cast<int64_t>(std::clamp(found->as_double(), 0.0, 1e9) * 1000) : 0;
}

}  // namespace

Span start_request_span(const ServerContext& context, const Call& call, const Exchange& exchange) {
  if (context.options.tracer == nullptr) return {};
  const auto header = [&](std::string_view name) {
    const std::string* found = call.request.header(name);
    return found == nullptr ? std::string_view() : std::string_view(*found);
  };
  const std::string operation = call.route.name().find("completions") != std::string::npos ? "text_completion" : "chat";
  const std::string& model = context.options.model_id;
  Span span = context.options.tracer->start(operation + " " + model, SpanKind::kServer, header("traceparent"), header("tracestate"));
  if (!span.recording()) return span;
  span.set("gen_ai.operation.name", operation);
  span.set("gen_ai.provider.name", "firesteel");
  span.set("gen_ai.request.model", exchange.model.empty() ? model : exchange.model);
  span.set("gen_ai.response.model", model);
  span.set("http.route", call.route.pattern());
  span.set("firesteel.request_id", call.request.request_id);
  if (call.principal != nullptr) span.set("firesteel.tenant", call.principal->tenant.str());
  if (!exchange.requests.empty()) {
    const GenerateRequest& first = exchange.requests.front();
    span.set("gen_ai.request.temperature", first.sampling.temperature);
    span.set("gen_ai.request.top_p", first.sampling.top_p);
    if (first.stop.max_tokens >= 0) span.set("gen_ai.request.max_tokens", first.stop.max_tokens);
    span.set("gen_ai.request.seed", std::to_string(first.sampling.seed));  // 64 bits without a sign, which attributes do not have
    if (exchange.requests.size() > 1) span.set("gen_ai.request.choice.count", static_cast<int64_t>(exchange.requests.size()));
  }
  return span;
}

void add_agent_spans(const Json& ledger, int64_t start_us, const Span& parent) {
  const Json* lanes = ledger.find("lanes");
  if (!parent.recording() || lanes == nullptr || !lanes->is_array()) return;
  size_t n_lanes = 0;
  for (const Json& lane : lanes->as_array()) {
    if (!lane.is_object() || ++n_lanes > kLanesMax) return;
    const std::string role = text_of(lane, "role"), state = text_of(lane, "state");
    Span span = parent.child("invoke_agent " + role);
    const int64_t from_us = start_us + us_of_ms(lane, "start_ms"), until_us = std::max(from_us, start_us + us_of_ms(lane, "end_ms"));
    span.set_times(from_us, until_us);
    span.set("gen_ai.operation.name", "invoke_agent");
    span.set("gen_ai.agent.name", role);
    span.set("gen_ai.agent.id", text_of(lane, "key"));
    for (const auto& [name, attribute] : {std::pair("prompt_tokens", "gen_ai.usage.input_tokens"), std::pair("generated_tokens", "gen_ai.usage.output_tokens")}) {
      if (const Json* count = lane.find(name); count != nullptr && count->is_int()) span.set(attribute, *count);
    }
    span.set("firesteel.lane.state", state);
    if (state == "failed") span.fail("failed");
    const Json* tools = lane.find("tools");
    if (tools == nullptr || !tools->is_array()) continue;
    size_t n_tools = 0;
    for (const Json& call : tools->as_array()) {
      if (++n_tools > kToolsMax) break;
      const std::string name = text_of(call, "name");
      Span tool = span.child("execute_tool " + name);
      // Ledgers of before they had times of tools: at their lane's end, without length.
      const bool has_times = call.find("start_ms") != nullptr && call.find("end_ms") != nullptr;
      const int64_t begun_us = has_times ? start_us + us_of_ms(call, "start_ms") : until_us;
      tool.set_times(begun_us, has_times ? std::max(begun_us, start_us + us_of_ms(call, "end_ms")) : until_us);
      tool.set("gen_ai.operation.name", "execute_tool");
      tool.set("gen_ai.tool.name", name);
      if (call.find("failed") != nullptr) tool.fail("failed");
    }
  }
}

}  // namespace firesteel
