#include "grammar/regex.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "base/utf8.h"

namespace firesteel {
namespace {

const CodeSet kDigits = {{'0', '9'}};
const CodeSet kWord = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
const CodeSet kSpace = {{0x09, 0x0D}, {0x20, 0x20}, {0xA0, 0xA0}, {0x1680, 0x1680}, {0x2000, 0x200A}, {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F}, {0x3000, 0x3000}, {0xFEFF, 0xFEFF}};
const CodeSet kLineEnds = {{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}};

class Parser {
 public:
  Parser(std::string_view source, const GrammarLimits& limits) : source_(source), limits_(limits) {}

  Result<RegexSource> parse() {
    RegexSource out;
    if (source_.size() > limits_.source_bytes) return fail("longer than " + std::to_string(limits_.source_bytes) + " bytes");
    out.anchored_start = eat('^');
    FS_TRY(out.regex, alternatives(0));
    if (peek() == '$' && offset_ + 1 == source_.size()) {
      ++offset_;
      out.anchored_end = true;
    }
    if (offset_ < source_.size()) return fail(peek() == ')' ? "unmatched )" : "unexpected character");
    // An anchor binds tighter than |, so ^a|b is not what it seems: ask for parentheses instead of guessing.
    if ((out.anchored_start || out.anchored_end) && has_bare_alternatives_) {
      return fail("an anchor beside a top-level |: write ^(a|b)$");
    }
    return out;
  }

 private:
  Error fail(const std::string& reason) const {
    return Error{ErrorCode::kInvalidArgument, "regular expression, offset " + std::to_string(offset_) + ": " + reason};
  }
  char peek() const { return offset_ < source_.size() ? source_[offset_] : '\0'; }
  bool at_end() const { return offset_ >= source_.size(); }
  bool eat(char c) {
    if (at_end() || source_[offset_] != c) return false;
    ++offset_;
    return true;
  }

  Result<Regex> alternatives(uint32_t depth) {
    if (depth > limits_.depth) return fail("nested deeper than " + std::to_string(limits_.depth));
    Regex out;
    out.kind = Regex::Kind::kAlternatives;
    do {
      FS_TRY(Regex branch, sequence(depth));
      out.children.push_back(std::move(branch));
    } while (eat('|'));
    if (out.children.size() == 1) return std::move(out.children[0]);
    if (depth == 0) has_bare_alternatives_ = true;  // not those of a group, which may be all there is
    return out;
  }

  Result<Regex> sequence(uint32_t depth) {
    Regex out;
    out.kind = Regex::Kind::kSequence;
    while (!at_end() && peek() != '|' && peek() != ')') {
      if (peek() == '$' && offset_ + 1 == source_.size()) break;
      FS_TRY(Regex atom, this->atom(depth));
      FS_TRY(atom, quantified(std::move(atom)));
      out.children.push_back(std::move(atom));
    }
    if (out.children.empty()) out.kind = Regex::Kind::kEmpty;
    if (out.children.size() == 1) return std::move(out.children[0]);
    return out;
  }

  Result<Regex> quantified(Regex atom) {
    int64_t n_min = 0;
    int64_t n_max = -1;
    if (eat('*')) {
    } else if (eat('+')) {
      n_min = 1;
    } else if (eat('?')) {
      n_max = 1;
    } else if (peek() == '{') {
      ++offset_;
      const auto low = number();
      if (!low) return fail("expected a number after {");
      n_min = n_max = *low;
      if (eat(',')) {
        const auto high = number();
        n_max = high ? *high : -1;
      }
      if (!eat('}')) return fail("expected }");
      if (n_max >= 0 && n_max < n_min) return fail("the upper bound is below the lower one");
      if (n_min > limits_.repeat || n_max > int64_t{limits_.repeat}) return fail("a bound is above " + std::to_string(limits_.repeat));
    } else {
      return atom;
    }
    eat('?');  // lazy: the same language
    if (peek() == '*' || peek() == '+' || peek() == '?') return fail("a quantifier after a quantifier");
    Regex out;
    out.kind = Regex::Kind::kRepeat;
    out.n_min = n_min;
    out.n_max = n_max;
    out.children.push_back(std::move(atom));
    return out;
  }

