// A model on disk: metadata and tensors by name, borrowed from memory-mapped files. GGUF (single or split) and Hugging Face
// folders (config.json + safetensors) look the same from here: GGUF's metadata keys and tensor names (docs/formats/).
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/mapped_file.h"
#include "base/metadata.h"
#include "base/result.h"
#include "tensor/dtype.h"

namespace firesteel {

struct TensorInfo {
  std::string name;             // GGUF name, "blk.0.attn_q.weight"
  DType dtype = DType::kF32;
  int n_dims = 0;
  int64_t ne[4] = {1, 1, 1, 1};  // ne[0] is contiguous: [in, out, n_expert, 1]
  // One slice per index of ne[2]*ne[3] (one for a matrix): experts of a Hugging Face folder are separate tensors.
  std::vector<const std::byte*> slices;
  uint64_t n_bytes = 0;         // of all slices

  int64_t n_elements() const { return ne[0] * ne[1] * ne[2] * ne[3]; }
  size_t row_bytes() const { return firesteel::row_bytes(dtype, ne[0]); }
};

// Immutable; owns the mappings. Views (metadata strings, tensor data) live as long as it does.
class Checkpoint {
 public:
  // path: a .gguf file (of a split model, its first or any part), or a folder with config.json. Every length is checked against
  // the file before allocation; errors name the file, the offset or tensor, what was expected and what was found.
  static Result<std::shared_ptr<const Checkpoint>> open(const std::string& path);

  // A .gguf file that is in memory already (inside the program); the bytes must outlive the checkpoint and begin at a multiple of 64.
  // name: what path() gives. stamp: as in MappedFile::borrow.
  static Result<std::shared_ptr<const Checkpoint>> open_memory(std::span<const std::byte> bytes, const std::string& name, int64_t stamp);

  const std::string& path() const { return path_; }
  const std::string& format() const { return format_; }  // "GGUF v3", "safetensors"
  const Metadata& metadata() const { return metadata_; }
  std::span<const TensorInfo> tensors() const { return tensors_; }
  const TensorInfo* find(std::string_view name) const;  // nullptr when absent
  uint64_t file_bytes() const;                          // of all parts
  // Identity of the content for caches: size, mtime, and a hash of the header and tensor table. 128 bits as hex.
  const std::string& identity() const { return identity_; }

 private:
  friend class GgufReader;
  friend class HfReader;
  Checkpoint() = default;
  // Fills by_name_ once tensors_ is complete; kDataLoss when a name is there twice.
  Status index_tensors();

  std::string path_;
  std::string format_;
  std::string identity_;
  Metadata metadata_;
  std::vector<TensorInfo> tensors_;
  std::unordered_map<std::string_view, size_t> by_name_;
  std::vector<MappedFile> files_;
  std::vector<std::vector<std::byte>> owned_;     // small tensors that had to be converted (norms)
  std::deque<std::string> owned_strings_;         // metadata text that is not in a mapped file; addresses stay
};

}  // namespace firesteel
