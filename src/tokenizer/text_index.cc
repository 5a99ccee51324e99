#include "tokenizer/text_index.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "base/check.h"

namespace firesteel {
namespace {

__extension__ using Uint128 = unsigned __int128;

uint64_t fold(uint64_t a, uint64_t b) {
  const Uint128 product = static_cast<Uint128>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

template <typename T>
uint64_t load(const char* p) {
  T value;
  std::memcpy(&value, p, sizeof(value));
  return value;
}

}  // namespace

// Multiply and fold, eight bytes a step (the idea of wyhash). The seed differs from run to run, because the vocabulary of a
// hostile file could otherwise be chosen so that all of it collides; no result depends on it.
uint64_t TextIndex::hash(std::string_view text) const {
  constexpr uint64_t kMul = 0x9E3779B97F4A7C15;
  const char* p = text.data();
  size_t n = text.size();
  uint64_t h = seed_ ^ (n * 0xD6E8FEB86659FD93);
  for (; n > 8; n -= 8, p += 8) h = fold(h ^ load<uint64_t>(p), kMul);
  uint64_t tail = 0;
  if (n >= 4) {
    tail = load<uint32_t>(p) | (load<uint32_t>(p + n - 4) << 32);
  } else if (n > 0) {
    tail = load<uint8_t>(p) | (load<uint8_t>(p + n / 2) << 8) | (load<uint8_t>(p + n - 1) << 16);
  }
  return fold(h ^ tail, kMul ^ seed_);
}

void TextIndex::build(std::span<const std::string_view> texts, size_t max_bytes) {
  CHECK(texts.size() <= kCountMax);
  texts_ = texts;
  const size_t n_slots = std::bit_ceil(std::max<size_t>(16, texts.size() * 2));
  mask_ = n_slots - 1;
  slots_.reset(static_cast<uint32_t*>(std::calloc(n_slots, sizeof(uint32_t))));
  CHECK(slots_ != nullptr);
  // Where the table and the stack happen to lie is different in every process.
  seed_ = reinterpret_cast<uintptr_t>(slots_.get()) * 0xA0761D6478BD642F ^ reinterpret_cast<uintptr_t>(&n_slots);
  longest_ = 0;
  // A hundred thousand places in a table that no cache holds yet: those of a group are asked for together, then used.
  constexpr size_t kGroup = 64;
  std::array<uint64_t, kGroup> hashes;
  for (size_t begin = 0; begin < texts.size(); begin += kGroup) {
    const size_t end = std::min(texts.size(), begin + kGroup);
    for (size_t i = begin; i < end; ++i) {
      hashes[i - begin] = hash(texts[i]);
      __builtin_prefetch(&slots_[hashes[i - begin] & mask_], 1);
    }
    for (size_t i = begin; i < end; ++i) {
      const std::string_view text = texts[i];
      if (text.empty() || text.size() > max_bytes) continue;
      longest_ = std::max(longest_, text.size());
      const uint64_t h = hashes[i - begin];
      const uint32_t tag = static_cast<uint32_t>(h >> 56) | 1;
      for (uint64_t slot = h & mask_;; slot = (slot + 1) & mask_) {
        const uint32_t entry = slots_[slot];
        if (entry == 0) {
          slots_[slot] = (tag << 24) | static_cast<uint32_t>(i);
          break;
        }
        if (entry >> 24 == tag && texts[entry & 0xFFFFFF] == text) break;
      }
    }
  }
}

uint32_t TextIndex::find(std::string_view text) const {
  if (text.empty() || text.size() > longest_) return kNone;
  const uint64_t h = hash(text);
  const uint32_t tag = static_cast<uint32_t>(h >> 56) | 1;
  for (uint64_t slot = h & mask_;; slot = (slot + 1) & mask_) {
    const uint32_t entry = slots_[slot];
    if (entry == 0) return kNone;
    if (entry >> 24 == tag && texts_[entry & 0xFFFFFF] == text) return entry & 0xFFFFFF;
  }
}

}  // namespace firesteel
