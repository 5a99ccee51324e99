// Any bytes as a GGUF file: a table whose tensors and texts lie inside the bytes, or an error; then its vocabulary, if it has one.
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/check.h"
#include "checkpoint/gguf_reader.h"
#include "tensor/quantise.h"
#include "tokenizer/tokenizer.h"

namespace {

void touch(std::string_view text) {
  static volatile char sink;
  if (!text.empty()) sink = static_cast<char>(text.front() ^ text.back());
}

}  // namespace

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
  for (const auto& [key, value] : file->metadata.items()) {
    CHECK(file->metadata.find(key) == &value);  // keys are unique
    if (const auto* text = std::get_if<std::string_view>(&value)) touch(*text);
    if (const auto* texts = std::get_if<std::vector<std::string_view>>(&value)) {
      for (const std::string_view text : *texts) touch(text);
    }
  }
  if (file->metadata.has("tokenizer.ggml.tokens")) {
    const auto tokenizer = Tokenizer::from_metadata(file->metadata);
    std::vector<TokenId> ids;
    if (tokenizer.ok()) CHECK((*tokenizer)->encode("the <s> 12", {.parse_special = true}, &ids).ok());
  }
  return 0;
}
