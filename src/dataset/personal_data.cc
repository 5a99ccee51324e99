#include "dataset/personal_data.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace firesteel {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_letter(char c) { return is_upper(c) || (c >= 'a' && c <= 'z') || static_cast<unsigned char>(c) >= 0x80; }
bool is_word(char c) { return is_letter(c) || is_digit(c); }
char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }
char lower(char c) { return is_upper(c) ? static_cast<char>(c - 'A' + 'a') : c; }

// Country codes with the length of their IBAN. Source: SWIFT's IBAN registry.
constexpr std::array<std::pair<std::string_view, size_t>, 77> kIbanLengths = {{
    {"AD", 24}, {"AE", 23}, {"AL", 28}, {"AT", 20}, {"AZ", 28}, {"BA", 20}, {"BE", 16}, {"BG", 22}, {"BH", 22}, {"BR", 29}, {"BY", 28}, {"CH", 21}, {"CR", 22},
    {"CY", 28}, {"CZ", 24}, {"DE", 22}, {"DK", 18}, {"DO", 28}, {"EE", 20}, {"EG", 29}, {"ES", 24}, {"FI", 18}, {"FO", 18}, {"FR", 27}, {"GB", 22}, {"GE", 22},
    {"GI", 23}, {"GL", 18}, {"GR", 27}, {"GT", 28}, {"HR", 21}, {"HU", 28}, {"IE", 22}, {"IL", 23}, {"IQ", 23}, {"IS", 26}, {"IT", 27}, {"JO", 30}, {"KW", 30},
    {"KZ", 20}, {"LB", 28}, {"LC", 32}, {"LI", 21}, {"LT", 20}, {"LU", 20}, {"LV", 21}, {"LY", 25}, {"MC", 27}, {"MD", 24}, {"ME", 22}, {"MK", 19}, {"MR", 27},
    {"MT", 31}, {"MU", 30}, {"NL", 18}, {"NO", 15}, {"PK", 24}, {"PL", 28}, {"PS", 29}, {"PT", 25}, {"QA", 29}, {"RO", 24}, {"RS", 22}, {"SA", 24}, {"SC", 31},
    {"SD", 18}, {"SE", 24}, {"SI", 19}, {"SK", 24}, {"SM", 27}, {"ST", 25}, {"SV", 28}, {"TN", 24}, {"TR", 26}, {"UA", 29}, {"VA", 22}, {"XK", 20}}};

// A run of digits in groups: [begin, end) with the digits alone.
struct Digits {
  size_t end = 0;
  std::string digits;
  size_t n_groups = 0;
  bool has_dot = false, has_bracket = false;
};

// Groups of digits from text[at], parted by one of " -./" or brackets. Decimal points and thousands look the same: the callers decide.
Digits digits_at(std::string_view text, size_t at, size_t max_digits) {
  Digits out;
  size_t i = at;
  out.end = at;
  bool in_group = false;
  while (i < text.size() && out.digits.size() < max_digits) {
    const char c = text[i];
    if (is_digit(c)) {
      if (!in_group) ++out.n_groups;
      in_group = true;
      out.digits += c;
      out.end = ++i;
      continue;
    }
    in_group = false;
    const bool separator = c == ' ' || c == '-' || c == '.' || c == '(' || c == ')' || c == '/';
    if (!separator || i + 1 >= text.size()) break;
    const char next = text[i + 1];
    const bool goes_on = is_digit(next) || ((c == ')' || c == ' ') && (next == ' ' || next == '(' || next == '-') && i + 2 < text.size() && (is_digit(text[i + 2]) || text[i + 2] == '('));
    if (!goes_on) break;
    if (c == '.') out.has_dot = true;
    if (c == '(' || c == ')' || next == '(') out.has_bracket = true;
    ++i;
  }
  return out;
}

bool begins_word(std::string_view text, size_t at) { return at == 0 || !is_word(text[at - 1]); }
bool ends_word(std::string_view text, size_t at) { return at >= text.size() || !is_word(text[at]); }

// The two or three words before `at` hold one of these.
bool follows_word(std::string_view text, size_t at, std::initializer_list<std::string_view> words) {
  const size_t begin = at > 28 ? at - 28 : 0;
  std::string before;
  for (const char c : text.substr(begin, at - begin)) before += lower(c);
  for (const std::string_view word : words) {
    const size_t found = before.rfind(word);
    if (found == std::string::npos) continue;
    if (found > 0 && is_word(before[found - 1])) continue;
    const std::string_view between = std::string_view(before).substr(found + word.size());
    if (between.find_first_of("0123456789\n;") == std::string_view::npos) return true;
  }
  return false;
}

