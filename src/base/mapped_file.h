// Read-only memory-mapped file, and the few whole-file operations everyone needs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace firesteel {

// Owns the mapping; views of bytes() are valid while it lives. Weights are mapped, not copied. A file that shrinks while it is
// mapped raises SIGBUS on access, as for every mapped file: model files must not be truncated in place.
class MappedFile {
 public:
  // kNotFound, kIo; kInvalidArgument when it is not a regular file. An empty file maps to an empty span.
  static Result<MappedFile> open(const std::string& path);

  // Bytes that are in memory already, under a name for messages; they must outlive this. stamp: stands for the time of the last
  // change, so two contents of one name must differ in it.
  static MappedFile borrow(std::span<const std::byte> bytes, std::string name, int64_t stamp);

  MappedFile() = default;
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::string& path() const { return path_; }
  int64_t mtime_ns() const { return mtime_ns_; }

 private:
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
  int64_t mtime_ns_ = 0;
  bool is_borrowed_ = false;
  std::string path_;
};

// Whole file into memory; kResourceExhausted when it is larger than max_bytes (checked before allocation).
Result<std::string> read_file(const std::string& path, uint64_t max_bytes);

// Writes beside the target (".tmp"), syncs, renames: readers see the old file or the whole new one.
Status write_file_atomic(const std::string& path, std::string_view content);

// A file being written that appears under its name only on commit(). Without commit, the temporary file is removed.
class AtomicFileWriter {
 public:
  static Result<AtomicFileWriter> create(const std::string& path);
  ~AtomicFileWriter();
  AtomicFileWriter(AtomicFileWriter&& other) noexcept;
  AtomicFileWriter& operator=(AtomicFileWriter&&) = delete;
  AtomicFileWriter(const AtomicFileWriter&) = delete;
  AtomicFileWriter& operator=(const AtomicFileWriter&) = delete;

  Status write(std::span<const std::byte> bytes);
  Status write(std::string_view text) { return write(std::as_bytes(std::span(text.data(), text.size()))); }
  uint64_t offset() const { return offset_; }
  Status commit();

 private:
  AtomicFileWriter() = default;
  std::string path_;
  std::string tmp_path_;
  int fd_ = -1;
  uint64_t offset_ = 0;
};

}  // namespace firesteel
