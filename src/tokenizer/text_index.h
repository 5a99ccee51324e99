// Hash index over a list of byte strings that someone else owns: text to position. One flat table of 32-bit slots, so that a
// vocabulary of 128k tokens is indexed in about 2 ms and a probe costs one cache line before the text itself.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <string_view>

namespace firesteel {

class TextIndex {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;
  static constexpr size_t kCountMax = (1u << 24) - 1;  // positions have 24 bits

  // texts must outlive the index; at most kCountMax. Those longer than max_bytes are left out. Of equal texts the first is kept.
  void build(std::span<const std::string_view> texts, size_t max_bytes);

  uint32_t find(std::string_view text) const;  // kNone when absent
  size_t longest() const { return longest_; }  // bytes, of what is in the index

 private:
  struct Free {
    void operator()(uint32_t* p) const { std::free(p); }
  };
  uint64_t hash(std::string_view text) const;

  std::span<const std::string_view> texts_;
  std::unique_ptr<uint32_t[], Free> slots_;  // tag (8 bits, never 0) and position (24 bits); 0 is empty
  uint64_t mask_ = 0;
  uint64_t seed_ = 0;
  size_t longest_ = 0;
};

}  // namespace firesteel
