#include "tensor/dtype.h"

#include <array>

namespace firesteel {
namespace {

constexpr std::array<DTypeInfo, kNDTypes> kInfos = {{
    {"F32", 0, 1, 4},       {"F16", 1, 1, 2},       {"BF16", 30, 1, 2},     {"Q8_0", 8, 32, 34},
    {"Q4_0", 2, 32, 18},    {"Q4_1", 3, 32, 20},    {"Q5_0", 6, 32, 22},    {"Q5_1", 7, 32, 24},
    {"Q2_K", 10, 256, 84},  {"Q3_K", 11, 256, 110}, {"Q4_K", 12, 256, 144}, {"Q5_K", 13, 256, 176},
    {"Q6_K", 14, 256, 210}, {"IQ4_NL", 20, 32, 18}, {"IQ4_XS", 23, 256, 136}, {"MXFP4", 39, 32, 17},
}};

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace

const DTypeInfo& dtype_info(DType dtype) { return kInfos[static_cast<size_t>(dtype)]; }

std::optional<DType> dtype_from_gguf_id(uint32_t id) {
  for (size_t i = 0; i < kInfos.size(); ++i) {
    if (kInfos[i].gguf_id == id) return static_cast<DType>(i);
  }
  return std::nullopt;
}

std::optional<DType> dtype_from_name(std::string_view name) {
  for (size_t i = 0; i < kInfos.size(); ++i) {
    const std::string_view known = kInfos[i].name;
    if (known.size() != name.size()) continue;
    bool same = true;
    for (size_t j = 0; j < name.size(); ++j) same = same && lower(known[j]) == lower(name[j]);
    if (same) return static_cast<DType>(i);
  }
  return std::nullopt;
}

}  // namespace firesteel
