#include "agents/plan_form.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <utility>

#include "agents/plan_clauses.h"
#include "agents/words.h"
#include "base/ascii.h"
#include "base/json.h"

namespace firesteel {
namespace {

constexpr size_t kQuestionBytesMax = 16384;
constexpr size_t kLeadInWordsMax = 14;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_alnum(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; }

std::string_view trim(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") + 1 - first);
}

template <size_t n>
bool is_one_of(std::string_view word, const std::array<std::string_view, n>& list) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

constexpr std::array<std::string_view, 61> kAskWords = {
    "what", "how", "which", "who", "when", "where", "why", "is", "are", "does", "do", "did", "can", "was", "were", "has", "have", "will", "find", "calculate", "compute",
    "give", "name", "work", "convert", "tell", "add", "subtract", "multiply", "divide", "solve", "explain", "describe", "list", "write", "determine", "evaluate", "round",
    "estimate", "express", "simplify", "say", "figure", "look", "state", "identify", "count", "show", "turn", "put", "decide", "choose", "compare", "check", "translate", "summarise",
    "summarize", "complete", "change", "increase", "reduce"};
constexpr std::array<std::string_view, 3> kPoliteWords = {"please", "kindly", "now"};  // before a command

// Words that mean something that was said before, unless the part says it itself.
constexpr std::array<std::string_view, 11> kPronouns = {"it", "its", "they", "them", "their", "he", "his", "him", "she", "her", "hers"};
constexpr std::array<std::string_view, 5> kPointers = {"that", "this", "those", "these", "both"};
// Behind a pointer: then it stands for a result, and is no article or conjunction.
constexpr std::array<std::string_view, 16> kAfterPointer = {"plus", "minus", "times", "divided", "as", "in", "to", "and", "or", "result", "results", "answer", "answers", "amount", "together", "number"};

bool looks_like_question(std::string_view part) {
  if (part.find('?') != std::string_view::npos) return true;
  // Or one of its sentences is a command: "A cylinder has 131 cm3. Calculate the mass."
  for (size_t at = 0; at < part.size();) {
    const std::vector<std::string> words = words_of(part.substr(at, 60));
    const size_t first = !words.empty() && is_one_of(words.front(), kPoliteWords) ? 1 : 0;
    if (first < words.size() && is_one_of(words[first], kAskWords)) return true;
    at = part.find(". ", at);
    if (at == std::string_view::npos) return false;
    at += 2;
  }
  return false;
}

// Whether a list, item by item, is one of questions: what comes before says so, or most items are.
bool are_questions(std::string_view before, const std::vector<std::string>& items) {
  const auto n = std::count_if(items.begin(), items.end(), [](const std::string& item) { return looks_like_question(item); });
  const bool goes_on = items.back().find('\n') != std::string::npos;  // something stands behind the list
  if (!goes_on && !trim(before).empty()) return true;  // an is_lead_in()
  return goes_on ? static_cast<size_t>(n) == items.size() : 2 * static_cast<size_t>(n) > items.size();
}

// "I have four questions:", "Please answer these for my homework." - says nothing that a part needs.
bool is_lead_in(std::string_view text) {
  text = trim(text);
  if (text.empty()) return true;
  if (std::any_of(text.begin(), text.end(), is_digit) || text.find('?') != std::string_view::npos) return false;
  const std::vector<std::string> words = words_of(text);
  if (words.size() > kLeadInWordsMax) return false;
  constexpr std::array<std::string_view, 13> kSigns = {"question", "questions", "answer", "answers", "homework", "following", "these", "tasks", "problems", "hello", "hi", "please", "things"};
  return std::any_of(words.begin(), words.end(), [&](const std::string& word) { return is_one_of(word, kSigns); });
}

struct Cut {
  size_t begin = 0;       // of the mark
  size_t text = 0;        // behind it
  std::string label = {};
};

// "1)", "(1)", "2.", "a)", "(b)" that begins a line or a word, in order from the first. Numbers with a full stop only at the beginning of a line.
std::vector<Cut> labelled(std::string_view text, bool letters) {
  std::vector<Cut> cuts;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool at_line = i == 0 || text[i - 1] == '\n';
    if (!at_line && text[i - 1] != ' ') continue;
    size_t at = i;
    const bool open = text[at] == '(';
    if (open) ++at;
    std::string name;
    if (letters) {
      if (at < text.size() && text[at] == static_cast<char>('a' + static_cast<int>(std::min<size_t>(cuts.size(), 25)))) name.assign(1, text[at++]);
    } else {
      while (at < text.size() && is_digit(text[at]) && name.size() < 2) name.push_back(text[at++]);
      if (name != std::to_string(cuts.size() + 1)) continue;
    }
    if (name.empty() || at >= text.size()) continue;
    const char mark = text[at];
    const bool marks = mark == ')' || (!open && at_line && (mark == '.' || mark == ':'));
    if (!marks || at + 1 >= text.size() || text[at + 1] != ' ') continue;
    cuts.push_back({i, at + 1, name + ")"});
    i = at;
  }
  return cuts;
}

std::vector<Cut> bulleted(std::string_view text) {
  std::vector<Cut> cuts;
  for (size_t i = 0; i < text.size(); ++i) {
    if (i != 0 && text[i - 1] != '\n') continue;
    const std::string_view rest = text.substr(i);
    const size_t length = rest.starts_with("- ") || rest.starts_with("* ") ? 2 : rest.starts_with("\xE2\x80\xA2 ") ? 4 : 0;
    if (length > 0) cuts.push_back({i, i + length, std::to_string(cuts.size() + 1) + ")"});
  }
  return cuts;
}

bool begins_sentence(std::string_view text, size_t at) {
  while (at > 0 && (text[at - 1] == ' ' || text[at - 1] == '\n')) --at;
  return at == 0 || text[at - 1] == '.' || text[at - 1] == '?' || text[at - 1] == '!' || text[at - 1] == ':';
}

// "First, ... Then: ... Finally, ...".
std::vector<Cut> ordered(std::string_view text) {
  constexpr std::array<std::string_view, 14> kMarks = {"first", "firstly", "second", "secondly", "third", "thirdly", "fourth", "fifth", "sixth", "then", "next", "also", "finally", "lastly"};
  const std::string low = lower_ascii(text);
  std::vector<Cut> cuts;
  for (size_t i = 0; i < low.size(); ++i) {
    if (!begins_sentence(low, i) || (i > 0 && is_alnum(low[i - 1]))) continue;
    size_t end = i;
    while (end < low.size() && low[end] >= 'a' && low[end] <= 'z') ++end;
    const std::string_view word = std::string_view(low).substr(i, end - i);
    if (end >= low.size() || (low[end] != ',' && low[end] != ':') || !is_one_of(word, kMarks)) continue;
    if (cuts.empty() != word.starts_with("first")) continue;
    cuts.push_back({i, end + 1, std::to_string(cuts.size() + 1) + ")"});
  }
  return cuts;
}

// Where "the answer to question 2", "the result of the second part" stands: replaced by "[2]".
std::string with_references(std::string_view part, size_t step, size_t n_steps) {
  constexpr std::array<std::string_view, 6> kOrdinals = {"first", "second", "third", "fourth", "fifth", "sixth"};
  const std::string low = lower_ascii(part);
  const auto word_at = [&](size_t at, std::string_view word) {
    return low.compare(at, word.size(), word) == 0 && (at == 0 || !is_alnum(low[at - 1])) && (at + word.size() >= low.size() || !is_alnum(low[at + word.size()]));
  };
  const auto skip = [&](size_t at, std::string_view word) { return word_at(at, word) && at + word.size() < low.size() && low[at + word.size()] == ' ' ? at + word.size() + 1 : at; };
  // The number that is named at `at`, and where its words end.
  const auto number_at = [&](size_t at, size_t* end) -> size_t {
    for (size_t k = 0; k < kOrdinals.size(); ++k) {
      if (!word_at(at, kOrdinals[k])) continue;
      *end = at + kOrdinals[k].size();
      for (const std::string_view noun : {" question", " part", " one"}) {
        if (low.compare(*end, noun.size(), noun) == 0 && (*end + noun.size() >= low.size() || !is_alnum(low[*end + noun.size()]))) *end += noun.size();
      }
      return k + 1;
    }
    if (at < low.size() && low[at] == '(') ++at;
    size_t n = 0;
    const auto [stop, error] = std::from_chars(low.data() + std::min(at, low.size()), low.data() + low.size(), n);
    if (error == std::errc()) {
      *end = static_cast<size_t>(stop - low.data());
    } else if (at + 1 < low.size() && low[at] >= 'a' && low[at] <= 'p' && low[at + 1] == ')') {
      n = static_cast<size_t>(low[at] - 'a') + 1;
      *end = at + 1;
    } else {
      return 0;
    }
    if (*end < low.size() && low[*end] == ')') ++*end;
    if (*end < low.size() && (is_alnum(low[*end]) || (low[*end] == '.' && *end + 1 < low.size() && is_digit(low[*end + 1])))) return 0;
    return n;
  };
  std::string out;
  size_t copied = 0;
  for (size_t at = 0; at < low.size(); ++at) {
    size_t next = skip(at, "the");
    const bool result = word_at(next, "result") || word_at(next, "results");
    const bool answer = word_at(next, "answer") || word_at(next, "answers");
    if (!result && !answer) continue;
    next = low.find(' ', next);
    if (next == std::string::npos) break;
    ++next;
    for (const std::string_view word : {"to", "of", "from", "the", "questions", "question", "parts", "part", "number"}) next = skip(next, word);
    size_t end = 0;
    const size_t n = number_at(next, &end);
    if (n == 0 || n > n_steps || n == step + 1) continue;
    out += part.substr(copied, at - copied);
    out += "[" + std::to_string(n) + "]";
    if (low.compare(end, 5, " and ") == 0) {  // "the answers to questions 1 and 3"
      size_t second_end = 0;
      const size_t second = number_at(end + 5, &second_end);
      if (second > 0 && second <= n_steps && second != step + 1 && (low[end - 1] == ')' || is_digit(low[end - 1])) && low.compare(at, next - at, "the answer to ") != 0) {
        out += " and [" + std::to_string(second) + "]";
        end = second_end;
      }
    }
    copied = end;
    at = end - 1;
  }
  return out + std::string(part.substr(std::min(copied, part.size())));
}

// A part's first sentence; all of it when there is one only.
std::string_view first_sentence(std::string_view part) {
  for (size_t i = 0; i + 1 < part.size(); ++i) {
    const bool ends = part[i] == '.' || part[i] == '?' || part[i] == '!' || part[i] == ':' || part[i] == ';';
    if (ends && part[i + 1] == ' ' && words_of(part.substr(0, i)).size() >= 3) return part.substr(0, i);
  }
  return part;
}

// Words before which "that" begins no relative clause ("the number that times 7 gives 42").
constexpr std::array<std::string_view, 24> kBeforePointer = {"is", "are", "was", "of", "to", "from", "by", "does", "do", "and", "much", "many", "if", "with", "add", "subtract", "multiply", "divide", "double", "for", "in", "than", "at", "what"};

// "The first is 6 and each next is 5 times that": what is meant was told in the words before the pointer at `end`.
bool tells_before(const std::vector<std::string>& words, size_t end) {
  constexpr std::array<std::string_view, 3> kConditions = {"if", "when", "where"};
  constexpr std::array<std::string_view, 6> kTells = {"is", "are", "was", "were", "has", "have"};
  bool conditional = false;
  for (size_t i = 0; i + 1 < end; ++i) {
    conditional = conditional || is_one_of(words[i], kConditions);
    if (conditional && is_one_of(words[i], kTells) && is_digit(words[i + 1].front())) return true;
  }
  return false;
}

// "Is it right to say that ...", "is it possible to ...": this "it" means nothing.
bool is_expletive(const std::vector<std::string>& words, size_t i) {
  constexpr std::array<std::string_view, 10> kJudgements = {"right", "true", "correct", "false", "wrong", "possible", "safe", "allowed", "fair", "known"};
  return words[i] == "it" && i + 2 < words.size() && is_one_of(words[i + 1], kJudgements) && (words[i + 2] == "to" || words[i + 2] == "that");
}

// Whether a part means what another one found: "what is that plus 5", "how long does it take" (with a number of its own, "it" is taken for
// something in the part). Behind a sentence of its own "that" means what this one told: "155 volts are applied. How many watts is that?",
// and so it does before one: "How many watts is that? 155 volts are applied."
bool points_back(std::string_view part) {
  const std::string_view sentence = first_sentence(part);
  const std::vector<std::string> words = words_of(sentence);
  // "If 65 % of 1680 J are useful, how many joules is that?"
  const bool tells_first = std::any_of(sentence.begin(), sentence.begin() + static_cast<ptrdiff_t>(std::min(sentence.rfind(", "), sentence.size())), is_digit) && sentence.find(", ") != std::string_view::npos;
  const std::string_view behind = part.substr(sentence.size());
  const bool counts = std::any_of(words.begin(), words.end(), [](const std::string& word) { return is_digit(word.front()); });  // "m2" does not
  const bool tells_behind = !counts && std::any_of(behind.begin(), behind.end(), is_digit) && !looks_like_question(trim(behind.substr(std::min<size_t>(1, behind.size()))));
  for (size_t i = 0; i < words.size(); ++i) {
    if (!is_one_of(words[i], kPointers)) continue;
    if (i + 1 < words.size() && words[i] == "that" && i > 0 && !is_one_of(words[i - 1], kBeforePointer)) continue;
    if (i + 1 == words.size() ? !tells_first && !tells_behind && !tells_before(words, i) : is_one_of(words[i + 1], kAfterPointer)) return true;
  }
  if (std::any_of(part.begin(), part.end(), is_digit) || trim(part).find(". ") != std::string_view::npos) return false;
  // "The column of lithium: which group is it?" says itself what it asks about.
  const size_t colon = part.find(": ");
  const std::vector<std::string> all = words_of(part), named = words_of(part.substr(0, colon == std::string_view::npos ? 0 : colon));
  for (size_t i = 0; i < all.size(); ++i) {
    if (is_one_of(all[i], kPronouns) && !is_expletive(all, i) && (named.empty() || i < named.size())) return true;
  }
  return false;
}

std::string_view last_word(std::string_view text) {
  size_t end = text.size();
  while (end > 0 && !is_alnum(text[end - 1])) --end;
  size_t begin = end;
  while (begin > 0 && is_alnum(text[begin - 1])) --begin;
  return text.substr(begin, end - begin);
}

// "What is that plus 5?" with the number of the answer it means, "what is [2] plus 5?"; other words stay as they are.
std::string with_pointer(std::string_view part, size_t step) {
  constexpr std::array<std::string_view, 4> kReckonsBehind = {" plus ", " minus ", " times ", " divided "};
  const std::string low = lower_ascii(part);
  for (const std::string_view pointer : {"that result", "this result", "that number", "this number", "that", "this", "it"}) {
    for (size_t at = low.find(pointer); at != std::string::npos; at = low.find(pointer, at + 1)) {
      const size_t end = at + pointer.size();
      const bool whole = (at == 0 || !is_alnum(low[at - 1])) && (end >= low.size() || !is_alnum(low[end]));
      const std::string_view before = last_word(std::string_view(low).substr(0, at));
      if (!whole || (!before.empty() && !is_one_of(before, kBeforePointer)) || std::none_of(kReckonsBehind.begin(), kReckonsBehind.end(), [&](std::string_view word) { return low.compare(end, word.size(), word) == 0; })) continue;
      return std::string(part.substr(0, at)) + "[" + std::to_string(step) + "]" + std::string(part.substr(end));
    }
  }
  return std::string(part);
}

std::string capital(std::string_view text) {
  std::string out(text);
  if (!out.empty() && out.front() >= 'a' && out.front() <= 'z') out.front() = static_cast<char>(out.front() - 'a' + 'A');
  return out;
}

struct Parts {
  std::string context;  // for every part
  std::vector<std::string> texts, labels;
};

std::optional<Parts> parts_of(std::string_view text, const std::vector<Cut>& cuts, bool must_ask, size_t n_max) {
  if (cuts.size() < 2 || cuts.size() > n_max) return std::nullopt;
  Parts out;
  const std::string_view before = trim(text.substr(0, cuts.front().begin));
  if (!is_lead_in(before)) {
    if (before.find('?') != std::string_view::npos) return std::nullopt;  // a question with choices, or one more question
    out.context = std::string(before);
  }
  for (size_t i = 0; i < cuts.size(); ++i) {
    const size_t end = i + 1 < cuts.size() ? cuts[i + 1].begin : text.size();
    std::string_view part = trim(text.substr(cuts[i].text, end - cuts[i].text));
    while (!part.empty() && (part.back() == ';' || part.back() == ',')) part = trim(part.substr(0, part.size() - 1));
    if (words_of(part).size() < 2 && part.find('?') == std::string_view::npos) return std::nullopt;
    out.texts.push_back(capital(part));
    out.labels.push_back(cuts[i].label);
  }
  // Facts in a list behind something that is told are no questions, nor are choices.
  if (must_ask && !(out.context.empty() ? are_questions(before, out.texts) : std::all_of(out.texts.begin(), out.texts.end(), looks_like_question))) return std::nullopt;
  return out;
}

// Question after question: what stands between two question marks belongs to the second.
std::optional<Parts> by_question_marks(std::string_view text, size_t n_max) {
  std::vector<Cut> cuts;
  size_t begin = 0;
  for (size_t at = text.find('?'); at != std::string_view::npos; at = text.find('?', at + 1)) {
    if (cuts.size() == n_max) return std::nullopt;
    if (at + 1 < text.size() && text[at + 1] != ' ' && text[at + 1] != '\n') return std::nullopt;  // quoted, or part of a word
    cuts.push_back({begin, begin, std::to_string(cuts.size() + 1) + ")"});
    begin = at + 1;
  }
  if (!is_lead_in(text.substr(begin))) return std::nullopt;  // something is asked, or said, behind the last one
  Parts out;
  for (size_t i = 0; i < cuts.size(); ++i) {
    const size_t end = i + 1 < cuts.size() ? cuts[i + 1].begin : begin;
    std::string_view part = trim(text.substr(cuts[i].begin, end - cuts[i].begin));
    if (i == 0) {
      const size_t stop = part.find_first_of(":.!");
      if (stop != std::string_view::npos && stop + 1 < part.size() && is_lead_in(part.substr(0, stop))) part = trim(part.substr(stop + 1));
    }
    for (const std::string_view joint : {"and ", "And ", "also, ", "Also, "}) {
      if (part.starts_with(joint)) part = trim(part.substr(joint.size()));
    }
    out.texts.push_back(capital(part));
    out.labels.push_back(cuts[i].label);
  }
  if (out.texts.size() < 2) return std::nullopt;
  // "A car drives at 60 km/h. How far in 3 h? How long for 90 km?": what was told once is told to all that tell nothing themselves.
  const std::string& first = out.texts.front();
  const size_t full_stop = first.rfind(". ");
  if (full_stop != std::string::npos) {
    const std::string told_text = first.substr(0, full_stop + 1);
    std::vector<std::string> told_words = words_of(told_text);
    std::sort(told_words.begin(), told_words.end());
    for (size_t i = 1; i < out.texts.size(); ++i) {
      const std::vector<std::string> words = words_of(out.texts[i]);
      const bool tells = trim(out.texts[i]).find(". ") != std::string_view::npos;
      const bool shares = std::any_of(words.begin(), words.end(), [&](const std::string& word) {
        return word.size() > 2 && word != "the" && word != "and" && word != "for" && !is_one_of(word, kAskWords) && std::binary_search(told_words.begin(), told_words.end(), word);
      });
      const bool bare = words.size() <= 5 && std::none_of(out.texts[i].begin(), out.texts[i].end(), is_digit);
      const bool means = std::any_of(words.begin(), words.end(), [](const std::string& word) { return is_one_of(word, kPronouns); });
      if (!tells && (shares || bare || means)) out.texts[i] = told_text + " " + out.texts[i];
    }
  }
  return out;
}

// One sentence that asks several things.
std::optional<Parts> by_clauses(std::string_view text, size_t n_max) {
  Parts out;
  out.texts = clauses_that_ask(text);
  if (out.texts.empty() || out.texts.size() > n_max) return std::nullopt;
  for (size_t i = 1; i <= out.texts.size(); ++i) out.labels.push_back(std::to_string(i) + ")");
  for (size_t i = 1; i < out.texts.size(); ++i) {
    const std::vector<std::string> words = words_of(out.texts[i]);
    for (size_t k = 0; k < words.size(); ++k) {
      // "and how much is 10 % of it": it cannot be told apart from an "it" that means nothing, so a model is asked.
      const bool means = is_one_of(words[k], kPronouns) && !is_expletive(words, k);
      if (means && !points_back(out.texts[i])) return std::nullopt;
    }
  }
  return out;
}

}  // namespace

