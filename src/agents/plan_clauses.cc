#include "agents/plan_clauses.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "agents/words.h"
#include "base/ascii.h"

namespace firesteel {
namespace {

constexpr size_t kSentenceBytesMax = 2048;
constexpr size_t kWordsMin = 3;       // of a part
constexpr size_t kBareWordsMax = 5;   // of a part that has neither a number nor "of", "for", "in" ... something

constexpr std::array<std::string_view, 3> kAsks = {"what", "how", "which"};
constexpr std::array<std::string_view, 6> kBeforeAsk = {"in ", "at ", "to ", "from ", "by ", "of "};
// Longest first, where one begins with another.
constexpr std::array<std::string_view, 8> kJoints = {", as well as ", " as well as ", ", and ", " - and ", "; and ", " and ", ", plus ", "; "};
constexpr std::array<std::string_view, 12> kPhrases = {"last but not least, ", "last but not least ", "while you are at it, ", "while i am at it, ", "by the way, ", "in addition, ", "at the same time, ", "also, ", "also ", "finally, ", "finally ", "then "};
constexpr std::array<std::string_view, 8> kLinks = {"of", "for", "in", "on", "from", "to", "by", "with"};

// How many bytes at `at` are words before a question word, that word not included; npos where no question begins there.
size_t ask_at(std::string_view low, size_t at) {
  size_t length = 0;
  for (const std::string_view word : kBeforeAsk) {
    if (low.substr(at).starts_with(word)) length = word.size();
  }
  for (const std::string_view word : kAsks) {
    const size_t end = at + length + word.size();
    if (low.substr(std::min(low.size(), at + length)).starts_with(word) && end < low.size() && low[end] == ' ') return length;
  }
  return std::string_view::npos;
}

struct Joint {
  size_t begin = 0, end = 0;  // what stands between two parts
  bool is_comma = false;
};

std::vector<Joint> joints_of(std::string_view low) {
  std::vector<Joint> out;
  for (size_t at = 0; at < low.size(); ++at) {
    for (const std::string_view joint : kJoints) {
      if (!low.substr(at).starts_with(joint)) continue;
      size_t end = at + joint.size();
      for (const std::string_view phrase : kPhrases) {
        if (low.substr(end).starts_with(phrase)) {
          end += phrase.size();
          break;
        }
      }
      if (ask_at(low, end) == std::string_view::npos) continue;
      out.push_back({at, end, false});
      break;
    }
    if (!out.empty() && out.back().begin == at) {
      at = out.back().end - 1;
    } else if (low.substr(at).starts_with(", ") && ask_at(low, at + 2) == 0) {
      out.push_back({at, at + 2, true});
      ++at;
    }
  }
  while (!out.empty() && out.back().is_comma) out.pop_back();
  return out;
}

// The first part cannot lean on an earlier one.
bool stands_alone(const std::string& part, bool is_first) {
  const std::vector<std::string> words = words_of(part);
  if (words.size() < kWordsMin) return false;
  if (is_first) return true;
  if (words.size() > kBareWordsMax || std::any_of(part.begin(), part.end(), [](char c) { return c >= '0' && c <= '9'; })) return true;
  return std::any_of(words.begin() + 1, words.end() - 1, [](const std::string& word) { return std::find(kLinks.begin(), kLinks.end(), word) != kLinks.end(); });
}

}  // namespace

std::vector<std::string> clauses_that_ask(std::string_view sentence) {
  if (sentence.size() > kSentenceBytesMax) return {};
  while (!sentence.empty() && (sentence.back() == '?' || sentence.back() == '.' || sentence.back() == ' ')) sentence.remove_suffix(1);
  if (sentence.find_first_of("?!:\n\"") != std::string_view::npos || sentence.find(". ") != std::string_view::npos) return {};
  const std::string low = lower_ascii(sentence);
  if (ask_at(low, 0) == std::string_view::npos) return {};
  const std::vector<Joint> joints = joints_of(low);
  std::vector<std::string> out;
  size_t begin = 0;
  for (size_t i = 0; i <= joints.size(); ++i) {
    const size_t end = i < joints.size() ? joints[i].begin : sentence.size();
    std::string part = std::string(sentence.substr(begin, end - begin)) + "?";
    if (!stands_alone(part, i == 0)) return {};
    part.front() = static_cast<char>(std::toupper(static_cast<unsigned char>(part.front())));
    out.push_back(std::move(part));
    if (i < joints.size()) begin = joints[i].end;
  }
  return out.size() < 2 ? std::vector<std::string>() : out;
}

}  // namespace firesteel
