// safetensors: header of untrusted bytes to a table of tensors. Source: safetensors format description; docs/formats/safetensors.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "tensor/dtype.h"

namespace firesteel {

struct SafetensorsTensor {
  std::string name;
  std::optional<DType> dtype;   // F32, F16 or BF16; others can be listed, not used
  std::string_view dtype_name;  // one of the format's names; static storage
  int n_dims = 0;
  int64_t shape[4] = {1, 1, 1, 1};  // as written: slowest first
  const std::byte* data = nullptr;
  uint64_t n_bytes = 0;
};

struct SafetensorsFile {
  std::vector<SafetensorsTensor> tensors;  // in the order of their data
  uint64_t data_start = 0;
};

// bytes: the whole file; must outlive the result. Checks that the tensors fill the data section without hole or overlap and that
// their sizes are what their shapes say. Memory used stays below twice bytes.size() + 1 MiB. kDataLoss, kResourceExhausted.
Result<SafetensorsFile> parse_safetensors(std::span<const std::byte> bytes, const std::string& name);

}  // namespace firesteel
