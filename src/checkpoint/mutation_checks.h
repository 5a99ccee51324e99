// What must hold for any bytes: a value or a typed error that names the file; memory at most twice the file and 1 MiB; well under a
// second. Shared by the quick and the long mutation tests; include mutation.h once per binary beside it.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "checkpoint/gguf_reader.h"
#include "checkpoint/hf_config.h"
#include "checkpoint/mutation.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/test_files.h"
#include "tensor/quantise.h"

namespace firesteel::mutation {

struct Tally {
  int n_ok = 0, n_refused = 0;
};

inline void check_cost(const Cost& cost, size_t n_bytes, const std::string& what) {
  // The reader's own limit, and room for the message.
  EXPECT_LE(cost.memory_bytes, static_cast<int64_t>(2 * n_bytes) + (1 << 20) + (1 << 16)) << what;
  EXPECT_LT(cost.cpu_s, 1.0) << what;
}

inline void check_error(const Error& error, const std::string& what) {
  EXPECT_TRUE(error.code == ErrorCode::kDataLoss || error.code == ErrorCode::kUnsupported || error.code == ErrorCode::kResourceExhausted)
      << what << ": " << error_code_name(error.code);
  EXPECT_NE(error.message.find("the-file"), std::string::npos) << error.message;
}

// In a buffer of exactly its size, so that the sanitizer sees any byte read beyond it.
template <typename F>
void with_exact_copy(const std::string& bytes, F&& use) {
  std::byte* copy = static_cast<std::byte*>(std::malloc(std::max<size_t>(1, bytes.size())));
  std::memcpy(copy, bytes.data(), bytes.size());
  use(std::span<const std::byte>(copy, bytes.size()));
  std::free(copy);
}

inline void check_gguf(const std::string& bytes, const std::string& what, Tally* tally) {
  with_exact_copy(bytes, [&](std::span<const std::byte> span) {
    const Cost cost = measure([&] {
      const auto file = parse_gguf(span, "the-file");
      if (!file.ok()) {
        ++tally->n_refused;
        check_error(file.error(), what);
        return;
      }
      ++tally->n_ok;
      for (const TensorInfo& tensor : file->tensors) {  // every byte that the table promises is there
        const auto block = static_cast<size_t>(dtype_info(tensor.dtype).block_elems);
        float values[256];
        const size_t slice_bytes = tensor.n_bytes / tensor.slices.size();
        for (const std::byte* slice : tensor.slices) {
          dequantise_row(tensor.dtype, slice, values, static_cast<int64_t>(block));
          dequantise_row(tensor.dtype, slice + slice_bytes - row_bytes(tensor.dtype, static_cast<int64_t>(block)), values, static_cast<int64_t>(block));
        }
      }
      for (const auto& [key, value] : file->metadata.items()) {
        size_t n = key.size();
        if (const auto* text = std::get_if<std::string_view>(&value); text != nullptr && !text->empty()) n += static_cast<size_t>(text->back());
        EXPECT_GT(n, 0u);
      }
    });
    check_cost(cost, bytes.size(), what);
  });
}

inline void check_safetensors(const std::string& bytes, const std::string& what, Tally* tally) {
  with_exact_copy(bytes, [&](std::span<const std::byte> span) {
    const Cost cost = measure([&] {
      const auto file = parse_safetensors(span, "the-file");
      if (!file.ok()) {
        ++tally->n_refused;
        check_error(file.error(), what);
        return;
      }
      ++tally->n_ok;
      uint64_t total = 0;
      for (const SafetensorsTensor& tensor : file->tensors) total += tensor.n_bytes;
      EXPECT_EQ(total, bytes.size() - file->data_start);
    });
    check_cost(cost, bytes.size(), what);
  });
}

inline void check_config(const std::string& text, const std::string& what, Tally* tally) {
  const Cost cost = measure([&] {
    const auto json = Json::parse(text, Json::Limits{.depth = 32, .values = text.size() / 16 + 4096});
    if (!json.ok()) {
      ++tally->n_refused;
      return;
    }
    Metadata metadata;
    const auto config = read_hf_config(*json, "the-file", &metadata);
    if (!config.ok()) {
      ++tally->n_refused;
      check_error(config.error(), what);
      return;
    }
    ++tally->n_ok;
    EXPECT_LE(config->rope_freqs.size(), size_t{1} << 23);
  });
  check_cost(cost, text.size(), what);
}

// A small model with every kind of value, as a GGUF file.
inline std::string good_gguf() {
  RawGguf raw;
  using gguf::ValueType;
  raw.key("general.architecture", ValueType::kString).str("llama");
  raw.key("general.alignment", ValueType::kU32).num<uint32_t>(32);
  raw.key("llama.block_count", ValueType::kU32).num<uint32_t>(1);
  raw.key("llama.rope.freq_base", ValueType::kF32).num(10000.0f);
  raw.key("a.u8", ValueType::kU8).num<uint8_t>(1);
  raw.key("a.i64", ValueType::kI64).num<int64_t>(-1);
  raw.key("a.f64", ValueType::kF64).num(0.5);
  raw.key("a.bool", ValueType::kBool).num<uint8_t>(1);
  raw.key("tokenizer.ggml.tokens", ValueType::kArray).num<uint32_t>(8).num<uint64_t>(6).str("a").str("bb").str("").str("<s>").str("d").str("e");
  raw.key("tokenizer.ggml.scores", ValueType::kArray).num<uint32_t>(6).num<uint64_t>(3).num(1.0f).num(2.0f).num(3.0f);
  raw.key("tokenizer.ggml.token_type", ValueType::kArray).num<uint32_t>(5).num<uint64_t>(3).num<int32_t>(1).num<int32_t>(1).num<int32_t>(3);
  raw.key("a.bytes", ValueType::kArray).num<uint32_t>(0).num<uint64_t>(5).num<uint32_t>(7).num<uint8_t>(1);
  raw.key("a.bools", ValueType::kArray).num<uint32_t>(7).num<uint64_t>(2).num<uint8_t>(1).num<uint8_t>(0);
  raw.key("a.nested", ValueType::kArray).num<uint32_t>(9).num<uint64_t>(2).num<uint32_t>(8).num<uint64_t>(1).str("x").num<uint32_t>(4).num<uint64_t>(1).num<uint32_t>(9);
  raw.tensor("token_embd.weight", {32, 6}, 8, 0).tensor("blk.0.attn_norm.weight", {32}, 0, 224);
  raw.tensor("blk.0.ffn_up_exps.weight", {256, 2, 3}, 12, 352).tensor("blk.0.attn_q.weight", {32, 4}, 1, 1216);
  return raw.bytes(1216 + 256);
}
inline size_t gguf_header_bytes() { return good_gguf().size() - (1216 + 256); }

inline std::string good_safetensors() {
  return RawSafetensors().f32("model.embed_tokens.weight", {4, 8}).f32("model.norm.weight", {8}).add("x", "BF16", {2, 3}, std::string(12, '\1')).bytes();
}

inline const std::vector<std::string>& good_configs() {
  static const std::vector<std::string> kConfigs = {
      R"({"model_type":"llama","num_hidden_layers":2,"hidden_size":64,"intermediate_size":128,"num_attention_heads":4,"num_key_value_heads":2,"rope_theta":500000.0,
        "rms_norm_eps":1e-05,"max_position_embeddings":4096,"tie_word_embeddings":true,"hidden_act":"silu","sliding_window":null,
        "rope_scaling":{"rope_type":"llama3","factor":8.0,"low_freq_factor":1.0,"high_freq_factor":4.0,"original_max_position_embeddings":512}})",
      R"({"model_type":"gemma3","text_config":{"model_type":"gemma3_text","num_hidden_layers":7,"hidden_size":64,"intermediate_size":128,"sliding_window":64,
        "sliding_window_pattern":6,"rope_scaling":{"rope_type":"linear","factor":8.0},"query_pre_attn_scalar":256}})",
      R"({"model_type":"qwen3_moe","num_hidden_layers":2,"hidden_size":64,"intermediate_size":128,"num_attention_heads":4,"num_experts":8,"num_experts_per_tok":2,
        "moe_intermediate_size":32,"layer_types":["full_attention","sliding_attention"],"use_sliding_window":true,"sliding_window":32,
        "rope_scaling":{"type":"yarn","factor":4.0,"original_max_position_embeddings":128}})",
      R"({"model_type":"phi3","num_hidden_layers":1,"hidden_size":64,"intermediate_size":128,"num_attention_heads":8,
        "rope_scaling":{"type":"longrope","short_factor":[1.0,1,1,1],"long_factor":[1,2,3.5,4]}})"};
  return kConfigs;
}

// One byte, one bit, or one token of JSON text changed.
inline std::string mutate_json(const std::string& good, Rng* rng) {
  std::string text = mutate(good, good.size(), rng);
  if (rng->below(2) == 0) {  // stays JSON more often: another number in a number's place
    text = good;
    std::vector<size_t> digits;
    for (size_t i = 0; i < text.size(); ++i) {
      if (text[i] >= '0' && text[i] <= '9') digits.push_back(i);
    }
    const char* const kValues[] = {"-1", "0", "1e308", "-1e-308", "9223372036854775807", "18446744073709551616", "1073741824", "16777216", "null", "\"x\"", "[]", "{}", "true", "1.5"};
    const size_t at = digits[rng->below(digits.size())];
    size_t first = at, last = at;
    while (first > 0 && std::strchr("0123456789.eE+-", text[first - 1]) != nullptr) --first;
    while (last < text.size() && std::strchr("0123456789.eE+-", text[last]) != nullptr) ++last;
    text.replace(first, last - first, kValues[rng->below(std::size(kValues))]);
  }
  return text;
}

}  // namespace firesteel::mutation
