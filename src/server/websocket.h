// Frames of WebSockets (RFC 6455) and the handshake before them: bytes of a hostile client to whole messages, without sockets.
//
// Strict: what a client sends is masked, lengths are written the shortest way, reserved bits are 0 (no extension is offered), control
// frames are whole and short, text is UTF-8. After anything else the reader stays broken and says with which code to close.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "server/http_message.h"

namespace firesteel {

inline constexpr uint16_t kSocketNormal = 1000, kSocketGoingAway = 1001, kSocketProtocolError = 1002, kSocketUnsupported = 1003, kSocketBadText = 1007,
                          kSocketPolicy = 1008, kSocketTooBig = 1009, kSocketTryLater = 1013;

struct SocketEvent {
  enum class Kind : uint8_t { kNone, kText, kPing, kPong, kClose, kBroken };
  Kind kind = Kind::kNone;
  std::string payload = {};   // kText: a whole message; kPing: to be sent back
  uint16_t code = 0;          // kClose: the client's (0: it named none); kBroken: ours
  const char* reason = "";    // kBroken
};

class WebSocketReader {
 public:
  // The next event of `input`, from which n_consumed bytes were taken; kNone when all of it was taken and more is needed. A message of
  // more than message_bytes_max is kBroken as soon as its length is known. Ask again while bytes are left.
  SocketEvent next(std::string_view input, uint64_t message_bytes_max, size_t* n_consumed);
  // Of a message that has not come to its end.
  size_t held_bytes() const { return message_.size(); }
  bool inside_message() const { return in_message_ || n_header_ > 0; }

 private:
  SocketEvent broken(uint16_t code, const char* reason);
  std::optional<SocketEvent> read_header(uint64_t message_bytes_max);
  SocketEvent end_frame();

  bool broken_ = false;
  SocketEvent breakage_;
  unsigned char header_[14] = {};
  size_t n_header_ = 0;       // bytes of the current frame's head that have come
  bool has_header_ = false;
  unsigned opcode_ = 0;
  bool final_ = false;
  uint64_t n_left_ = 0;       // of the frame's payload
  unsigned char mask_[4] = {};
  size_t mask_at_ = 0;
  bool in_message_ = false;   // a text message has begun and not ended
  std::string message_, control_;
};

// One unmasked frame, as servers send them.
void append_text_frame(std::string_view text, std::string* out);
void append_ping_frame(std::string* out);
void append_pong_frame(std::string_view payload, std::string* out);               // payload at most 125 bytes
void append_close_frame(uint16_t code, std::string_view reason, std::string* out);  // reason is cut to 123 bytes

// Whether a request asks for a WebSocket at all ("Upgrade: websocket").
bool wants_websocket(const HttpRequest& request);
// What is wrong with the handshake, or the value of Sec-WebSocket-Accept in *accept.
std::optional<std::string> check_websocket_handshake(const HttpRequest& request, std::string* accept);

}  // namespace firesteel
