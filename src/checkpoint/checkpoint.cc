#include "checkpoint/checkpoint.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "base/check.h"
#include "checkpoint/gguf_reader.h"
#include "checkpoint/hf_reader.h"

namespace firesteel {

Result<std::shared_ptr<const Checkpoint>> Checkpoint::open(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) {
    const int code = errno;
    return Error{code == ENOENT || code == ENOTDIR ? ErrorCode::kNotFound : ErrorCode::kIo, path + ": cannot open: " + std::strerror(code)};
  }
  if (S_ISDIR(status.st_mode)) return HfReader::open(path);
  // The parts of a folder stand for it.
  if (path.ends_with(".safetensors") || path.ends_with("config.json")) {
    const size_t slash = path.rfind('/');
    return HfReader::open(slash == std::string::npos ? "." : path.substr(0, slash));
  }
  return GgufReader::open(path);
}

Result<std::shared_ptr<const Checkpoint>> Checkpoint::open_memory(std::span<const std::byte> bytes, const std::string& name, int64_t stamp) {
  CHECK(reinterpret_cast<uintptr_t>(bytes.data()) % 64 == 0);
  return GgufReader::open(MappedFile::borrow(bytes, name, stamp));
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
