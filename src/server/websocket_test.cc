// Frames: what is read does not depend on how the bytes come; what RFC 6455 forbids is refused with its code.
#include "server/websocket.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/rng.h"
#include "server/test_socket.h"

namespace firesteel {
namespace {

using Kind = SocketEvent::Kind;

// All events of `bytes`, given in pieces of `step`; "text:...", "ping:...", "pong", "close:CODE", "broken:CODE".
std::vector<std::string> read_all(std::string_view bytes, size_t step, uint64_t message_bytes_max = 1000) {
  WebSocketReader reader;
  std::vector<std::string> out;
  for (size_t begin = 0; begin < bytes.size(); begin += step) {
    std::string_view piece = bytes.substr(begin, step);
    while (!piece.empty()) {
      size_t n = 0;
      const SocketEvent event = reader.next(piece, message_bytes_max, &n);
      EXPECT_LE(n, piece.size());
      EXPECT_LE(reader.held_bytes(), message_bytes_max);
      piece.remove_prefix(n);
      switch (event.kind) {
        case Kind::kNone: EXPECT_TRUE(piece.empty()); break;
        case Kind::kText: out.push_back("text:" + event.payload); break;
        case Kind::kPing: out.push_back("ping:" + event.payload); break;
        case Kind::kPong: out.push_back("pong"); break;
        case Kind::kClose: out.push_back("close:" + std::to_string(event.code)); break;
        case Kind::kBroken: out.push_back("broken:" + std::to_string(event.code)); return out;
      }
    }
  }
  return out;
}

std::string close_payload(unsigned code, std::string_view reason = {}) {
  return std::string{static_cast<char>(code >> 8), static_cast<char>(code & 255)} + std::string(reason);
}

TEST(WebSocketReader, MessagesDoNotDependOnThePieces) {
  const std::string medium(300, 'm'), large(70'000, 'l');
  const std::string bytes = client_frame("hi") + client_frame("") + client_frame(medium) + client_frame("one ", 1, false) + client_frame("\xc3", 0, false) +
                            client_frame("x", 9) + client_frame("\xa4", 0, false) + client_frame("", 10) + client_frame(" end", 0) + client_frame(large) +
                            client_frame(close_payload(1000, "bye"), 8);
  const std::vector<std::string> expected = {"text:hi", "text:", "text:" + medium, "ping:x", "pong", "text:one \xc3\xa4 end", "text:" + large, "close:1000"};
  for (const size_t step : {size_t{1}, size_t{2}, size_t{3}, size_t{7}, size_t{1000}, bytes.size()}) EXPECT_EQ(read_all(bytes, step, 100'000), expected) << step;
  EXPECT_EQ(read_all(client_frame("", 8), 1), std::vector<std::string>{"close:0"});
}

TEST(WebSocketReader, WhatIsForbiddenIsNamedByItsCode) {
  const auto unmasked = [] {
    std::string out;
    append_text_frame("hi", &out);
    return out;
  };
  const struct {
    const char* what;
    std::string bytes;
    const char* expected;
  } kCases[] = {
      {"no mask", unmasked(), "broken:1002"},
      {"reserved bit", "\xc1\x80", "broken:1002"},
      {"reserved opcode", client_frame("", 3), "broken:1002"},
      {"reserved control opcode", client_frame("", 11), "broken:1002"},
      {"binary", client_frame("", 2), "broken:1003"},
      {"long ping", client_frame(std::string(126, 'x'), 9), "broken:1002"},
      {"ping in pieces", client_frame("x", 9, false), "broken:1002"},
      {"continuation of nothing", client_frame("x", 0), "broken:1002"},
      {"message inside a message", client_frame("x", 1, false) + client_frame("y"), "broken:1002"},
      {"length written long", std::string("\x81\xfe\x00\x05", 4) + "mask", "broken:1002"},
      {"length written very long", std::string("\x81\xff\0\0\0\0\0\0\xff\xff", 10) + "mask", "broken:1002"},
      {"length above 2^63", std::string("\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff", 10) + "mask", "broken:1002"},
      {"too large", client_frame(std::string(1001, 'x')), "broken:1009"},
      {"too large in pieces", client_frame(std::string(600, 'x'), 1, false) + client_frame(std::string(401, 'x'), 0), "broken:1009"},
      {"huge", std::string("\x81\xff\x00\x00\x7f\xff\xff\xff\xff\xff", 10) + "mask", "broken:1009"},
      {"not UTF-8", client_frame("\xff"), "broken:1007"},
      {"half a character", client_frame("\xc3", 1, false) + client_frame("", 0), "broken:1007"},
      {"half a close code", client_frame("x", 8), "broken:1002"},
      {"a close code of nobody", client_frame(close_payload(1005), 8), "broken:1002"},
      {"a reason that is not UTF-8", client_frame(close_payload(1000, "\xff"), 8), "broken:1007"},
  };
  for (const auto& one : kCases) {
    for (const size_t step : {size_t{1}, size_t{1000}}) EXPECT_EQ(read_all(one.bytes, step), std::vector<std::string>{one.expected}) << one.what << " " << step;
  }
  EXPECT_EQ(read_all(client_frame(std::string(1000, 'x')), 9).size(), 1u);
}

TEST(WebSocketReader, RandomBytesEndInAnEventOrWait) {
  Rng rng(7);
  for (int i = 0; i < 3000; ++i) {
    std::string bytes = client_frame("abc", 1, rng.below(2) == 0) + client_frame("d", static_cast<unsigned>(rng.below(16)));
    for (uint64_t k = rng.below(4); k > 0; --k) bytes[rng.below(bytes.size())] = static_cast<char>(rng.below(256));
    const auto whole = read_all(bytes, bytes.size());
    EXPECT_EQ(read_all(bytes, 1), whole);
  }
}

TEST(WebSocketHandshake, TheExampleOfTheStandard) {
  HttpRequest request;
  request.headers = {{"upgrade", "WebSocket"}, {"connection", "keep-alive, Upgrade"}, {"sec-websocket-version", "13"}, {"sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="}};
  std::string accept;
  EXPECT_TRUE(wants_websocket(request));
  EXPECT_EQ(check_websocket_handshake(request, &accept), std::nullopt);
  EXPECT_EQ(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");  // RFC 6455, 1.3
  for (size_t i = 1; i < request.headers.size(); ++i) {
    HttpRequest without = request;
    without.headers.erase(without.headers.begin() + static_cast<std::ptrdiff_t>(i));
    EXPECT_NE(check_websocket_handshake(without, &accept), std::nullopt) << i;
  }
  request.headers[3].second = "dGhlIHNhbXBsZQ==";
  EXPECT_NE(check_websocket_handshake(request, &accept), std::nullopt);
}

}  // namespace
}  // namespace firesteel
