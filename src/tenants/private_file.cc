#include "tenants/private_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace firesteel {
namespace {

Error failed(const std::string& path) { return Error{ErrorCode::kUnavailable, path + ": " + std::strerror(errno)}; }

Status write_all(int fd, const std::string& path, std::string_view content) {
  while (!content.empty()) {
    const ssize_t n = ::write(fd, content.data(), content.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failed(path);
    content.remove_prefix(static_cast<size_t>(n));
  }
  if (::fsync(fd) != 0) return failed(path);
  return {};
}

}  // namespace

Status write_private_file(const std::string& path, std::string_view content) {
  const std::string partial = path + ".partial";
  ::unlink(partial.c_str());
  const int fd = ::open(partial.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return failed(partial);
  Status status = write_all(fd, partial, content);
  ::close(fd);
  // link, not rename: it refuses an existing name.
  if (status.ok() && ::link(partial.c_str(), path.c_str()) != 0) {
    status = errno == EEXIST ? Error{ErrorCode::kFailedPrecondition, path + ": exists already"} : failed(path);
  }
  ::unlink(partial.c_str());
  if (!status.ok()) return status;
  const size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const int folder_fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder_fd >= 0) {
    ::fsync(folder_fd);
    ::close(folder_fd);
  }
  return {};
}

Status make_private_folder(const std::string& path) {
  for (size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
    const std::string part = path.substr(0, slash);
    if (::mkdir(part.c_str(), 0700) != 0 && errno != EEXIST) return failed(part);
    if (slash == std::string::npos) break;
  }
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return failed(path);
  if (!S_ISDIR(status.st_mode)) return Error{ErrorCode::kFailedPrecondition, path + ": not a folder"};
  return {};
}

}  // namespace firesteel
