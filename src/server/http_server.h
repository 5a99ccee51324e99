// Connections: sockets, TLS, limits, timeouts, keep-alive, chunked streaming, disconnects and drain. What requests mean is the
// handler's. Boost.Asio stays in the .cc file.
//
// One I/O thread runs all connections as plain state machines; work that may block (looking up keys, parsing, rendering, encoding,
// storing) runs on a few worker threads behind a bounded queue. Answers that take time are PendingReply objects: the I/O thread polls
// them when their waker rang and the client took what was sent before.
//
//   bytes > HeadScanner > parse_http_head > on_head (I/O) > authorize (worker) > body > handle (worker) > HttpReply > bytes
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/result.h"
#include "server/http_message.h"
#include "server/http_parser.h"
#include "server/tls.h"

namespace firesteel {

struct WebSocketReply;
class PendingReply;
using HttpReply = std::variant<HttpResponse, std::unique_ptr<PendingReply>, std::unique_ptr<WebSocketReply>>;

// An answer in the making. Made on a worker, then used and destroyed on the I/O thread only, where nothing may block. Destroyed before
// the end when the client went away: the work stops at once.
class PendingReply {
 public:
  virtual ~PendingReply() = default;
  // Called once, before the first poll. The waker may be called from any thread, at any time, also after this is gone.
  virtual void start(std::function<void()> waker) = 0;

  enum class State : uint8_t {
    kWaiting,  // nothing to say yet: poll again after the waker rang
    kOpen,     // `head` (status and headers) is set; pieces of the body were appended to `bytes`, more will come
    kDone,     // the end. Without kOpen before, `head` is the whole answer
    kBroken,   // after kOpen: the rest cannot be told, so the connection ends without looking complete
  };
  virtual State poll(HttpResponse* head, std::string* bytes) = 0;
  // An open stream said nothing for a while: something that readers skip.
  virtual void heartbeat(std::string*) {}
  // The server stops now: last words of a stream that is open.
  virtual void interrupt(std::string*) {}
  // The client of a WebSocket wants an end: the reply goes on to its last words.
  virtual void cancel() {}
};

// The connection becomes a WebSocket. Each text message of the client is answered like a request of its own, one after the other: up to
// eight may wait. Pings, pongs, closing and limits are the server's.
struct WebSocketReply {
  std::string accept;               // Sec-WebSocket-Accept
  uint64_t message_bytes_max = 0;   // of one message, and of those that wait together
  // Worker thread. Fills method, path, headers and request_id of `request` as logs and metrics shall see it. A PendingReply's bytes are
  // whole frames (websocket.h); an HttpResponse goes through to_message.
  std::function<HttpReply(std::string message, HttpRequest& request)> on_message;
  // I/O thread, quick.
  std::function<std::string(const HttpResponse& response)> to_message;
  std::function<bool(std::string_view message)> is_cancel;   // a short message that ends what runs, and has no answer of its own
};

// What is known when the head has come and the body has not.
struct HeadVerdict {
  std::optional<HttpResponse> refusal;                 // sent instead of anything else
  uint64_t body_bytes_max = 0;
  // Worker thread; a refusal, or nothing to go on. May be empty. Runs before a byte of the body is kept.
  std::function<std::optional<HttpResponse>(const HttpRequest&)> authorize;
  std::function<HttpReply(HttpRequest&)> handle;       // worker thread; may take the body out of the request
};

// One finished exchange, for logs and metrics.
struct HttpRecord {
  const HttpRequest* request = nullptr;   // the body may be gone; nullptr when the head could not be read
  int status = 0;                         // 0: the client went away before an answer
  uint64_t bytes_received = 0, bytes_sent = 0;
  int64_t duration_us = 0;
  bool disconnected = false;
};

class HttpHandler {
 public:
  virtual ~HttpHandler() = default;
  // All on the I/O thread: quick.
  virtual HeadVerdict on_head(HttpRequest* request) = 0;              // gives request_id
  // What could not even be read (400, 408, 413 ...), or not be done (429 when the queue is full, 503). request may be nullptr.
  virtual HttpResponse on_problem(const HttpProblem& problem, const HttpRequest* request) = 0;
  virtual void on_finished(const HttpRecord&) {}
};

struct HttpServerOptions {
  std::string address = "127.0.0.1";     // numeric IPv4 or IPv6
  uint16_t port = 0;                     // 0: any free one
  std::shared_ptr<TlsContext> tls;       // null: plain
  HttpLimits limits;
  int n_workers = 2;
  size_t n_queued_max = 256;             // requests that wait for a worker
  size_t n_connections_max = 12'000;
  uint64_t body_bytes_total_max = 256u << 20;  // of all requests being read
  int64_t head_timeout_ms = 10'000;      // from the first byte (or the connection's begin) to the end of the head
  int64_t body_timeout_ms = 20'000;      // plus what the body needs at 16 KiB/s
  int64_t idle_timeout_ms = 75'000;      // between requests of a connection
  int64_t write_timeout_ms = 30'000;     // without the client taking a byte
  int64_t heartbeat_ms = 15'000;         // WebSockets: a ping; closed when nothing came for three of them
  int64_t socket_idle_ms = 600'000;      // a WebSocket without a message
  int64_t socket_lifetime_ms = 3'600'000;  // of a WebSocket: what runs is finished, then the client connects again
  int64_t linger_ms = 2'000;             // a refused client's bytes are read and dropped for so long, that it sees the answer
  int send_buffer_bytes = 0;             // of the kernel; 0: its choice (tests make it small)
};

struct HttpServerStats {
  int64_t n_connections = 0;
  int64_t n_connections_refused = 0;
  int64_t n_requests = 0;
  int64_t n_disconnects = 0;             // while an answer was in the making
  int64_t n_timeouts = 0;
  int64_t body_bytes = 0;                // held now
};

class HttpServer {
 public:
  // Binds and starts the threads. kInvalidArgument for the address, kIo when it cannot be bound.
  static Result<std::unique_ptr<HttpServer>> start(std::shared_ptr<HttpHandler> handler, HttpServerOptions options);
  ~HttpServer();  // stops now
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  uint16_t port() const;
  // No new connections; idle ones are closed, requests under way are finished, after limit_ms what is left is interrupted. Returns
  // when all is over. Any thread but the server's own.
  void drain(int64_t limit_ms);
  bool draining() const;
  // Runs a task on a worker; false when the queue is full. Any thread.
  bool run_on_worker(std::function<void()> task);
  HttpServerStats stats() const;


 private:
  struct Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace firesteel
