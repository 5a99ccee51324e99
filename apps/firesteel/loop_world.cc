#include "loop_world.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstring>
#include <utility>

#include "base/mapped_file.h"
#include "child_process.h"

namespace firesteel {
namespace {

Error failed(const std::string& what) { return Error{ErrorCode::kIo, what + ": " + std::strerror(errno)}; }

// "Answer: 7.50 dollars" > "7.50"; empty when there is no number.
std::string number_in(std::string_view text) {
  const std::string_view marked = marked_answer(text);
  size_t begin = 0;
  while (begin < marked.size() && !(std::isdigit(static_cast<unsigned char>(marked[begin])) != 0)) ++begin;
  if (begin > 0 && begin < marked.size() && marked[begin - 1] == '-') --begin;
  size_t end = begin;
  while (end < marked.size() && (std::isdigit(static_cast<unsigned char>(marked[end])) != 0 || std::strchr("-.,", marked[end]) != nullptr)) ++end;
  while (end > begin && std::strchr(".,-", marked[end - 1]) != nullptr) --end;
  return std::string(marked.substr(begin, end - begin));
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front())) != 0) text.remove_prefix(1);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())) != 0) text.remove_suffix(1);
  return text;
}

}  // namespace

Result<ChildOutput> run_self(const std::vector<std::string>& words) {
  int out[2], err[2];
  if (::pipe2(out, O_CLOEXEC) != 0 || ::pipe2(err, O_CLOEXEC) != 0) return failed("pipe");
  const pid_t child = spawn_self(words, out[1], err[1]);
  ::close(out[1]);
  ::close(err[1]);
  if (child < 0) return failed("fork");
  ChildOutput output;
  pollfd ends[2] = {{out[0], POLLIN, 0}, {err[0], POLLIN, 0}};
  for (int n_open = 2; n_open > 0;) {
    if (::poll(ends, 2, -1) < 0) {
      if (errno == EINTR) continue;
      break;
    }
    for (pollfd& end : ends) {
      if (end.fd < 0 || end.revents == 0) continue;
      char buffer[4096];
      const ssize_t n = ::read(end.fd, buffer, sizeof buffer);
      if (n > 0) {
        (&end == &ends[0] ? output.out : output.err).append(buffer, static_cast<size_t>(n));
      } else if (n == 0 || errno != EINTR) {
        end.fd = -1;
        --n_open;
      }
    }
  }
  ::close(out[0]);
  ::close(err[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  output.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return output;
}

Result<ServedSelf> ServedSelf::start(const std::string& state_dir, const std::string& log_path) {
  int out[2];
  if (::pipe2(out, O_CLOEXEC) != 0) return failed("pipe");
  const int log = ::open(log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (log < 0) return failed(log_path);
  const pid_t child = spawn_self({"serve", "--listen", "127.0.0.1:0", "--state-dir", state_dir, "--log", "warning"}, out[1], log);
  ::close(out[1]);
  ::close(log);
  if (child < 0) return failed("fork");
  std::string text;
  char byte = 0;
  while (text.find("\n\n") == std::string::npos && text.size() < 65536 && ::read(out[0], &byte, 1) == 1) text += byte;
  ::close(out[0]);
  uint16_t port = 0;
  const size_t at = text.find("127.0.0.1:");
  if (at != std::string::npos) std::from_chars(text.data() + at + 10, text.data() + text.size(), port);
  Result<std::string> key = read_file(state_dir + "/admin.key", 4096);
  if (port == 0 || !key.ok()) {
    ::kill(child, SIGTERM);
    ::waitpid(child, nullptr, 0);
    return Error{ErrorCode::kUnavailable, "firesteel serve did not start; its messages are in " + log_path};
  }
  return ServedSelf(child, port, std::string(trimmed(*key)));
}

ServedSelf::ServedSelf(ServedSelf&& other) noexcept : pid_(std::exchange(other.pid_, -1)), port_(other.port_), key_(std::move(other.key_)) {}

ServedSelf::~ServedSelf() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGTERM);
  ::waitpid(pid_, nullptr, 0);
}

Result<ServedSelf::Answer> ServedSelf::ask(const std::string& method, const std::string& path, const Json& body) const {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return failed("socket");
  const timeval timeout{120, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port_);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const std::string content = body.is_null() ? std::string() : body.dump();
  const std::string request = method + " " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nAuthorization: Bearer " + key_ +
                              "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(content.size()) + "\r\n\r\n" + content;
  std::string reply;
  bool good = ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  for (size_t sent = 0; good && sent < request.size();) {
    const ssize_t n = ::send(fd, request.data() + sent, request.size() - sent, MSG_NOSIGNAL);
    good = n > 0;
    if (good) sent += static_cast<size_t>(n);
  }
  for (char buffer[8192]; good && reply.size() < (16u << 20);) {
    const ssize_t n = ::recv(fd, buffer, sizeof buffer, 0);
    if (n <= 0) break;
    reply.append(buffer, static_cast<size_t>(n));
  }
  ::close(fd);
  const size_t head_end = reply.find("\r\n\r\n");
  Answer answer;
  if (!good || head_end == std::string::npos || reply.size() < 12) return Error{ErrorCode::kUnavailable, "the server did not answer " + method + " " + path};
  std::from_chars(reply.data() + 9, reply.data() + 12, answer.status);
  const auto header = [&](const std::string& name) {
    const size_t at = reply.find("\r\n" + name + ": ");
    if (at == std::string::npos || at > head_end) return std::string();
    const size_t begin = at + name.size() + 4;
    return reply.substr(begin, reply.find("\r\n", begin) - begin);
  };
  answer.request_id = header("x-request-id");
  answer.variant = header("x-firesteel-variant");
  if (auto json = Json::parse(std::string_view(reply).substr(head_end + 4)); json.ok()) answer.body = std::move(*json);
  return answer;
}

bool fulfils(Wish wish, const EvalItem& item, std::string_view answer) {
  if (wish == Wish::kRightNumber) return grade(item.grading, answer).right;
  const std::string number = number_in(answer);
  return !number.empty() && trimmed(marked_answer(answer)) == number;
}

std::string correction_of(Wish wish, const EvalItem& item, std::string_view answer) {
  if (wish == Wish::kRightNumber) return item.grading.answers.empty() ? std::string() : "Answer: " + item.grading.answers.front();
  const std::string number = number_in(answer);
  return number.empty() ? std::string() : "Answer: " + number;
}

}  // namespace firesteel
