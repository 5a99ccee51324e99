// The words that reword.cc exchanges.
#pragma once

#include <span>
#include <string_view>

namespace firesteel {

struct Thing {
  std::string_view one, many;
};
std::span<const Thing> reword_things();

std::span<const std::string_view> reword_women();
std::span<const std::string_view> reword_men();

// Phrases of one line ("a|b|c") may stand for each other where numbers are asked for; of "a>b|c" only the first may be replaced.
std::span<const std::string_view> reword_phrases();

}  // namespace firesteel
