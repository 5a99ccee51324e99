// One client's connection as a state machine, and what all connections of a server share. Private to http_server.cc and
// http_connection.cc: the only files that know Boost.Asio. Everything here is used on the I/O thread unless said otherwise.
//
// Plain callbacks, not coroutines: Debian's Boost has none for clang's build of this file (docs/decisions/0003), and a connection
// without frames costs 1 to 2 KiB, so that 10,000 idle streams are cheap.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/queue.h"
#include "server/http_server.h"
#include "server/websocket.h"

namespace firesteel {

namespace asio = boost::asio;

// One waker of one reply. Rings at most once until the I/O thread has looked.
struct Bell {
  std::atomic<bool> rung{false};
  uint64_t connection_id = 0;
};

// Bells that rang, one post to the I/O thread for all of them: a step of the engine rings one per stream.
class BellBoard {
 public:
  BellBoard(asio::io_context* io, std::function<void()> on_ring) : io_(io), on_ring_(std::move(on_ring)) {}

  void ring(const std::shared_ptr<Bell>& bell) {
    if (bell->rung.exchange(true)) return;
    MutexLock lock(mutex_);
    if (io_ == nullptr) return;
    rung_.push_back(bell);
    if (rung_.size() == 1) asio::post(*io_, on_ring_);
  }
  std::vector<std::shared_ptr<Bell>> take() {
    MutexLock lock(mutex_);
    return std::exchange(rung_, {});
  }
  // Wakers may outlive the server.
  void close() {
    MutexLock lock(mutex_);
    io_ = nullptr;
    rung_.clear();
  }

 private:
  Mutex mutex_;
  asio::io_context* io_ FS_GUARDED_BY(mutex_);
  const std::function<void()> on_ring_;
  std::vector<std::shared_ptr<Bell>> rung_ FS_GUARDED_BY(mutex_);
};

class Connection;

// What a connection has once it is a WebSocket (http_socket.cc).
struct SocketState {
  std::unique_ptr<WebSocketReply> reply;
  WebSocketReader reader;
  std::deque<std::string> waiting;     // messages of the client
  uint64_t waiting_bytes = 0, running_bytes = 0;
  int64_t opened_us = 0, heard_us = 0, pinged_us = 0;
  int64_t message_us = 0;              // when the last message began or came
  bool closing = false;                // our close frame was put
};

struct ServerState {
  ServerState(std::shared_ptr<HttpHandler> handler_in, HttpServerOptions options_in)
      : handler(std::move(handler_in)), options(std::move(options_in)), queue(options.n_queued_max) {
    bells = std::make_shared<BellBoard>(&io, [this] { answer_bells(); });
  }

  void accept();
  void sweep();
  void answer_bells();
  void begin_drain();
  void interrupt_all();
  void abort_all();
  void remove(uint64_t id);
  void for_each(const std::function<void(Connection&)>& visit);
  // Puts work for a connection on a worker; false when the queue is full.
  bool dispatch(std::function<void()> task) { return queue.try_push(std::move(task)); }

  const std::shared_ptr<HttpHandler> handler;
  const HttpServerOptions options;
  asio::io_context io{1};
  asio::ip::tcp::acceptor acceptor{io};
  asio::steady_timer sweep_timer{io};
  asio::steady_timer accept_timer{io};
  std::shared_ptr<BellBoard> bells;
  BoundedQueue<std::function<void()>> queue;
  std::thread io_thread;
  std::vector<std::thread> workers;
  uint16_t port = 0;
  // Ticks: every connection has one in sweep_every, but a few hundred at a time, so that nobody waits while all of 10,000 have theirs.
  std::chrono::microseconds sweep_every{250'000};
  size_t sweep_bucket = 0;         // of `connections`: where the next slice begins
  int n_early_heartbeats = 0;      // that this slice may still send, see Connection::tick

  static constexpr size_t kScratchBytes = 64u << 10;
  std::unordered_map<uint64_t, std::shared_ptr<Connection>> connections;
  uint64_t next_id = 1;
  std::string scratch = std::string(kScratchBytes, '\0');
  uint64_t body_bytes = 0;

  std::atomic<bool> draining{false};
  std::atomic<int64_t> n_connections{0}, n_connections_refused{0}, n_requests{0}, n_disconnects{0}, n_timeouts{0}, n_body_bytes{0};
  Mutex idle_mutex;
  CondVar idle;
};

// One client. All members are used on the I/O thread only, except *request_ while a worker has it.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(ServerState* server, asio::ip::tcp::socket socket, uint64_t id) : server_(server), socket_(std::move(socket)), id_(id) {}