std::optional<FormPlan> plan_by_form(std::string_view question, const PlanLimits& limits) {
  const std::string_view text = trim(question);
  if (text.empty() || text.size() > kQuestionBytesMax) return std::nullopt;
  // The first form that is there decides: where its parts are not clear, cutting the same text in another way would lose some.
  std::optional<Parts> parts;
  const auto n_max = static_cast<size_t>(std::max(limits.n_steps_max, 0));
  if (const std::vector<Cut> numbers = labelled(text, /*letters=*/false); numbers.size() >= 2) parts = parts_of(text, numbers, /*must_ask=*/false, n_max);
  else if (const std::vector<Cut> letters = labelled(text, /*letters=*/true); letters.size() >= 2) parts = parts_of(text, letters, /*must_ask=*/true, n_max);
  else if (const std::vector<Cut> bullets = bulleted(text); bullets.size() >= 2) parts = parts_of(text, bullets, /*must_ask=*/true, n_max);
  else if (const std::vector<Cut> order = ordered(text); order.size() >= 2) parts = parts_of(text, order, /*must_ask=*/false, n_max);
  else if (parts = by_question_marks(text, n_max); !parts) parts = by_clauses(text, n_max);
  if (!parts) return std::nullopt;

  // Through the parser of models' plans, so that one place knows the bounds.
  Json::Array questions;
  Json::Array leans;  // the parts whose answers the last part leant on, itself included
  for (size_t i = 0; i < parts->texts.size(); ++i) {
    std::string part = with_references(parts->texts[i], i, parts->texts.size());
    // A part of a list may point at what stands before the list, not at a neighbour. What means its neighbour in words waits for it, and for
    // what that one leant on: it is told their questions and answers.
    const bool leaning = parts->context.empty() && i > 0 && part.find('[') == std::string::npos && points_back(part);
    if (leaning) part = with_pointer(part, i);
    else leans.clear();
    Json item = Json::Object{{"question", parts->context.empty() ? part : parts->context + " " + part}};
    if (leaning && part.find('[') == std::string::npos) item.set("needs", leans);
    leans.emplace_back(static_cast<int64_t>(i) + 1);
    questions.push_back(std::move(item));
  }
  Result<Plan> plan = parse_plan(Json(Json::Object{{"questions", std::move(questions)}}).dump(), limits);
  if (!plan.ok()) return std::nullopt;
  return FormPlan{std::move(*plan), std::move(parts->labels)};
}

}  // namespace firesteel
