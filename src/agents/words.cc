#include "agents/words.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/ascii.h"

namespace firesteel {
namespace {

constexpr size_t kContentLettersMin = 3;
constexpr std::array<std::string_view, 36> kEmpty = {"what", "which", "when", "where", "many", "much", "that", "this", "does", "have", "with", "from", "there", "answer", "question", "will", "the", "and",
                                                     "how", "who", "why", "are", "was", "were", "for", "its", "has", "can", "did", "you", "one", "all", "any", "not", "would", "should"};

bool is_letter(char c) { return c >= 'a' && c <= 'z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> out;
  std::string word;
  for (const char c : lower_ascii(text)) {
    if (is_letter(c) || is_digit(c) || c == '\'') word.push_back(c);
    else if (!word.empty()) out.push_back(std::exchange(word, {}));
  }
  if (!word.empty()) out.push_back(std::move(word));
  return out;
}

std::vector<std::string> content_words(std::string_view text) {
  std::vector<std::string> out;
  for (std::string& word : words_of(text)) {
    word.erase(0, word.find_first_not_of('\''));
    word.erase(std::min(word.size(), word.find('\'')));
    const bool has_digit = std::any_of(word.begin(), word.end(), is_digit);  // numbers are compared as numbers
    if (word.size() < kContentLettersMin || has_digit || std::find(kEmpty.begin(), kEmpty.end(), word) != kEmpty.end()) continue;
    out.push_back(std::move(word));
  }
  return out;
}

}  // namespace firesteel
