// Answers over a WebSocket: events as messages, errors, order, cancel, limits, who may open one, the end of the server.
#include <thread>

#include "server/app_fixture.h"
#include "server/test_socket.h"

namespace firesteel {
namespace {

constexpr const char* kPath = "/v1/responses";
constexpr const char* kCreate = R"({"type": "response.create", "model": "fake", "input": "one two three"})";

template <typename Condition>
bool eventually(Condition condition) {
  const int64_t until_us = system_clock().now_us() + 20'000'000;
  while (!condition()) {
    if (system_clock().now_us() > until_us) return false;
    std::this_thread::yield();
  }
  return true;
}

class SocketRoutesTest : public AppTest {
 protected:
  TestSocket open(const std::string& secret, const std::string& more = {}) { return TestSocket(server_->port(), kPath, "Authorization: Bearer " + secret + "\r\n" + more); }
  static Json event(TestSocket* socket) {
    const auto text = socket->receive_text();
    if (!text) return {};
    Result<Json> parsed = Json::parse(*text);
    return parsed.ok() ? std::move(parsed).value() : Json();
  }
  // Up to the end of one answer.
  static Json last_event(TestSocket* socket) {
    for (;;) {
      Json one = event(socket);
      const std::string type = text(one, "type");
      if (type.empty() || type == "error" || type == "response.completed" || type == "response.failed") return one;
    }
  }
};

TEST_F(SocketRoutesTest, EventsAreThoseOfTheStream) {
  start();
  const std::string secret = key();
  TestSocket socket = open(secret);
  ASSERT_EQ(socket.status(), 101);
  EXPECT_EQ(header(socket.head(), "sec-websocket-accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  socket.send(kCreate);
  const HttpResponse streamed = ask("POST", kPath, secret, R"({"model": "fake", "input": "one two three", "stream": true})");
  std::vector<std::string> expected;
  for (size_t at = 0; (at = streamed.body.find("event: ", at)) != std::string::npos; ++at) expected.push_back(streamed.body.substr(at + 7, streamed.body.find('\n', at) - at - 7));
  std::vector<std::string> types;
  Json last;
  while (types.size() < expected.size()) types.push_back(text(last = event(&socket), "type"));
  EXPECT_EQ(types, expected);
  ASSERT_EQ(types.back(), "response.completed");
  // The next message continues the answer, and is a request of its own.
  const std::string id = text(*last.find("response"), "id");
  socket.send(R"({"type": "response.create", "input": "four", "previous_response_id": ")" + id + "\"}");
  EXPECT_EQ(text(last_event(&socket), "type"), "response.completed");
  EXPECT_EQ(used().n_requests, 3);
  EXPECT_EQ(ask("GET", std::string(kPath) + "/" + id, secret).status, 200);
}

TEST_F(SocketRoutesTest, ErrorsAreMessagesAndTheSocketGoesOn) {
  start();
  TestSocket socket = open(key());
  const auto refused = [&](const std::string& message) {
    socket.send(message);
    Json one = event(&socket);
    EXPECT_EQ(text(one, "type"), "error") << message;
    EXPECT_EQ(text(one, "request_id").substr(0, 4), "req_");
    return one;
  };
  EXPECT_EQ(refused("{").find("status")->as_int(), 400);
  EXPECT_EQ(refused("[]").find("status")->as_int(), 400);
  EXPECT_EQ(refused(R"({"type": "session.update"})").find("status")->as_int(), 400);
  const Json unknown = refused(R"({"type": "response.create", "input": "x", "temprature": 1})");
  EXPECT_EQ(text(*unknown.find("error"), "param"), "temprature");
  EXPECT_EQ(refused(R"({"type": "response.create", "input": "x", "previous_response_id": "resp_x"})").find("status")->as_int(), 404);
  socket.send(kCreate);
  EXPECT_EQ(text(last_event(&socket), "type"), "response.completed");
}

TEST_F(SocketRoutesTest, QuotasHoldForEachMessage) {
  start();
  TestSocket socket = open(key(kDefaultScopes, {.requests_per_minute = 1}));
  socket.send(kCreate);
  EXPECT_EQ(text(last_event(&socket), "type"), "response.completed");
  socket.send(kCreate);
  const Json refused = last_event(&socket);
  ASSERT_EQ(text(refused, "type"), "error");
  EXPECT_EQ(refused.find("status")->as_int(), 429);
  ASSERT_NE(refused.find("retry_after_ms"), nullptr);
  EXPECT_GT(refused.find("retry_after_ms")->as_int(), 0);
}

TEST_F(SocketRoutesTest, MessagesWaitForTheirTurnAndTooManyEndIt) {
  start();
  generator_.allow(0);
  TestSocket socket = open(key());
  std::string nine;  // all in one piece, so that none has begun when the last is read: one runs, eight wait
  for (int i = 0; i < 9; ++i) nine += client_frame(kCreate, 1);
  socket.client().send(nine);
  ASSERT_TRUE(eventually([&] { return generator_.stats().n_running == 1; }));
  generator_.allow_all();
  for (int i = 0; i < 9; ++i) EXPECT_EQ(text(last_event(&socket), "type"), "response.completed") << i;
  generator_.allow(0);
  for (int i = 0; i < 20; ++i) socket.send(kCreate);
  std::optional<TestSocket::Frame> frame;
  while ((frame = socket.receive()) && frame->opcode != 8) {
  }
  ASSERT_TRUE(frame.has_value());
  EXPECT_EQ(frame->close_code(), 1008u);
  EXPECT_TRUE(eventually([&] { return generator_.stats().n_running == 0; }));  // what ran was dropped
}

TEST_F(SocketRoutesTest, CancelAndLeavingFreeTheEngine) {
  start();
  TestSocket socket = open(key());
  generator_.allow(2);
  socket.send(kCreate);
  ASSERT_TRUE(eventually([&] { return generator_.stats().n_running == 1; }));
  socket.client().send(client_frame("are you there", 9));
  socket.send(R"({"type": "response.cancel"})");
  bool ponged = false;
  std::string code;
  while (code.empty()) {
    const auto frame = socket.receive();
    ASSERT_TRUE(frame.has_value());
    if (frame->opcode == 10) ponged = frame->payload == "are you there";
    else if (frame->payload.find("\"type\":\"error\"") != std::string::npos) code = text(*Json::parse(frame->payload), "code");
  }
  EXPECT_TRUE(ponged);
  EXPECT_EQ(code, "cancelled");
  EXPECT_EQ(text(last_event(&socket), "type"), "response.failed");
  EXPECT_EQ(generator_.stats().n_running, 0);
  generator_.allow(1);
  socket.send(kCreate);
  ASSERT_TRUE(eventually([&] { return generator_.stats().n_running == 1; }));
  socket.client().close();
  EXPECT_TRUE(eventually([&] { return generator_.stats().n_running == 0 && used().n_requests == 2; }));
}

TEST_F(SocketRoutesTest, WhoMayOpenOne) {
  start();
  const std::string secret = key();
  EXPECT_EQ(open("fs-wrong").status(), 401);
  EXPECT_EQ(open(key(Scope::kFiles)).status(), 403);
  EXPECT_EQ(open(secret, "Origin: https://evil.example\r\n").status(), 403);
  EXPECT_EQ(open(secret, "Origin: http://localhost\r\n").status(), 101);
  EXPECT_EQ(ask("GET", kPath, secret).status, 426);
  EXPECT_EQ(ask("GET", kPath, secret, {}, "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 8\r\n").status, 400);
  // A cookie alone, as a foreign page could make a browser send it, is not enough.
  const HttpResponse session = ask("POST", "/firesteel/v1/session", {}, "{\"key\": \"" + secret + "\"}");
  const std::string cookie = "Cookie: " + header(session, "set-cookie").substr(0, header(session, "set-cookie").find(';')) + "\r\n";
  EXPECT_EQ(TestSocket(server_->port(), kPath, cookie).status(), 403);
  EXPECT_EQ(TestSocket(server_->port(), kPath, cookie + "Origin: http://localhost\r\n").status(), 101);
}

TEST_F(SocketRoutesTest, ARevokedKeyEndsAtTheNextMessage) {
  start();
  const auto made = tenants_->create_key({.tenant = tenant_, .name = "short"}, kActor).value();
  TestSocket socket = open(made.secret);
  socket.send(kCreate);
  EXPECT_EQ(text(last_event(&socket), "type"), "response.completed");
  ASSERT_TRUE(tenants_->revoke_key(tenant_, made.record.id, kActor).ok());
  socket.send(kCreate);
  EXPECT_EQ(last_event(&socket).find("status")->as_int(), 401);
}

TEST_F(SocketRoutesTest, WrongFramesCloseWithTheirCode) {
  options_.prompt_body_bytes_max = 1000;
  start();
  const std::string secret = key();
  const auto code = [&](const std::string& bytes) {
    TestSocket socket = open(secret);
    socket.client().send(bytes);
    const auto frame = socket.receive();
    return frame && frame->opcode == 8 ? frame->close_code() : 0u;
  };
  EXPECT_EQ(code("GET / HTTP/1.1\r\n\r\n"), 1002u);
  EXPECT_EQ(code(client_frame(std::string(1001, 'x'))), 1009u);
  EXPECT_EQ(code(client_frame("\xff")), 1007u);
  EXPECT_EQ(code(client_frame("x", 2)), 1003u);
  EXPECT_EQ(code(client_frame(std::string("\x03\xe8", 2), 8)), 1000u);
}

TEST_F(SocketRoutesTest, SilenceEndsASocketAndPingsKeepIt) {
  HttpServerOptions http;
  http.heartbeat_ms = 20;
  start(http);
  const std::string secret = key();
  TestSocket silent = open(secret);
  EXPECT_TRUE(silent.client().wait_for_end());  // pings are not answered
  TestSocket living = open(secret);
  int n_pings = 0;
  while (n_pings < 6) {
    const auto frame = living.receive();
    ASSERT_TRUE(frame.has_value());
    if (frame->opcode != 9) continue;
    ++n_pings;
    living.client().send(client_frame(frame->payload, 10));
  }
}

TEST_F(SocketRoutesTest, AnIdleOneAndAnOldOneAreClosed) {
  HttpServerOptions http;
  http.socket_idle_ms = 50;
  start(http);
  TestSocket idle = open(key());
  const auto frame = idle.receive();
  ASSERT_TRUE(frame.has_value());
  EXPECT_EQ(frame->close_code(), 1001u);
}

TEST_F(SocketRoutesTest, DrainFinishesWhatRunsAndSaysGoodbye) {
  start();
  const std::string secret = key();
  TestSocket idle = open(secret), busy = open(secret);
  generator_.allow(1);
  busy.send(kCreate);
  ASSERT_TRUE(eventually([&] { return generator_.stats().n_running == 1; }));
  std::thread drain([&] { server_->drain(20'000); });
  const auto goodbye = idle.receive();
  EXPECT_TRUE(goodbye && goodbye->close_code() == 1001);
  idle.client().close();
  generator_.allow_all();
  EXPECT_EQ(text(last_event(&busy), "type"), "response.completed");
  const auto last = busy.receive();
  EXPECT_TRUE(last && last->opcode == 8 && last->close_code() == 1001);
  busy.client().close();
  drain.join();
}

}  // namespace
}  // namespace firesteel
