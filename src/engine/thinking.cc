#include "engine/thinking.h"

#include <string_view>

namespace firesteel {
namespace {

constexpr std::string_view kStart = "<think>";
constexpr std::string_view kEnd = "</think>";

}  // namespace

ThinkMarkers ThinkMarkers::of(const Tokenizer& tokenizer) {
  ThinkMarkers markers;
  markers.start = tokenizer.find(kStart);
  if (const auto id = tokenizer.find(kEnd)) {
    markers.end.push_back(*id);
  } else if (!tokenizer.encode(kEnd, {.parse_special = true}, &markers.end).ok()) {
    markers.end.clear();
  }
  return markers;
}

bool ThinkMarkers::is_one_token(const Tokenizer& tokenizer) const { return end.size() == 1 && tokenizer.find(kEnd) == end[0]; }

ThinkTracker::ThinkTracker(const Tokenizer& tokenizer, const ThinkMarkers& markers, std::span<const TokenId> prompt, int64_t budget)
    : tokenizer_(tokenizer), markers_(markers), budget_(budget) {
  // Long enough for a marker of single characters and some white space; whatever comes before does not matter.
  constexpr size_t kTail = 16;
  std::string text;
  for (const TokenId id : prompt.subspan(prompt.size() > kTail ? prompt.size() - kTail : 0)) tokenizer.append_piece(id, true, &text);
  const size_t at = text.rfind(kStart);
  inside_ = at != std::string::npos && text.find_first_not_of(" \t\r\n", at + kStart.size()) == std::string::npos;
}

std::optional<TokenId> ThinkTracker::forced() const {
  if (!inside_ || budget_ < 0 || n_inside_ < budget_ || n_forced_ >= markers_.end.size()) return std::nullopt;
  return markers_.end[n_forced_];
}

bool ThinkTracker::push(TokenId id) {
  const bool was_inside = inside_;
  if (forced() == id) {
    ++n_forced_;
  } else {
    ++n_inside_;
  }
  tokenizer_.append_piece(id, true, &tail_);
  for (;;) {
    const std::string_view marker = inside_ ? kEnd : kStart;
    const size_t at = tail_.find(marker);
    if (at == std::string::npos) {
      if (tail_.size() >= marker.size()) tail_.erase(0, tail_.size() - marker.size() + 1);
      break;
    }
    tail_.erase(0, at + marker.size());
    inside_ = !inside_;
    n_inside_ = 0;
    n_forced_ = 0;
  }
  return was_inside || inside_;
}

}  // namespace firesteel
