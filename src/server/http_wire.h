// The bytes of an answer: status line, headers, chunks. Values that we echo cannot break a line: control characters become spaces.
#pragma once

#include <string>
#include <string_view>

#include "server/http_message.h"

namespace firesteel {

const char* http_status_text(int status);  // "Not Found"; "Status" for one without a name

struct WireOptions {
  enum class Body : uint8_t { kWhole, kHeadOnly, kChunked, kUntilClose };
  Body body = Body::kWhole;
  bool version_1_0 = false;
  bool keep_alive = true;
};

// Status line, headers and, with kWhole, the body. content-length, transfer-encoding, connection and date are ours; the response's
// own headers of these names are left out.
void append_response(const HttpResponse& response, WireOptions options, std::string* out);
void append_chunk(std::string_view bytes, std::string* out);  // nothing for empty bytes: that would be the end
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";

}  // namespace firesteel
