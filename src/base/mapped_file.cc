#include "base/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

namespace firesteel {
namespace {

Error os_error(const std::string& path, const char* what) {
  const int code = errno;
  const ErrorCode kind = code == ENOENT || code == ENOTDIR ? ErrorCode::kNotFound : ErrorCode::kIo;
  return Error{kind, path + ": " + what + ": " + std::strerror(code)};
}

class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() { if (fd_ >= 0) ::close(fd_); }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

// Opens a regular file and reports its status.
Result<int> open_regular(const std::string& path, struct stat* status) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (fd.get() < 0) return os_error(path, "cannot open");
  if (::fstat(fd.get(), status) != 0) return os_error(path, "cannot stat");
  if (!S_ISREG(status->st_mode)) return Error{ErrorCode::kInvalidArgument, path + ": expected a regular file"};
  return fd.release();
}

}  // namespace

Result<MappedFile> MappedFile::open(const std::string& path) {
  struct stat status {};
  FS_TRY(const int raw_fd, open_regular(path, &status));
  const Fd fd(raw_fd);
  MappedFile file;
  file.path_ = path;
  file.size_ = static_cast<size_t>(status.st_size);
  file.mtime_ns_ = int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec;
  if (file.size_ == 0) return file;
  void* address = ::mmap(nullptr, file.size_, PROT_READ, MAP_SHARED, fd.get(), 0);
  if (address == MAP_FAILED) {
    file.size_ = 0;
    return os_error(path, "cannot map");
  }
  // Where the system can, what is not yet in the page cache is read into large pages, and mapped as such for as long as it stays there:
  // one thread reads weights at 24-26 instead of 17-20 GB/s. A hint, so its failure is none.
  ::madvise(address, file.size_, MADV_HUGEPAGE);
  file.data_ = static_cast<const std::byte*>(address);
  return file;
}

MappedFile MappedFile::borrow(std::span<const std::byte> bytes, std::string name, int64_t stamp) {
  MappedFile file;
  file.data_ = bytes.data();
  file.size_ = bytes.size();
  file.mtime_ns_ = stamp;
  file.is_borrowed_ = true;
  file.path_ = std::move(name);
  return file;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr && !is_borrowed_) ::munmap(const_cast<std::byte*>(data_), size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)), mtime_ns_(other.mtime_ns_),
      is_borrowed_(other.is_borrowed_), path_(std::move(other.path_)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);  // what was here goes with `other`
  std::swap(size_, other.size_);
  std::swap(mtime_ns_, other.mtime_ns_);
  std::swap(is_borrowed_, other.is_borrowed_);
  std::swap(path_, other.path_);
  return *this;
}

Result<std::string> read_file(const std::string& path, uint64_t max_bytes) {
  struct stat status {};
  FS_TRY(const int raw_fd, open_regular(path, &status));
  const Fd fd(raw_fd);
  const uint64_t size = static_cast<uint64_t>(status.st_size);
  if (size > max_bytes) {
    return Error{ErrorCode::kResourceExhausted, path + ": expected at most " + std::to_string(max_bytes) + " bytes, found " + std::to_string(size)};
  }
  std::string content(size, '\0');
  size_t done = 0;
  while (done < content.size()) {
    const ssize_t n = ::read(fd.get(), content.data() + done, content.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return os_error(path, "cannot read");
    if (n == 0) break;  // it shrank while we read
    done += static_cast<size_t>(n);
  }
  content.resize(done);
  return content;
}

Status write_file_atomic(const std::string& path, std::string_view content) {
  FS_TRY(AtomicFileWriter writer, AtomicFileWriter::create(path));
  FS_TRY_VOID(writer.write(content));
  return writer.commit();
}

Result<AtomicFileWriter> AtomicFileWriter::create(const std::string& path) {
  AtomicFileWriter writer;
  writer.path_ = path;
  writer.tmp_path_ = path + ".tmp";
  writer.fd_ = ::open(writer.tmp_path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (writer.fd_ < 0) return os_error(writer.tmp_path_, "cannot create");
  return writer;
}

AtomicFileWriter::AtomicFileWriter(AtomicFileWriter&& other) noexcept
    : path_(std::move(other.path_)), tmp_path_(std::move(other.tmp_path_)), fd_(std::exchange(other.fd_, -1)), offset_(other.offset_) {}

AtomicFileWriter::~AtomicFileWriter() {
  if (fd_ < 0) return;
  ::close(fd_);
  ::unlink(tmp_path_.c_str());
}

Status AtomicFileWriter::write(std::span<const std::byte> bytes) {
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = ::write(fd_, bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return os_error(tmp_path_, "cannot write");
    done += static_cast<size_t>(n);
  }
  offset_ += bytes.size();
  return {};
}

Status AtomicFileWriter::commit() {
  if (::fsync(fd_) != 0) return os_error(tmp_path_, "cannot sync");
  if (::close(std::exchange(fd_, -1)) != 0) {
    const Error error = os_error(tmp_path_, "cannot close");
    ::unlink(tmp_path_.c_str());
    return error;
  }
  if (::rename(tmp_path_.c_str(), path_.c_str()) != 0) {
    const Error error = os_error(path_, "cannot rename into place");
    ::unlink(tmp_path_.c_str());
    return error;
  }
  const size_t slash = path_.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path_.substr(0, slash + 1);
  const Fd dir(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  // Some file systems refuse to sync a folder; the rename itself has happened.
  if (dir.get() >= 0) static_cast<void>(::fsync(dir.get()));
  return {};
}

}  // namespace firesteel
