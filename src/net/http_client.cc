#include "net/http_client.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>

#include "base/clock.h"
#include "net/http_reply.h"

namespace firesteel {
namespace {

constexpr int kTickMs = 200;  // how often a cancel is looked for

Error unavailable(std::string what) { return {ErrorCode::kUnavailable, std::move(what)}; }

class Waiter {
 public:
  explicit Waiter(const HttpClientRequest& request) : request_(request), deadline_us_(system_clock().now_us() + request.timeout_ms * 1000) {}
  // Until the descriptor is ready.
  Status wait(int fd, short events) const {
    for (;;) {
      if (request_.cancelled && request_.cancelled()) return Error{ErrorCode::kCancelled, "cancelled"};
      const int64_t left_ms = (deadline_us_ - system_clock().now_us()) / 1000;
      if (left_ms <= 0) return Error{ErrorCode::kDeadlineExceeded, "no answer within " + std::to_string(request_.timeout_ms) + " ms"};
      pollfd one{fd, events, 0};
      const int n = ::poll(&one, 1, static_cast<int>(std::min<int64_t>(left_ms, kTickMs)));
      if (n > 0) return {};
      if (n < 0 && errno != EINTR) return unavailable(std::string("poll: ") + std::strerror(errno));
    }
  }

 private:
  const HttpClientRequest& request_;
  const int64_t deadline_us_;
};

bool is_address(const std::string& host) {
  unsigned char bytes[sizeof(in6_addr)];
  return inet_pton(AF_INET, host.c_str(), bytes) == 1 || inet_pton(AF_INET6, host.c_str(), bytes) == 1;
}

// OpenSSL writes without MSG_NOSIGNAL: a peer that is gone must be an error here, whatever the program does with the signal.
class NoSigpipe {
 public:
  NoSigpipe() {
    sigemptyset(&signal_);
    sigaddset(&signal_, SIGPIPE);
    sigset_t pending;
    sigpending(&pending);
    was_pending_ = sigismember(&pending, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &signal_, &before_);
  }
  ~NoSigpipe() {
    const timespec at_once{};
    if (!was_pending_) sigtimedwait(&signal_, nullptr, &at_once);
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  NoSigpipe(const NoSigpipe&) = delete;
  NoSigpipe& operator=(const NoSigpipe&) = delete;

 private:
  sigset_t signal_, before_;
  bool was_pending_ = false;
};

// A connected socket, with TLS or without. Non-blocking.
class Connection {
 public:
  ~Connection() {
    if (ssl_ != nullptr) SSL_free(ssl_);
    if (fd_ >= 0) ::close(fd_);
  }

  Status open(const HttpUrl& url, const Waiter& waiter) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_ADDRCONFIG;
    addrinfo* found = nullptr;
    const std::string port = std::to_string(url.port);
    if (const int problem = getaddrinfo(url.host.c_str(), port.c_str(), &hints, &found); problem != 0) return unavailable(url.host + ": " + gai_strerror(problem));
    const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, freeaddrinfo);
    std::string last = "no address";
    for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
      fd_ = ::socket(one->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
      if (fd_ < 0) continue;
      int problem = ::connect(fd_, one->ai_addr, one->ai_addrlen) == 0 ? 0 : errno;
      if (problem == EINPROGRESS) {
        FS_TRY_VOID(waiter.wait(fd_, POLLOUT));
        socklen_t size = sizeof problem;
        getsockopt(fd_, SOL_SOCKET, SO_ERROR, &problem, &size);
      }
      if (problem == 0) return url.tls ? start_tls(url, waiter) : Status();
      last = std::strerror(problem);
      ::close(fd_);
      fd_ = -1;
    }
    return unavailable(url.host + ":" + port + ": " + last);
  }

  Status send(std::string_view bytes, const Waiter& waiter) {
    while (!bytes.empty()) {
      size_t n = 0;
      if (ssl_ != nullptr) {
        const NoSigpipe guard;
        const int result = SSL_write_ex(ssl_, bytes.data(), bytes.size(), &n);
        if (result != 1) FS_TRY_VOID(wait_tls(result, waiter));
      } else {
        const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent > 0) n = static_cast<size_t>(sent);
        else if (errno == EAGAIN) FS_TRY_VOID(waiter.wait(fd_, POLLOUT));
        else if (errno != EINTR) return unavailable(std::string("the connection broke: ") + std::strerror(errno));
      }
      bytes.remove_prefix(n);
    }
    return {};
  }

  // Empty: the end.
  Result<std::string_view> receive(const Waiter& waiter) {
    for (;;) {
      if (ssl_ != nullptr) {
        size_t n = 0;
        const NoSigpipe guard;  // a reader answers key updates
        const int result = SSL_read_ex(ssl_, buffer_, sizeof buffer_, &n);
        if (result == 1) return std::string_view(buffer_, n);
        const int why = SSL_get_error(ssl_, result);
        if (why == SSL_ERROR_ZERO_RETURN) return std::string_view();
        FS_TRY_VOID(wait_tls(result, waiter));
        continue;
      }
      const ssize_t n = ::recv(fd_, buffer_, sizeof buffer_, 0);
      if (n >= 0) return std::string_view(buffer_, static_cast<size_t>(n));
      if (errno == EAGAIN) FS_TRY_VOID(waiter.wait(fd_, POLLIN));
      else if (errno != EINTR) return unavailable(std::string("the connection broke: ") + std::strerror(errno));
    }
  }

