#include "data/real/reword.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/ascii.h"
#include "base/number_literals.h"
#include "data/real/reword_words.h"

namespace firesteel {
namespace {

constexpr size_t kMaxLiterals = 12;

bool is_word(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }

// Where `phrase` stands as whole words at or after `from`, whatever its first letter's case; npos if nowhere.
size_t find_phrase(std::string_view text, std::string_view phrase, size_t from = 0) {
  for (size_t at = from; at + phrase.size() <= text.size(); ++at) {
    if (lower_ascii(text[at]) != lower_ascii(phrase[0]) || text.substr(at + 1, phrase.size() - 1) != phrase.substr(1)) continue;
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
  return list[static_cast<size_t>(rng->below(std::size(list)))];
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

// Where the sentence of the first question begins; npos without one.
size_t question_start(std::string_view text) {
  const size_t mark = text.find('?');
  if (mark == std::string_view::npos) return mark;
  size_t question = 0;
  for (const size_t start : sentence_starts(text)) {
    if (start < mark) question = start;
  }
  return question;
}

bool is_independent_question(std::string_view question) { return question.starts_with("How") || question.starts_with("What"); }

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
  const std::string text = lower_ascii(sentence);
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

std::string facts_of(const RealProblem& problem) {
  const size_t question = question_start(problem.text);
  if (question == std::string::npos || question == 0) return {};
  const std::string facts = problem.text.substr(0, question - 1);
  const size_t n = find_number_literals(facts).size();
  const bool told = facts.size() <= 200 && n >= 1 && n <= 4 && !people_in(facts).empty() && !begins_with_pronoun(facts);
  return told ? facts : std::string();
}

std::string with_other_sentences(std::string_view text, Rng* rng) {
  std::vector<std::string> sentences;
  const std::vector<size_t> starts = sentence_starts(text);
  for (size_t i = 0; i < starts.size(); ++i) {
    sentences.emplace_back(text.substr(starts[i], i + 1 < starts.size() ? starts[i + 1] - 1 - starts[i] : std::string_view::npos));
  }
  const std::vector<std::string> people = people_in(text);
  const auto decapitalised = [&](std::string sentence) {
    const std::string_view first = std::string_view(sentence).substr(0, sentence.find_first_of(" ,'."));
    static constexpr std::string_view kWords[] = {"He", "She", "They", "It", "His", "Her", "Their", "The", "There", "Each", "Then", "Later", "After", "A", "An", "In", "On", "At", "One", "Some", "How", "What", "Now", "During", "Today", "This", "For", "When"};
    if (std::find(std::begin(kWords), std::end(kWords), first) != std::end(kWords)) sentence[0] = lower_ascii(sentence[0]);
    return sentence;
  };
  const auto is_question = [](std::string_view sentence) { return sentence.ends_with("?") && (sentence.starts_with("How ") || sentence.starts_with("What ")); };
  const auto is_fact = [](std::string_view sentence) { return sentence.ends_with(".") && sentence.size() < 90 && !sentence.starts_with("If ") && !sentence.starts_with("When "); };
  // "He" of the only person.
  if (people.size() == 1 && rng->below(2) == 0) {
    for (size_t i = 1; i < sentences.size(); ++i) {
      for (const std::string_view pronoun : {"He ", "She "}) {
        if (sentences[i].starts_with(pronoun) && rng->below(2) == 0) sentences[i] = people[0] + sentences[i].substr(pronoun.size() - 1);
      }
    }
  }
  // "If F, how many ...?" is "F. How many ...?", and the other way round.
  std::string& last = sentences.back();
  const size_t comma = last.find(", how ");
  if (last.starts_with("If ") && comma != std::string::npos && last.find(", ") == comma && rng->below(2) == 0) {
    std::string fact = last.substr(3, comma - 3) + ".", question = "H" + last.substr(comma + 3);
    if (fact[0] >= 'a' && fact[0] <= 'z') fact[0] = static_cast<char>(fact[0] - 'a' + 'A');
    sentences.back() = std::move(fact);
    sentences.push_back(std::move(question));
  } else if (sentences.size() >= 2 && is_question(last) && is_fact(sentences[sentences.size() - 2]) && rng->below(3) == 0) {
    std::string fact = decapitalised(sentences[sentences.size() - 2]);
    fact.pop_back();
    const bool first = rng->below(3) != 0;
    std::string question = last;
    if (first) {
      question = fmt::format("If {}, {}", fact, decapitalised(question));
    } else {
      question.pop_back();
      question += fmt::format(" if {}?", fact);
    }
    // Behind the question the order of the literals would change.
    if (first || find_number_literals(last).empty()) {
      sentences.pop_back();
      sentences.back() = std::move(question);
    }
  }
  for (size_t i = 0; i + 1 < sentences.size(); ++i) {
    if (!is_fact(sentences[i]) || !is_fact(sentences[i + 1]) || rng->below(3) != 0) continue;
    static constexpr std::string_view kJoints[] = {" and ", ", and ", "; ", ", while ", ", then "};
    sentences[i].pop_back();
    sentences[i] += std::string(drawn(kJoints, rng)) + decapitalised(sentences[i + 1]);
    sentences.erase(sentences.begin() + static_cast<std::ptrdiff_t>(i) + 1);
  }
  return fmt::format("{}", fmt::join(sentences, " "));
}

namespace {

// Whether what others have might count, too.
bool asks_for_total(std::string_view question) {
  for (const std::string_view total : {"total", "all", "altogether", "together", "they", "combined", "both", "everyone", "there", "sum", "we", "people"}) {
    if (has_phrase(question, total)) return true;
  }
  return false;
}

// `text` put into `problem` at `at`, its people under names that the problem has not.
std::optional<RealProblem> inserted(const RealProblem& problem, std::string added, size_t at, Rng* rng) {
  const std::string_view text = problem.text;
  for (const std::string& person : people_in(added)) {
    if (has_phrase(text, person)) added = replaced(added, person, another_name(person, fmt::format("{} {}", text, added), rng));
  }
  const size_t n_added = find_number_literals(added).size();
  if (n_added == 0 || n_added + find_number_literals(text).size() > kMaxLiterals) return std::nullopt;
  RealProblem result = problem;
  result.text = fmt::format("{}{} {}", text.substr(0, at), added, text.substr(at));
  move_tokens(&result.calculation, static_cast<int>(find_number_literals(text.substr(0, at)).size()), static_cast<int>(n_added));
  return result;
}

// The same things, of somebody else.
std::string about_same_things(std::string added, std::string_view text, Rng* rng) {
  const std::vector<Thing> theirs = things_in(added), ours = things_in(text);
  if (theirs.empty() || ours.empty()) return added;
  const Thing from = drawn(theirs, rng), to = drawn(ours, rng);
  return replaced(replaced(added, from.many, to.many), from.one, to.one);
}

}  // namespace

std::optional<RealProblem> with_aside(const RealProblem& problem, std::string_view aside, Rng* rng) {
  const std::string_view text = problem.text;
  const size_t question = question_start(text);
  if (question == std::string_view::npos) return std::nullopt;
  const std::string asked = lower_ascii(text.substr(question));
  if (asks_for_total(asked)) return std::nullopt;
  std::vector<size_t> places = {0};
  for (const size_t start : sentence_starts(text)) {
    if (start > 0 && start <= question && !begins_with_pronoun(text.substr(start))) places.push_back(start);
  }
  // A question by itself ("How many has he left?") may have something before it as well.
  if (question > 0 && is_independent_question(text.substr(question))) places.push_back(question);
  std::string added(aside);
  // Only where the question says whose.
  const bool named = has_phrase(asked, "he") || has_phrase(asked, "she") || !people_in(text.substr(question)).empty();
  if (named && rng->below(2) == 0) added = about_same_things(std::move(added), text, rng);
  return inserted(problem, std::move(added), drawn(places, rng), rng);
}

std::optional<RealProblem> with_other_story(const RealProblem& problem, std::string_view facts, Rng* rng) {
  const std::string_view text = problem.text;
  const size_t question = question_start(text);
  if (question == std::string_view::npos || facts.empty()) return std::nullopt;
  if (asks_for_total(lower_ascii(text.substr(question)))) return std::nullopt;
  const bool named = !people_in(text.substr(question)).empty();
  std::string added(facts);
  if (named && rng->below(2) == 0) added = about_same_things(std::move(added), text, rng);
  const bool behind = named && question > 0 && is_independent_question(text.substr(question)) && rng->below(2) == 0;
  if (!behind && begins_with_pronoun(text) && !text.starts_with("The ") && !text.starts_with("If ") && !text.starts_with("Each ")) return std::nullopt;
  return inserted(problem, std::move(added), behind ? question : 0, rng);
}

}  // namespace firesteel
