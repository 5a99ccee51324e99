// What the routes of the dialects and batches, which run the same requests from a file, share.
#pragma once

#include <optional>
#include <string>

#include "server/dialects/dialects.h"
#include "server/exchange.h"
#include "server/generation_reply.h"
#include "server/router.h"
#include "server/server_context.h"

namespace firesteel {

// What a dialect function gets to know. An error when the key may use no model that is served here.
std::optional<ApiError> make_exchange_context(ServerContext* context, const Principal& principal, const std::string& request_id, ExchangeContext* out);

// The body of call.request to an answer: place, parse, release, pump. Takes the body.
HttpReply answer_generation(ServerContext* context, Call& call, ParseFn parse, GenerationHooks hooks);

// An answer that uses the engine without a stream (embeddings): admitted, computed, and settled before it is sent. Waits.
HttpReply compute_metered(ServerContext* context, const Call& call, const ExchangeContext& exchange_context, AnswerFn compute);

// A place among the caller's running requests, taken before a body is read: decoding its pictures is work that somebody over a limit
// does not get. Dropped before the request itself is admitted. An answer when there is none.
std::optional<HttpResponse> take_place(ServerContext* context, const Call& call, Admission* place);

}  // namespace firesteel
