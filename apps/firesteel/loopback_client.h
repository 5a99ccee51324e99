// A blocking HTTP client for this machine's own server: commands that look at their own server from outside. Not for anybody else's: it
// trusts what it reads to be small and well formed, and ends after 60 s.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace firesteel {

class LoopbackClient {
 public:
  explicit LoopbackClient(uint16_t port) : port_(port) {}
  ~LoopbackClient() { close(); }
  LoopbackClient(const LoopbackClient&) = delete;
  LoopbackClient& operator=(const LoopbackClient&) = delete;

  struct Answer {
    int status = 0;         // 0: no answer
    std::string bytes;      // head and body as they came, chunk marks included: whoever looks for a text sees everything
    std::string_view body() const;
  };
  // One request on a connection that stays. more(bytes so far) is asked after each piece; false: the client goes away in the middle.
  Answer ask(std::string_view method, std::string_view path, std::string_view key, std::string_view body,
             const std::function<bool(const std::string&)>& more = {}, std::string_view type = "application/json");

 private:
  bool connect();
  void close();
  const uint16_t port_;
  int fd_ = -1;
};

}  // namespace firesteel
