#include "checkpoint/checkpoint.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "checkpoint/gguf_reader.h"

namespace firesteel {

Result<std::shared_ptr<const Checkpoint>> Checkpoint::open(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) {
    const int code = errno;
    return Error{code == ENOENT || code == ENOTDIR ? ErrorCode::kNotFound : ErrorCode::kIo, path + ": cannot open: " + std::strerror(code)};
  }
  if (S_ISDIR(status.st_mode)) return Error{ErrorCode::kUnsupported, path + ": folders not yet"};
  return GgufReader::open(path);
}

const TensorInfo* Checkpoint::find(std::string_view name) const {
  const auto it = by_name_.find(name);
  return it == by_name_.end() ? nullptr : &tensors_[it->second];
}

uint64_t Checkpoint::file_bytes() const {
  uint64_t total = 0;
  for (const MappedFile& file : files_) total += file.bytes().size();
  return total;
}

Status Checkpoint::index_tensors() {
  by_name_.reserve(tensors_.size());
  for (size_t i = 0; i < tensors_.size(); ++i) {
    if (!by_name_.emplace(tensors_[i].name, i).second) {
      return Error{ErrorCode::kDataLoss, path_ + ": tensor \"" + tensors_[i].name + "\": expected unique names, found it twice"};
    }
  }
  return {};
}

}  // namespace firesteel
