#include "engine/stop_matcher.h"

#include <algorithm>

namespace firesteel {

std::string StopMatcher::push(std::string_view text) {
  if (strings_.empty() || matched_ != nullptr) return std::string(matched_ == nullptr ? text : "");
  std::string all = std::move(held_);
  const size_t n_old = all.size();
  all += text;
  held_.clear();

  size_t best_end = std::string::npos;
  for (const std::string& stop : strings_) {
    // A new match ends inside the new text.
    const size_t from = n_old >= stop.size() ? n_old - stop.size() + 1 : 0;
    const size_t at = all.find(stop, from);
    if (at == std::string::npos) continue;
    const size_t end = at + stop.size();
    if (end < best_end || (end == best_end && stop.size() > matched_->size())) {
      best_end = end;
      matched_ = &stop;
    }
  }
  if (matched_ != nullptr) {
    all.resize(best_end - matched_->size());
    return all;
  }
  size_t n_held = 0;
  for (const std::string& stop : strings_) {
    for (size_t n = std::min(stop.size() - 1, all.size()); n > n_held; --n) {
      if (all.compare(all.size() - n, n, stop, 0, n) == 0) n_held = n;
    }
  }
  held_ = all.substr(all.size() - n_held);
  all.resize(all.size() - n_held);
  return all;
}

}  // namespace firesteel
