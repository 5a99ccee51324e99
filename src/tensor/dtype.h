// Element types of tensors, named and numbered as in GGUF. Byte layouts: docs/formats/gguf.md; block structs: tensor/blocks.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace firesteel {

enum class DType : uint8_t {
  kF32, kF16, kBF16, kQ8_0, kQ4_0, kQ4_1, kQ5_0, kQ5_1, kQ2_K, kQ3_K, kQ4_K, kQ5_K, kQ6_K, kIQ4_NL, kIQ4_XS, kMXFP4,
};
inline constexpr int kNDTypes = 16;

struct DTypeInfo {
  const char* name;      // "Q4_K"
  uint32_t gguf_id;      // ggml_type in the file
  int64_t block_elems;   // elements per block; a row is a whole number of blocks
  int64_t block_bytes;
};

const DTypeInfo& dtype_info(DType dtype);
std::optional<DType> dtype_from_gguf_id(uint32_t id);
std::optional<DType> dtype_from_name(std::string_view name);  // case-insensitive

inline bool is_quantised(DType dtype) { return dtype != DType::kF32 && dtype != DType::kF16 && dtype != DType::kBF16; }

// Bytes of a row of n elements; n must be a multiple of block_elems.
inline size_t row_bytes(DType dtype, int64_t n) {
  const DTypeInfo& info = dtype_info(dtype);
  return static_cast<size_t>(n / info.block_elems * info.block_bytes);
}

}  // namespace firesteel
