#include "server/websocket.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

#include <algorithm>

#include "base/base64.h"
#include "base/utf8.h"

namespace firesteel {
namespace {

constexpr unsigned kContinuation = 0, kText = 1, kBinary = 2, kClose = 8, kPing = 9, kPong = 10;
constexpr size_t kControlBytesMax = 125;

bool is_control(unsigned opcode) { return opcode >= 8; }

// Codes that may be on the wire: RFC 6455, 7.4.
bool may_be_sent(unsigned code) {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

void append_frame(unsigned opcode, std::string_view payload, std::string* out) {
  const auto put = [out](uint64_t byte) { *out += static_cast<char>(byte & 255); };
  put(0x80 | opcode);
  const uint64_t n = payload.size();
  if (n < 126) {
    put(n);
  } else if (n <= 0xffff) {
    put(126);
    put(n >> 8);
    put(n);
  } else {
    put(127);
    for (int shift = 56; shift >= 0; shift -= 8) put(n >> shift);
  }
  *out += payload;
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// Whether a comma-separated header, which may be there several times, holds `word` (lower case).
bool header_holds(const HttpRequest& request, std::string_view header, std::string_view word) {
  for (const auto& [name, value] : request.headers) {
    if (name != header) continue;
    std::string_view rest = value;
    for (;;) {
      const size_t comma = rest.find(',');
      std::string_view item = rest.substr(0, comma);
      while (!item.empty() && (item.front() == ' ' || item.front() == '\t')) item.remove_prefix(1);
      while (!item.empty() && (item.back() == ' ' || item.back() == '\t')) item.remove_suffix(1);
      if (item.size() == word.size() && std::equal(item.begin(), item.end(), word.begin(), [](char a, char b) { return lower(a) == b; })) return true;
      if (comma == std::string_view::npos) break;
      rest.remove_prefix(comma + 1);
    }
  }
  return false;
}

}  // namespace

SocketEvent WebSocketReader::broken(uint16_t code, const char* reason) {
  broken_ = true;
  breakage_ = {.kind = SocketEvent::Kind::kBroken, .code = code, .reason = reason};
  std::string().swap(message_);
  return breakage_;
}

// Once the head of a frame is complete: what is wrong with it, or nothing.
std::optional<SocketEvent> WebSocketReader::read_header(uint64_t message_bytes_max) {
  const unsigned length = header_[1] & 127u;
  size_t at = 2;
  n_left_ = length;
  if (length >= 126) {
    const size_t n = length == 126 ? 2 : 8;
    n_left_ = 0;
    for (size_t i = 0; i < n; ++i) n_left_ = n_left_ << 8 | header_[at++];
    if (n_left_ < (length == 126 ? 126u : 0x10000u) || n_left_ >> 63 != 0) return broken(kSocketProtocolError, "a length is not written the shortest way");
  }
  std::copy_n(header_ + at, 4, mask_);
  mask_at_ = 0;
  if (opcode_ == kContinuation && !in_message_) return broken(kSocketProtocolError, "a continuation without a beginning");
  if (opcode_ == kText && in_message_) return broken(kSocketProtocolError, "a message begins inside another");
  if (!is_control(opcode_) && (n_left_ > message_bytes_max || message_.size() > message_bytes_max - n_left_)) {
    return broken(kSocketTooBig, "the message is too large");
  }
  if (opcode_ == kText) in_message_ = true;
  has_header_ = true;
  return std::nullopt;
}

SocketEvent WebSocketReader::end_frame() {
  has_header_ = false;
  n_header_ = 0;
  switch (opcode_) {
    case kPing: return {.kind = SocketEvent::Kind::kPing, .payload = std::exchange(control_, {})};
    case kPong: control_.clear(); return {.kind = SocketEvent::Kind::kPong};
    case kClose: {
      const std::string payload = std::exchange(control_, {});
      if (payload.empty()) return {.kind = SocketEvent::Kind::kClose};
      if (payload.size() == 1) return broken(kSocketProtocolError, "half a close code");
      const unsigned code = static_cast<unsigned>(static_cast<unsigned char>(payload[0])) << 8 | static_cast<unsigned char>(payload[1]);
      if (!may_be_sent(code)) return broken(kSocketProtocolError, "a close code that may not be sent");
      if (!is_valid_utf8(std::string_view(payload).substr(2))) return broken(kSocketBadText, "text that is not UTF-8");
      return {.kind = SocketEvent::Kind::kClose, .code = static_cast<uint16_t>(code)};
    }
    default: break;
  }
  if (!final_) return {};
  in_message_ = false;
  if (!is_valid_utf8(message_)) return broken(kSocketBadText, "text that is not UTF-8");
  return {.kind = SocketEvent::Kind::kText, .payload = std::exchange(message_, {})};
}

SocketEvent WebSocketReader::next(std::string_view input, uint64_t message_bytes_max, size_t* n_consumed) {
  size_t& i = *n_consumed = 0;
  if (broken_) {
    i = input.size();
    return breakage_;
  }
  for (;;) {
    while (!has_header_ && i < input.size()) {
      header_[n_header_++] = static_cast<unsigned char>(input[i++]);
      if (n_header_ == 1) {
        opcode_ = header_[0] & 15u;
        final_ = (header_[0] & 0x80) != 0;
        if ((header_[0] & 0x70) != 0) return broken(kSocketProtocolError, "a reserved bit is set");
        if (opcode_ == kBinary) return broken(kSocketUnsupported, "messages are text");
        if (opcode_ != kContinuation && opcode_ != kText && opcode_ != kClose && opcode_ != kPing && opcode_ != kPong) {
          return broken(kSocketProtocolError, "an unknown kind of frame");
        }
        if (is_control(opcode_) && !final_) return broken(kSocketProtocolError, "a control frame in pieces");
      }
      if (n_header_ < 2) continue;
      const unsigned length = header_[1] & 127u;
      if (n_header_ == 2) {
        if ((header_[1] & 0x80) == 0) return broken(kSocketProtocolError, "a frame is not masked");
        if (is_control(opcode_) && length > kControlBytesMax) return broken(kSocketProtocolError, "a control frame is too long");
      }
      if (n_header_ < 6u + (length == 126 ? 2u : length == 127 ? 8u : 0u)) continue;
      if (std::optional<SocketEvent> problem = read_header(message_bytes_max)) return *problem;
    }
    if (!has_header_) return {};
    const size_t n = static_cast<size_t>(std::min<uint64_t>(n_left_, input.size() - i));
    std::string& to = is_control(opcode_) ? control_ : message_;
    const size_t begin = to.size();
    to.append(input.substr(i, n));
    for (size_t k = begin; k < to.size(); ++k) to[k] = static_cast<char>(static_cast<unsigned char>(to[k]) ^ mask_[mask_at_++ & 3]);
    i += n;
    n_left_ -= n;
    if (n_left_ > 0) return {};
    SocketEvent event = end_frame();
    if (event.kind != SocketEvent::Kind::kNone || i == input.size()) return event;
  }
}

void append_text_frame(std::string_view text, std::string* out) { append_frame(kText, text, out); }
void append_ping_frame(std::string* out) { append_frame(kPing, {}, out); }
void append_pong_frame(std::string_view payload, std::string* out) { append_frame(kPong, payload, out); }

void append_close_frame(uint16_t code, std::string_view reason, std::string* out) {
  std::string payload{static_cast<char>(code >> 8), static_cast<char>(code & 255)};
  payload += reason.substr(0, kControlBytesMax - 2);
  append_frame(kClose, payload, out);
}

bool wants_websocket(const HttpRequest& request) { return header_holds(request, "upgrade", "websocket"); }

std::optional<std::string> check_websocket_handshake(const HttpRequest& request, std::string* accept) {
  const std::string* version = request.header("sec-websocket-version");
  const std::string* key = request.header("sec-websocket-key");
  if (!header_holds(request, "connection", "upgrade")) return "a WebSocket needs the header 'Connection: Upgrade'";
  if (version == nullptr || *version != "13") return "expected Sec-WebSocket-Version 13, found " + (version == nullptr ? std::string("none") : "another");
  const Result<std::string> nonce = key == nullptr || key->size() != 24 ? Result<std::string>(std::string()) : decode_base64(*key);
  if (!nonce.ok() || nonce->size() != 16) return "Sec-WebSocket-Key is not 16 bytes in base64";
  const std::string text = *key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";  // RFC 6455, 1.3
  unsigned char digest[SHA_DIGEST_LENGTH];
  SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest);
  unsigned char encoded[32] = {};
  EVP_EncodeBlock(encoded, digest, SHA_DIGEST_LENGTH);
  *accept = reinterpret_cast<const char*>(encoded);
  return std::nullopt;
}

}  // namespace firesteel
