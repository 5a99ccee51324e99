// HttpServer over real sockets: what is refused, limits, streams, disconnects, slow clients and drain.
#include "server/http_server.h"

#include <gtest/gtest.h>

#include <atomic>
#include <charconv>
#include <future>
#include <thread>

#include "base/clock.h"
#include "base/mapped_file.h"
#include "base/mutex.h"
#include "base/rng.h"
#include "server/test_client.h"

namespace firesteel {
namespace {

// A reply that the test plays by hand.
struct Stage {
  Mutex mutex;
  CondVar changed;
  std::function<void()> waker FS_GUARDED_BY(mutex);
  std::string ready FS_GUARDED_BY(mutex);
  bool open FS_GUARDED_BY(mutex) = false;
  bool done FS_GUARDED_BY(mutex) = false;
  bool endless = false;   // always more to say
  int n_heartbeats FS_GUARDED_BY(mutex) = 0;
  bool started FS_GUARDED_BY(mutex) = false;
  bool gone FS_GUARDED_BY(mutex) = false;

  void say(const std::string& text, bool end = false) {
    std::function<void()> ring;
    {
      MutexLock lock(mutex);
      open = true;
      ready += text;
      done = end;
      ring = waker;
    }
    if (ring) ring();
  }
  template <typename Condition>
  bool wait(Condition condition) {
    const int64_t until_us = system_clock().now_us() + 20'000'000;
    MutexLock lock(mutex);
    while (!condition(*this)) {
      if (system_clock().now_us() > until_us) return false;
      changed.wait_for(mutex, std::chrono::milliseconds(100));
    }
    return true;
  }
  bool wait_started() { return wait([](Stage& s) FS_NO_THREAD_SAFETY_ANALYSIS { return s.started; }); }
  bool wait_gone() { return wait([](Stage& s) FS_NO_THREAD_SAFETY_ANALYSIS { return s.gone; }); }
};

class StagedReply final : public PendingReply {
 public:
  explicit StagedReply(std::shared_ptr<Stage> stage) : stage_(std::move(stage)) {}
  ~StagedReply() override {
    MutexLock lock(stage_->mutex);
    stage_->gone = true;
    stage_->changed.notify_all();
  }
  void start(std::function<void()> waker) override {
    MutexLock lock(stage_->mutex);
    stage_->waker = std::move(waker);
    stage_->started = true;
    stage_->changed.notify_all();
  }
  State poll(HttpResponse* head, std::string* bytes) override {
    MutexLock lock(stage_->mutex);
    if (!stage_->open) return State::kWaiting;
    head->headers = {{"content-type", "text/plain"}};
    if (stage_->endless) {
      bytes->assign(32u << 10, 'x');
      stage_->waker();
    } else {
      bytes->swap(stage_->ready);
    }
    return stage_->done ? State::kDone : State::kOpen;
  }
  void heartbeat(std::string* bytes) override {
    MutexLock lock(stage_->mutex);
    ++stage_->n_heartbeats;
    *bytes = "<beat>";
  }
  void interrupt(std::string* bytes) override { *bytes = "<interrupted>"; }

