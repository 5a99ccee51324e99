// Which tokens a sequence has seen, and how often it produced them: what penalties look at.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/ids.h"

namespace firesteel {

class SeenTokens {
 public:
  struct Entry {
    TokenId id;
    int32_t n_generated;  // 0 when it occurs in the prompt only
  };

  void add_prompt(TokenId id) { find_or_add(id); }
  void add_generated(TokenId id) { ++entries_[find_or_add(id)].n_generated; }
  // One entry per distinct token, in order of first occurrence.
  std::span<const Entry> entries() const { return entries_; }

 private:
  size_t find_or_add(TokenId id);
  void grow();
  std::vector<Entry> entries_;
  std::vector<uint32_t> slots_;  // open addressing: 1 + index of the entry, 0 when free; a power of two, at most half full
};

}  // namespace firesteel
