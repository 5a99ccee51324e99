// Random weights for tests and benchmarks: any bytes, with scales that stay finite and of moderate size.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "base/check.h"
#include "base/rng.h"
#include "tensor/dtype.h"
#include "tensor/half.h"

namespace firesteel {

// A copy that ends where a page without access begins: one byte read too far is a fault, with and without sanitizers.
class GuardedBytes {
 public:
  explicit GuardedBytes(const std::vector<uint8_t>& bytes) {
    const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    n_bytes_ = (bytes.size() + page - 1) / page * page + page;
    void* p = mmap(nullptr, n_bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    map_ = static_cast<uint8_t*>(p);
    CHECK(mprotect(map_ + n_bytes_ - page, page, PROT_NONE) == 0);
    data = map_ + n_bytes_ - page - bytes.size();
    if (!bytes.empty()) std::memcpy(map_ + (data - map_), bytes.data(), bytes.size());
  }
  ~GuardedBytes() { munmap(map_, n_bytes_); }
  GuardedBytes(const GuardedBytes&) = delete;
  GuardedBytes& operator=(const GuardedBytes&) = delete;

  const uint8_t* data = nullptr;

 private:
  uint8_t* map_ = nullptr;
  size_t n_bytes_ = 0;
};

struct ScaleFields {
  int f16[2] = {-1, -1};  // byte offsets in a block
};

inline ScaleFields scale_fields(DType dtype) {
  switch (dtype) {
    case DType::kQ8_0: case DType::kQ4_0: case DType::kQ5_0: case DType::kIQ4_NL: case DType::kIQ4_XS: return {{0, -1}};
    case DType::kQ4_1: case DType::kQ5_1: case DType::kQ4_K: case DType::kQ5_K: return {{0, 2}};
    case DType::kQ2_K: return {{80, 82}};
    case DType::kQ3_K: return {{108, -1}};
    case DType::kQ6_K: return {{208, -1}};
    default: return {};
  }
}

// n_rows * row_bytes(dtype, k) bytes, exactly.
inline std::vector<uint8_t> random_weights(DType dtype, int64_t n_rows, int64_t k, Rng* rng) {
  std::vector<uint8_t> bytes(static_cast<size_t>(n_rows) * row_bytes(dtype, k));
  const auto put_u16 = [&bytes](size_t at, uint16_t bits) {
    bytes[at] = static_cast<uint8_t>(bits & 255);
    bytes[at + 1] = static_cast<uint8_t>(bits >> 8);
  };
  if (!is_quantised(dtype)) {
    for (size_t i = 0; i < static_cast<size_t>(n_rows * k); ++i) {
      const float value = static_cast<float>(rng->uniform() * 2 - 1);
      if (dtype == DType::kF16) put_u16(2 * i, f32_to_f16(value));
      if (dtype == DType::kBF16) put_u16(2 * i, f32_to_bf16(value));
      if (dtype == DType::kF32) {
        const uint32_t bits = std::bit_cast<uint32_t>(value);
        put_u16(4 * i, static_cast<uint16_t>(bits & 0xFFFF));
        put_u16(4 * i + 2, static_cast<uint16_t>(bits >> 16));
      }
    }
    return bytes;
  }
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(rng->next_u32() >> 24);
  const auto block_bytes = static_cast<size_t>(dtype_info(dtype).block_bytes);
  const ScaleFields fields = scale_fields(dtype);
  for (size_t block = 0; block < bytes.size(); block += block_bytes) {
    if (dtype == DType::kMXFP4) bytes[block] = static_cast<uint8_t>(rng->below(20) == 0 ? rng->below(2) : 118 + rng->below(16));
    for (const int offset : fields.f16) {
      const float scale = static_cast<float>((rng->uniform() - 0.3) * (rng->below(8) == 0 ? 1e-6 : 0.02));  // some f16 subnormals
      if (offset >= 0) put_u16(block + static_cast<size_t>(offset), f32_to_f16(scale));
    }
  }
  return bytes;
}

}  // namespace firesteel
