// Memory of the trainer: 64-byte aligned, allocated once from stated sizes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "base/check.h"

namespace firesteel {

// n bytes, zero at first.
class AlignedBytes {
 public:
  void reset(size_t n_bytes);
  std::byte* data() const { return bytes_.get(); }
  size_t size() const { return size_; }

 private:
  struct Free {
    void operator()(std::byte* p) const { std::free(p); }
  };
  std::unique_ptr<std::byte, Free> bytes_;
  size_t size_ = 0;
};

// Hands out pieces of one allocation. A first walk without memory adds up what is needed; the second, over memory of that size,
// gives the addresses. Whoever owns buffers writes one function that takes them, and calls it twice.
class Arena {
 public:
  Arena() = default;
  Arena(std::byte* base, size_t n_bytes) : base_(base), n_bytes_(n_bytes) {}

  std::byte* take(size_t n_bytes) {
    const size_t at = used_;
    used_ += (n_bytes + 63) / 64 * 64;
    if (base_ == nullptr) return nullptr;
    CHECK(used_ <= n_bytes_);
    return base_ + at;
  }
  float* floats(int64_t n) { return reinterpret_cast<float*>(take(static_cast<size_t>(n) * sizeof(float))); }
  size_t used() const { return used_; }

 private:
  std::byte* base_ = nullptr;
  size_t n_bytes_ = 0, used_ = 0;
};

}  // namespace firesteel
