// A blocking HTTP client over real loopback sockets, for tests. Every wait ends after 20 s, so a hung server fails a test.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "server/http_message.h"

namespace firesteel {

class TestClient {
 public:
  explicit TestClient(uint16_t port, int receive_buffer_bytes = 0);
  ~TestClient();
  TestClient(const TestClient&) = delete;
  TestClient& operator=(const TestClient&) = delete;

  bool connected() const { return fd_ >= 0; }
  bool send(std::string_view bytes);   // false when the server closed
  void end_sending();                  // half-close
  void close();
  void reset();                        // closes with RST

  // The next answer; chunked bodies are joined. nullopt when the connection ended before it was complete.
  std::optional<HttpResponse> receive(bool head_only = false);
  // Status line and headers only; then pieces of a stream until `text` is in what came since.
  std::optional<HttpResponse> receive_head();
  bool receive_until(std::string_view text);
  // Exactly n bytes of what follows.
  std::optional<std::string> take(size_t n) {
    while (buffer_.size() < n) {
      if (!fill()) return std::nullopt;
    }
    std::string out = buffer_.substr(0, n);
    buffer_.erase(0, n);
    return out;
  }
  const std::string& buffered() const { return buffer_; }
  // Reads and drops until the server ends the connection; false when that takes too long.
  bool wait_for_end();

 private:
  bool fill();  // false at the end
  bool receive_line(std::string* line);
  int fd_ = -1;
  std::string buffer_;
};

// One request on a connection of its own.
std::optional<HttpResponse> ask_once(uint16_t port, std::string_view raw);
// "POST path HTTP/1.1", Host, the given header lines (each with CRLF) and a body with its length.
std::string http_request(std::string_view method, std::string_view path, std::string_view body = {}, std::string_view header_lines = {});
const std::string* find_header(const HttpResponse& response, std::string_view name);

inline TestClient::TestClient(uint16_t port, int receive_buffer_bytes) {
  fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval timeout{20, 0};
  setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
  if (receive_buffer_bytes > 0) setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes, sizeof receive_buffer_bytes);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) close();
}

inline TestClient::~TestClient() { close(); }

inline void TestClient::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

inline void TestClient::reset() {
  const linger now{1, 0};
  setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  close();
}

inline void TestClient::end_sending() { ::shutdown(fd_, SHUT_WR); }

inline bool TestClient::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

inline bool TestClient::fill() {
  char bytes[16 << 10];
  const ssize_t n = fd_ < 0 ? -1 : ::recv(fd_, bytes, sizeof bytes, 0);
  if (n <= 0) return false;
  buffer_.append(bytes, static_cast<size_t>(n));
  return true;
}

inline bool TestClient::receive_line(std::string* line) {
  size_t end = 0;
  while ((end = buffer_.find("\r\n")) == std::string::npos) {
    if (!fill()) return false;
  }
  *line = buffer_.substr(0, end);
  buffer_.erase(0, end + 2);
  return true;
}

inline std::optional<HttpResponse> TestClient::receive_head() {
  HttpResponse response;
  std::string line;
  do {
    if (!receive_line(&line) || line.size() < 12 || line.substr(0, 9) != "HTTP/1.1 ") return std::nullopt;
    std::from_chars(line.data() + 9, line.data() + 12, response.status);
    response.headers.clear();
    while (receive_line(&line) && !line.empty()) {
      const size_t colon = line.find(": ");
      if (colon == std::string::npos) return std::nullopt;
      response.headers.emplace_back(line.substr(0, colon), line.substr(colon + 2));
    }
  } while (response.status == 100);
  return response;
}

inline std::optional<HttpResponse> TestClient::receive(bool head_only) {
  std::optional<HttpResponse> response = receive_head();
  if (!response || head_only || response->status == 204 || response->status == 304) return response;
  if (const std::string* length = find_header(*response, "content-length")) {
    size_t n = 0;
    std::from_chars(length->data(), length->data() + length->size(), n);
    while (buffer_.size() < n) {
      if (!fill()) return std::nullopt;
    }
    response->body = buffer_.substr(0, n);
    buffer_.erase(0, n);
    return response;
  }
  if (find_header(*response, "transfer-encoding") == nullptr) {  // until the end
    while (fill()) {
    }
    response->body = std::move(buffer_);
    return response;
  }
  for (std::string line; receive_line(&line);) {
    size_t n = 0;
    std::from_chars(line.data(), line.data() + line.size(), n, 16);
    while (buffer_.size() < n + 2) {
      if (!fill()) return std::nullopt;
    }
    response->body += buffer_.substr(0, n);
    buffer_.erase(0, n + 2);
    if (n == 0) return response;
  }
  return std::nullopt;
}

inline bool TestClient::receive_until(std::string_view text) {
  while (buffer_.find(text) == std::string::npos) {
    if (!fill()) return false;
  }
  return true;
}

inline bool TestClient::wait_for_end() {
  char bytes[16 << 10];
  for (;;) {
    const ssize_t n = ::recv(fd_, bytes, sizeof bytes, 0);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK)) return true;
    if (n < 0) return false;
  }
}

inline std::optional<HttpResponse> ask_once(uint16_t port, std::string_view raw) {
  TestClient client(port);
  if (!client.send(raw)) return std::nullopt;
  return client.receive(raw.substr(0, 5) == "HEAD ");
}

inline std::string http_request(std::string_view method, std::string_view path, std::string_view body, std::string_view header_lines) {
  std::string out = std::string(method) + " " + std::string(path) + " HTTP/1.1\r\nHost: localhost\r\n" + std::string(header_lines);
  if (!body.empty()) out += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  return out + "\r\n" + std::string(body);
}

inline const std::string* find_header(const HttpResponse& response, std::string_view name) {
  for (const auto& [key, value] : response.headers) {
    if (key == name) return &value;
  }
  return nullptr;
}

}  // namespace firesteel
