// A line of a batch as a request: the same dialects, quotas, releases and engine as over HTTP, in the background class.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "server/dialect_routes.h"

namespace firesteel {

// What a batch may ask.
struct BatchEndpoint {
  const char* path;
  const char* name;   // in usage records
  ParseFn parse;      // or:
  AnswerFn answer;
};
const BatchEndpoint* find_batch_endpoint(std::string_view path);  // nullptr: none

// Runs one line; embeddings wait. batch_id and line make the seed, so a line that runs again after a kill gives the same bytes.
HttpReply run_batch_request(ServerContext* context, const BatchEndpoint& endpoint, const Principal& principal, const std::string& batch_id, int64_t line,
                            const std::string& request_id, const std::string& body);

}  // namespace firesteel