 private:
  const std::shared_ptr<Stage> stage_;
};

class TestHandler final : public HttpHandler {
 public:
  HeadVerdict on_head(HttpRequest* request) override {
    request->request_id = "req_test";
    HeadVerdict verdict;
    verdict.body_bytes_max = 8u << 20;
    if (request->path == "/refused") {
      verdict.refusal = json_response(404, "{}");
    } else if (request->path == "/stage") {
      verdict.handle = [stage = stage](HttpRequest&) -> HttpReply { return std::make_unique<StagedReply>(stage); };
    } else if (request->path == "/block") {
      verdict.handle = [this](HttpRequest&) -> HttpReply {
        blocked.fetch_add(1);
        released.wait();
        return json_response(200, "{}");
      };
    } else {
      verdict.authorize = [](const HttpRequest& r) -> std::optional<HttpResponse> {
        if (r.path == "/forbidden") return json_response(401, "{}");
        return std::nullopt;
      };
      verdict.handle = [](HttpRequest& r) -> HttpReply { return HttpResponse{200, {{"content-type", "text/plain"}}, std::move(r.body)}; };
    }
    return verdict;
  }
  HttpResponse on_problem(const HttpProblem& problem, const HttpRequest*) override { return json_response(problem.status, problem.reason); }
  void on_finished(const HttpRecord& record) override {
    MutexLock lock(mutex);
    statuses.push_back(record.status);
    n_disconnected += record.disconnected ? 1 : 0;
    changed.notify_all();
  }
  bool wait_for_records(size_t n) {
    const int64_t until_us = system_clock().now_us() + 20'000'000;
    MutexLock lock(mutex);
    while (statuses.size() < n) {
      if (system_clock().now_us() > until_us) return false;
      changed.wait_for(mutex, std::chrono::milliseconds(100));
    }
    return true;
  }

