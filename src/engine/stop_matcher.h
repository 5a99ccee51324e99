// Finds stop strings in a stream of text and holds back what may become one.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace firesteel {

class StopMatcher {
 public:
  StopMatcher() = default;
  explicit StopMatcher(std::vector<std::string> strings) : strings_(std::move(strings)) {}  // none empty

  // Returns text that may be shown. After a match, text ends before the stop string and matched() names it; of several matches the
  // one that ends first wins, then the longest. Does not depend on how the text was cut into pieces.
  std::string push(std::string_view text);
  // What was held back.
  std::string flush() { return std::exchange(held_, {}); }
  const std::string* matched() const { return matched_; }

 private:
  std::vector<std::string> strings_;
  std::string held_;  // always a proper prefix of a stop string, the longest there is
  const std::string* matched_ = nullptr;
};

}  // namespace firesteel