 private:
  Status start_tls(const HttpUrl& url, const Waiter& waiter) {
    static SSL_CTX* const context = [] {
      SSL_CTX* const made = SSL_CTX_new(TLS_client_method());
      if (made == nullptr) return made;
      SSL_CTX_set_min_proto_version(made, TLS1_2_VERSION);
      SSL_CTX_set_verify(made, SSL_VERIFY_PEER, nullptr);
      SSL_CTX_set_default_verify_paths(made);
      // OpenSSL is linked in as Debian built it; other systems, and small containers, keep their roots elsewhere.
      for (const char* const file : {"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"}) {
        if (::access(file, R_OK) == 0 && SSL_CTX_load_verify_file(made, file) == 1) break;
      }
      ERR_clear_error();
      return made;
    }();
    if (context == nullptr || (ssl_ = SSL_new(context)) == nullptr) return unavailable("TLS cannot be used here");
    if (!is_address(url.host)) {  // RFC 6066, section 3; the call is what SSL_set_tlsext_host_name does, without its cast
      SSL_ctrl(ssl_, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, const_cast<char*>(url.host.c_str()));
    }
    if (SSL_set1_host(ssl_, url.host.c_str()) != 1 || SSL_set_fd(ssl_, fd_) != 1) return unavailable("TLS cannot be used here");
    const NoSigpipe guard;
    for (;;) {
      const int result = SSL_connect(ssl_);
      if (result == 1) return {};
      FS_TRY_VOID(wait_tls(result, waiter));
    }
  }
  Status wait_tls(int result, const Waiter& waiter) {
    const int why = SSL_get_error(ssl_, result);
    if (why == SSL_ERROR_WANT_READ) return waiter.wait(fd_, POLLIN);
    if (why == SSL_ERROR_WANT_WRITE) return waiter.wait(fd_, POLLOUT);
    const char* const reason = ERR_reason_error_string(ERR_get_error());
    return unavailable(std::string("TLS: ") + (reason == nullptr ? "the connection ended" : reason));
  }

  int fd_ = -1;
  SSL* ssl_ = nullptr;
  char buffer_[16 << 10] = {};
};

bool is_plain(std::string_view text) {  // nothing that could begin another header
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c != 0x7F; });
}

}  // namespace

std::string authority_of(const HttpUrl& url) {
  const std::string host = url.host.find(':') == std::string::npos ? url.host : "[" + url.host + "]";
  return url.port == (url.tls ? 443 : 80) ? host : host + ":" + std::to_string(url.port);
}

Result<HttpUrl> parse_http_url(std::string_view text, uint16_t plain_port) {
  const auto wrong = [&](const char* what) { return Error{ErrorCode::kInvalidArgument, "\"" + std::string(text.substr(0, 200)) + "\": " + what}; };
  HttpUrl url;
  url.port = plain_port;
  std::string_view rest = text;
  if (rest.substr(0, 8) == "https://") {
    url.tls = true;
    url.port = 443;
    rest.remove_prefix(8);
  } else if (rest.substr(0, 7) == "http://") {
    rest.remove_prefix(7);
  } else {
    return wrong("expected http:// or https://");
  }
  if (text.size() > 2048 || !is_plain(text) || text.find_first_of(" \"<>\\^`{|}#@") != std::string_view::npos) return wrong("expected a plain URL without names, passwords and fragments");
  const size_t slash = std::min(rest.find_first_of("/?"), rest.size());
  std::string_view authority = rest.substr(0, slash);
  if (slash < rest.size()) url.path = (rest[slash] == '?' ? "/" : "") + std::string(rest.substr(slash));
  std::string_view port;
  if (!authority.empty() && authority.front() == '[') {
    const size_t end = authority.find(']');
    if (end == std::string_view::npos) return wrong("expected ']' after the address");
    url.host = authority.substr(1, end - 1);
    port = authority.substr(end + 1);
    if (!port.empty() && port.front() != ':') return wrong("expected a port after the address");
  } else {
    const size_t colon = std::min(authority.find(':'), authority.size());
    url.host = authority.substr(0, colon);
    port = authority.substr(colon);
  }
  if (url.host.empty()) return wrong("expected a host");
  if (!port.empty()) {
    port.remove_prefix(1);
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), url.port);
    if (error != std::errc() || end != port.data() + port.size() || url.port == 0) return wrong("expected a port from 1 to 65535");
  }
  return url;
}

Result<HttpClientReply> http_post(const HttpUrl& url, const HttpClientRequest& request) {
  std::string head = "POST " + url.path + " HTTP/1.1\r\nHost: " + authority_of(url) + "\r\nConnection: close\r\nContent-Length: " + std::to_string(request.body.size()) + "\r\n";
  for (const auto& [name, value] : request.headers) {
    if (name.empty() || !is_plain(name) || !is_plain(value) || name.find(':') != std::string::npos) return Error{ErrorCode::kInvalidArgument, "header " + name.substr(0, 64) + ": expected plain text"};
    head += name + ": " + value + "\r\n";
  }
  const Waiter waiter(request);
  Connection connection;
  FS_TRY_VOID(connection.open(url, waiter));
  FS_TRY_VOID(connection.send(head + "\r\n" + request.body, waiter));
  HttpReplyReader reader(request.body_bytes_max);
  HttpClientReply reply;
  bool told_head = false;
  while (!reader.done()) {
    FS_TRY(const std::string_view bytes, connection.receive(waiter));
    if (bytes.empty()) {
      FS_TRY_VOID(reader.end());
      break;
    }
    FS_TRY_VOID(reader.push(bytes, &reply.body));
    if (!reader.has_head()) continue;
    reply.status = reader.status();
    if (!told_head && request.on_head) request.on_head(reply.status, [&reader](std::string_view name) { return reader.header(name); });
    told_head = true;
    if (request.on_body && !reply.body.empty()) {
      const bool goes_on = request.on_body(reply.body);
      reply.body.clear();
      if (!goes_on) break;
    }
  }
  return reply;
}

}  // namespace firesteel
