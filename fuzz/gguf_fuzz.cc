// Any bytes as a GGUF file: a table whose tensors lie inside the bytes, or an error.
#include <cstdint>
#include <span>
#include <string>

#include "base/check.h"
#include "checkpoint/gguf_reader.h"
#include "tensor/quantise.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace firesteel;
  static const std::string kName = "fuzz";
  const auto file = parse_gguf(std::as_bytes(std::span(data, size)), kName);
  if (!file.ok()) {
    CHECK(!file.error().message.empty());
    return 0;
  }
  for (const TensorInfo& tensor : file->tensors) {
    CHECK(!tensor.slices.empty() && tensor.slices.size() == static_cast<size_t>(tensor.ne[2] * tensor.ne[3]));
    const int64_t block = dtype_info(tensor.dtype).block_elems;
    const uint64_t slice_bytes = tensor.n_bytes / tensor.slices.size();
    float values[256];
    dequantise_row(tensor.dtype, tensor.slices.front(), values, block);
    dequantise_row(tensor.dtype, tensor.slices.back() + slice_bytes - row_bytes(tensor.dtype, block), values, block);
  }
  return 0;
}