// Length of an email address at text[at], where a local part begins; 0: none.
size_t email_at(std::string_view text, size_t at) {
  const auto is_local = [](char c) { return is_word(c) || c == '.' || c == '_' || c == '%' || c == '+' || c == '-' || c == '\''; };
  size_t i = at;
  while (i < text.size() && i - at <= 64 && is_local(text[i])) ++i;
  if (i == at || i >= text.size() || text[i] != '@') return 0;
  size_t k = i + 1, last_dot = 0;
  while (k < text.size() && k - i <= 255 && (is_word(text[k]) || text[k] == '-' || text[k] == '.')) {
    if (text[k] == '.') {
      if (text[k - 1] == '.' || text[k - 1] == '@') return 0;
      if (k + 1 >= text.size() || !is_word(text[k + 1])) break;
      last_dot = k;
    }
    ++k;
  }
  if (last_dot == 0 || k - last_dot < 3) return 0;
  return k - at;
}

size_t iban_at(std::string_view text, size_t at) {
  if (at + 4 > text.size() || !is_letter(text[at]) || !is_letter(text[at + 1]) || !is_digit(text[at + 2]) || !is_digit(text[at + 3])) return 0;
  const std::array<char, 2> country = {upper(text[at]), upper(text[at + 1])};
  const auto found = std::find_if(kIbanLengths.begin(), kIbanLengths.end(), [&](const auto& row) { return row.first == std::string_view(country.data(), 2); });
  if (found == kIbanLengths.end()) return 0;
  size_t i = at, n = 0;
  while (i < text.size() && n < found->second) {
    if (text[i] == ' ' && i > at + 1) {
      ++i;
      continue;
    }
    if (!is_word(text[i])) return 0;
    ++n;
    ++i;
  }
  if (n != found->second || !ends_word(text, i) || !is_iban(text.substr(at, i - at))) return 0;
  return i - at;
}

bool begins_like_a_card(std::string_view digits) {
  const int two = (digits[0] - '0') * 10 + (digits[1] - '0');
  const int four = two * 100 + (digits[2] - '0') * 10 + (digits[3] - '0');
  return digits[0] == '4' || (two >= 51 && two <= 55) || (four >= 2221 && four <= 2720) || two == 34 || two == 37 || two == 36 || two == 38 || two == 30 || two == 60 || two == 65 || two == 62 ||
         two == 35 || two == 50 || (two >= 56 && two <= 69);
}

// US social security numbers as they are written; ranges that were never given out stay. Source: SSA's rules (area not 000, 666 or 9xx).
bool is_social_security(std::string_view text) {
  if (text.size() != 11 || text[3] != '-' || text[6] != '-') return false;
  for (size_t i = 0; i < 11; ++i) {
    if (i != 3 && i != 6 && !is_digit(text[i])) return false;
  }
  return text.substr(0, 3) != "000" && text.substr(0, 3) != "666" && text[0] != '9' && text.substr(4, 2) != "00" && text.substr(7) != "0000";
}

size_t national_insurance_at(std::string_view text, size_t at) {  // UK: QQ 12 34 56 C
  size_t i = at;
  std::string compact;
  while (i < text.size() && compact.size() < 9) {
    if (text[i] == ' ' && !compact.empty()) {
      ++i;
      continue;
    }
    if (!is_upper(text[i]) && !is_digit(text[i])) return 0;
    compact += text[i++];
  }
  if (compact.size() != 9 || !ends_word(text, i)) return 0;
  const std::string_view never = "DFIQUV";
  if (!is_upper(compact[0]) || !is_upper(compact[1]) || never.find(compact[0]) != std::string_view::npos || never.find(compact[1]) != std::string_view::npos || compact[1] == 'O') return 0;
  for (size_t k = 2; k < 8; ++k) {
    if (!is_digit(compact[k])) return 0;
  }
  return compact[8] >= 'A' && compact[8] <= 'D' ? i - at : 0;
}