  std::optional<int64_t> number() {
    if (peek() < '0' || peek() > '9') return std::nullopt;
    int64_t value = 0;
    while (!at_end() && peek() >= '0' && peek() <= '9') {
      value = std::min<int64_t>(value * 10 + (source_[offset_++] - '0'), 1'000'000'000);
    }
    return value;
  }

  Result<Regex> atom(uint32_t depth) {
    if (eat('(')) {
      if (eat('?')) {
        if (eat(':')) {
        } else if (eat('<')) {
          if (peek() == '=' || peek() == '!') return fail("look-behind is not supported");
          while (!at_end() && peek() != '>') ++offset_;
          if (!eat('>')) return fail("expected > after the group's name");
        } else if (peek() == '=' || peek() == '!') {
          return fail("look-ahead is not supported");
        } else {
          return fail("unknown group");
        }
      }
      FS_TRY(Regex inner, alternatives(depth + 1));
      if (!eat(')')) return fail("expected )");
      return inner;
    }
    if (peek() == '^' || peek() == '$') return fail("an anchor inside the expression is not supported");
    if (peek() == '*' || peek() == '+' || peek() == '?' || peek() == '{') return fail("nothing to repeat");
    if (eat('[')) return char_class();
    if (eat('.')) return set_of(complement(kLineEnds));
    if (eat('\\')) {
      FS_TRY(CodeSet set, escape(false));
      return set_of(std::move(set));
    }
    FS_TRY(const uint32_t c, character());
    return set_of({{c, c}});
  }

  static Regex set_of(CodeSet set) {
    Regex out;
    out.kind = Regex::Kind::kSet;
    out.set = std::move(set);
    return out;
  }

  Result<uint32_t> character() {
    const Utf8Char c = decode_utf8(source_, offset_);
    if (!c.valid) return fail("invalid UTF-8");
    offset_ += c.n_bytes;
    return c.code_point;
  }

  Result<Regex> char_class() {
    const bool negated = eat('^');
    CodeSet set;
    while (peek() != ']' || at_end()) {
      if (at_end()) return fail("expected ]");
      FS_TRY(CodeSet low, class_member());
      if (peek() == '-' && offset_ + 1 < source_.size() && source_[offset_ + 1] != ']') {
        ++offset_;
        FS_TRY(const CodeSet high, class_member());
        if (low.size() != 1 || high.size() != 1 || low[0].low != low[0].high || high[0].low != high[0].high) return fail("a range needs single characters");
        if (high[0].low < low[0].low) return fail("the range is out of order");
        set.push_back({low[0].low, high[0].low});
      } else {
        set.insert(set.end(), low.begin(), low.end());
      }
    }
    ++offset_;
    set = normalise(std::move(set));
    if (negated) set = complement(set);
    if (set.empty()) return fail("an empty class matches nothing");
    return set_of(intersect(set, {{0, 0xD7FF}, {0xE000, 0x10FFFF}}));
  }

  Result<CodeSet> class_member() {
    if (eat('\\')) return escape(true);
    FS_TRY(const uint32_t c, character());
    return CodeSet{{c, c}};
  }

  Result<CodeSet> escape(bool in_class) {
    if (at_end()) return fail("nothing after the backslash");
    const char c = source_[offset_++];
    const auto one = [](uint32_t code) { return CodeSet{{code, code}}; };
    switch (c) {
      case 'd': return kDigits;
      case 'D': return complement(kDigits);
      case 'w': return kWord;
      case 'W': return complement(kWord);
      case 's': return kSpace;
      case 'S': return complement(kSpace);
      case 't': return one('\t');
      case 'n': return one('\n');
      case 'r': return one('\r');
      case 'f': return one('\f');
      case 'v': return one('\v');
      case '0': return one(0);
      case 'b':
        if (in_class) return one('\b');
        return fail("\\b is not supported");
      case 'B': return fail("\\B is not supported");
      case 'x': return hex(2);
      case 'u':
        if (eat('{')) {
          FS_TRY(CodeSet code, hex(0));
          if (!eat('}')) return fail("expected }");
          return code;
        }
        return hex(4);
      case 'p':
      case 'P': return fail("Unicode properties are not supported");
      default: break;
    }
    if (c >= '1' && c <= '9') return fail("back references are not supported");
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) return fail(std::string("unknown escape \\") + c);
    --offset_;
    FS_TRY(const uint32_t code, character());
    return one(code);
  }

