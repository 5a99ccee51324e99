#include "grammar/notation.h"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/utf8.h"
#include "grammar/regex.h"

namespace firesteel {
namespace {

// What the parser keeps of a rule's right side; built backwards afterwards.
struct Expr {
  enum class Kind : uint8_t { kEmpty, kLiteral, kSet, kRule, kSequence, kAlternatives, kRepeat };
  Kind kind = Kind::kEmpty;
  std::string text;  // kLiteral: bytes
  CodeSet set;
  NfaRule rule = 0;
  std::vector<Expr> children;
  int64_t n_min = 0, n_max = -1;
};

class Parser {
 public:
  Parser(std::string_view source, const GrammarLimits& limits) : source_(source), limits_(limits), builder_(limits) {}

  Result<Nfa> compile() {
    if (source_.size() > limits_.source_bytes) return fail("longer than " + std::to_string(limits_.source_bytes) + " bytes");
    skip_space();
    while (offset_ < source_.size()) {
      const std::string name = identifier();
      if (name.empty()) return fail("expected the name of a rule");
      if (!eat_definition()) return fail("expected ::= after \"" + name + "\"");
      const NfaRule rule = rule_of(name);
      if (!builder_.ok()) break;
      if (builder_.is_defined(rule)) return fail("rule \"" + name + "\" is defined twice");
      FS_TRY(const Expr expr, alternatives(0));
      builder_.define_rule(rule, build(expr, builder_.accept()));
    }
    const auto root = rules_.find("root");
    if (root == rules_.end() && builder_.ok()) return fail("there is no rule \"root\"");
    return builder_.finish(root == rules_.end() ? 0 : root->second);
  }

 private:
  Error fail(const std::string& reason) const {
    size_t line = 1;
    for (size_t i = 0; i < offset_ && i < source_.size(); ++i) line += source_[i] == '\n' ? size_t{1} : size_t{0};
    return Error{ErrorCode::kInvalidArgument, "grammar, line " + std::to_string(line) + ": " + reason};
  }
  char peek(size_t ahead = 0) const { return offset_ + ahead < source_.size() ? source_[offset_ + ahead] : '\0'; }

  void skip_space() {
    while (offset_ < source_.size()) {
      const char c = source_[offset_];
      if (c == '#') {
        while (offset_ < source_.size() && source_[offset_] != '\n') ++offset_;
      } else if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
        ++offset_;
      } else {
        return;
      }
    }
  }

