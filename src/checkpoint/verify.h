// Reads every byte of a checkpoint: for `models verify`, after a download or a suspicious answer.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "checkpoint/checkpoint.h"

namespace firesteel {

struct VerifyTensor {
  std::string name;
  DType dtype = DType::kF32;
  uint64_t n_bytes = 0;
  std::string digest;         // 128 bits as hex, of the data as stored (hash128.h)
  uint64_t n_bad_blocks = 0;  // blocks that decode to NaN or infinity
  int64_t first_bad = -1;     // element at which the first of them begins
};

struct VerifyReport {
  std::vector<VerifyTensor> tensors;
  std::string digest;         // over all names, types, shapes and digests: equal for equal weights
  uint64_t n_bytes = 0;
  uint64_t n_bad_tensors = 0;
  bool ok() const { return n_bad_tensors == 0; }
};

struct VerifyOptions {
  int n_threads = 1;
  // done and total bytes, called from the calling thread; false stops with kCancelled.
  std::function<bool(uint64_t done_bytes, uint64_t total_bytes)> progress = {};
};

// Damage found in weights is in the report, not an error. A file that shrinks while it is read raises SIGBUS, as for every mapped
// file. Tensors that a checkpoint owns (Gemma norms of folders) are verified as they will be used.
Result<VerifyReport> verify(const Checkpoint& checkpoint, const VerifyOptions& options);

}  // namespace firesteel
