// HTTP/1.1 requests: no crash, and what is understood does not depend on how the bytes were cut.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/check.h"
#include "server/http_parser.h"

using namespace firesteel;

namespace {

struct Understood {
  bool complete = false;
  int problem = 0;
  std::string head, body;
  bool operator==(const Understood&) const = default;
};

// Reads one request of `input` that arrives in pieces of `step` bytes.
Understood read(std::string_view input, size_t step) {
  constexpr uint64_t kBodyBytesMax = 1u << 16;
  Understood out;
  HeadScanner scanner;
  size_t n_head = 0;
  std::string buffer;
  size_t n_given = 0;
  const auto give = [&] {
    const size_t n = std::min(step, input.size() - n_given);
    buffer.append(input.substr(n_given, n));
    n_given += n;
    return n > 0;
  };
  while (n_head == 0) {
    if (!give()) return out;
    if (const std::optional<HttpProblem> problem = scanner.scan(buffer, &n_head)) {
      out.problem = problem->status;
      return out;
    }
  }
  HttpHead head;
  if (const std::optional<HttpProblem> problem = parse_http_head(std::string_view(buffer).substr(0, n_head), {}, &head)) {
    out.problem = problem->status;
    return out;
  }
  CHECK(head.request.path.front() == '/');
  CHECK(!(head.chunked && head.content_length > 0));
  out.head = head.request.path;
  for (const auto& [name, value] : head.request.headers) {
    CHECK(value.find_first_of("\r\n") == std::string::npos && value.find('\0') == std::string::npos);
    out.head += "\n" + name + ": " + value;
  }
  buffer.erase(0, n_head);
  ChunkDecoder chunks;
  for (;;) {
    if (head.chunked) {
      size_t n_consumed = 0;
      const std::optional<HttpProblem> problem = chunks.feed(buffer, kBodyBytesMax, &out.body, &n_consumed);
      CHECK(n_consumed <= buffer.size() && out.body.size() <= kBodyBytesMax);
      if (problem) {
        out.problem = problem->status;
        out.body.clear();  // how much came before the mistake depends on the pieces
        return out;
      }
      buffer.erase(0, n_consumed);
      out.complete = chunks.done();
    } else {
      const size_t n = static_cast<size_t>(std::min<uint64_t>(head.content_length - out.body.size(), buffer.size()));
      out.body.append(buffer, 0, n);
      buffer.erase(0, n);
      out.complete = out.body.size() == head.content_length;
    }
    if (out.complete || !give()) return out;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), std::min<size_t>(size, 1u << 16));
  const Understood whole = read(input, input.size() + 1);
  CHECK(whole == read(input, 1));
  CHECK(whole == read(input, 7));
  return 0;
}