  // n_digits digits, or up to six when n_digits is 0.
  Result<CodeSet> hex(int n_digits) {
    uint32_t value = 0;
    int n = 0;
    for (; n < (n_digits == 0 ? 6 : n_digits); ++n) {
      const char c = peek();
      const uint32_t digit = c >= '0' && c <= '9' ? static_cast<uint32_t>(c - '0') : c >= 'a' && c <= 'f' ? static_cast<uint32_t>(c - 'a' + 10) : c >= 'A' && c <= 'F' ? static_cast<uint32_t>(c - 'A' + 10) : 16;
      if (digit == 16) break;
      value = value * 16 + digit;
      ++offset_;
    }
    if (n == 0 || (n_digits != 0 && n != n_digits)) return fail("expected hexadecimal digits");
    if (value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) return fail("not a Unicode character");
    return CodeSet{{value, value}};
  }

  std::string_view source_;
  const GrammarLimits& limits_;
  size_t offset_ = 0;
  bool has_bare_alternatives_ = false;
};

}  // namespace

Result<RegexSource> parse_regex(std::string_view source, const GrammarLimits& limits) { return Parser(source, limits).parse(); }

NfaNode build_char(NfaBuilder* builder, const CodeSet& set, TextForm form, NfaNode next) {
  if (form == TextForm::kPlain) return builder->code_set(set, next);
  // RFC 8259: quote, backslash and U+0000..U+001F must be escaped; the two-letter forms where they exist, else \u00XX.
  static const CodeSet kVerbatim = {{0x20, 0x21}, {0x23, 0x5B}, {0x5D, 0xD7FF}, {0xE000, 0x10FFFF}};
  std::vector<NfaNode> starts;
  const CodeSet verbatim = intersect(set, kVerbatim);
  if (!verbatim.empty()) starts.push_back(builder->code_set(verbatim, next));
  for (const auto& [c, letter] : {std::pair{'"', '"'}, {'\\', '\\'}, {'\n', 'n'}, {'\r', 'r'}, {'\t', 't'}, {'\b', 'b'}, {'\f', 'f'}}) {
    const uint32_t code = static_cast<uint32_t>(c);
    if (intersect(set, {{code, code}}).empty()) continue;
    const char text[2] = {'\\', letter};
    starts.push_back(builder->literal({text, 2}, next));
  }
  for (const CodeRange& range : intersect(set, {{0, 0x1F}})) {
    for (uint32_t c = range.low; c <= range.high; ++c) {
      if (c == '\n' || c == '\r' || c == '\t' || c == '\b' || c == '\f') continue;
      static const char* const kHex = "0123456789abcdef";
      const char text[6] = {'\\', 'u', '0', '0', kHex[c >> 4], kHex[c & 15]};
      starts.push_back(builder->literal({text, 6}, next));
    }
  }
  return builder->any_of(starts);
}

NfaNode build_regex(NfaBuilder* builder, const Regex& regex, TextForm form, NfaNode next) {
  if (!builder->ok()) return next;
  switch (regex.kind) {
    case Regex::Kind::kEmpty: return next;
    case Regex::Kind::kSet: return build_char(builder, regex.set, form, next);
    case Regex::Kind::kSequence:
      for (size_t i = regex.children.size(); i > 0; --i) next = build_regex(builder, regex.children[i - 1], form, next);
      return next;
    case Regex::Kind::kAlternatives: {
      std::vector<NfaNode> starts;
      for (const Regex& child : regex.children) starts.push_back(build_regex(builder, child, form, next));
      return builder->any_of(starts);
    }
    case Regex::Kind::kRepeat:
      return builder->repeat(regex.n_min, regex.n_max, next, [&](NfaNode after) { return build_regex(builder, regex.children[0], form, after); });
  }
  return next;
}

NfaNode build_pattern(NfaBuilder* builder, const RegexSource& source, TextForm form, NfaNode next) {
  static const CodeSet kAny = {{0, 0xD7FF}, {0xE000, 0x10FFFF}};
  const auto anything = [&](NfaNode after) {
    return builder->repeat(0, -1, after, [&](NfaNode n) { return build_char(builder, kAny, form, n); });
  };
  if (!source.anchored_end) next = anything(next);
  next = build_regex(builder, source.regex, form, next);
  if (!source.anchored_start) next = anything(next);
  return next;
}

}  // namespace firesteel
