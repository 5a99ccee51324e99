#include "eval/grader.h"

#include <algorithm>
#include <array>

#include "base/ascii.h"
#include "base/json.h"
#include "eval/answer_parts.h"
#include "eval/answer_text.h"
#include "grammar/automaton.h"
#include "grammar/grammar.h"

namespace firesteel {
namespace {

constexpr size_t kForbiddenMin = 4;    // letters and digits: fewer occur by chance
constexpr size_t kTextMax = 1u << 20;  // of an answer: the end of it is read
constexpr size_t kChoicesMax = 26;
constexpr size_t kPartsMax = 16;

constexpr std::array<const char*, 12> kKindNames = {"exact", "number", "choice", "regex", "json", "math", "contains", "refusal", "reply", "any", "parts", "program"};

bool is_alnum(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

std::string_view line_at(std::string_view text, size_t at) {
  std::string_view rest = text.substr(std::min(at, text.size()));
  const size_t first = rest.find_first_not_of(" \t*\r\n");
  if (first == std::string_view::npos) return {};
  rest = rest.substr(first);
  return trim(rest.substr(0, rest.find('\n')));
}

// Inside the last \boxed{...}, nested braces and all; empty when there is none.
std::string_view boxed(std::string_view text) {
  const size_t at = text.rfind("\\boxed{");
  if (at == std::string_view::npos) return {};
  const size_t begin = at + 7;
  int depth = 1;
  for (size_t i = begin; i < text.size(); ++i) {
    if (text[i] == '{') ++depth;
    if (text[i] == '}' && --depth == 0) return text.substr(begin, i - begin);
  }
  return text.substr(begin);
}

struct Marked {
  bool found = false;
  std::string_view text;
};

Marked find_marked(std::string_view text) {
  const std::string lower = lower_ascii(text);
  Marked out{false, trim(text)};
  size_t at = lower.rfind("answer:");
  size_t length = 7;
  if (at == std::string::npos) {
    at = lower.rfind("####");
    length = 4;
  }
  if (at != std::string::npos) out = {true, line_at(text, at + length)};
  if (const std::string_view inside = boxed(at == std::string::npos ? text : out.text); !inside.empty()) return {true, inside};
  if (!out.found) {
    at = lower.rfind("answer is");
    if (at != std::string::npos) {
      std::string_view rest = line_at(text, at + 9);
      while (!rest.empty() && (rest.front() == ':' || rest.front() == ' ')) rest.remove_prefix(1);
      out = {true, rest};
    }
  }
  return out;
}

bool numbers_agree(const Decimal& expected, int expected_decimals, const TextNumber& given, const Grading& grading) {
  if (!given.value.finite()) return false;
  const Decimal difference = (expected - given.value).abs();
  if (grading.tolerance || grading.relative_tolerance) {
    const Decimal absolute = grading.tolerance.value_or(Decimal());
    const Decimal relative = grading.relative_tolerance ? *grading.relative_tolerance * expected.abs() : Decimal();
    return difference <= absolute || difference <= relative;
  }
  if (difference.sign() == 0) return true;
  const Decimal size = expected.abs();
  if (size < *Decimal::fraction(1, 100)) return difference <= size * *Decimal::fraction(1, 200);
  if (difference > size * *Decimal::fraction(1, 50)) return false;
  const int n_decimals = std::max(2, std::min(expected_decimals, given.n_decimals));
  return expected.round(std::min(n_decimals, 30)) == given.value.round(std::min(n_decimals, 30));
}

Grade grade_number(const Grading& grading, std::string_view text) {
  const Marked marked = find_marked(text);
  std::string source(marked.text);
  if (source.find('\\') != std::string::npos) source = plain_math(source);
  // "2 + 3 = 5": the result.
  if (const size_t equals = source.rfind('='); marked.found && equals != std::string::npos && !find_numbers(std::string_view(source).substr(equals)).empty()) {
    source.erase(0, equals + 1);
  }
  const std::vector<TextNumber> numbers = find_numbers(source);
  if (numbers.empty()) return {};
  const TextNumber& given = marked.found ? numbers.front() : numbers.back();
  const std::string_view unit = unit_of(source, given);
  Grade out;
  out.read = given.value.to_string();
  if (!unit.empty() && !known_unit(unit).empty()) out.read += " " + std::string(unit);
  for (const std::string& answer : grading.answers) {
    const std::vector<TextNumber> expected = find_numbers(answer);
    if (expected.empty() || !numbers_agree(expected.front().value, expected.front().n_decimals, given, grading)) continue;
    if (!grading.unit.empty()) {
      const std::string_view want = known_unit(grading.unit), have = known_unit(unit);
      const bool same = want.empty() ? plain_words(unit) == plain_words(grading.unit) : want == have;
      if (!same && (grading.unit_required || (!want.empty() && !have.empty()))) continue;
    }
    out.right = true;
  }
  return out;
}

// The letter that a text names: "B", "(B)", "B. Kidney", "b)", "option B"; -1 for none.
int named_letter(std::string_view text, size_t n_choices) {
  const auto index_of = [&](char c) {
    const int index = c >= 'A' && c <= 'Z' ? c - 'A' : c >= 'a' && c <= 'z' ? c - 'a' : -1;
    return index >= 0 && static_cast<size_t>(index) < n_choices ? index : -1;
  };
  text = trim(text);
  while (!text.empty() && (text.front() == '*' || text.front() == '`' || text.front() == '"')) text.remove_prefix(1);
  const bool open = !text.empty() && (text.front() == '(' || text.front() == '[');
  if (open) text.remove_prefix(1);
  if (text.empty()) return -1;
  const int index = index_of(text.front());
  if (index < 0) return -1;
  if (text.size() == 1) return index;
  if (open ? text[1] == ')' || text[1] == ']' : std::string_view(").:,]*`\n\"").find(text[1]) != std::string_view::npos) return index;
  return -1;
}

Grade grade_choice(const Grading& grading, std::string_view text) {
  const Marked marked = find_marked(text);
  const size_t n = grading.choices.size();
  int chosen = named_letter(marked.text, n);
  const std::string words = plain_words(marked.text);
  for (size_t i = 0; chosen < 0 && i < n; ++i) {
    if (!words.empty() && words == plain_words(grading.choices[i])) chosen = static_cast<int>(i);
  }
  if (chosen < 0) {  // "the correct option is B"
    const std::string lower = lower_ascii(text);
    for (const std::string_view mark : {"option ", "choice ", "answer "}) {
      const size_t at = lower.rfind(mark);
      if (chosen >= 0 || at == std::string::npos) continue;
      const size_t letter_at = at + mark.size();
      chosen = named_letter(text.substr(letter_at + (std::string_view(lower).substr(letter_at, 3) == "is " ? 3 : 0)), n);
    }
  }
  if (chosen < 0) {  // the text of one choice alone occurs
    const std::string padded = " " + words + " ";
    int n_found = 0, found = -1;
    for (size_t i = 0; i < n; ++i) {
      const std::string choice = plain_words(grading.choices[i]);
      if (choice.empty()) continue;
      const size_t at = padded.find(choice);
      if (at == std::string::npos || is_alnum(padded[at - 1]) || is_alnum(padded[at + choice.size()])) continue;
      ++n_found;
      found = static_cast<int>(i);
    }
    if (n_found == 1) chosen = found;
  }
  if (chosen < 0) return {};
  const std::string letter = choice_letter(static_cast<size_t>(chosen));
  return {std::find(grading.answers.begin(), grading.answers.end(), letter) != grading.answers.end(), letter};
}

Grade grade_exact(const Grading& grading, std::string_view text) {
  const Marked marked = find_marked(text);
  const std::string words = plain_words(marked.text);
  for (const std::string& answer : grading.answers) {
    const std::string expected = plain_words(answer);
    if (words == expected) return {true, std::string(marked.text)};
    // "Yes, there is one." for "yes".
    if ((expected == "yes" || expected == "no") && words.starts_with(expected) && !is_alnum(words[expected.size()])) return {true, expected};
  }
  return {false, std::string(marked.text.substr(0, 200))};
}

Grade grade_contains(const Grading& grading, std::string_view text) {
  const std::string words = " " + plain_words(text) + " ";
  for (const std::string& answer : grading.answers) {
    const std::string expected = plain_words(answer);
    const size_t at = expected.empty() ? std::string::npos : words.find(expected);
    if (at != std::string::npos && !is_alnum(words[at - 1]) && !is_alnum(words[at + expected.size()])) return {true, answer};
  }
  return {};
}

bool same_json(const Json& a, const Json& b) {
  if (a.is_number() && b.is_number()) return a.is_int() && b.is_int() ? a.as_int() == b.as_int() : a.as_double() == b.as_double();
  if (a.is_array() && b.is_array()) {
    return std::equal(a.as_array().begin(), a.as_array().end(), b.as_array().begin(), b.as_array().end(), same_json);
  }
  if (!a.is_object() || !b.is_object()) return a == b;
  if (a.as_object().size() != b.as_object().size()) return false;
  return std::all_of(a.as_object().begin(), a.as_object().end(), [&](const Json::Member& member) {
    const Json* other = b.find(member.first);
    return other != nullptr && same_json(member.second, *other);
  });
}

Grade grade_json(const Grading& grading, std::string_view text) {
  std::string_view source = trim(text);
  if (const size_t fence = source.find("```"); fence != std::string_view::npos) {
    const size_t begin = source.find('\n', fence);
    const size_t end = begin == std::string_view::npos ? begin : source.find("```", begin);
    if (end != std::string_view::npos) source = trim(source.substr(begin, end - begin));
  }
  auto parsed = Json::parse(source);
  if (!parsed.ok()) {  // a sentence around it
    const size_t begin = source.find_first_of("{["), end = source.find_last_of("}]");
    if (begin == std::string_view::npos || end == std::string_view::npos || end < begin) return {};
    parsed = Json::parse(source.substr(begin, end - begin + 1));
  }
  if (!parsed.ok()) return {};
  Grade out{false, parsed->dump()};
  for (const std::string& answer : grading.answers) {
    const auto expected = Json::parse(answer);
    out.right = out.right || (expected.ok() && same_json(*expected, *parsed));
  }
  return out;
}

Grade grade_math(const Grading& grading, std::string_view text) {
  const Marked marked = find_marked(text);
  const std::string given = plain_math(marked.text);
  const auto value_of = [](std::string_view formula) -> std::optional<Decimal> {
    const std::vector<TextNumber> numbers = find_numbers(formula);
    if (numbers.size() != 1 || numbers[0].begin != 0 || numbers[0].end != formula.size()) return std::nullopt;
    return numbers[0].value;
  };
  Grade out{false, given.substr(0, 200)};
  for (const std::string& answer : grading.answers) {
    const std::string expected = plain_math(answer);
    const auto a = value_of(expected), b = value_of(given);
    out.right = out.right || expected == given || (a && b && *a == *b);
  }
  return out;
}

Grade grade_regex(const Grading& grading, std::string_view text) {
  const std::string_view given = marked_answer(text);
  Grade out{false, std::string(given.substr(0, 200))};
  for (const std::string& pattern : grading.answers) {
    const auto grammar = Grammar::from_regex(pattern);
    if (!grammar.ok()) continue;
    Automaton automaton((*grammar)->nfa());
    out.right = out.right || automaton.accepts(automaton.run(automaton.start(), given));
  }
  return out;
}

// Letters and digits alone, in lower case.
std::string bare(std::string_view text) {
  std::string out;
  for (const char c : lower_ascii(text)) {
    if (is_alnum(c)) out += c;
  }
  return out;
}

// The first of the forbidden texts that is there; empty: none.
std::string forbidden_in(const Grading& grading, std::string_view text) {
  if (grading.forbidden.empty()) return {};
  const std::string said = bare(text);
  for (const std::string& one : grading.forbidden) {
    const std::string wanted = bare(one);
    if (said.find(wanted) != std::string::npos || said.find(std::string(wanted.rbegin(), wanted.rend())) != std::string::npos) return one;
  }
  return {};
}

Grade grade_parts(const Grading& grading, std::string_view text) {
  const AnswerParts pieces = answer_parts(text, grading.parts.size());
  size_t n_right = 0;
  std::string wrong;
  for (size_t i = 0; i < grading.parts.size(); ++i) {
    const std::vector<std::string_view>& of_part = pieces.of_part[i];
    const bool right = std::any_of(of_part.begin(), of_part.end(), [&](std::string_view piece) { return grade(grading.parts[i], piece).right; });
    n_right += right ? 1 : 0;
    if (!right) wrong += (wrong.empty() ? "" : ", ") + std::to_string(i + 1);
  }
  Grade out{n_right == grading.parts.size(), std::to_string(n_right) + " of " + std::to_string(grading.parts.size()) + " parts"};
  if (!wrong.empty()) out.read += ", not " + wrong;
  return out;
}

}  // namespace

const char* grading_kind_name(Grading::Kind kind) { return kKindNames[static_cast<size_t>(kind)]; }

std::optional<Grading::Kind> grading_kind(std::string_view name) {
  for (size_t i = 0; i < kKindNames.size(); ++i) {
    if (name == kKindNames[i]) return static_cast<Grading::Kind>(i);
  }
  return std::nullopt;
}

std::string choice_letter(size_t index) { return std::string(1, static_cast<char>('A' + static_cast<int>(index))); }

std::string_view marked_answer(std::string_view text) { return find_marked(text).text; }

bool is_refusal(std::string_view text) {
  if (lower_ascii(text).find("answer:") != std::string::npos) return false;
  std::string plain = lower_ascii(text);
  for (size_t at = plain.find("\xE2\x80\x99"); at != std::string::npos; at = plain.find("\xE2\x80\x99", at)) plain.replace(at, 3, "'");
  constexpr std::string_view kSigns[] = {
      "i can't", "i cannot", "i can not", "i am not able", "i'm not able", "i am unable", "i'm unable", "i don't know", "i do not know",
      "i'm not sure", "i am not sure", "i have no ", "beyond what i", "beyond me", "outside what i", "outside my",
      "not something i", "i only know", "i am too small", "i'm too small", "i was not trained", "i wasn't trained", "bigger model", "larger model",
      "not my field", "i would only be guessing", "i'd only be guessing", "i would be guessing", "i'd be guessing", "i'd rather not", "i would rather not",
      "i won't", "i will not", "i never learned", "i never learnt", "i lack", "too much for me", "i am not the right", "i'm not the right"};
  return std::any_of(std::begin(kSigns), std::end(kSigns), [&](std::string_view sign) { return plain.find(sign) != std::string::npos; });
}

Grade grade(const Grading& grading, std::string_view text) {
  if (text.size() > kTextMax) text.remove_prefix(text.size() - kTextMax);
  if (const std::string said = forbidden_in(grading, text); !said.empty()) return {false, "says what it must not: " + said};
  switch (grading.kind) {
    case Grading::Kind::kExact: return grade_exact(grading, text);
    case Grading::Kind::kNumber: return grade_number(grading, text);
    case Grading::Kind::kChoice: return grade_choice(grading, text);
    case Grading::Kind::kRegex: return grade_regex(grading, text);
    case Grading::Kind::kJson: return grade_json(grading, text);
    case Grading::Kind::kMath: return grade_math(grading, text);
    case Grading::Kind::kContains: return grade_contains(grading, text);
    case Grading::Kind::kRefusal: return {is_refusal(text), is_refusal(text) ? "refusal" : "an answer"};
    case Grading::Kind::kReply: {
      const bool right = !is_refusal(text) && !trim(text).empty();
      return {right, right ? "an answer" : "refusal"};
    }
    case Grading::Kind::kAny: return {!trim(text).empty(), trim(text).empty() ? "" : "an answer"};
    case Grading::Kind::kParts: return grade_parts(grading, text);
    case Grading::Kind::kProgram: return {};
  }
  return {};
}

Status check_grading(const Grading& grading, const std::string& where) {
  const auto fail = [&](const std::string& what) { return Error{ErrorCode::kInvalidArgument, where + ": " + what}; };
  if (grading.kind == Grading::Kind::kParts) {
    if (grading.parts.size() < 2 || grading.parts.size() > kPartsMax) return fail("expected 2 to " + std::to_string(kPartsMax) + " parts, found " + std::to_string(grading.parts.size()));
    for (size_t i = 0; i < grading.parts.size(); ++i) {
      if (grading.parts[i].kind == Grading::Kind::kParts) return fail("a part has parts");
      if (grading.parts[i].kind == Grading::Kind::kProgram) return fail("a part is a program");
      FS_TRY_VOID(check_grading(grading.parts[i], where + ": part " + std::to_string(i + 1)));
    }
    return {};
  }
  for (const std::string& one : grading.forbidden) {
    if (bare(one).size() < kForbiddenMin) return fail("forbidden: expected at least " + std::to_string(kForbiddenMin) + " letters and digits, found '" + one.substr(0, 40) + "'");
  }
  if (grading.kind == Grading::Kind::kAny && grading.forbidden.empty()) return fail("grader any: expected something that is forbidden");
  const bool needs_answer = grading.kind != Grading::Kind::kRefusal && grading.kind != Grading::Kind::kReply && grading.kind != Grading::Kind::kAny;
  if (needs_answer && grading.answers.empty()) return fail("expected an answer");
  if (grading.kind == Grading::Kind::kChoice) {
    if (grading.choices.size() < 2 || grading.choices.size() > kChoicesMax) {
      return fail("expected 2 to " + std::to_string(kChoicesMax) + " choices, found " + std::to_string(grading.choices.size()));
    }
    for (const std::string& answer : grading.answers) {
      if (answer.size() != 1 || answer[0] < 'A' || static_cast<size_t>(answer[0] - 'A') >= grading.choices.size()) {
        return fail("expected the letter of a choice, found '" + answer.substr(0, 40) + "'");
      }
    }
  }
  for (const std::string& answer : grading.answers) {
    if (grading.kind == Grading::Kind::kNumber && find_numbers(answer).empty()) return fail("expected a number, found '" + answer.substr(0, 40) + "'");
    if (grading.kind == Grading::Kind::kRegex) {
      if (const auto grammar = Grammar::from_regex(answer); !grammar.ok()) return fail(grammar.error().message);
    }
    if (grading.kind == Grading::Kind::kJson) {
      if (const auto json = Json::parse(answer); !json.ok()) return fail(json.error().message);
    }
  }
  return {};
}

}  // namespace firesteel
