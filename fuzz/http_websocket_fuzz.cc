// WebSocket frames: no crash, what is understood does not depend on how the bytes were cut, nothing above the limit is held, and texts
// that were read come out the same when they are framed again.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/utf8.h"
#include "server/websocket.h"

using namespace firesteel;

namespace {

constexpr uint64_t kMessageBytesMax = 1000;

std::vector<std::string> read(std::string_view input, size_t step) {
  WebSocketReader reader;
  std::vector<std::string> out;
  for (size_t begin = 0; begin < input.size(); begin += step) {
    std::string_view piece = input.substr(begin, step);
    while (!piece.empty()) {
      size_t n = 0;
      const SocketEvent event = reader.next(piece, kMessageBytesMax, &n);
      CHECK(n <= piece.size() && reader.held_bytes() <= kMessageBytesMax && event.payload.size() <= kMessageBytesMax);
      piece.remove_prefix(n);
      if (event.kind == SocketEvent::Kind::kNone) CHECK(piece.empty());
      else out.push_back(std::to_string(static_cast<int>(event.kind)) + ":" + std::to_string(event.code) + ":" + event.payload);
      if (event.kind == SocketEvent::Kind::kText) CHECK(is_valid_utf8(event.payload));
      if (event.kind == SocketEvent::Kind::kBroken) return out;
    }
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), std::min<size_t>(size, 1u << 14));
  const std::vector<std::string> whole = read(input, input.size() + 1);
  CHECK(whole == read(input, 1));
  CHECK(whole == read(input, 5));
  return 0;
}
