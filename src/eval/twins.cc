#include "eval/twins.h"

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "base/ascii.h"
#include "base/check.h"
#include "base/rng.h"
#include "eval/answer_text.h"

namespace firesteel {
namespace {

constexpr const char* kTwinEnding = "~twin";
constexpr double kSlipChance = 0.09;    // of a word of six letters and more
constexpr std::array kOpeners = {"hi, ", "hey, can u help me with this: ", "quick question: ", "pls help, ", "so my kid brought this home: ", "i need this for tomorrow. ", "ok here is one: ", "not sure about this one - ", "hello! "};
constexpr std::array kClosers = {" thx", " thanks!", " need it soon", " (just wanna know the answer)", " any idea?", " thank you"};
constexpr std::array<std::pair<const char*, const char*>, 12> kShort = {{{"you", "u"}, {"please", "pls"}, {"are", "r"}, {"because", "cuz"}, {"with", "w/"}, {"about", "abt"}, {"people", "ppl"}, {"what's", "whats"},
                                                                         {"doesn't", "doesnt"}, {"don't", "dont"}, {"between", "btw"}, {"without", "w/o"}}};

bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_plain_word(std::string_view word) { return !word.empty() && std::all_of(word.begin(), word.end(), is_lower); }

// Two letters the wrong way round, one left out, or one twice; never the first.
std::string slip(std::string word, Rng* rng) {
  const size_t at = 1 + rng->below(word.size() - 2);
  switch (rng->below(3)) {
    case 0: std::swap(word[at], word[at + 1]); break;
    case 1: word.erase(at, 1); break;
    default: word.insert(at, 1, word[at]); break;
  }
  return word;
}

// `first`: it begins a sentence.
std::string rewritten(std::string word, bool first, bool small, double short_chance, const std::vector<std::string>& kept, Rng* rng) {
  const auto is_kept = [&](const std::string& one) {
    return std::any_of(kept.begin(), kept.end(), [&](const std::string& text) { return text.find(one) != std::string::npos; });
  };
  if (first && small && word.size() > 1 && word[0] >= 'A' && word[0] <= 'Z' && is_plain_word(std::string_view(word).substr(1)) && !is_kept(word)) word[0] = lower_ascii(word[0]);
  for (const auto& [whole, brief] : kShort) {
    if (word == whole && rng->uniform() < short_chance) return brief;
  }
  if (word.size() >= 6 && is_plain_word(word) && rng->uniform() < kSlipChance && !is_kept(word)) return slip(std::move(word), rng);
  return word;
}

uint64_t seed_of(uint64_t seed, std::string_view id) {
  uint64_t hash = 0xcbf29ce484222325u ^ seed;  // FNV-1a
  for (const char c : id) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return hash;
}

// Where the choices of a question begin, as choice_prompt wrote them; the end where there are none.
size_t end_of_question(const std::string& text, const Grading& grading) {
  if (grading.kind != Grading::Kind::kChoice) return text.size();
  for (const char* mark : {"\nA. ", "\nA) ", "\n(A) "}) {
    if (const size_t at = text.find(mark); at != std::string::npos) return at;
  }
  return text.size();
}

std::vector<std::string> kept_words(const Grading& grading) {
  std::vector<std::string> kept = grading.answers;
  kept.insert(kept.end(), grading.choices.begin(), grading.choices.end());
  kept.insert(kept.end(), grading.forbidden.begin(), grading.forbidden.end());
  for (const Grading& part : grading.parts) kept.insert(kept.end(), part.answers.begin(), part.answers.end());
  return kept;
}

}  // namespace

std::string as_people_write(std::string_view text, const std::vector<std::string>& kept, uint64_t seed) {
  Rng rng(seed);
  const bool opens = rng.uniform() < 0.6, closes = rng.uniform() < 0.45, small = rng.uniform() < 0.65, joins_lines = rng.uniform() < 0.5, drops_end = rng.uniform() < 0.5;
  const double short_chance = rng.uniform() < 0.5 ? 0.8 : 0.1;
  std::string out, word;
  bool first = true;
  bool formula = false;
  const auto put = [&] {
    if (!word.empty()) out += formula ? word : rewritten(word, first, small, short_chance, kept, &rng);
    if (!word.empty()) first = false;
    word.clear();
  };
  // A word ends where no letter or apostrophe is; one that touches a digit, a backslash, '_', '^' or '$' is part of a formula or a unit.
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool letter = is_lower(lower_ascii(c)) || (c == '\'' && !word.empty());
    if (letter) {
      if (word.empty()) formula = i > 0 && std::string_view("\\_^$0123456789{=/<").find(text[i - 1]) != std::string_view::npos;
      word += c;
      continue;
    }
    formula = formula || std::string_view("\\_^$0123456789}=/>").find(c) != std::string_view::npos || static_cast<unsigned char>(c) >= 0x80;
    put();
    if (c == '.' || c == '?' || c == '!' || c == '\n') first = true;
    out += c == '\n' && joins_lines ? ' ' : c;
  }
  put();
  out = std::string(trim(out));
  if (drops_end && !out.empty() && (out.back() == '?' || out.back() == '.')) out.pop_back();
  if (opens) out = kOpeners[rng.below(kOpeners.size())] + out;
  if (closes) out += kClosers[rng.below(kClosers.size())];
  return out;
}

std::vector<EvalItem> with_twins(const std::vector<EvalItem>& items, uint64_t seed) {
  std::vector<EvalItem> out;
  out.reserve(2 * items.size());
  for (const EvalItem& item : items) {
    CHECK(!item.messages.empty());
    EvalItem plain = item, twin = item;
    plain.slices.emplace_back("form", "public");
    twin.slices.emplace_back("form", "twin");
    twin.id += kTwinEnding;
    std::string& text = twin.messages.back().text;
    const size_t end = end_of_question(text, item.grading);
    text = as_people_write(std::string_view(text).substr(0, end), kept_words(item.grading), seed_of(seed, item.id)) + text.substr(end);
    out.push_back(std::move(plain));
    out.push_back(std::move(twin));
  }
  return out;
}

std::optional<std::vector<SuiteComparison>> compare_twins(const Report& report) {
  Report plain, twins;
  for (const SuiteReport& suite : report.suites) {
    SuiteReport first = suite, second = suite;
    first.items.clear();
    second.items.clear();
    std::map<std::string, const ReportItem*> by_id;
    for (const ReportItem& item : suite.items) by_id[item.id] = &item;
    for (const ReportItem& item : suite.items) {
      const auto twin = by_id.find(item.id + kTwinEnding);
      if (twin == by_id.end()) continue;
      first.items.push_back(item);
      second.items.push_back(*twin->second);
      second.items.back().id = item.id;
      second.items.back().question = item.question;  // the same by what it asks
      second.items.back().slices = item.slices;
    }
    if (first.items.empty()) continue;
    plain.suites.push_back(std::move(first));
    twins.suites.push_back(std::move(second));
  }
  if (plain.suites.empty()) return std::nullopt;
  auto compared = compare_reports(plain, twins);
  if (!compared.ok()) return std::nullopt;
  return std::move(*compared);
}

}  // namespace firesteel