  static bool is_name_char(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_'; }

  std::string identifier() {
    const size_t start = offset_;
    while (is_name_char(peek())) ++offset_;
    return std::string(source_.substr(start, offset_ - start));
  }

  bool eat_definition() {
    skip_space();
    if (source_.substr(offset_, 3) != "::=") return false;
    offset_ += 3;
    skip_space();
    return true;
  }

  // Does a new rule start here?
  bool at_definition() {
    const size_t saved = offset_;
    const bool yes = !identifier().empty() && eat_definition();
    offset_ = saved;
    return yes;
  }

  NfaRule rule_of(const std::string& name) {
    const auto [it, is_new] = rules_.try_emplace(name, 0);
    if (is_new) it->second = builder_.declare_rule(name);
    return it->second;
  }

  Result<Expr> alternatives(uint32_t depth) {
    if (depth > limits_.depth) return fail("nested deeper than " + std::to_string(limits_.depth));
    Expr out;
    out.kind = Expr::Kind::kAlternatives;
    for (;;) {
      FS_TRY(Expr branch, sequence(depth));
      out.children.push_back(std::move(branch));
      if (peek() != '|') break;
      ++offset_;
      skip_space();
    }
    return out;
  }

  Result<Expr> sequence(uint32_t depth) {
    Expr out;
    out.kind = Expr::Kind::kSequence;
    while (offset_ < source_.size() && peek() != '|' && peek() != ')') {
      if (is_name_char(peek()) && at_definition()) break;
      FS_TRY(Expr item, atom(depth));
      FS_TRY(item, quantified(std::move(item)));
      out.children.push_back(std::move(item));
      skip_space();
    }
    return out;
  }

  Result<Expr> quantified(Expr item) {
    int64_t n_min = 0;
    int64_t n_max = -1;
    if (peek() == '*') {
    } else if (peek() == '+') {
      n_min = 1;
    } else if (peek() == '?') {
      n_max = 1;
    } else if (peek() == '{') {
      ++offset_;
      const auto low = number();
      if (!low) return fail("expected a number after {");
      n_min = n_max = *low;
      if (peek() == ',') {
        ++offset_;
        n_max = number().value_or(-1);
      }
      if (peek() != '}') return fail("expected }");
      if (n_max >= 0 && n_max < n_min) return fail("the upper bound is below the lower one");
    } else {
      return item;
    }
    ++offset_;
    Expr out;
    out.kind = Expr::Kind::kRepeat;
    out.n_min = n_min;
    out.n_max = n_max;
    out.children.push_back(std::move(item));
    return out;
  }

  std::optional<int64_t> number() {
    if (peek() < '0' || peek() > '9') return std::nullopt;
    int64_t value = 0;
    while (peek() >= '0' && peek() <= '9') {
      if (value < 1'000'000'000) value = value * 10 + (peek() - '0');
      ++offset_;
    }
    return value;
  }

  Result<Expr> atom(uint32_t depth) {
    Expr out;
    if (peek() == '(') {
      ++offset_;
      skip_space();
      FS_TRY(out, alternatives(depth + 1));
      if (peek() != ')') return fail("expected )");
      ++offset_;
      return out;
    }
    if (peek() == '"') return literal();
    if (peek() == '[') {
      // The class syntax is that of regular expressions.
      size_t end = offset_ + 1;
      while (end < source_.size() && source_[end] != ']') end += source_[end] == '\\' ? size_t{2} : size_t{1};
      if (end >= source_.size()) return fail("expected ]");
      const auto parsed = parse_regex(source_.substr(offset_, end + 1 - offset_), limits_);
      if (!parsed.ok()) return fail(parsed.error().message);
      offset_ = end + 1;
      out.kind = Expr::Kind::kSet;
      out.set = parsed->regex.set;
      return out;
    }
    if (peek() == '.') {
      ++offset_;
      out.kind = Expr::Kind::kSet;
      out.set = complement({});
      return out;
    }
    const std::string name = identifier();
    if (name.empty()) return fail(std::string("unexpected character '") + peek() + "'");
    out.kind = Expr::Kind::kRule;
    out.rule = rule_of(name);
    return out;
  }

  Result<Expr> literal() {
    Expr out;
    out.kind = Expr::Kind::kLiteral;
    ++offset_;
    while (peek() != '"' || offset_ >= source_.size()) {
      if (offset_ >= source_.size() || peek() == '\n') return fail("expected a closing quote");
      const char c = source_[offset_++];
      if (c != '\\') {
        out.text.push_back(c);
        continue;
      }
      const char letter = peek();
      ++offset_;
      switch (letter) {
        case 'n': out.text.push_back('\n'); break;
        case 'r': out.text.push_back('\r'); break;
        case 't': out.text.push_back('\t'); break;
        case '\\': case '"': case '[': case ']': case '/': out.text.push_back(letter); break;
        case 'x': case 'u': {
          const int n = letter == 'x' ? 2 : 4;
          uint32_t code = 0;
          for (int i = 0; i < n; ++i, ++offset_) {
            const char d = peek();
            const int digit = d >= '0' && d <= '9' ? d - '0' : d >= 'a' && d <= 'f' ? d - 'a' + 10 : d >= 'A' && d <= 'F' ? d - 'A' + 10 : -1;
            if (digit < 0) return fail("expected hexadecimal digits");
            code = code * 16 + static_cast<uint32_t>(digit);
          }
          if (code >= 0xD800 && code < 0xE000) return fail("a surrogate is not a character");
          append_utf8(&out.text, code);
          break;
        }
        default: return fail("unknown escape");
      }
    }
    ++offset_;
    return out;
  }

  NfaNode build(const Expr& expr, NfaNode next) {
    if (!builder_.ok()) return next;
    switch (expr.kind) {
      case Expr::Kind::kEmpty: return next;
      case Expr::Kind::kLiteral: return builder_.literal(expr.text, next);
      case Expr::Kind::kSet: return builder_.code_set(expr.set, next);
      case Expr::Kind::kRule: return builder_.call(expr.rule, next);
      case Expr::Kind::kSequence:
        for (size_t i = expr.children.size(); i > 0; --i) next = build(expr.children[i - 1], next);
        return next;
      case Expr::Kind::kAlternatives: {
        std::vector<NfaNode> starts;
        for (const Expr& child : expr.children) starts.push_back(build(child, next));
        return builder_.any_of(starts);
      }
      case Expr::Kind::kRepeat:
        return builder_.repeat(expr.n_min, expr.n_max, next, [&](NfaNode after) { return build(expr.children[0], after); });
    }
    return next;
  }

  std::string_view source_;
  const GrammarLimits& limits_;
  NfaBuilder builder_;
  std::map<std::string, NfaRule> rules_;
  size_t offset_ = 0;
};

}  // namespace

Result<Nfa> compile_notation(std::string_view source, const GrammarLimits& limits) { return Parser(source, limits).compile(); }

}  // namespace firesteel
