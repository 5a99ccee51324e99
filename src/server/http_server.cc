#include "server/http_server.h"

#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "server/http_connection.h"

namespace firesteel {

using asio::ip::tcp;
using boost::system::error_code;

namespace {

// Short turns for this thread: of threads that want a CPU, Linux (6.12 and later) lets those go first that ask for little time at once, while all get the
// same in the end. With every core busy a connection waited for milliseconds. Best effort: elsewhere, or forbidden, nothing changes.
void ask_for_short_turns() {
  // As sched_setattr(2) has it; the C library does not.
  struct {
    uint32_t size = 48, policy = SCHED_OTHER;
    uint64_t flags = 0;
    int32_t nice = 0;
    uint32_t priority = 0;
    uint64_t runtime_ns = 100'000, deadline_ns = 0, period_ns = 0;  // the least there is
  } attributes;
  static_assert(sizeof attributes == 48);
  attributes.nice = getpriority(PRIO_PROCESS, 0);  // of this thread, and as it is
  static_cast<void>(syscall(SYS_sched_setattr, 0, &attributes, 0));
}

}  // namespace

void ServerState::accept() {
  acceptor.async_accept([this](const error_code& error, tcp::socket socket) {
    if (!acceptor.is_open()) return;
    if (error) {
      // Out of file descriptors, most likely: those that end will give some back.
      accept_timer.expires_after(std::chrono::milliseconds(50));
      accept_timer.async_wait([this](const error_code& e) { if (!e && acceptor.is_open()) accept(); });
      return;
    }
    if (connections.size() >= options.n_connections_max) {
      n_connections_refused.fetch_add(1, std::memory_order_relaxed);
      error_code ignored;
      socket.close(ignored);
    } else {
      const uint64_t id = next_id++;
      const auto connection = std::make_shared<Connection>(this, std::move(socket), id);
      connections.emplace(id, connection);
      n_connections.store(static_cast<int64_t>(connections.size()), std::memory_order_relaxed);
      connection->begin();
    }
    accept();
  });
}

void ServerState::remove(uint64_t id) {
  connections.erase(id);
  n_connections.store(static_cast<int64_t>(connections.size()), std::memory_order_relaxed);
  if (!connections.empty() || !draining) return;
  MutexLock lock(idle_mutex);
  idle.notify_all();
}

// Connections may end while they are visited.
void ServerState::for_each(const std::function<void(Connection&)>& visit) {
  std::vector<std::shared_ptr<Connection>> all;
  all.reserve(connections.size());
  for (const auto& [id, connection] : connections) all.push_back(connection);
  for (const std::shared_ptr<Connection>& connection : all) visit(*connection);
}

// One slice. Connections that come, go or are moved by a growing table meanwhile are met in the next round.
void ServerState::sweep() {
  constexpr size_t kSliceMin = 256;
  const size_t n_slices = std::clamp<size_t>(connections.size() / kSliceMin, 1, 32);
  sweep_timer.expires_after(sweep_every / n_slices);
  sweep_timer.async_wait([this, n_slices](const error_code& error) {
    if (error) return;
    const size_t n_buckets = connections.bucket_count();
    if (sweep_bucket >= n_buckets) sweep_bucket = 0;
    const size_t end = std::min(n_buckets, sweep_bucket + n_buckets / n_slices + 1);
    std::vector<std::shared_ptr<Connection>> slice;  // they may end during their tick
    for (; sweep_bucket < end; ++sweep_bucket) {
      for (auto one = connections.begin(sweep_bucket); one != connections.end(sweep_bucket); ++one) slice.push_back(one->second);
    }
    n_early_heartbeats = 32;
    const int64_t now_us = system_clock().now_us();
    for (const std::shared_ptr<Connection>& connection : slice) connection->tick(now_us);
    sweep();
  });
}

void ServerState::answer_bells() {
  for (const std::shared_ptr<Bell>& bell : bells->take()) {
    bell->rung.store(false);
    const auto found = connections.find(bell->connection_id);
    if (found == connections.end()) continue;
    const std::shared_ptr<Connection> connection = found->second;
    connection->advance();
  }
}

void ServerState::begin_drain() {
  error_code ignored;
  acceptor.close(ignored);
  for_each([](Connection& connection) { connection.begin_drain(); });
  MutexLock lock(idle_mutex);
  idle.notify_all();
}

void ServerState::interrupt_all() {
  for_each([](Connection& connection) { connection.interrupt(); });
}

void ServerState::abort_all() {
  for_each([](Connection& connection) { connection.abort(); });
}

struct HttpServer::Impl : ServerState {
  using ServerState::ServerState;
};

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<HttpServer>> HttpServer::start(std::shared_ptr<HttpHandler> handler, HttpServerOptions options) {
  error_code error;
  const asio::ip::address address = asio::ip::make_address(options.address, error);
  if (error) return Error{ErrorCode::kInvalidArgument, "'" + options.address + "' is not a numeric IP address"};
  auto impl = std::make_unique<Impl>(std::move(handler), std::move(options));
  const HttpServerOptions& o = impl->options;
  const tcp::endpoint endpoint(address, o.port);
  impl->acceptor.open(endpoint.protocol(), error);
  if (!error) impl->acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) impl->acceptor.bind(endpoint, error);
  if (!error) impl->acceptor.listen(1024, error);
  if (error) {
    return Error{ErrorCode::kIo, "cannot listen on " + o.address + " port " + std::to_string(o.port) + ": " + error.message()};
  }
  impl->port = impl->acceptor.local_endpoint(error).port();
  const int64_t shortest_ms = std::min({o.head_timeout_ms, o.body_timeout_ms, o.idle_timeout_ms, o.write_timeout_ms, o.heartbeat_ms, o.linger_ms});
  impl->sweep_every = std::chrono::milliseconds(std::clamp<int64_t>(shortest_ms / 4, 2, 250));
  Impl* const raw = impl.get();
  raw->accept();
  raw->sweep();
  // Named, so that `top -H` tells what a token costs here from what it costs the engine.
  raw->io_thread = std::thread([raw] {
    pthread_setname_np(pthread_self(), "http");
    ask_for_short_turns();
    raw->io.run();
  });
  for (int i = 0; i < o.n_workers; ++i) {
    raw->workers.emplace_back([raw] {
      pthread_setname_np(pthread_self(), "http-worker");
      while (std::optional<std::function<void()>> task = raw->queue.pop()) (*task)();
    });
  }
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

HttpServer::~HttpServer() {
  impl_->queue.close();
  for (std::thread& worker : impl_->workers) worker.join();
  impl_->draining = true;
  asio::post(impl_->io, [impl = impl_.get()] {
    error_code ignored;
    impl->acceptor.close(ignored);
    impl->abort_all();
    impl->io.stop();
  });
  impl_->io_thread.join();
  impl_->bells->close();
  impl_->connections.clear();
}

uint16_t HttpServer::port() const { return impl_->port; }
bool HttpServer::draining() const { return impl_->draining; }
bool HttpServer::run_on_worker(std::function<void()> task) { return impl_->dispatch(std::move(task)); }

void HttpServer::drain(int64_t limit_ms) {
  Impl* const impl = impl_.get();
  impl->draining = true;
  asio::post(impl->io, [impl] { impl->begin_drain(); });
  const auto wait = [impl](int64_t ms) {
    const int64_t until_us = system_clock().now_us() + ms * 1000;
    MutexLock lock(impl->idle_mutex);
    while (impl->n_connections.load() > 0) {
      const int64_t left_us = until_us - system_clock().now_us();
      if (left_us <= 0) return false;
      impl->idle.wait_for(impl->idle_mutex, std::chrono::microseconds(left_us));
    }
    return true;
  };
  if (wait(limit_ms)) return;
  asio::post(impl->io, [impl] { impl->interrupt_all(); });
  if (wait(impl->options.linger_ms)) return;
  asio::post(impl->io, [impl] { impl->abort_all(); });
  wait(1000);
}

HttpServerStats HttpServer::stats() const {
  HttpServerStats stats;
  stats.n_connections = impl_->n_connections;
  stats.n_connections_refused = impl_->n_connections_refused;
  stats.n_requests = impl_->n_requests;
  stats.n_disconnects = impl_->n_disconnects;
  stats.n_timeouts = impl_->n_timeouts;
  stats.body_bytes = impl_->n_body_bytes;
  return stats;
}

}  // namespace firesteel
