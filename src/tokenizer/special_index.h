// Finds special tokens in text: at each position the longest one that is allowed there.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "tokenizer/vocabulary.h"

namespace firesteel {

class SpecialIndex {
 public:
  struct Entry {
    std::string_view text;
    SpecialFlags flags;         // with the id
    bool user_defined = false;  // matched in any text; the others only where control tokens may be written
  };
  struct Match {
    size_t begin;
    size_t end;
    const Entry* entry;
  };

  // Views into the vocabulary are kept.
  void build(const Vocabulary& vocabulary);

  // The first match in text that begins at `from` or later. Control tokens match only if they begin at or after `from` and end at
  // or before `control_end`; no match is looked for at or behind `stop`, but it may end behind it.
  std::optional<Match> find(std::string_view text, size_t from, size_t stop, size_t control_end) const;

  std::optional<TokenId> find_exact(std::string_view text) const;

 private:
  const Entry* longest_at(std::string_view text, size_t at, size_t control_end) const;

  std::vector<Entry> entries_;             // by text
  std::array<uint32_t, 257> by_first_{};   // entries that begin with byte b: [by_first_[b], by_first_[b + 1])
  std::deque<std::string> own_;
};

}  // namespace firesteel