size_t spanish_id_at(std::string_view text, size_t at) {  // DNI 12345678Z, NIE X1234567L
  size_t i = at;
  uint32_t number = 0;
  size_t n_digits = 8;
  if (text[i] == 'X' || text[i] == 'Y' || text[i] == 'Z') {
    number = static_cast<uint32_t>(text[i] - 'X');
    n_digits = 7;
    ++i;
    if (i < text.size() && text[i] == '-') ++i;
  }
  for (size_t k = 0; k < n_digits; ++k, ++i) {
    if (i >= text.size() || !is_digit(text[i])) return 0;
    number = number * 10 + static_cast<uint32_t>(text[i] - '0');
  }
  if (i < text.size() && text[i] == '-') ++i;
  constexpr std::string_view kLetters = "TRWAGMYFPDXBNJZSQVHLCKE";
  if (i >= text.size() || text[i] != kLetters[number % 23] || !ends_word(text, i + 1)) return 0;
  return i + 1 - at;
}

bool is_french_nir(std::string_view digits) {  // 15 digits, the last two are 97 - (first 13 mod 97)
  if (digits.size() != 15 || (digits[0] != '1' && digits[0] != '2')) return false;
  uint64_t number = 0;
  for (size_t i = 0; i < 13; ++i) number = number * 10 + static_cast<uint64_t>(digits[i] - '0');
  const uint64_t check = static_cast<uint64_t>((digits[13] - '0') * 10 + (digits[14] - '0'));
  return check == 97 - number % 97;
}

bool is_german_tax_number(std::string_view digits) {  // 11 digits, ISO 7064 MOD 11,10; one digit of the first ten twice or thrice
  if (digits.size() != 11 || digits[0] == '0') return false;
  int product = 10;
  std::array<int, 10> seen{};
  for (size_t i = 0; i < 10; ++i) {
    ++seen[static_cast<size_t>(digits[i] - '0')];
    int sum = (digits[i] - '0' + product) % 10;
    if (sum == 0) sum = 10;
    product = 2 * sum % 11;
  }
  if (*std::max_element(seen.begin(), seen.end()) > 3 || *std::max_element(seen.begin(), seen.end()) < 2) return false;
  int check = 11 - product;
  if (check == 10) check = 0;
  return check == digits[10] - '0';
}

bool is_ip_address(std::string_view text, size_t at, size_t* length) {
  size_t i = at;
  for (int part = 0; part < 4; ++part) {
    int value = 0;
    size_t n = 0;
    while (i < text.size() && is_digit(text[i]) && n < 4) {
      value = value * 10 + (text[i++] - '0');
      ++n;
    }
    if (n == 0 || n > 3 || value > 255) return false;
    if (part < 3) {
      if (i >= text.size() || text[i] != '.') return false;
      ++i;
    }
  }
  if (!ends_word(text, i) || (i + 1 < text.size() && text[i] == '.' && is_digit(text[i + 1]))) return false;
  *length = i - at;
  return true;
}

// Length of words in capitals from text[at]: "Anna", "Anna Maria van Berg" up to three; 0: none.
size_t capital_words(std::string_view text, size_t at, size_t n_max) {
  size_t end = at, i = at;
  for (size_t n = 0; n < n_max; ++n) {
    if (i >= text.size() || !(is_upper(text[i]) || static_cast<unsigned char>(text[i]) >= 0xc3)) break;
    size_t k = i + 1;
    while (k < text.size() && (is_letter(text[k]) || ((text[k] == '-' || text[k] == '\'') && k + 1 < text.size() && is_letter(text[k + 1])))) ++k;
    if (k - i < 2) break;
    end = i = k;
    if (i + 1 < text.size() && text[i] == ' ' && is_upper(text[i + 1])) {
      ++i;
    } else {
      break;
    }
  }
  return end - at;
}

// A title or an introduction at text[at] that ends right before a name: its length, 0 otherwise.
size_t introduction_at(std::string_view text, size_t at) {
  static constexpr std::array<std::string_view, 13> kTitles = {"Mr. ", "Mr ", "Mrs. ", "Mrs ", "Ms. ", "Ms ", "Dr. ", "Prof. ", "Herr ", "Frau ", "Mme ", "Sra. ", "Monsieur "};
  for (const std::string_view title : kTitles) {
    if (text.substr(at, title.size()) == title) return title.size();
  }
  static constexpr std::array<std::string_view, 9> kPhrases = {"my name is ", "i am called ", "my full name is ", "name: ", "patient: ", "signed, ", "kind regards,\n", "best regards,\n", "mein name ist "};
  for (const std::string_view phrase : kPhrases) {
    if (text.size() - at < phrase.size() || lower(text[at]) != phrase[0]) continue;
    bool same = true;
    for (size_t i = 0; same && i < phrase.size(); ++i) same = lower(text[at + i]) == phrase[i];
    if (same) return phrase.size();
  }
  return 0;
}

