#include "tokenizer/special_index.h"

#include <algorithm>

#include "tokenizer/char_class.h"

namespace firesteel {
namespace {

bool is_word_char(std::string_view text, size_t at) {
  const ClassedChar c = read_char(text.data() + at, text.data() + text.size());
  return (c.cls & (kLetter | kNumber | kMark)) != 0 || c.code_point == '_';
}

bool stands_alone(std::string_view text, size_t begin, size_t end) {
  if (end < text.size() && is_word_char(text, end)) return false;
  if (begin == 0) return true;
  size_t before = begin - 1;
  while (before > 0 && begin - before < 4 && (static_cast<unsigned char>(text[before]) & 0xC0) == 0x80) --before;
  return !is_word_char(text, before);
}

}  // namespace

void SpecialIndex::build(const Vocabulary& vocabulary) {
  auto flags = vocabulary.special_flags.begin();
  for (size_t i = 0; i < vocabulary.texts.size(); ++i) {
    const TokenType type = vocabulary.types[i];
    const bool user_defined = type == TokenType::kUserDefined;
    if (!user_defined && type != TokenType::kControl && type != TokenType::kUnknown) continue;
    std::string_view text = vocabulary.texts[i];
    if (text.empty() || text.size() > kTokenBytesMax) continue;
    Entry entry;
    entry.flags.id = static_cast<TokenId>(i);
    entry.user_defined = user_defined && !is_chat_marker(text);
    while (flags != vocabulary.special_flags.end() && flags->id < entry.flags.id) ++flags;
    if (flags != vocabulary.special_flags.end() && flags->id == entry.flags.id) entry.flags = *flags;
    if (user_defined && vocabulary.user_defined_in_pieces && text.find("\xE2\x96\x81") != std::string_view::npos) {
      std::string spaced;
      for (size_t k = 0; k < text.size();) {
        const bool is_space = text.substr(k).starts_with("\xE2\x96\x81");
        spaced.push_back(is_space ? ' ' : text[k]);
        k += is_space ? 3 : 1;
      }
      text = own_.emplace_back(std::move(spaced));
    }
    entry.text = text;
    entries_.push_back(entry);
  }
  // Of equal texts the lowest id stays.
  std::stable_sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) { return a.text < b.text; });
  entries_.erase(std::unique(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) { return a.text == b.text; }),
                 entries_.end());
  for (const Entry& entry : entries_) ++by_first_[static_cast<unsigned char>(entry.text[0]) + 1u];
  for (size_t b = 1; b < by_first_.size(); ++b) by_first_[b] += by_first_[b - 1];
}

// Narrows the sorted list byte by byte: all of [low, high) begin with what was read so far.
const SpecialIndex::Entry* SpecialIndex::longest_at(std::string_view text, size_t at, size_t control_end) const {
  const auto first = static_cast<unsigned char>(text[at]);
  const Entry* low = entries_.data() + by_first_[first];
  const Entry* high = entries_.data() + by_first_[first + 1u];
  const Entry* best = nullptr;
  for (size_t depth = 1; low != high; ++depth) {
    if (low->text.size() == depth) {
      const bool allowed = low->user_defined || at + depth <= control_end;
      if (allowed && (!low->flags.single_word || stands_alone(text, at, at + depth))) best = low;
      ++low;  // texts are unique, so at most one has this length
    }
    if (at + depth >= text.size()) break;
    const auto byte = static_cast<unsigned char>(text[at + depth]);
    const auto byte_of = [depth](const Entry& entry) { return static_cast<unsigned char>(entry.text[depth]); };
    low = std::partition_point(low, high, [&](const Entry& entry) { return byte_of(entry) < byte; });
    high = std::partition_point(low, high, [&](const Entry& entry) { return byte_of(entry) == byte; });
  }
  return best;
}

std::optional<SpecialIndex::Match> SpecialIndex::find(std::string_view text, size_t from, size_t stop, size_t control_end) const {
  if (entries_.empty()) return std::nullopt;
  stop = std::min(stop, text.size());
  for (size_t at = from; at < stop; ++at) {
    const auto first = static_cast<unsigned char>(text[at]);
    if (by_first_[first] == by_first_[first + 1u]) continue;
    if (const Entry* entry = longest_at(text, at, control_end)) return Match{at, at + entry->text.size(), entry};
  }
  return std::nullopt;
}

std::optional<TokenId> SpecialIndex::find_exact(std::string_view text) const {
  const auto it = std::lower_bound(entries_.begin(), entries_.end(), text, [](const Entry& e, std::string_view t) { return e.text < t; });
  if (it == entries_.end() || it->text != text) return std::nullopt;
  return it->flags.id;
}

}  // namespace firesteel
