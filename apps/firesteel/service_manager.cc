#include "service_manager.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace firesteel {

void notify_service_manager(const char* state) {
  const char* const path = std::getenv("NOTIFY_SOCKET");
  if (path == nullptr) return;
  const size_t n = std::strlen(path);
  sockaddr_un address{};
  if (n == 0 || n >= sizeof address.sun_path) return;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path, n);
  if (address.sun_path[0] == '@') address.sun_path[0] = '\0';  // abstract
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return;
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + n);
  ::sendto(fd, state, std::strlen(state), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&address), size);
  ::close(fd);
}

int64_t watchdog_period_us() {
  const char* const text = std::getenv("WATCHDOG_USEC");
  int64_t us = 0;
  if (text != nullptr) std::from_chars(text, text + std::strlen(text), us);
  return us / 2;
}

}  // namespace firesteel