  void begin();
  void advance();
  void tick(int64_t now_us);
  void on_authorized(std::optional<HttpResponse> refusal);
  void on_reply(HttpReply reply);
  void begin_drain();
  void interrupt();
  void abort();

 private:
  enum class Phase : uint8_t {
    kHead,       // waits for a request
    kAuthorize,  // a worker looks at the head
    kBody,
    kHandle,     // a worker has the request
    kPending,    // polls the reply, perhaps streaming
    kFlush,      // all was said, the client has to take it
    kLinger,     // our end is closed; waits for the client's
    kClosed,
  };

  bool step();
  bool step_head();
  bool step_body();
  bool step_pending();
  bool finish();
  void handle_head();
  void begin_body();
  void refuse(HttpResponse response, bool close);
  void refuse(const HttpProblem& problem);
  void respond(const HttpResponse& response);
  void open_stream(const HttpResponse& head);
  void put(std::string_view bytes);
  void put_piece(std::string_view bytes);
  // True when something waited and all of it went out at once.
  bool flush();
  void on_written(const boost::system::error_code& error, size_t n);
  void arm_read();
  void on_readable(const boost::system::error_code& error);
  bool read_available();
  void reset_request();
  void release_body();
  void open_socket(std::unique_ptr<WebSocketReply> reply);
  void read_frames();
  void handle_event(SocketEvent event);
  bool step_socket();
  void count_socket_bytes();
  void tick_socket(int64_t now_us);
  void close_socket(uint16_t code, std::string_view reason);
  void record();
  bool worker_has_it() const { return phase_ == Phase::kAuthorize || phase_ == Phase::kHandle; }
  int64_t now_us() const { return system_clock().now_us(); }
  int64_t after_ms(int64_t ms) const { return now_us() + ms * 1000; }
  bool has_unsent() const { return write_active_ || !unsent_.empty(); }

  ServerState* const server_;
  asio::ip::tcp::socket socket_;
  const uint64_t id_;
  std::string peer_;
  std::unique_ptr<TlsSession> tls_;
  Phase phase_ = Phase::kHead;

  std::string input_;
  bool read_armed_ = false, peer_ended_ = false;
  std::string unsent_, writing_;
  size_t n_written_ = 0;
  bool write_active_ = false;
  bool held_back_ = false;         // the reply was not polled, because the client has to take more first
  int64_t write_progress_us_ = 0, last_put_us_ = 0;
  int64_t deadline_us_ = 0;
  uint64_t n_lingered_ = 0;

  HeadScanner scanner_;
  HttpHead head_;
  bool has_head_ = false;          // head_ was read well enough to have a request
  bool close_after_ = false;
  HeadVerdict verdict_;
  std::shared_ptr<HttpRequest> request_;
  ChunkDecoder chunks_;
  uint64_t body_reserved_ = 0;
  std::unique_ptr<PendingReply> pending_;
  std::shared_ptr<Bell> bell_;
  std::unique_ptr<SocketState> websocket_;   // null: plain HTTP
  bool stream_open_ = false;
  bool disconnected_ = false;
  int status_ = 0;
  int64_t start_us_ = 0;
  uint64_t n_received_ = 0, n_sent_ = 0;
};

}  // namespace firesteel
