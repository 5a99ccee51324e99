#include "agents/answer_key.h"

#include <algorithm>
#include <cctype>
#include <optional>

#include "base/ascii.h"
#include "tools/units.h"
#include "base/decimal.h"
#include "base/json.h"
#include "base/number_literals.h"

namespace firesteel {
namespace {

constexpr size_t kReadBytesMax = 16384;
constexpr size_t kShortBytes = 80;

std::string_view trim(std::string_view text, std::string_view what = " \t\r\n") {
  const size_t first = text.find_first_not_of(what);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(what) + 1 - first);
}

// Without what decorates: emphasis, quotes, a full stop.
std::string_view bare(std::string_view text) {
  for (;;) {
    const std::string_view before = text;
    text = trim(text, " \t\r\n*_`\"'$:=");
    while (!text.empty() && (text.back() == '.' || text.back() == '!' || text.back() == ';' || text.back() == ',')) text.remove_suffix(1);
    if (text == before) return text;
  }
}

bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; }

std::string_view last_line(std::string_view text) {
  text = trim(text);
  const size_t end = text.find_last_of('\n');
  return end == std::string_view::npos ? text : trim(text.substr(end + 1));
}

// The words behind the last `marker` (in lower case) that begins a word, to the end of its line.
std::optional<std::string_view> behind_last(std::string_view text, const std::string& low, std::string_view marker) {
  for (size_t at = low.rfind(marker); at != std::string::npos; at = at == 0 ? std::string::npos : low.rfind(marker, at - 1)) {
    if (at > 0 && is_word(low[at - 1])) continue;
    std::string_view rest = text.substr(at + marker.size());
    rest = rest.substr(0, rest.find('\n'));
    if (!bare(rest).empty()) return trim(rest);
  }
  return std::nullopt;
}

std::optional<std::string_view> boxed(std::string_view text) {
  const size_t at = text.rfind("\\boxed{");
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view rest = text.substr(at + 7);
  int depth = 1;
  for (size_t i = 0; i < rest.size(); ++i) {
    depth += rest[i] == '{' ? 1 : rest[i] == '}' ? -1 : 0;
    if (depth == 0) return rest.substr(0, i);
  }
  return std::nullopt;
}

Json sorted(const Json& json) {
  if (json.is_array()) {
    Json::Array out;
    for (const Json& item : json.as_array()) out.push_back(sorted(item));
    return out;
  }
  if (!json.is_object()) return json;
  Json::Object out;
  for (const auto& [name, value] : json.as_object()) out.emplace_back(name, sorted(value));
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  return out;
}

std::optional<std::string> json_key(std::string_view text) {
  text = trim(text);
  if (text.empty() || (text.front() != '{' && text.front() != '[')) return std::nullopt;
  const Result<Json> json = Json::parse(text, {.depth = 64, .values = 1u << 16});
  if (!json.ok()) return std::nullopt;
  return sorted(*json).dump();
}

// "(B)", "B.", "b) Paris": one letter, alone or before a mark.
std::optional<std::string> choice_key(std::string_view text) {
  text = trim(text, " \t\r\n*_`\"'$");
  const bool open = !text.empty() && text.front() == '(';
  if (open) text.remove_prefix(1);
  if (text.empty() || std::isalpha(static_cast<unsigned char>(text.front())) == 0) return std::nullopt;
  const std::string_view rest = trim(text.substr(1), " *");
  const bool marked = !rest.empty() && (rest.front() == ')' || (!open && (rest.front() == '.' || rest.front() == ':') && text.size() > 1 && text[1] == rest.front()));
  if (!(rest.empty() && !open) && !marked) return std::nullopt;
  return lower_ascii(text.substr(0, 1));
}

