// Any bytes as a safetensors file, or as the config.json beside one (chosen by the first byte).
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/json.h"
#include "checkpoint/hf_config.h"
#include "checkpoint/hf_names.h"
#include "checkpoint/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace firesteel;
  static const std::string kName = "fuzz";
  if (size > 0 && data[0] == '{') {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto json = Json::parse(text, Json::Limits{.depth = 32, .values = size / 16 + 4096});
    if (!json.ok()) return 0;
    Metadata metadata;
    static_cast<void>(read_hf_config(*json, kName, &metadata));
    HfSideFiles side;
    side.config = side.generation_config = side.tokenizer_config = side.chat_template_json = *json;
    std::deque<std::string> strings;
    add_hf_side_files(side, &metadata, &strings);
    return 0;
  }
  const auto file = parse_safetensors(std::as_bytes(std::span(data, size)), kName);
  if (!file.ok()) {
    CHECK(!file.error().message.empty());
    return 0;
  }
  uint64_t total = 0;
  for (const SafetensorsTensor& tensor : file->tensors) {
    total += tensor.n_bytes;
    for (const HfFamily family : {HfFamily::kLlama, HfFamily::kGemma3}) static_cast<void>(translate_hf_name(tensor.name, family));
  }
  CHECK(total == size - file->data_start);
  return 0;
}