struct Found {
  PersonalKind kind = PersonalKind::kEmail;
  size_t length = 0;
};

// What begins with a digit, '+' or '(' at a word's beginning.
Found number_at(std::string_view text, size_t at) {
  size_t length = 0;
  if (is_digit(text[at])) {
    if (is_social_security(text.substr(at, 11)) && ends_word(text, at + 11)) return {PersonalKind::kNationalId, 11};
    if (length = spanish_id_at(text, at); length > 0) return {PersonalKind::kNationalId, length};
    if (is_ip_address(text, at, &length) && !follows_word(text, at, {"version", "v", "release"})) return {PersonalKind::kIpAddress, length};
  }
  const bool plus = text[at] == '+' || (text[at] == '0' && at + 1 < text.size() && text[at + 1] == '0');
  const Digits run = digits_at(text, text[at] == '+' ? at + 1 : at, 20);
  if (run.digits.size() < 7 || !ends_word(text, run.end)) return {};
  length = run.end - at;
  const size_t n = run.digits.size();
  const bool plain = !run.has_bracket && text[at] != '+';
  if (plain && n >= 13 && n <= 19 && !run.has_dot && begins_like_a_card(run.digits) && passes_luhn(run.digits)) return {PersonalKind::kCard, length};
  if (plain && is_french_nir(run.digits)) return {PersonalKind::kNationalId, length};
  if (plain && is_german_tax_number(run.digits) && follows_word(text, at, {"tax", "steuer", "idnr", "tin"})) return {PersonalKind::kNationalId, length};
  if (n > 15) return {};
  if (plus && n >= 8) return {PersonalKind::kPhone, length};
  // 555-123-4567, (555) 123-4567: three, three and four digits with separators that are no decimal point.
  if (n == 10 && run.n_groups == 3 && run.digits[0] >= '2' && run.digits[3] >= '2' && (run.has_bracket || text.substr(at, length).find('-') != std::string_view::npos || run.has_dot)) return {PersonalKind::kPhone, length};
  if (n == 11 && run.digits[0] == '1' && run.n_groups == 4) return {PersonalKind::kPhone, length};
  if (n >= 8 && run.digits[0] == '0' && run.n_groups >= 2 && !run.has_dot) return {PersonalKind::kPhone, length};
  if (follows_word(text, at, {"phone", "tel", "telephone", "call", "mobile", "cell", "whatsapp", "fax", "text me", "telefon", "handy", "ring me", "reach me"})) return {PersonalKind::kPhone, length};
  return {};
}

}  // namespace

const char* personal_kind_name(PersonalKind kind) {
  static constexpr std::array<const char*, kPersonalKinds> kNames = {"email", "phone", "card", "iban", "id", "ip", "name"};
  return kNames[static_cast<size_t>(kind)];
}

bool passes_luhn(std::string_view digits) {
  int sum = 0;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (!is_digit(digits[digits.size() - 1 - i])) return false;
    int value = digits[digits.size() - 1 - i] - '0';
    if (i % 2 == 1) value = value * 2 > 9 ? value * 2 - 9 : value * 2;
    sum += value;
  }
  return !digits.empty() && sum % 10 == 0;
}

bool is_iban(std::string_view text) {
  std::string compact;
  for (const char c : text) {
    if (c == ' ') continue;
    if (!is_word(c) || static_cast<unsigned char>(c) >= 0x80) return false;
    compact += upper(c);
  }
  if (compact.size() < 15 || compact.size() > 34) return false;
  std::rotate(compact.begin(), compact.begin() + 4, compact.end());
  uint32_t rest = 0;
  for (const char c : compact) rest = is_digit(c) ? (rest * 10 + static_cast<uint32_t>(c - '0')) % 97 : (rest * 100 + static_cast<uint32_t>(c - 'A' + 10)) % 97;
  return rest == 1;
}

