// GGUF v2 and v3: bytes to metadata and a tensor table. Part of a split model: one file at a time here; checkpoint.h joins them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/metadata.h"
#include "base/result.h"
#include "checkpoint/checkpoint.h"

namespace firesteel {

struct GgufFile {
  uint32_t version = 0;
  uint64_t data_start = 0;  // offset of the tensor data; header and table lie before it
  Metadata metadata;        // strings are views into `bytes`; nested arrays are checked and left out (no model has any)
  std::vector<TensorInfo> tensors;  // slices point into `bytes`
};

// bytes: the whole file, untrusted; must outlive the result. name: for messages. Memory used stays below twice bytes.size() + 1 MiB.
// kDataLoss: damaged; kUnsupported: another version, byte order or tensor type; kResourceExhausted: a limit of gguf_format.h.
Result<GgufFile> parse_gguf(std::span<const std::byte> bytes, const std::string& name);

class GgufReader {
 public:
  // As Checkpoint::open, for a file.
  static Result<std::shared_ptr<const Checkpoint>> open(const std::string& path);
  // The parts of a split model are looked for beside it.
  static Result<std::shared_ptr<const Checkpoint>> open(MappedFile mapped);
};

}  // namespace firesteel
