#include "data/real/reword.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/number_literals.h"
#include "data/real/reword_words.h"

namespace firesteel {
namespace {

constexpr size_t kMaxLiterals = 12;

bool is_word(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
char lower(char c) { return is_upper(c) ? static_cast<char>(c - 'A' + 'a') : c; }

std::string lowered(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), lower);
  return out;
}

// Where `phrase` stands as whole words at or after `from`, whatever its first letter's case; npos if nowhere.
size_t find_phrase(std::string_view text, std::string_view phrase, size_t from = 0) {
  for (size_t at = from; at + phrase.size() <= text.size(); ++at) {
    if (lower(text[at]) != lower(phrase[0]) || text.substr(at + 1, phrase.size() - 1) != phrase.substr(1)) continue;
    const size_t end = at + phrase.size();
    if ((at > 0 && is_word(text[at - 1])) || (is_word(phrase.back()) && end < text.size() && is_word(text[end]))) continue;
    return at;
  }
  return std::string_view::npos;
}

bool has_phrase(std::string_view text, std::string_view phrase) { return find_phrase(text, phrase) != std::string_view::npos; }

// All whole-word occurrences; a capital at the start stays one, and "a" before it becomes "an" where that is right.
std::string replaced(std::string_view text, std::string_view phrase, std::string_view other) {
  std::string out;
  size_t done = 0;
  for (size_t at = find_phrase(text, phrase); at != std::string_view::npos; at = find_phrase(text, phrase, done)) {
    out += text.substr(done, at - done);
    const bool vowel = std::string_view("aeiouAEIOU").find(other[0]) != std::string_view::npos;
    for (const std::string_view article : {" a ", " an ", "A ", "An "}) {
      if (!std::string_view(out).ends_with(article) || (is_upper(article[0]) && out.size() > article.size())) continue;
      out.erase(out.size() - article.size());
      out += fmt::format("{}{} ", article[0] == ' ' ? " a" : "A", vowel ? "n" : "");
      break;
    }
    out += is_upper(text[at]) && !is_upper(other[0]) ? static_cast<char>(other[0] - 'a' + 'A') : other[0];
    out += other.substr(1);
    done = at + phrase.size();
  }
  out += text.substr(done);
  return out;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const size_t at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

template <typename List>
auto drawn(const List& list, Rng* rng) {
  return list[static_cast<size_t>(rng->below(list.size()))];
}

// Another first name of the same list that `text` has not.
std::string another_name(std::string_view name, std::string_view text, Rng* rng) {
  const auto women = reword_women();
  const bool woman = std::find(women.begin(), women.end(), name) != women.end();
  for (int attempt = 0; attempt < 20; ++attempt) {
    const std::string_view other = drawn(woman ? women : reword_men(), rng);
    if (!has_phrase(text, other)) return std::string(other);
  }
  return std::string(name);
}

// Things of the list that stand in the text, as one or many.
std::vector<Thing> things_in(std::string_view text) {
  std::vector<Thing> found;
  for (const Thing& thing : reword_things()) {
    if (has_phrase(text, thing.many) || has_phrase(text, thing.one)) found.push_back(thing);
  }
  return found;
}

// Offsets where sentences begin.
std::vector<size_t> sentence_starts(std::string_view text) {
  std::vector<size_t> starts = {0};
  for (size_t i = 2; i < text.size(); ++i) {
    if (text[i - 1] != ' ' || (text[i - 2] != '.' && text[i - 2] != '?') || !is_upper(text[i])) continue;
    const std::string_view before = text.substr(0, i - 1);
    if (before.ends_with("Mr.") || before.ends_with("Mrs.") || before.ends_with("Dr.") || before.ends_with("Ms.") || before.ends_with("St.")) continue;
    starts.push_back(i);
  }
  return starts;
}

bool begins_with_pronoun(std::string_view sentence) {
  static constexpr std::string_view kPronouns[] = {"He", "She", "They", "It", "His", "Her", "Their", "This", "That", "These", "Those", "Then", "If", "After", "When", "Each", "The", "Of", "How", "What"};
  const std::string_view first = sentence.substr(0, sentence.find_first_of(" ,'"));
  return std::find(std::begin(kPronouns), std::end(kPronouns), first) != std::end(kPronouns);
}

void move_tokens(Calculation* c, int from, int by) {
  if (c->is_number() && c->text.starts_with("<|n")) {
    int k = 0;
    std::from_chars(c->text.data() + 3, c->text.data() + c->text.size(), k);
    if (k >= from) c->text = fmt::format("<|n{}|>", k + by);
  }
  for (Calculation& part : c->arguments) move_tokens(&part, from, by);
}

}  // namespace

std::vector<std::string> people_in(std::string_view text) {
  std::vector<std::string> people;
  for (const auto names : {reword_women(), reword_men()}) {
    for (const std::string_view name : names) {
      const size_t at = find_phrase(text, name);
      if (at != std::string_view::npos && is_upper(text[at])) people.emplace_back(name);
    }
  }
  return people;
}

std::string with_other_names(std::string_view text, Rng* rng) {
  std::string out(text);
  for (const Thing& thing : things_in(text)) {
    if (rng->below(100) >= 60) continue;
    const Thing other = drawn(reword_things(), rng);
    if (has_phrase(out, other.one) || has_phrase(out, other.many)) continue;
    out = replaced(replaced(out, thing.many, other.many), thing.one, other.one);
  }
  for (const std::string& person : people_in(text)) {
    if (rng->below(100) < 75) out = replaced(out, person, another_name(person, out, rng));
  }
  return out;
}

std::string with_other_phrases(std::string_view text, Rng* rng) {
  std::string out(text);
  for (const std::string_view line : reword_phrases()) {
    const bool directed = line.find('>') != std::string_view::npos;
    const std::vector<std::string_view> sides = split(line, '>');
    const std::vector<std::string_view> others = split(sides.back(), '|');
    for (const std::string_view phrase : directed ? std::vector{sides[0]} : others) {
      if (!has_phrase(out, phrase)) continue;
      const std::string_view other = drawn(others, rng);
      if (rng->below(100) < 50 && !has_phrase(out, other)) out = replaced(out, phrase, other);
      break;
    }
  }
  return out;
}

bool is_aside(std::string_view sentence) {
  if (sentence.size() < 15 || sentence.size() > 110 || !sentence.ends_with(".") || begins_with_pronoun(sentence)) return false;
  const size_t n = find_number_literals(sentence).size();
  const std::string text = lowered(sentence);
  for (const std::string_view pronoun : {"they", "them", "rest", "these", "those", "other", "another", "more", "left", "total", "all", "each", "than", "if"}) {
    if (has_phrase(text, pronoun)) return false;
  }
  return (n == 1 || n == 2) && !people_in(sentence).empty();
}

std::vector<std::string> asides(const std::vector<RealProblem>& problems) {
  std::vector<std::string> found;
  for (const RealProblem& problem : problems) {
    const std::vector<size_t> starts = sentence_starts(problem.text);
    for (size_t i = 0; i + 1 < starts.size(); ++i) {
      const std::string_view sentence = std::string_view(problem.text).substr(starts[i], starts[i + 1] - 1 - starts[i]);
      if (is_aside(sentence)) found.emplace_back(sentence);
    }
  }
  return found;
}

std::optional<RealProblem> with_aside(const RealProblem& problem, std::string_view aside, Rng* rng) {
  const std::string_view text = problem.text;
  const std::vector<size_t> starts = sentence_starts(text);
  // The first question's sentence, and before which of the sentences up to it something may stand.
  const size_t mark = text.find('?');
  if (mark == std::string_view::npos) return std::nullopt;
  std::vector<size_t> places;
  size_t question = 0;
  for (const size_t start : starts) {
    if (start > mark) break;
    question = start;
    if (start > 0 && !begins_with_pronoun(text.substr(start))) places.push_back(start);
  }
  // A question by itself ("How many has he left?") may have something before it as well.
  if (question > 0 && (text.substr(question).starts_with("How") || text.substr(question).starts_with("What"))) places.push_back(question);
  places.push_back(0);
  const std::string asked = lowered(text.substr(question));
  for (const std::string_view total : {"total", "all", "altogether", "together", "they", "combined", "both", "everyone", "there", "sum", "we", "people"}) {
    if (has_phrase(asked, total)) return std::nullopt;
  }
  std::string added(aside);
  for (const std::string& person : people_in(aside)) {
    if (has_phrase(text, person)) added = replaced(added, person, another_name(person, std::string(text) + " " + added, rng));
  }
  // The same things, of somebody else: only where the question says whose.
  const bool named = has_phrase(asked, "he") || has_phrase(asked, "she") || !people_in(text.substr(question)).empty();
  const std::vector<Thing> theirs = things_in(added), ours = things_in(text);
  if (named && !theirs.empty() && !ours.empty() && rng->below(2) == 0) {
    const Thing from = drawn(theirs, rng), to = drawn(ours, rng);
    added = replaced(replaced(added, from.many, to.many), from.one, to.one);
  }
  const size_t n_added = find_number_literals(added).size();
  const size_t at = drawn(places, rng);
  if (n_added == 0 || n_added + find_number_literals(text).size() > kMaxLiterals) return std::nullopt;
  RealProblem result = problem;
  result.text = fmt::format("{}{} {}", text.substr(0, at), added, text.substr(at));
  move_tokens(&result.calculation, static_cast<int>(find_number_literals(text.substr(0, at)).size()), static_cast<int>(n_added));
  return result;
}

}  // namespace firesteel
