// The client's side of a WebSocket over a TestClient.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "server/test_client.h"

namespace firesteel {

// A masked frame as clients send it. opcode: 1 text, 0 continuation, 8 close, 9 ping, 10 pong.
inline std::string client_frame(std::string_view payload, unsigned opcode = 1, bool final = true) {
  static constexpr unsigned char kMask[4] = {0x11, 0xa2, 0x00, 0xff};
  std::string out{static_cast<char>((final ? 0x80u : 0u) | opcode)};
  const size_t n = payload.size();
  const int n_length = n < 126 ? 0 : n <= 0xffff ? 2 : 8;
  out += static_cast<char>(0x80u | (n_length == 0 ? n : n_length == 2 ? 126u : 127u));
  for (int i = n_length - 1; i >= 0; --i) out += static_cast<char>(n >> (8 * i) & 255);
  for (const unsigned char byte : kMask) out += static_cast<char>(byte);
  for (size_t i = 0; i < n; ++i) out += static_cast<char>(static_cast<unsigned char>(payload[i]) ^ kMask[i & 3]);
  return out;
}

class TestSocket {
 public:
  struct Frame {
    unsigned opcode = 0;
    std::string payload;
    unsigned close_code() const {
      return payload.size() < 2 ? 0 : static_cast<unsigned>(static_cast<unsigned char>(payload[0])) << 8 | static_cast<unsigned char>(payload[1]);
    }
  };
  TestSocket(uint16_t port, std::string_view path, std::string_view header_lines) : client_(port) {
    client_.send(http_request("GET", path, {},
                              "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\n"
                              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" + std::string(header_lines)));
    head_ = client_.receive_head();
  }
  int status() const { return head_ ? head_->status : 0; }
  const HttpResponse& head() const { return *head_; }
  TestClient& client() { return client_; }
  void send(std::string_view text) { client_.send(client_frame(text)); }
  // Of any kind; nullopt at the end of the connection.
  std::optional<Frame> receive() {
    const auto head = client_.take(2);
    if (!head) return std::nullopt;
    Frame frame;
    frame.opcode = static_cast<unsigned char>((*head)[0]) & 15u;
    uint64_t n = static_cast<unsigned char>((*head)[1]);
    if (n >= 126) {
      const auto length = client_.take(n == 126 ? 2 : 8);
      if (!length) return std::nullopt;
      n = 0;
      for (const char c : *length) n = n << 8 | static_cast<unsigned char>(c);
    }
    auto payload = client_.take(n);
    if (!payload) return std::nullopt;
    frame.payload = std::move(*payload);
    return frame;
  }
  // The next text; pings are answered.
  std::optional<std::string> receive_text() {
    while (std::optional<Frame> frame = receive()) {
      if (frame->opcode == 9) client_.send(client_frame(frame->payload, 10));
      else if (frame->opcode == 1) return frame->payload;
      else if (frame->opcode == 8) return std::nullopt;
    }
    return std::nullopt;
  }

 private:
  TestClient client_;
  std::optional<HttpResponse> head_;
};

}  // namespace firesteel
