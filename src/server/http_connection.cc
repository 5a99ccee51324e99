#include "server/http_connection.h"

#include <algorithm>

#include "server/http_wire.h"

namespace firesteel {
namespace {

using asio::ip::tcp;
using boost::system::error_code;

constexpr size_t kPipelinedBytesMax = 64u << 10;   // of further requests, while one is answered
constexpr size_t kUnsentBytesMax = 64u << 10;      // a stream is not polled while the client has not taken so much
constexpr size_t kKeptCapacity = 512;              // of buffers between uses; 10,000 idle streams must fit in 100 MiB
constexpr size_t kLingerBytesMax = 1u << 20;
constexpr int64_t kBodyBytesPerSecondMin = 16 << 10;

void release(std::string* buffer) {
  buffer->clear();
  if (buffer->capacity() > kKeptCapacity) std::string().swap(*buffer);
}

}  // namespace

void Connection::begin() {
  error_code ignored;
  socket_.non_blocking(true, ignored);
  socket_.set_option(tcp::no_delay(true), ignored);
  if (server_->options.send_buffer_bytes > 0) {
    socket_.set_option(asio::socket_base::send_buffer_size(server_->options.send_buffer_bytes), ignored);
  }
  const tcp::endpoint remote = socket_.remote_endpoint(ignored);
  peer_ = ignored ? "unknown" : remote.address().to_string();
  if (server_->options.tls != nullptr) tls_ = std::make_unique<TlsSession>(server_->options.tls);
  scanner_ = HeadScanner(server_->options.limits);
  deadline_us_ = after_ms(server_->options.head_timeout_ms);
  arm_read();
}

// --- reading ---------------------------------------------------------------------------------------------------------------------

void Connection::arm_read() {
  if (read_armed_ || peer_ended_ || phase_ == Phase::kClosed) return;
  if (phase_ != Phase::kLinger && input_.size() >= std::max(kPipelinedBytesMax, server_->options.limits.head_bytes_max + 1)) return;
  read_armed_ = true;
  // Waits without a buffer, so that an idle connection holds none.
  socket_.async_wait(tcp::socket::wait_read, [self = shared_from_this()](const error_code& error) { self->on_readable(error); });
}

void Connection::on_readable(const error_code& error) {
  read_armed_ = false;
  if (phase_ == Phase::kClosed) return;
  if (error || !read_available()) {
    abort();
    return;
  }
  advance();
}

// False when the connection is broken.
bool Connection::read_available() {
  // Enough for one turn; the others want theirs, too.
  for (int i = 0; i < 4; ++i) {
    error_code error;
    const size_t n = socket_.read_some(asio::buffer(server_->scratch.data(), ServerState::kScratchBytes), error);
    if (error == asio::error::would_block || error == asio::error::try_again) return true;
    if (error == asio::error::eof) {
      peer_ended_ = true;
      return true;
    }
    if (error) return false;
    const std::string_view bytes(server_->scratch.data(), n);
    if (tls_ == nullptr) {
      input_.append(bytes);
    } else {
      const TlsSession::State state = tls_->receive(bytes, &input_, &unsent_);
      flush();
      if (phase_ == Phase::kClosed || state == TlsSession::State::kFailed) return phase_ == Phase::kClosed;
      if (state == TlsSession::State::kClosed) peer_ended_ = true;
    }
    if (n < ServerState::kScratchBytes) return true;
  }
  return true;
}

// --- writing ---------------------------------------------------------------------------------------------------------------------

void Connection::put(std::string_view bytes) {
  last_put_us_ = now_us();
  n_sent_ += bytes.size();
  if (tls_ == nullptr) unsent_.append(bytes);
  else static_cast<void>(tls_->send(bytes, &unsent_));  // a session that cannot send is broken and will be seen so while reading
}

// A piece of an open stream.
void Connection::put_piece(std::string_view bytes) {
  if (head_.version_1_0 || websocket_ != nullptr) {
    put(bytes);
    return;
  }
  if (tls_ == nullptr) {
    const size_t n_before = unsent_.size();
    append_chunk(bytes, &unsent_);
    n_sent_ += unsent_.size() - n_before;
    last_put_us_ = now_us();
    return;
  }
  std::string chunk;
  append_chunk(bytes, &chunk);
  put(chunk);
}

// What the socket takes at once goes out here, without the machinery that waits: a step of the engine is a small piece for each of many clients. All else,
// errors too, is the waiting write's.
bool Connection::flush() {
  if (write_active_ || unsent_.empty() || phase_ == Phase::kClosed) return false;
  error_code error;
  const size_t n = socket_.write_some(asio::buffer(unsent_), error);
  if (!error && n == unsent_.size()) {
    release(&unsent_);
    return true;
  }
  writing_.swap(unsent_);
  n_written_ = error ? 0 : n;
  write_active_ = true;
  write_progress_us_ = now_us();
  socket_.async_write_some(asio::buffer(writing_.data() + n_written_, writing_.size() - n_written_),
                           [self = shared_from_this()](const error_code& e, size_t m) { self->on_written(e, m); });
  return false;
}

void Connection::on_written(const error_code& error, size_t n) {
  if (phase_ == Phase::kClosed) return;
  if (error) {
    abort();
    return;
  }
  n_written_ += n;
  write_progress_us_ = now_us();
  if (n_written_ < writing_.size()) {
    socket_.async_write_some(asio::buffer(writing_.data() + n_written_, writing_.size() - n_written_),
                             [self = shared_from_this()](const error_code& e, size_t m) { self->on_written(e, m); });
    return;
  }
  release(&writing_);
  n_written_ = 0;
  write_active_ = false;
  flush();
  advance();
}

// --- the life of a request ---------------------------------------------------------------------------------------------------------

void Connection::advance() {
  do {
    while (phase_ != Phase::kClosed && step()) {
    }
    // A stream whose client has taken everything has nothing to say before its bell rings.
  } while (flush() && (phase_ != Phase::kPending || held_back_));
  if (phase_ == Phase::kClosed) return;
  arm_read();
}

bool Connection::step() {
  if (websocket_ != nullptr && !input_.empty() && phase_ != Phase::kLinger) {
    read_frames();
    if (phase_ == Phase::kClosed) return false;
  }
  switch (phase_) {
    case Phase::kHead: return websocket_ != nullptr ? step_socket() : step_head();
    case Phase::kBody: return step_body();
    case Phase::kPending: return step_pending();
    case Phase::kFlush: return !has_unsent() && finish();
    case Phase::kLinger:
      n_lingered_ += input_.size();
      release(&input_);
      if (peer_ended_ || n_lingered_ > kLingerBytesMax) abort();
      return false;
    case Phase::kAuthorize:
    case Phase::kHandle:
    case Phase::kClosed: return false;
  }
  return false;
}

bool Connection::step_head() {
  if (input_.empty()) {
    if (peer_ended_ || (server_->draining && !has_unsent())) abort();
    return false;
  }
  if (start_us_ == 0) {
    start_us_ = now_us();
    deadline_us_ = after_ms(server_->options.head_timeout_ms);
  }
  size_t n_bytes = 0;
  std::optional<HttpProblem> problem = scanner_.scan(input_, &n_bytes);
  if (!problem && n_bytes == 0) {
    if (peer_ended_) abort();
    return false;
  }
  server_->n_requests.fetch_add(1, std::memory_order_relaxed);
  if (!problem) {
    problem = parse_http_head(std::string_view(input_).substr(0, n_bytes), server_->options.limits, &head_);
    has_head_ = !problem;
  }
  if (problem) {
    n_received_ = input_.size();
    refuse(*problem);
    return true;
  }
  n_received_ = n_bytes;
  input_.erase(0, n_bytes);
  handle_head();
  return true;
}

void Connection::handle_head() {
  close_after_ = !head_.keep_alive || server_->draining;
  request_ = std::make_shared<HttpRequest>(std::move(head_.request));
  request_->peer = peer_;
  verdict_ = server_->handler->on_head(request_.get());
  const bool has_body = head_.chunked || head_.content_length > 0;
  if (verdict_.refusal) {
    refuse(std::move(*verdict_.refusal), has_body);
    return;
  }
  if (head_.content_length > verdict_.body_bytes_max) {
    refuse(HttpProblem{413, "the body is larger than this address takes"});
    return;
  }
  if (!verdict_.authorize) {
    begin_body();
    return;
  }
  phase_ = Phase::kAuthorize;
  ServerState* const server = server_;
  const bool queued = server->dispatch([server, id = id_, request = request_, authorize = verdict_.authorize] {
    auto refusal = std::make_shared<std::optional<HttpResponse>>(authorize(*request));
    asio::post(server->io, [server, id, refusal] {
      const auto found = server->connections.find(id);
      if (found == server->connections.end()) return;
      const std::shared_ptr<Connection> connection = found->second;
      connection->on_authorized(std::move(*refusal));
    });
  });
  if (!queued) refuse(HttpProblem{429, "too many requests wait; try again"});
}

void Connection::on_authorized(std::optional<HttpResponse> refusal) {
  if (phase_ == Phase::kClosed) {
    record();
    server_->remove(id_);
    return;
  }
  if (refusal) refuse(std::move(*refusal), head_.chunked || head_.content_length > 0);
  else begin_body();
  advance();
}

void Connection::begin_body() {
  if (server_->body_bytes + head_.content_length > server_->options.body_bytes_total_max) {
    refuse(HttpProblem{503, "too many large requests at once; try again"});
    return;
  }
  body_reserved_ = head_.content_length;
  server_->body_bytes += body_reserved_;
  phase_ = Phase::kBody;
  deadline_us_ = after_ms(server_->options.body_timeout_ms);
  if (head_.expects_continue && input_.empty() && (head_.chunked || head_.content_length > 0)) put("HTTP/1.1 100 Continue\r\n\r\n");
}

bool Connection::step_body() {
  std::string& body = request_->body;
  bool complete = false;
  if (head_.chunked) {
    size_t n_consumed = 0;
    const std::optional<HttpProblem> problem = chunks_.feed(input_, verdict_.body_bytes_max, &body, &n_consumed);
    input_.erase(0, n_consumed);
    n_received_ += n_consumed;
    server_->body_bytes += body.size() - body_reserved_;
    body_reserved_ = body.size();
    if (problem) {
      refuse(*problem);
      return true;
    }
    if (server_->body_bytes > server_->options.body_bytes_total_max) {
      refuse(HttpProblem{503, "too many large requests at once; try again"});
      return true;
    }
    complete = chunks_.done();
  } else {
    const size_t n = static_cast<size_t>(std::min<uint64_t>(head_.content_length - body.size(), input_.size()));
    if (body.empty() && n == input_.size() && n == head_.content_length) {
      body.swap(input_);
    } else {
      if (body.empty() && n > 0) body.reserve(head_.content_length);
      body.append(input_, 0, n);
      input_.erase(0, n);
    }
    n_received_ += n;
    complete = body.size() == head_.content_length;
  }
  if (input_.empty()) release(&input_);
  if (!complete) {
    if (peer_ended_) abort();
    return false;
  }
  server_->n_body_bytes.store(static_cast<int64_t>(server_->body_bytes), std::memory_order_relaxed);
  phase_ = Phase::kHandle;
  ServerState* const server = server_;
  const bool queued = server->dispatch([server, id = id_, request = request_, handle = std::move(verdict_.handle)] {
    auto reply = std::make_shared<HttpReply>(handle(*request));
    asio::post(server->io, [server, id, reply] {
      const auto found = server->connections.find(id);
      if (found == server->connections.end()) return;
      const std::shared_ptr<Connection> connection = found->second;
      connection->on_reply(std::move(*reply));
    });
  });
  if (!queued) refuse(HttpProblem{429, "too many requests wait; try again"});
  return true;
}

void Connection::release_body() {
  if (websocket_ != nullptr && phase_ != Phase::kClosed) {
    websocket_->running_bytes = 0;
    count_socket_bytes();
    return;
  }
  server_->body_bytes -= body_reserved_;
  body_reserved_ = 0;
  server_->n_body_bytes.store(static_cast<int64_t>(server_->body_bytes), std::memory_order_relaxed);
}

void Connection::on_reply(HttpReply reply) {
  release_body();
  // What follows needs the request's name only; an idle stream should hold little.
  HttpHeaders().swap(request_->headers);
  std::string().swap(request_->body);
  verdict_ = HeadVerdict{};
  if (phase_ == Phase::kClosed) {
    record();
    server_->remove(id_);
    return;
  }
  if (websocket_ != nullptr && websocket_->closing) {
    phase_ = Phase::kFlush;
  } else if (HttpResponse* response = std::get_if<HttpResponse>(&reply)) {
    respond(*response);
  } else if (auto* socket = std::get_if<std::unique_ptr<WebSocketReply>>(&reply)) {
    open_socket(std::move(*socket));
  } else {
    pending_ = std::move(std::get<std::unique_ptr<PendingReply>>(reply));
    phase_ = Phase::kPending;
    bell_ = std::make_shared<Bell>();
    bell_->connection_id = id_;
    pending_->start([bells = server_->bells, bell = bell_] { bells->ring(bell); });
  }
  advance();
}

bool Connection::step_pending() {
  // A client that ended its side has gone: nobody reads what would be computed.
  if (peer_ended_) {
    abort();
    return false;
  }
  held_back_ = unsent_.size() + writing_.size() - n_written_ >= kUnsentBytesMax;
  if (held_back_) return false;
  HttpResponse head;
  std::string bytes;
  const PendingReply::State state = pending_->poll(&head, &bytes);
  if (state == PendingReply::State::kWaiting) return false;
  if (state == PendingReply::State::kOpen) {
    if (!stream_open_) open_stream(head);
    if (!bytes.empty()) put_piece(bytes);
    return false;  // that was all for now
  }
  if (state == PendingReply::State::kBroken) {
    abort();
    return false;
  }
  pending_.reset();
  if (!stream_open_) {
    respond(head);
    return true;
  }
  put_piece(bytes);
  if (!head_.version_1_0 && websocket_ == nullptr) put(kLastChunk);
  phase_ = Phase::kFlush;
  return true;
}

void Connection::open_stream(const HttpResponse& head) {
  stream_open_ = true;
  status_ = head.status;
  if (websocket_ != nullptr) return;
  if (head_.version_1_0) close_after_ = true;
  WireOptions options;
  options.body = head_.version_1_0 ? WireOptions::Body::kUntilClose : WireOptions::Body::kChunked;
  options.version_1_0 = head_.version_1_0;
  options.keep_alive = !close_after_;
  std::string bytes;
  append_response(head, options, &bytes);
  put(bytes);
}

// A whole answer.
void Connection::respond(const HttpResponse& response) {
  status_ = response.status;
  if (websocket_ != nullptr) {
    std::string frame;
    append_text_frame(websocket_->reply->to_message(response), &frame);
    put(frame);
    phase_ = Phase::kFlush;
    return;
  }
  if (server_->draining) close_after_ = true;
  WireOptions options;
  options.body = request_ != nullptr && request_->method == HttpMethod::kHead ? WireOptions::Body::kHeadOnly : WireOptions::Body::kWhole;
  options.version_1_0 = head_.version_1_0;
  options.keep_alive = !close_after_;
  std::string bytes;
  append_response(response, options, &bytes);
  put(bytes);
  phase_ = Phase::kFlush;
}

// An answer while there may be more of the request on its way, which nobody will read.
void Connection::refuse(HttpResponse response, bool close) {
  release_body();
  if (close) close_after_ = true;
  respond(response);
}

void Connection::refuse(const HttpProblem& problem) {
  // What cannot be read has no end that could be trusted; and a body that is not wanted is not waited for.
  const bool close = problem.status != 429 || phase_ != Phase::kHandle;
  if (problem.status == 408) server_->n_timeouts.fetch_add(1, std::memory_order_relaxed);
  refuse(server_->handler->on_problem(problem, request_.get()), close);
}

bool Connection::finish() {
  record();
  if (websocket_ != nullptr && !websocket_->closing) {
    websocket_->message_us = now_us();
    reset_request();
    return true;
  }
  if (!close_after_ && !server_->draining) {
    reset_request();
    return true;
  }
  if (tls_ != nullptr) {
    tls_->close(&unsent_);
    flush();
  }
  phase_ = Phase::kLinger;
  deadline_us_ = after_ms(server_->options.linger_ms);
  // The close alert is one small write: when it cannot go out at once, the client has stopped reading anyway.
  error_code ignored;
  socket_.shutdown(tcp::socket::shutdown_send, ignored);
  return true;
}

void Connection::reset_request() {
  phase_ = Phase::kHead;
  scanner_ = HeadScanner(server_->options.limits);
  head_ = HttpHead{};
  has_head_ = close_after_ = stream_open_ = disconnected_ = false;
  verdict_ = HeadVerdict{};
  request_.reset();
  bell_.reset();
  chunks_ = ChunkDecoder{};
  status_ = 0;
  start_us_ = 0;
  n_received_ = n_sent_ = 0;
  deadline_us_ = after_ms(server_->options.idle_timeout_ms);
}

void Connection::record() {
  if (start_us_ == 0) return;
  HttpRecord record;
  record.request = request_.get();
  record.status = status_;
  record.bytes_received = n_received_;
  record.bytes_sent = n_sent_;
  record.duration_us = now_us() - start_us_;
  record.disconnected = disconnected_;
  if (disconnected_) server_->n_disconnects.fetch_add(1, std::memory_order_relaxed);
  server_->handler->on_finished(record);
  start_us_ = 0;
}

void Connection::abort() {
  if (phase_ == Phase::kClosed) return;
  const bool by_worker = worker_has_it();
  disconnected_ = by_worker || phase_ == Phase::kPending || (phase_ == Phase::kFlush && has_unsent()) || phase_ == Phase::kBody;
  phase_ = Phase::kClosed;
  pending_.reset();  // first of all: frees the engine's blocks
  error_code ignored;
  socket_.close(ignored);
  if (by_worker) return;  // the worker reads *request_; its answer will come and end this
  release_body();
  record();
  server_->remove(id_);
}

void Connection::tick(int64_t now_us) {
  const HttpServerOptions& options = server_->options;
  if (phase_ == Phase::kClosed) return;
  if (write_active_ && now_us - write_progress_us_ > options.write_timeout_ms * 1000) {
    server_->n_timeouts.fetch_add(1, std::memory_order_relaxed);
    abort();
    return;
  }
  if (websocket_ != nullptr && phase_ != Phase::kLinger) return tick_socket(now_us);
  if (phase_ == Phase::kPending) {
    // In the last quarter of the time a few are sent with each slice: thousands of streams that began together must not beat together.
    const int64_t silent_us = now_us - last_put_us_;
    if (!stream_open_ || has_unsent() || silent_us <= options.heartbeat_ms * 750) return;
    if (silent_us <= options.heartbeat_ms * 1000 && server_->n_early_heartbeats-- <= 0) return;
    std::string bytes;
    pending_->heartbeat(&bytes);
    last_put_us_ = now_us;
    if (bytes.empty()) return;
    put_piece(bytes);
    flush();
    return;
  }
  if (phase_ == Phase::kBody) {
    const auto extra_us = static_cast<int64_t>(n_received_) * 1'000'000 / kBodyBytesPerSecondMin;
    if (now_us <= deadline_us_ + extra_us) return;
    refuse(HttpProblem{408, "the body came too slowly"});
    advance();
    return;
  }
  if (now_us <= deadline_us_) return;
  if (phase_ == Phase::kLinger || (phase_ == Phase::kHead && input_.empty())) {
    abort();
  } else if (phase_ == Phase::kHead) {
    refuse(HttpProblem{408, "the headers came too slowly"});
    advance();
  }
}

void Connection::begin_drain() {
  if (websocket_ != nullptr) return advance();
  if (phase_ == Phase::kHead && input_.empty() && !has_unsent()) abort();
}

// The last words; what cannot be said in time is not said.
void Connection::interrupt() {
  if (phase_ == Phase::kPending && stream_open_) {
    std::string bytes;
    pending_->interrupt(&bytes);
    pending_.reset();
    put_piece(bytes);
    phase_ = Phase::kFlush;
    if (websocket_ != nullptr) {
      close_socket(kSocketGoingAway, "the server is stopping");
      return advance();
    }
    if (!head_.version_1_0) put(kLastChunk);
    close_after_ = true;
  } else if (phase_ == Phase::kPending) {
    pending_.reset();
    refuse(HttpProblem{503, "the server is stopping"});
  } else if (phase_ != Phase::kFlush && phase_ != Phase::kLinger && !worker_has_it()) {
    abort();
    return;
  }
  advance();
}

}  // namespace firesteel
