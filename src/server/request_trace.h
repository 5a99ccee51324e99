// What a request becomes in a trace, by the semantic conventions for generative AI: a span for the request, one for each agent of a run
// and one for each tool call. Names, counts and codes only: no text of anybody.
#pragma once

#include <cstdint>
#include <string>

#include "base/json.h"
#include "server/exchange.h"
#include "server/router.h"
#include "server/server_context.h"
#include "telemetry/trace.h"

namespace firesteel {

// "chat MODEL" or "text_completion MODEL", as part of the caller's trace if the request has a traceparent. Not recorded without a tracer.
Span start_request_span(const ServerContext& context, const Call& call, const Exchange& exchange);

// From the ledger of a run of agents (docs/subagents.md), which began at start_us (Unix): "invoke_agent ROLE" for each lane,
// "execute_tool NAME" inside, with their own times.
void add_agent_spans(const Json& ledger, int64_t start_us, const Span& parent);

}  // namespace firesteel