PersonalDataFinder::PersonalDataFinder(std::vector<std::string> names) : names_(std::move(names)) {
  std::erase_if(names_, [](const std::string& name) { return name.size() < 2 || name.size() > 100; });
  std::sort(names_.begin(), names_.end());
  names_.erase(std::unique(names_.begin(), names_.end()), names_.end());
  for (const std::string& name : names_) longest_name_ = std::max(longest_name_, name.size());
}

std::vector<PersonalSpan> PersonalDataFinder::find(std::string_view text) const {
  std::vector<PersonalSpan> out;
  for (size_t i = 0; i < text.size();) {
    const char c = text[i];
    const bool starts = begins_word(text, i) && (is_word(c) || c == '+' || c == '(');
    if (!starts) {
      ++i;
      continue;
    }
    Found found;
    size_t skip = 0;  // before the span
    if (is_word(c)) {
      if (const size_t n = email_at(text, i); n > 0) found = {PersonalKind::kEmail, n};
      if (const size_t n = found.length == 0 ? iban_at(text, i) : 0; n > 0) found = {PersonalKind::kIban, n};
      if (is_upper(c) && found.length == 0) {
        if (const size_t n = national_insurance_at(text, i); n > 0) found = {PersonalKind::kNationalId, n};
        if (const size_t n = found.length == 0 ? spanish_id_at(text, i) : 0; n > 0) found = {PersonalKind::kNationalId, n};
      }
      if (found.length == 0 && is_letter(c)) {
        if (const size_t before = introduction_at(text, i); before > 0) {
          if (const size_t n = capital_words(text, i + before, 3); n > 0) {
            skip = before;
            found = {PersonalKind::kName, n};
          }
        }
      }
      if (found.length == 0 && is_letter(c) && !names_.empty()) {  // the longest listed name that begins here
        size_t end = i;
        while (end < text.size() && end - i <= longest_name_) {
          while (end < text.size() && (is_word(text[end]) || text[end] == '\'' || text[end] == '-')) ++end;
          if (end - i <= longest_name_ && std::binary_search(names_.begin(), names_.end(), text.substr(i, end - i), std::less<>())) found = {PersonalKind::kName, end - i};
          if (end >= text.size() || text[end] != ' ' || end + 1 >= text.size() || !is_letter(text[end + 1])) break;
          ++end;
        }
      }
      if (found.length == 0 && is_upper(c) && follows_word(text, i, {"passport", "reisepass", "pasaporte"})) {  // letters and digits, six to nine of them
        size_t end = i, n_digits = 0;
        while (end < text.size() && (is_upper(text[end]) || is_digit(text[end]))) n_digits += is_digit(text[end++]) ? 1u : 0u;
        if (end - i >= 6 && end - i <= 9 && n_digits >= 4 && ends_word(text, end)) found = {PersonalKind::kNationalId, end - i};
      }
    }
    if (found.length == 0 && (is_digit(c) || c == '+' || c == '(')) {
      const bool money_or_fraction = i > 0 && (text[i - 1] == '.' || text[i - 1] == ',' || text[i - 1] == '$' || text[i - 1] == '/' || text[i - 1] == '*' || text[i - 1] == '=');
      if (!money_or_fraction) found = number_at(text, i);
    }
    if (found.length == 0) {
      // On to the next place where a word may begin; a number in groups ("1 000 000") is passed as a whole.
      if (is_digit(c)) {
        i = digits_at(text, i, 40).end;
      } else {
        ++i;
      }
      while (is_word(c) && i < text.size() && is_word(text[i])) ++i;
      continue;
    }
    out.push_back({found.kind, i + skip, i + skip + found.length});
    i += skip + found.length;
  }
  return out;
}

std::string Scrubber::scrub(std::string_view text) {
  std::string out;
  size_t from = 0;
  for (const PersonalSpan& span : finder_.find(text)) {
    const auto kind = static_cast<size_t>(span.kind);
    const std::string_view value = text.substr(span.begin, span.end - span.begin);
    auto place = std::find(seen_[kind].begin(), seen_[kind].end(), value);
    if (place == seen_[kind].end()) {
      seen_[kind].emplace_back(value);
      place = seen_[kind].end() - 1;
    }
    ++counts_[kind];
    out += text.substr(from, span.begin - from);
    out += fmt::format("[{} {}]", personal_kind_name(span.kind), place - seen_[kind].begin() + 1);
    from = span.end;
  }
  out += text.substr(from);
  return out;
}

}  // namespace firesteel
