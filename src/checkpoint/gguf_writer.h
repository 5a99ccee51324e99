// Writes GGUF v3: metadata and tensor table first, then the data of each tensor in the order of declaration.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/mapped_file.h"
#include "base/metadata.h"
#include "base/result.h"
#include "tensor/dtype.h"

namespace firesteel {

// Usage: create, add and add_tensor, begin, write (all bytes of all tensors), commit. Until commit nothing appears under the path.
class GgufWriter {
 public:
  static Result<GgufWriter> create(const std::string& path);

  // Integers become u32 where they fit, else i32, i64 or u64; floating point f32; integer arrays i32 where all fit, else i64: the
  // types that readers of GGUF expect. Keys must be unique.
  void add(std::string_view key, const MetaValue& value);
  void add_u32s(std::string_view key, std::span<const uint32_t> values);  // for keys whose readers insist on that type
  // ne: 1 to 4 extents, ne[0] contiguous.
  void add_tensor(std::string_view name, DType dtype, std::span<const int64_t> ne);

  Status begin();  // writes header and table
  // The next bytes of tensor data, in order, cut anywhere; padding is added between tensors.
  Status write(std::span<const std::byte> bytes);
  Status commit();  // CHECKs that every tensor is complete

  uint64_t n_bytes() const { return file_.offset(); }

 private:
  explicit GgufWriter(AtomicFileWriter file) : file_(std::move(file)) {}
  Status pad();

  struct Tensor {
    uint64_t offset, n_bytes;
  };
  AtomicFileWriter file_;
  std::string metadata_, table_;
  uint64_t n_keys_ = 0;
  std::vector<Tensor> tensors_;
  uint64_t data_end_ = 0;      // of the tensors declared so far, padded
  size_t current_ = 0;         // tensor being written
  uint64_t current_bytes_ = 0;
};

}  // namespace firesteel
