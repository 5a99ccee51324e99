#include "loopback_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>

#include <fmt/format.h>

namespace firesteel {
namespace {

constexpr size_t kAnswerBytesMax = 64u << 20;

// Whether the answer is whole: its length is known, or its last chunk has come.
bool is_whole(const std::string& bytes) {
  const size_t head = bytes.find("\r\n\r\n");
  if (head == std::string::npos) return false;
  const size_t length_at = bytes.find("content-length: ");
  if (length_at != std::string::npos && length_at < head) {
    size_t n = 0;
    std::from_chars(bytes.data() + length_at + 16, bytes.data() + head, n);
    return bytes.size() >= head + 4 + n;
  }
  constexpr std::string_view kLast = "0\r\n\r\n";
  return bytes.size() >= head + 4 + kLast.size() && std::string_view(bytes).substr(bytes.size() - kLast.size()) == kLast;
}

}  // namespace

std::string_view LoopbackClient::Answer::body() const {
  const size_t head = bytes.find("\r\n\r\n");
  return head == std::string::npos ? std::string_view() : std::string_view(bytes).substr(head + 4);
}

bool LoopbackClient::connect() {
  if (fd_ >= 0) return true;
  fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval timeout{60, 0};
  const int one = 1;
  setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
  setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port_);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) close();
  return fd_ >= 0;
}

void LoopbackClient::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

LoopbackClient::Answer LoopbackClient::ask(std::string_view method, std::string_view path, std::string_view key, std::string_view body,
                                           const std::function<bool(const std::string&)>& more, std::string_view type) {
  Answer answer;
  if (!connect()) return answer;
  const std::string request = fmt::format("{} {} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n\r\n{}",
                                          method, path, key, type, body.size(), body);
  for (std::string_view rest = request; !rest.empty();) {
    const ssize_t n = ::send(fd_, rest.data(), rest.size(), MSG_NOSIGNAL);
    if (n <= 0) {
      close();
      return answer;
    }
    rest.remove_prefix(static_cast<size_t>(n));
  }
  while (!is_whole(answer.bytes)) {
    char bytes[16 << 10];
    const ssize_t n = answer.bytes.size() < kAnswerBytesMax ? ::recv(fd_, bytes, sizeof bytes, 0) : -1;
    if (n <= 0) {
      close();
      break;
    }
    answer.bytes.append(bytes, static_cast<size_t>(n));
    if (more && !more(answer.bytes)) {
      close();
      break;
    }
  }
  if (answer.bytes.size() >= 12) std::from_chars(answer.bytes.data() + 9, answer.bytes.data() + 12, answer.status);
  return answer;
}

}  // namespace firesteel
