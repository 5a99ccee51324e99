// A connection that has become a WebSocket: frames in, messages one by one to the workers, closing, pings. What is answered goes through
// the same phases as plain requests (http_connection.cc).
#include <algorithm>

#include "server/http_connection.h"

namespace firesteel {
namespace {

constexpr size_t kWaitingMax = 8;                  // messages
constexpr size_t kCancelBytesMax = 256;
constexpr size_t kUnansweredBytesMax = 64u << 10;  // pings of a client that takes nothing are not answered

}  // namespace

void Connection::open_socket(std::unique_ptr<WebSocketReply> reply) {
  if (head_.version_1_0 || head_.chunked || head_.content_length > 0) return refuse(HttpProblem{400, "a WebSocket begins with HTTP/1.1 and no body"});
  websocket_ = std::make_unique<SocketState>();
  websocket_->reply = std::move(reply);
  websocket_->opened_us = websocket_->heard_us = websocket_->pinged_us = websocket_->message_us = now_us();
  std::string head = "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: " + websocket_->reply->accept;
  head += "\r\nx-request-id: " + request_->request_id + "\r\n\r\n";
  status_ = 101;
  put(head);
  phase_ = Phase::kFlush;
}

// Bytes of messages count among those of all bodies that are being read.
void Connection::count_socket_bytes() {
  const uint64_t held = websocket_->reader.held_bytes() + websocket_->waiting_bytes + websocket_->running_bytes;
  server_->body_bytes += held - body_reserved_;
  body_reserved_ = held;
  server_->n_body_bytes.store(static_cast<int64_t>(server_->body_bytes), std::memory_order_relaxed);
}

void Connection::read_frames() {
  SocketState& socket = *websocket_;
  socket.heard_us = now_us();
  size_t at = 0;
  while (at < input_.size() && !socket.closing) {
    const bool inside = socket.reader.inside_message();
    size_t n = 0;
    const uint64_t room = socket.reply->message_bytes_max - std::min(socket.reply->message_bytes_max, socket.waiting_bytes);
    SocketEvent event = socket.reader.next(std::string_view(input_).substr(at), room, &n);
    at += n;
    if (!inside && (socket.reader.inside_message() || event.kind == SocketEvent::Kind::kText)) socket.message_us = socket.heard_us;
    handle_event(std::move(event));
    if (phase_ == Phase::kClosed) return;
  }
  input_.clear();
  input_.shrink_to_fit();
  count_socket_bytes();
  if (!socket.closing && server_->body_bytes > server_->options.body_bytes_total_max) close_socket(kSocketTryLater, "too many large messages at once");
}

void Connection::handle_event(SocketEvent event) {
  SocketState& socket = *websocket_;
  switch (event.kind) {
    case SocketEvent::Kind::kNone:
    case SocketEvent::Kind::kPong: return;
    case SocketEvent::Kind::kPing: {
      if (unsent_.size() + writing_.size() > kUnansweredBytesMax) return;
      std::string pong;
      append_pong_frame(event.payload, &pong);
      put(pong);
      return;
    }
    case SocketEvent::Kind::kClose: return close_socket(event.code == 0 ? kSocketNormal : event.code, "");
    case SocketEvent::Kind::kBroken: return close_socket(event.code, event.reason);
    case SocketEvent::Kind::kText: break;
  }
  if (event.payload.size() <= kCancelBytesMax && socket.reply->is_cancel(event.payload)) {
    if (pending_ != nullptr) pending_->cancel();
    return;
  }
  const size_t n_begins = phase_ == Phase::kHead ? 1 : 0;  // nothing runs: the first of those that wait begins after this read
  if (socket.waiting.size() >= kWaitingMax + n_begins) return close_socket(kSocketPolicy, "too many messages wait");
  socket.waiting_bytes += event.payload.size();
  socket.waiting.push_back(std::move(event.payload));
}

// Between requests.
bool Connection::step_socket() {
  SocketState& socket = *websocket_;
  if (socket.closing) {
    phase_ = Phase::kFlush;
    return true;
  }
  if (peer_ended_) {
    abort();
    return false;
  }
  const bool too_old = now_us() - socket.opened_us > server_->options.socket_lifetime_ms * 1000;
  if (server_->draining || too_old) {
    close_socket(kSocketGoingAway, server_->draining ? "the server is stopping" : "open for long enough: connect again");
    return true;
  }
  if (socket.waiting.empty()) return false;
  std::string message = std::move(socket.waiting.front());
  socket.waiting.pop_front();
  socket.waiting_bytes -= message.size();
  socket.running_bytes = message.size();
  server_->n_requests.fetch_add(1, std::memory_order_relaxed);
  start_us_ = now_us();
  n_received_ = message.size();
  request_ = std::make_shared<HttpRequest>();
  request_->peer = peer_;
  request_->body = std::move(message);
  phase_ = Phase::kHandle;
  ServerState* const server = server_;
  const bool queued = server->dispatch([server, id = id_, request = request_, on_message = websocket_->reply->on_message] {
    std::string text = std::move(request->body);
    auto reply = std::make_shared<HttpReply>(on_message(std::move(text), *request));
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

// Says goodbye; what runs is dropped, as when a client leaves. The connection ends when the client has said the same, or after linger_ms.
void Connection::close_socket(uint16_t code, std::string_view reason) {
  if (websocket_->closing) return;
  websocket_->closing = true;
  websocket_->waiting.clear();
  websocket_->waiting_bytes = 0;
  close_after_ = true;
  std::string frame;
  append_close_frame(code, reason, &frame);
  disconnected_ = phase_ == Phase::kPending || worker_has_it();
  pending_.reset();
  put(frame);
  flush();
  if (!worker_has_it() && phase_ != Phase::kClosed) phase_ = Phase::kFlush;
}

void Connection::tick_socket(int64_t now_us) {
  SocketState& socket = *websocket_;
  const HttpServerOptions& options = server_->options;
  if (socket.closing) return;
  if (now_us - socket.heard_us > 3 * options.heartbeat_ms * 1000) {
    server_->n_timeouts.fetch_add(1, std::memory_order_relaxed);
    abort();
    return;
  }
  const bool inside = socket.reader.inside_message();
  const int64_t extra_us = static_cast<int64_t>(socket.reader.held_bytes()) * 1'000'000 / (16 << 10);
  if (inside && now_us - socket.message_us > options.body_timeout_ms * 1000 + extra_us) {
    server_->n_timeouts.fetch_add(1, std::memory_order_relaxed);
    close_socket(kSocketPolicy, "the message came too slowly");
    return advance();
  }
  if (phase_ == Phase::kHead && !inside) {
    if (now_us - socket.message_us > options.socket_idle_ms * 1000) {
      close_socket(kSocketGoingAway, "nothing was asked for long");
      return advance();
    }
    if (now_us - socket.opened_us > options.socket_lifetime_ms * 1000) return advance();
  }
  if (now_us - socket.pinged_us <= options.heartbeat_ms * 1000) return;
  socket.pinged_us = now_us;
  std::string ping;
  append_ping_frame(&ping);
  if (unsent_.size() < kUnansweredBytesMax) put(ping);
  flush();
}

}  // namespace firesteel
