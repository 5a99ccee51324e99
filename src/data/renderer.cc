#include "data/renderer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace firesteel {
namespace {

struct Pronouns {
  std::string_view he, him, his, himself;
};

Pronouns pronouns_of(Gender gender) {
  switch (gender) {
    case Gender::kHe: return {"he", "him", "his", "himself"};
    case Gender::kShe: return {"she", "her", "her", "herself"};
    case Gender::kI: return {"I", "me", "my", "myself"};
    case Gender::kWe: return {"we", "us", "our", "ourselves"};
    case Gender::kYou: return {"you", "you", "your", "yourself"};
    default: return {"they", "them", "their", "themselves"};
  }
}

bool is_one(Gender gender) { return gender == Gender::kHe || gender == Gender::kShe || gender == Gender::kNone; }
bool speaks(Gender gender) { return gender == Gender::kI || gender == Gender::kWe || gender == Gender::kYou; }

constexpr std::string_view kSmall[] = {"zero",    "one",     "two",       "three",    "four",     "five",    "six",
                                       "seven",   "eight",   "nine",      "ten",      "eleven",   "twelve",  "thirteen",
                                       "fourteen", "fifteen", "sixteen",   "seventeen", "eighteen", "nineteen"};
constexpr std::string_view kTens[] = {"", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"};

}  // namespace

std::string number_in_words(int64_t value) {
  if (value < 0 || value > 999'999) return std::to_string(value);
  const auto small = [](int64_t n) { return kSmall[static_cast<size_t>(n)]; };
  if (value < 20) return std::string(small(value));
  if (value < 100) {
    std::string text(kTens[static_cast<size_t>(value / 10)]);
    if (value % 10 != 0) text += fmt::format("-{}", small(value % 10));
    return text;
  }
  const int64_t unit = value < 1000 ? 100 : 1000;
  std::string text = number_in_words(value / unit) + (unit == 100 ? " hundred" : " thousand");
  if (value % unit != 0) text += (value % unit < 100 ? " and " : " ") + number_in_words(value % unit);
  return text;
}

std::string ordinal_in_words(int64_t value) {
  constexpr std::string_view kOrdinals[] = {"zeroth", "first",   "second", "third", "fourth",   "fifth",   "sixth",
                                            "seventh", "eighth", "ninth",  "tenth", "eleventh", "twelfth"};
  if (value >= 0 && value <= 12) return std::string(kOrdinals[static_cast<size_t>(value)]);
  if (value > 99 || value < 0) return std::to_string(value);
  if (value < 20) return number_in_words(value) + "th";
  if (value % 10 == 0) {
    std::string text = number_in_words(value);
    text.replace(text.size() - 1, 1, "ieth");
    return text;
  }
  return fmt::format("{}-{}", kTens[static_cast<size_t>(value / 10)], ordinal_in_words(value % 10));
}

std::string with_commas(std::string_view number) {
  const size_t begin = number.starts_with('-') ? 1 : 0;
  const size_t end = std::min(number.find('.'), number.size());
  std::string text(number.substr(0, begin));
  for (size_t i = begin; i < end; ++i) {
    if (i > begin && (end - i) % 3 == 0) text += ',';
    text += number[i];
  }
  return text += number.substr(end);
}

bool Renderer::has_shown(VariableRef ref) const { return std::find(shown_.begin(), shown_.end(), ref) != shown_.end(); }

// Blanks never double and never stand before punctuation, so that empty choices leave no trace.
void Renderer::append(std::string_view text) {
  for (const char c : text) {
    const bool after_blank = out_.empty() || out_.back() == ' ' || out_.back() == '\n';
    if (c == ' ' && after_blank) continue;
    if ((c == '.' || c == ',' || c == '?' || c == '\n') && out_.ends_with(' ') && !(c == '?' && out_.ends_with("= "))) out_.pop_back();
    if (c == '=' || c == '+' || c == '(') keep_symbol(c);
    out_ += c;
    if (capital_ && c != ' ' && c != '\n' && c != '"') {
      raised_ = std::string::npos;
      if (c >= 'a' && c <= 'z') {
        out_.back() = static_cast<char>(c - 'a' + 'A');
        raised_ = out_.size() - 1;
      }
      capital_ = false;
    }
  }
}

// "m = 8 kg" begins a sentence with a symbol, and M is another one: what stands alone before `=`, `+` or, without a blank, `(` keeps its size.
void Renderer::keep_symbol(char before) {
  if (raised_ == std::string::npos) return;
  std::string_view symbol = std::string_view(out_).substr(raised_);
  if (before != '(' && symbol.ends_with(' ')) symbol.remove_suffix(1);
  const bool plain = std::all_of(symbol.begin(), symbol.end(), [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); });
  if (!symbol.empty() && symbol.size() <= (before == '=' ? 3u : 1u) && plain) out_[raised_] = static_cast<char>(out_[raised_] - 'A' + 'a');
  raised_ = std::string::npos;
}

void Renderer::text(std::string_view literal) { append(literal); }

void Renderer::count(std::string_view answer) {
  append(answer);
  if (draw_.answer() && number_of(*draw_.answer()) != nullptr) last_number_ = *number_of(*draw_.answer());
  last_number_end_ = out_.size();
}

void Renderer::form(const Form& form, const Wording& wording) {
  for (size_t i = 0; i < form.pieces.size(); ++i) {
    const Piece& piece = *form.pieces[i];
    if (piece.slot < 0) {
      append(piece.literal);
      continue;
    }
    bool before_noun = false;
    if (i + 2 < form.pieces.size() && form.pieces[i + 1]->literal == " " && form.pieces[i + 2]->slot >= 0) {
      before_noun = wording.slots()[static_cast<size_t>(form.pieces[i + 2]->slot)].kind == Slot::Kind::kNoun;
    }
    slot(wording.slots()[static_cast<size_t>(piece.slot)], before_noun);
  }
}

void Renderer::slot(const Slot& slot, bool before_noun) {
  switch (slot.kind) {
    case Slot::Kind::kNumber: number(slot, before_noun); return;
    case Slot::Kind::kAnswer: {
      if (!draw_.answer()) return;
      const Decimal* value = number_of(*draw_.answer());
      append(answer_);
      if (value != nullptr) {
        last_number_ = *value;
        last_number_end_ = out_.size();
      }
      return;
    }
    case Slot::Kind::kNoun:
    case Slot::Kind::kNounOne:
    case Slot::Kind::kNounMany:
    case Slot::Kind::kNounA: noun(slot); return;
    case Slot::Kind::kAgreeS:
    case Slot::Kind::kAgreeIs:
    case Slot::Kind::kAgreeWas:
    case Slot::Kind::kAgreeHas:
    case Slot::Kind::kAgreePair: agreement(slot); return;
    default: person(slot); return;
  }
}

void Renderer::number(const Slot& slot, bool before_noun) {
  std::optional<Value> value;
  const VariableRef ref = slot.computed ? slot.ref : draw_.resolved(slot.ref);
  if (slot.computed) {
    value = slot.formula.evaluate(draw_.lookup());
  } else {
    value = draw_.value(ref);
    shown_.push_back(ref);
  }
  const Decimal* decimal = value ? number_of(*value) : nullptr;
  if (decimal == nullptr) {
    if (value) append(std::get<std::string>(*value));
    return;
  }
  last_number_ = *decimal;
  if (bound_ != nullptr && !slot.computed && slot.format != "w" && slot.format != "th" && slot.format != "word th") {
    const auto found = std::find_if(bound_->begin(), bound_->end(), [&](const auto& pair) { return pair.first == ref; });
    if (found != bound_->end()) {
      if (slot.format == "$") append("$");
      append(found->second);
      last_number_end_ = out_.size();
      return;
    }
  }
  reader_number(slot, *decimal, before_noun && bound_ == nullptr);
  last_number_end_ = out_.size();
}

void Renderer::reader_number(const Slot& slot, const Decimal& value, bool words_allowed) {
  const std::string& format = slot.format;
  const std::optional<int64_t> whole = value.to_int();
  const bool for_reader = bound_ == nullptr;
  std::string digits = value.to_string();
  if (format == "w" && whole) return append(number_in_words(*whole));
  if (format == "word th" && whole) return append(ordinal_in_words(*whole));
  if (format == "th" && whole) {
    const int64_t last = *whole % 10;
    const bool teen = *whole % 100 >= 11 && *whole % 100 <= 13;
    if (!slot.computed) spans_.push_back({out_.size(), digits.size(), draw_.resolved(slot.ref)});
    append(digits + (teen || last > 3 || last == 0 ? "th" : last == 1 ? "st" : last == 2 ? "nd" : "rd"));
    return;
  }
  words_allowed = for_reader && (words_allowed || format == "n") && format != "d";
  if (words_allowed && whole && *whole >= 1 && *whole <= 12 && rng_->below(100) < 10) return append(number_in_words(*whole));
  std::string_view after;
  if (format == "0" || format == "1" || format == "2" || format == "3") digits = value.to_fixed(format[0] - '0');
  if (format == "02" && whole && *whole >= 0 && *whole < 10) digits = "0" + digits;
  if (format == "$") {
    if (!whole) digits = value.to_fixed(2);
    if (for_reader && rng_->below(100) < 40) {
      after = value == Decimal(1) ? " dollar" : " dollars";
    } else {
      append("$");
    }
  }
  const bool large = value.abs() >= Decimal(1000);
  if (format == "," || (for_reader && large && (format.empty() || format == "$" || format == "2") && rng_->below(100) < 25)) {
    digits = with_commas(digits);
  }
  const size_t sign = digits.starts_with('-') ? 1 : 0;
  const size_t before = out_.size();
  append(digits);
  if (!slot.computed) spans_.push_back({before + sign, out_.size() - before - sign, draw_.resolved(slot.ref)});
  append(after);
}

void Renderer::noun(const Slot& slot) {
  const Cell& cell = draw_.cell(slot.ref);
  if (slot.kind == Slot::Kind::kNounOne) return append(cell.one);
  if (slot.kind == Slot::Kind::kNounMany) return append(cell.many);
  if (slot.kind == Slot::Kind::kNounA) {
    const bool vowel = std::string_view("aeiou").find(cell.one[0]) != std::string_view::npos && !cell.one.starts_with("uni");
    return append((vowel ? "an " : "a ") + cell.one);
  }
  // The number counts this noun when at most an adjective stands between them.
  const std::string_view between = std::string_view(out_).substr(std::min(last_number_end_, out_.size()));
  const bool counted = last_number_.has_value() && between.size() <= 14 && std::count(between.begin(), between.end(), ' ') <= 2 &&
                       between.find_first_of(".,?") == std::string_view::npos;
  append(counted && last_is_one() ? cell.one : cell.many);
}

bool Renderer::pronoun_is_clear(int variable) const {
  const auto found = last_mention_.find(draw_.gender(variable));
  return found != last_mention_.end() && found->second == variable;
}

void Renderer::person(const Slot& slot) {
  const int variable = slot.ref.variable;
  const Gender gender = draw_.gender(variable);
  const Pronouns pronouns = pronouns_of(gender);
  const std::string name = text_of(draw_.value({variable, 0}));
  const auto mention = [&] { last_mention_[gender] = variable; };
  // After a while the name is welcome again; those who speak have none.
  const bool pronoun = speaks(gender) || (pronoun_is_clear(variable) && rng_->below(100) < (slot.kind == Slot::Kind::kHis ? 97u : 80u));
  switch (slot.kind) {
    case Slot::Kind::kName: append(name); break;
    case Slot::Kind::kHe: append(pronoun ? std::string(pronouns.he) : name); break;
    case Slot::Kind::kHim: append(pronoun ? std::string(pronouns.him) : name); break;
    case Slot::Kind::kHis:
      if (pronoun) {
        append(pronouns.his);
      } else {
        append(name + (name.ends_with('s') && gender == Gender::kThey ? "'" : "'s"));
      }
      break;
    case Slot::Kind::kHimself: append(pronouns.himself); return;
    case Slot::Kind::kHas: append(is_one(gender) ? "has" : "have"); return;
    case Slot::Kind::kDoes: append(is_one(gender) ? "does" : "do"); return;
    case Slot::Kind::kIs: append(is_one(gender) ? "is" : gender == Gender::kI ? "am" : "are"); return;
    case Slot::Kind::kWas: append(is_one(gender) || gender == Gender::kI ? "was" : "were"); return;
    case Slot::Kind::kVerbS: append(is_one(gender) ? "s" : ""); return;
    case Slot::Kind::kVerbEs: append(is_one(gender) ? "es" : ""); return;
    default: return;
  }
  mention();
}

void Renderer::agreement(const Slot& slot) {
  const bool one = last_is_one();
  switch (slot.kind) {
    case Slot::Kind::kAgreeS: append(one ? "" : "s"); return;
    case Slot::Kind::kAgreeIs: append(one ? "is" : "are"); return;
    case Slot::Kind::kAgreeWas: append(one ? "was" : "were"); return;
    case Slot::Kind::kAgreeHas: append(one ? "has" : "have"); return;
    default: append(one ? slot.one : slot.many); return;
  }
}

}  // namespace firesteel