// A number that is the whole text but for its sign, a currency, "about", and words behind it.
std::optional<std::string> number_key(std::string_view text) {
  const auto literals = find_number_literals(text);
  if (literals.empty()) return std::nullopt;
  const NumberLiteral& first = literals.front();
  std::string_view before = trim(text.substr(0, first.offset), " \t*_`\"'$(=");
  for (const std::string_view sign : {"\xE2\x82\xAC", "\xC2\xA3"}) {  // euro, pound
    if (before.ends_with(sign)) before = trim(before.substr(0, before.size() - sign.size()));
  }
  bool negative = false;
  for (const std::string_view minus : {"-", "\xE2\x88\x92"}) {
    if (!before.ends_with(minus)) continue;
    negative = true;
    before = trim(before.substr(0, before.size() - minus.size()), " $");
  }
  const std::string word = lower_ascii(before);
  if (!word.empty() && word != "about" && word != "approximately" && word != "roughly") return std::nullopt;
  std::string_view after = text.substr(first.offset + first.length);
  std::optional<Decimal> value = Decimal::parse(first.value);
  if (!value) return std::nullopt;
  // "3/4" and "15 %" are one number each; another number behind means that this is a sentence.
  size_t n_read = 1;
  if (after.starts_with('/') && literals.size() > 1 && literals[1].offset == first.offset + first.length + 1) {
    const std::optional<Decimal> below = Decimal::parse(literals[1].value);
    if (!below || !(value = value->divided_by(*below))) return std::nullopt;
    after = text.substr(literals[1].offset + literals[1].length);
    n_read = 2;
  }
  if (literals.size() > n_read) return std::nullopt;
  if (negative) value = -*value;
  std::string_view unit_text = bare(trim(after, " \t)*_`$"));
  if (unit_text.starts_with('%') || lower_ascii(unit_text) == "percent") return "n" + value->to_string() + "%";
  const Unit* unit = find_unit(unit_text);
  if (unit == nullptr) unit = find_unit(lower_ascii(unit_text));
  // A long text behind the number is a sentence, not a unit.
  if (unit == nullptr && std::count(unit_text.begin(), unit_text.end(), ' ') > 3) return std::nullopt;
  if (unit == nullptr) return "n" + value->to_string();
  return "n" + to_base_unit(*value, *unit).to_string() + "#" + std::to_string(static_cast<int>(unit->dimension));
}

std::string text_key(std::string_view text) {
  std::string out;
  for (const char c : lower_ascii(bare(text))) {
    const bool blank = c == ' ' || c == '\t' || c == '\n' || c == '\r';
    if (blank && (out.empty() || out.back() == ' ')) continue;
    out.push_back(blank ? ' ' : c);
  }
  for (const std::string_view article : {"the ", "a ", "an "}) {
    if (out.starts_with(article)) {
      out.erase(0, article.size());
      break;
    }
  }
  return out;
}

AnswerKey key_of(std::string_view words) {
  AnswerKey out;
  out.shown = std::string(bare(words));
  if (const auto json = json_key(words)) return {AnswerKey::Kind::kJson, "j" + *json, std::string(trim(words))};
  if (const auto number = number_key(words)) return {AnswerKey::Kind::kNumber, *number, out.shown};
  if (const auto choice = choice_key(words)) return {AnswerKey::Kind::kChoice, "c" + *choice, out.shown};
  const std::string text = text_key(words);
  if (text.empty()) return {};
  return {AnswerKey::Kind::kText, "t" + text, out.shown};
}

}  // namespace

AnswerKey answer_key(std::string_view text) {
  if (text.size() > kReadBytesMax) text.remove_prefix(text.size() - kReadBytesMax);
  text = trim(text);
  while (text.size() >= 7 && lower_ascii(text.substr(text.size() - 7)) == "answer:") text = trim(text.substr(0, text.size() - 7));  // it was not said
  if (text.empty()) return {};
  const std::string low = lower_ascii(text);
  if (const auto found = behind_last(text, low, "answer:")) return key_of(*found);
  if (const auto found = boxed(text)) return key_of(*found);
  if (const auto found = behind_last(text, low, "answer is")) return key_of(*found);
  if (json_key(text)) return key_of(text);
  if (text.size() <= kShortBytes && text.find('\n') == std::string_view::npos) {
    AnswerKey whole = key_of(text);
    if (whole.kind != AnswerKey::Kind::kText) return whole;
  }
  const auto literals = find_number_literals(text);
  if (!literals.empty() && (text.size() > kShortBytes || literals.size() == 1)) {
    const NumberLiteral& last = literals.back();
    const bool negative = last.offset > 0 && text[last.offset - 1] == '-';
    const std::string_view rest = text.substr(last.offset - (negative ? 1 : 0));
    AnswerKey number = key_of(rest.substr(0, rest.find_first_of("\n,;")));
    if (number.kind == AnswerKey::Kind::kNumber) return number;
    return key_of(rest.substr(0, last.length + (negative ? 1 : 0)));
  }
  return key_of(last_line(text));
}

const char* answer_kind_name(AnswerKey::Kind kind) {
  switch (kind) {
    case AnswerKey::Kind::kNone: return "none";
    case AnswerKey::Kind::kNumber: return "number";
    case AnswerKey::Kind::kChoice: return "choice";
    case AnswerKey::Kind::kJson: return "json";
    case AnswerKey::Kind::kText: return "text";
  }
  return "?";
}

}  // namespace firesteel
