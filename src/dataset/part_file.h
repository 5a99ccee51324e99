// A file that grows by lines: buffered, and cut back to where the last checkpoint was. Errors are kIo with the path; kDataLoss where the
// checkpoint knows more than the file has.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace firesteel {

class PartFile {
 public:
  PartFile() = default;
  ~PartFile();
  PartFile(const PartFile&) = delete;
  PartFile& operator=(const PartFile&) = delete;

  // Goes on behind the first `bytes` of the file, which is made if need be.
  Status open(const std::string& path, uint64_t bytes);
  Status append(std::string_view line);  // and a newline
  Status flush();
  Status sync();                         // what was appended is on the disk
  uint64_t n_bytes() const { return n_bytes_; }  // written; after sync() all of it

 private:
  std::string path_, buffer_;
  int fd_ = -1;
  uint64_t n_bytes_ = 0;
};

}  // namespace firesteel
