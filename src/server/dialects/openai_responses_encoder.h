// The answer of /v1/responses: items, and their events when it streams.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "server/dialects/generation.h"
#include "server/exchange.h"

namespace firesteel {

// What a response repeats of its request.
struct ResponseEcho {
  std::string model, request_id;
  int64_t created = 0;
  std::string members;   // a JSON object of the rest
  std::string report;    // the extension object
};

// store: nullable; gets the response and the conversation with this answer when it has ended.
std::unique_ptr<ReplyEncoder> make_response_encoder(const Generation& generation, bool stream, ResponseEcho echo, std::shared_ptr<ResponseStore> store,
                                                    Json::Array conversation);

}  // namespace firesteel
