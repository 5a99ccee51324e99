// The strict reading of HTTP/1.1: bytes of a hostile client to one request, without sockets.
//
// Whatever two readers could understand differently is refused, because that is what request smuggling lives from: any transfer coding
// but a single "chunked", a coding beside Content-Length or on HTTP/1.0, repeated or signed lengths, folded lines, bare LF, spaces
// before a colon, zero or two Host headers, chunk sizes above 16 digits. The connection is closed after such an answer.
// Source: RFC 9110, RFC 9112.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "server/http_message.h"

namespace firesteel {

struct HttpLimits {
  size_t head_bytes_max = 32u << 10;  // request line and headers
  size_t target_bytes_max = 8u << 10;
  size_t n_headers_max = 100;
};

// A request without its body, and what the wire must know.
struct HttpHead {
  HttpRequest request;   // body empty
  size_t n_bytes = 0;    // of the head, its empty line included
  bool version_1_0 = false;
  bool keep_alive = true;
  bool chunked = false;
  uint64_t content_length = 0;   // 0 when chunked
  bool expects_continue = false;
};

// Why a request is refused; `reason` is for the client and says nothing about us.
struct HttpProblem {
  int status = 400;      // 400, 405, 414, 417, 431, 501, 505
  const char* reason = "";
};

// Finds the end of a head in a growing buffer, looking at each byte once.
class HeadScanner {
 public:
  explicit HeadScanner(HttpLimits limits = {}) : limits_(limits) {}
  // Bytes of the head when all of it is in `buffer`, 0 when more are needed. `buffer` must begin with what it began with before.
  // A control byte or a bare LF is a problem at once, so that no client waits for the end of a line that will never come.
  std::optional<HttpProblem> scan(std::string_view buffer, size_t* n_bytes);
  void reset() { n_seen_ = 0; line_bytes_ = 0; n_line_ends_ = 0; }

 private:
  HttpLimits limits_;
  size_t n_seen_ = 0;
  size_t line_bytes_ = 0;   // of the current line, without CR and LF
  size_t n_line_ends_ = 0;
};

// `head`: exactly the bytes that HeadScanner measured.
std::optional<HttpProblem> parse_http_head(std::string_view head, HttpLimits limits, HttpHead* out);

// The body of a chunked request, as pieces arrive. Extensions and trailers are read within limits and dropped.
class ChunkDecoder {
 public:
  // Takes what it can from `input` and appends to `body`; n_consumed <= input.size(). Stops after the last chunk.
  // 413 when the body would be larger than body_bytes_max.
  std::optional<HttpProblem> feed(std::string_view input, uint64_t body_bytes_max, std::string* body, size_t* n_consumed);
  bool done() const { return state_ == State::kDone; }

 private:
  enum class State : uint8_t { kSize, kExtension, kSizeLf, kData, kDataCr, kDataLf, kTrailer, kTrailerLf, kDone };
  State state_ = State::kSize;
  uint64_t size_ = 0;
  int n_digits_ = 0;
  size_t n_line_bytes_ = 0;      // of the trailer line
  size_t n_overhead_bytes_ = 0;  // extensions and trailers
};

// Decodes %XX; nullopt for a broken escape, and for bytes below 0x20 and 0x7f in what they stand for. plus_is_space: in queries.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space);

}  // namespace firesteel