  std::shared_ptr<Stage> stage = std::make_shared<Stage>();
  std::promise<void> release;
  std::shared_future<void> released = release.get_future().share();
  std::atomic<int> blocked{0};
  Mutex mutex;
  CondVar changed;
  std::vector<int> statuses FS_GUARDED_BY(mutex);
  int n_disconnected FS_GUARDED_BY(mutex) = 0;
};

struct Running {
  explicit Running(HttpServerOptions options = {}) {
    Result<std::unique_ptr<HttpServer>> started = HttpServer::start(handler, std::move(options));
    CHECK(started.ok());
    server = std::move(started).value();
  }
  uint16_t port() const { return server->port(); }
  std::shared_ptr<TestHandler> handler = std::make_shared<TestHandler>();
  std::unique_ptr<HttpServer> server;
};

// --- cases in files ----------------------------------------------------------------------------------------------------------------

struct Case {
  std::string name;
  int status = 0;
  bool stays_open = false;
  std::string bytes;
};

std::string unescape(std::string_view line) {
  std::string out;
  for (size_t i = 0; i < line.size(); ++i) {
    if (line.substr(i, 8) == "{REPEAT ") {
      const size_t space = line.find(' ', i + 8);
      const size_t end = line.find('}', i);
      size_t n = 0;
      std::from_chars(line.data() + i + 8, line.data() + space, n);
      const std::string text = unescape(line.substr(space + 1, end - space - 1));
      for (size_t k = 0; k < n; ++k) out += text;
      i = end;
    } else if (line[i] == '\\' && i + 1 < line.size()) {
      const char c = line[++i];
      if (c == 'x') {
        unsigned value = 0;
        std::from_chars(line.data() + i + 1, line.data() + i + 3, value, 16);
        out += static_cast<char>(value);
        i += 2;
      } else {
        out += c == 'r' ? '\r' : c == 'n' ? '\n' : c == 't' ? '\t' : c == '0' ? '\0' : c;
      }
    } else {
      out += line[i];
    }
  }
  return out;
}

std::vector<Case> read_cases(const std::string& name) {
  const Result<std::string> text = read_file(std::string(FS_TEST_DATA) + "/../http/" + name, 1u << 20);
  CHECK(text.ok());
  std::vector<Case> cases;
  std::string_view rest = *text;
  while (!rest.empty()) {
    const size_t end = rest.find('\n');
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    if (line.substr(0, 4) == "=== ") {
      const size_t arrow = line.rfind(" -> ");
      Case c;
      c.name = line.substr(4, arrow - 4);
      std::from_chars(line.data() + arrow + 4, line.data() + line.size(), c.status);
      c.stays_open = line.back() == '+';
      cases.push_back(std::move(c));
    } else if (!cases.empty()) {
      const bool goes_on = !line.empty() && line.back() == '\\' && (line.size() < 2 || line[line.size() - 2] != '\\');
      if (goes_on) line.remove_suffix(1);
      cases.back().bytes += unescape(line) + (goes_on ? "" : "\r\n");
    }
  }
  return cases;
}

void run_cases(const char* file, size_t n_min) {
  Running running;
  const std::vector<Case> cases = read_cases(file);
  EXPECT_GE(cases.size(), n_min);
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    TestClient client(running.port());
    client.send(c.bytes);  // the server may close before all of it is sent
    const std::optional<HttpResponse> response = client.receive(c.bytes.substr(0, 5) == "HEAD ");
    ASSERT_TRUE(response.has_value());
    EXPECT_EQ(response->status, c.status) << response->body;
    if (c.stays_open) {
      EXPECT_TRUE(client.send(http_request("GET", "/again")));
      const std::optional<HttpResponse> again = client.receive();
      ASSERT_TRUE(again.has_value());
      EXPECT_EQ(again->status, 200) << again->body;
    } else {
      EXPECT_TRUE(client.wait_for_end());
    }
  }
}

TEST(HttpServer, RefusesMalformedRequests) { run_cases("malformed.http", 75); }
TEST(HttpServer, TakesWellformedRequests) { run_cases("wellformed.http", 14); }

// Damages good requests at random places: an answer is a 2xx or 4xx (or one of the 501 and 505 that are the client's doing), or the
// server waits for more.
TEST(HttpServer, DamagedRequestsNeverGiveServerErrors) {
  Running running;
  const std::string seeds[] = {
      http_request("POST", "/echo?a=b", "{\"a\": 1}", "Content-Type: application/json\r\nX-Api-Key: abc\r\n"),
      "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nA: b\r\n\r\n",
  };
  constexpr std::string_view kNasty("\r\n\t \0:;,%?#/\x7f\xff\xc3" "0-+aZ", 20);
  int n_refused = 0;
  for (uint64_t i = 0; i < 1000; ++i) {
    std::string bytes = seeds[i % 2];
    auto draw = [i, n = uint32_t{0}](uint64_t below) mutable { return philox4x32({static_cast<uint32_t>(i), n++, 0, 0}, 7)[0] % below; };
    for (uint64_t k = 0, n = 1 + draw(3); k < n; ++k) {
      const size_t at = draw(bytes.size());
      const char c = kNasty[draw(kNasty.size())];
      switch (draw(3)) {
        case 0: bytes[at] = c; break;
        case 1: bytes.insert(at, 1, c); break;
        default: bytes.erase(at, 1 + draw(4)); break;
      }
      if (bytes.empty()) break;
    }
    TestClient client(running.port());
    client.send(bytes);
    client.end_sending();
    const std::optional<HttpResponse> response = client.receive();
    if (!response) continue;  // the server saw the end of an incomplete request
    const int status = response->status;
    EXPECT_TRUE(status == 200 || (status >= 400 && status < 500) || status == 501 || status == 505) << "case " << i << ": " << status;
    n_refused += status == 200 ? 0 : 1;
  }
  EXPECT_GT(n_refused, 300);
}

// --- bodies and connections ----------------------------------------------------------------------------------------------------------

TEST(HttpServer, BigBodiesComeThroughWholeAndLargerOnesAreRefusedUnread) {
  Running running;
  const std::string body(5u << 20, 'b');
  const std::optional<HttpResponse> echoed = ask_once(running.port(), http_request("POST", "/echo", body));
  ASSERT_TRUE(echoed.has_value());
  EXPECT_EQ(echoed->body, body);
  TestClient client(running.port());
  client.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000\r\n\r\nfirst bytes");
  const std::optional<HttpResponse> refused = client.receive();
  ASSERT_TRUE(refused.has_value());
  EXPECT_EQ(refused->status, 413);
  EXPECT_TRUE(client.wait_for_end());
}

TEST(HttpServer, ChunkedBodyBeyondTheLimitIsRefused) {
  Running running;
  TestClient client(running.port());
  client.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
  const std::string chunk = "100000\r\n" + std::string(1u << 20, 'c') + "\r\n";
  for (int i = 0; i < 9 && client.send(chunk); ++i) {
  }
  const std::optional<HttpResponse> refused = client.receive();
  ASSERT_TRUE(refused.has_value());
  EXPECT_EQ(refused->status, 413);
}

TEST(HttpServer, BodiesOfAllRequestsHaveALimitTogether) {
  HttpServerOptions options;
  options.body_bytes_total_max = 1000;
  Running running(options);
  TestClient holder(running.port());
  holder.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900\r\nExpect: 100-continue\r\n\r\n");
  ASSERT_TRUE(holder.receive_until("100 Continue"));
  const std::optional<HttpResponse> refused = ask_once(running.port(), http_request("POST", "/echo", std::string(200, 'x')));
  ASSERT_TRUE(refused.has_value());
  EXPECT_EQ(refused->status, 503);
  holder.send(std::string(900, 'y'));
  EXPECT_EQ(holder.receive()->status, 200);
  const std::optional<HttpResponse> taken = ask_once(running.port(), http_request("POST", "/echo", std::string(200, 'x')));
  EXPECT_EQ(taken->status, 200);
  EXPECT_EQ(running.server->stats().body_bytes, 0);
}

TEST(HttpServer, PipelinedRequestsAreAnsweredInOrder) {
  Running running;
  TestClient client(running.port());
  client.send(http_request("POST", "/echo", "one") + http_request("POST", "/echo", "two") + http_request("GET", "/refused") +
              http_request("POST", "/echo", "three"));
  EXPECT_EQ(client.receive()->body, "one");
  EXPECT_EQ(client.receive()->body, "two");
  EXPECT_EQ(client.receive()->status, 404);
  EXPECT_EQ(client.receive()->body, "three");
}

TEST(HttpServer, NothingOfTheBodyIsKeptForWhoMayNot) {
  Running running;
  TestClient client(running.port());
  client.send("POST /forbidden HTTP/1.1\r\nHost: localhost\r\nContent-Length: 8000000\r\n\r\n");
  const std::optional<HttpResponse> refused = client.receive();
  ASSERT_TRUE(refused.has_value());
  EXPECT_EQ(refused->status, 401);
  EXPECT_EQ(running.server->stats().body_bytes, 0);
}

TEST(HttpServer, ConnectionsHaveALimit) {
  HttpServerOptions options;
  options.n_connections_max = 2;
  Running running(options);
  TestClient first(running.port()), second(running.port());
  first.send(http_request("GET", "/echo"));
  second.send(http_request("GET", "/echo"));
  EXPECT_TRUE(first.receive() && second.receive());
  TestClient third(running.port());
  EXPECT_TRUE(third.wait_for_end());
  EXPECT_EQ(running.server->stats().n_connections_refused, 1);
}

TEST(HttpServer, AFullQueueIsAnsweredAtOnce) {
  HttpServerOptions options;
  options.n_workers = 1;
  options.n_queued_max = 1;
  Running running(options);
  TestClient blocking(running.port()), waiting(running.port());
  blocking.send(http_request("GET", "/block"));
  while (running.handler->blocked.load() == 0) std::this_thread::yield();
  waiting.send(http_request("GET", "/echo"));
  TestClient refused(running.port());
  std::optional<HttpResponse> response;
  // Which of the two reaches the queue first is the network's choice.
  refused.send(http_request("GET", "/echo"));
  TestClient last(running.port());
  last.send(http_request("GET", "/echo"));
  response = last.receive();
  if (response) {
    EXPECT_EQ(response->status, 429);
  }
  running.handler->release.set_value();
  EXPECT_EQ(blocking.receive()->status, 200);
}

// --- streams -----------------------------------------------------------------------------------------------------------------------

TEST(HttpServer, PiecesAreSentAsTheyCome) {
  Running running;
  TestClient client(running.port());
  client.send(http_request("GET", "/stage"));
  ASSERT_TRUE(running.handler->stage->wait_started());
  running.handler->stage->say("first ");
  const std::optional<HttpResponse> head = client.receive_head();
  ASSERT_TRUE(head.has_value());
  EXPECT_EQ(*find_header(*head, "transfer-encoding"), "chunked");
  EXPECT_TRUE(client.receive_until("first "));
  running.handler->stage->say("second ");
  EXPECT_TRUE(client.receive_until("second "));
  running.handler->stage->say("last", true);
  EXPECT_TRUE(client.receive_until("last\r\n0\r\n\r\n"));
  EXPECT_TRUE(running.handler->stage->wait_gone());
}

TEST(HttpServer, AStreamForHttp10EndsWithTheConnection) {
  Running running;
  running.handler->stage->say("all of it", true);
  TestClient client(running.port());
  client.send("GET /stage HTTP/1.0\r\nHost: localhost\r\n\r\n");
  const std::optional<HttpResponse> response = client.receive();
  ASSERT_TRUE(response.has_value());
}

TEST(HttpServer, AClientThatLeavesEndsItsWork) {
  for (const int how : {0, 1, 2, 3}) {
    SCOPED_TRACE(how);
    Running running;
    TestClient client(running.port());
    client.send(http_request("GET", "/stage"));
    ASSERT_TRUE(running.handler->stage->wait_started());
    if (how > 1) {  // in the middle of a stream
      running.handler->stage->say("something");
      ASSERT_TRUE(client.receive_until("something"));
    }
    if (how % 2 == 0) client.close();
    else client.reset();
    EXPECT_TRUE(running.handler->stage->wait_gone());
    EXPECT_TRUE(running.handler->wait_for_records(1));
    MutexLock lock(running.handler->mutex);
    EXPECT_EQ(running.handler->n_disconnected, 1);
  }
}

TEST(HttpServer, AWakerMayRingAfterTheServerIsGone) {
  std::shared_ptr<Stage> stage;
  {
    Running running;
    stage = running.handler->stage;
    TestClient client(running.port());
    client.send(http_request("GET", "/stage"));
    ASSERT_TRUE(stage->wait_started());
  }
  EXPECT_TRUE(stage->wait_gone());
  stage->say("nobody hears this");
}

TEST(HttpServer, AClientThatDoesNotReadIsCut) {
  HttpServerOptions options;
  options.write_timeout_ms = 50;
  options.send_buffer_bytes = 4096;
  Running running(options);
  running.handler->stage->endless = true;
  running.handler->stage->say("");
  TestClient client(running.port(), 4096);
  client.send(http_request("GET", "/stage"));
  EXPECT_TRUE(running.handler->stage->wait_gone());
  EXPECT_EQ(running.server->stats().n_timeouts, 1);
}

TEST(HttpServer, QuietStreamsHaveAHeartbeat) {
  HttpServerOptions options;
  options.heartbeat_ms = 10;
  Running running(options);
  running.handler->stage->say("begin");
  TestClient client(running.port());
  client.send(http_request("GET", "/stage"));
  EXPECT_TRUE(client.receive_until("begin\r\n6\r\n<beat>\r\n6\r\n<beat>"));
}

// Ticks come in slices (ServerState::sweep): none of many is left out, whatever comes and goes.
TEST(HttpServer, EveryOneOfManyIsTimedOut) {
  HttpServerOptions options;
  options.head_timeout_ms = 200;
  Running running(options);
  std::vector<std::unique_ptr<TestClient>> clients;
  for (int i = 0; i < 700; ++i) clients.push_back(std::make_unique<TestClient>(running.port()));
  for (size_t i = 0; i < clients.size(); i += 3) clients[i].reset();
  for (const auto& client : clients) {
    if (client != nullptr) {
      EXPECT_TRUE(client->wait_for_end());
    }
  }
}

// --- slow clients ---------------------------------------------------------------------------------------------------------------------

TEST(HttpServer, SlowHeadersAreTimedOut) {
  HttpServerOptions options;
  options.head_timeout_ms = 20;
  Running running(options);
  TestClient silent(running.port());
  EXPECT_TRUE(silent.wait_for_end());
  TestClient slow(running.port());
  slow.send("GET /echo HTTP/1.1\r\nHo");
  const std::optional<HttpResponse> response = slow.receive();
  ASSERT_TRUE(response.has_value());
  EXPECT_EQ(response->status, 408);
}

TEST(HttpServer, SlowBodiesAreTimedOut) {
  HttpServerOptions options;
  options.body_timeout_ms = 20;
  Running running(options);
  TestClient slow(running.port());
  slow.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nabc");
  const std::optional<HttpResponse> response = slow.receive();
  ASSERT_TRUE(response.has_value());
  EXPECT_EQ(response->status, 408);
  EXPECT_TRUE(slow.wait_for_end());
  EXPECT_EQ(running.server->stats().body_bytes, 0);
}

TEST(HttpServer, IdleConnectionsAreClosed) {
  HttpServerOptions options;
  options.idle_timeout_ms = 20;
  Running running(options);
  TestClient client(running.port());
  client.send(http_request("GET", "/echo"));
  EXPECT_TRUE(client.receive().has_value());
  EXPECT_TRUE(client.wait_for_end());
}

// --- drain -----------------------------------------------------------------------------------------------------------------------------

TEST(HttpServer, DrainFinishesWhatIsUnderWayAndTakesNothingNew) {
  Running running;
  TestClient idle(running.port()), client(running.port());
  idle.send(http_request("GET", "/echo"));
  EXPECT_TRUE(idle.receive().has_value());
  client.send(http_request("GET", "/stage"));
  ASSERT_TRUE(running.handler->stage->wait_started());
  running.handler->stage->say("before ");
  ASSERT_TRUE(client.receive_until("before "));
  std::thread drain([&running] { running.server->drain(60'000); });
  EXPECT_TRUE(idle.wait_for_end());  // so the drain has begun
  EXPECT_FALSE(ask_once(running.port(), http_request("GET", "/echo")).has_value());
  running.handler->stage->say("after", true);
  EXPECT_TRUE(client.receive_until("after\r\n0\r\n\r\n"));
  client.close();
  drain.join();
  EXPECT_EQ(running.server->stats().n_connections, 0);
}

TEST(HttpServer, DrainInterruptsWhatTakesTooLong) {
  Running running;
  TestClient client(running.port());
  client.send(http_request("GET", "/stage"));
  ASSERT_TRUE(running.handler->stage->wait_started());
  running.handler->stage->say("before ");
  ASSERT_TRUE(client.receive_until("before "));
  std::thread drain([&running] { running.server->drain(1); });
  EXPECT_TRUE(client.receive_until("<interrupted>\r\n0\r\n\r\n"));
  EXPECT_TRUE(client.wait_for_end());
  client.close();
  drain.join();
  EXPECT_EQ(running.server->stats().n_connections, 0);
}

TEST(HttpServer, RefusesAddressesThatCannotBeBound) {
  HttpServerOptions options;
  options.address = "localhost";
  EXPECT_EQ(HttpServer::start(std::make_shared<TestHandler>(), options).error().code, ErrorCode::kInvalidArgument);
  Running running;
  options.address = "127.0.0.1";
  options.port = running.port();
  EXPECT_EQ(HttpServer::start(std::make_shared<TestHandler>(), options).error().code, ErrorCode::kIo);
}

// Many clients at once, of which some leave: for the thread sanitizer.
TEST(HttpServer, ClientsComeAndGoFromManyThreads) {
  Running running;
  std::vector<std::thread> threads;
  std::atomic<int> n_answers{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&running, &n_answers, t] {
      for (int i = 0; i < 20; ++i) {
        TestClient client(running.port());
        client.send(http_request("POST", "/echo", "body " + std::to_string(t)));
        if (i % 4 == 3) continue;
        if (client.receive().has_value()) n_answers.fetch_add(1);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(n_answers.load(), 60);
}

}  // namespace
}  // namespace firesteel
