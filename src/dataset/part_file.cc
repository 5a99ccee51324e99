#include "dataset/part_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace firesteel {
namespace {

Error io(const std::string& path) { return Error{ErrorCode::kIo, path + ": " + std::strerror(errno)}; }

}  // namespace

PartFile::~PartFile() {
  if (fd_ >= 0) ::close(fd_);
}

Status PartFile::open(const std::string& path, uint64_t bytes) {
  path_ = path;
  fd_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (fd_ < 0) return io(path);
  struct stat info {};
  if (::fstat(fd_, &info) != 0) return io(path);
  if (static_cast<uint64_t>(info.st_size) < bytes) return Error{ErrorCode::kDataLoss, path + ": shorter than its checkpoint says"};
  if (::ftruncate(fd_, static_cast<off_t>(bytes)) != 0 || ::lseek(fd_, 0, SEEK_END) < 0) return io(path);
  n_bytes_ = bytes;
  return {};
}

Status PartFile::append(std::string_view line) {
  buffer_ += line;
  buffer_ += '\n';
  if (buffer_.size() < (1u << 18)) return {};
  return flush();
}

Status PartFile::flush() {
  for (size_t done = 0; done < buffer_.size();) {
    const ssize_t n = ::write(fd_, buffer_.data() + done, buffer_.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return io(path_);
    done += static_cast<size_t>(n);
  }
  n_bytes_ += buffer_.size();
  buffer_.clear();
  return {};
}

Status PartFile::sync() {
  FS_TRY_VOID(flush());
  if (::fdatasync(fd_) != 0) return io(path_);
  return {};
}

}  // namespace firesteel
