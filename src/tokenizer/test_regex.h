// A small back-tracking regular-expression matcher, for tests only: it runs the patterns as the models' files spell them, so that the
// hand-written scanners have something independent to agree with. Sequences, alternatives, (?:) (?i:) (?!), classes with ranges
// and \p{}, greedy ? * + {m,n}, $.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/utf8.h"
#include "tokenizer/char_class.h"

namespace firesteel::testing_regex {

struct Char {
  uint32_t code;
  size_t begin;  // byte offset
  size_t end;
};

inline std::vector<Char> decode(std::string_view text) {
  std::vector<Char> chars;
  for (size_t i = 0; i < text.size();) {
    const Utf8Char c = decode_utf8(text, i);
    chars.push_back({c.code_point, i, i + c.n_bytes});
    i += c.n_bytes;
  }
  return chars;
}

class Regex {
 public:
  explicit Regex(std::string_view pattern) : pattern_(decode(pattern)) {
    root_ = alternatives();
    CHECK(at_ == pattern_.size());
  }

  // End of the match that begins at chars[begin], looking at no more than chars[.., end); begin - 1 when there is none.
  size_t match(const std::vector<Char>& chars, size_t begin, size_t end) const {
    size_t result = begin - 1;
    root_(State{&chars, end}, begin, [&](size_t stop) {
      result = stop;
      return true;
    });
    return result;
  }

 private:
  struct State {
    const std::vector<Char>* chars;
    size_t end;
  };
  using Next = std::function<bool(size_t)>;
  using Node = std::function<bool(const State&, size_t, const Next&)>;
  using Set = std::function<bool(uint32_t)>;

  bool more() const { return at_ < pattern_.size(); }
  uint32_t peek(size_t ahead = 0) const { return at_ + ahead < pattern_.size() ? pattern_[at_ + ahead].code : 0; }
  bool accept(std::string_view ascii) {
    for (size_t i = 0; i < ascii.size(); ++i) {
      if (peek(i) != static_cast<unsigned char>(ascii[i])) return false;
    }
    at_ += ascii.size();
    return true;
  }

  Node alternatives() {
    std::vector<Node> options{sequence()};
    while (accept("|")) options.push_back(sequence());
    return [options](const State& s, size_t at, const Next& next) {
      for (const Node& option : options) {
        if (option(s, at, next)) return true;
      }
      return false;
    };
  }

  Node sequence() {
    std::vector<Node> parts;
    while (more() && peek() != '|' && peek() != ')') parts.push_back(quantified());
    return [parts](const State& s, size_t at, const Next& next) { return run(parts, 0, s, at, next); };
  }

  static bool run(const std::vector<Node>& parts, size_t i, const State& s, size_t at, const Next& next) {
    if (i == parts.size()) return next(at);
    return parts[i](s, at, [&, i](size_t stop) { return run(parts, i + 1, s, stop, next); });
  }

  Node quantified() {
    const Node one = atom();
    size_t low = 1;
    size_t high = 1;
    if (accept("?")) {
      low = 0;
    } else if (accept("*")) {
      low = 0;
      high = SIZE_MAX;
    } else if (accept("+")) {
      high = SIZE_MAX;
    } else if (accept("{")) {
      low = number();
      high = accept(",") ? number() : low;
      CHECK(accept("}"));
    } else {
      return one;
    }
    return [one, low, high](const State& s, size_t at, const Next& next) { return repeat(one, low, high, 0, s, at, next); };
  }

  static bool repeat(const Node& one, size_t low, size_t high, size_t n, const State& s, size_t at, const Next& next) {
    if (n < high && one(s, at, [&, n](size_t stop) { return stop > at && repeat(one, low, high, n + 1, s, stop, next); })) return true;
    return n >= low && next(at);
  }

  size_t number() {
    size_t value = 0;
    while (peek() >= '0' && peek() <= '9') value = value * 10 + (pattern_[at_++].code - '0');
    return value;
  }

  Node atom() {
    if (accept("(?!")) {
      const Node inner = alternatives();
      CHECK(accept(")"));
      return [inner](const State& s, size_t at, const Next& next) { return !inner(s, at, [](size_t) { return true; }) && next(at); };
    }
    if (accept("(?i:")) {
      fold_ = true;
      const Node inner = alternatives();
      fold_ = false;
      CHECK(accept(")"));
      return inner;
    }
    if (accept("(?:") || accept("(")) {
      const Node inner = alternatives();
      CHECK(accept(")"));
      return inner;
    }
    if (accept("$")) return [](const State& s, size_t at, const Next& next) { return at == s.end && next(at); };
    const Set set = accept("[") ? bracket() : single();
    return [set](const State& s, size_t at, const Next& next) { return at < s.end && set((*s.chars)[at].code) && next(at + 1); };
  }

  Set single() {
    if (accept("\\")) return escape();
    const uint32_t code = pattern_[at_++].code;
    if (!fold_) return [code](uint32_t c) { return c == code; };
    return [code](uint32_t c) { return (c < 0x80 ? c | 0x20 : c == 0x17F ? 's' : c) == (code < 0x80 && code >= 'A' ? code | 0x20 : code | 0x20); };
  }

  Set escape() {
    const uint32_t c = pattern_[at_++].code;
    if (c == 's') return [](uint32_t x) { return (class_of(x) & kSpace) != 0; };
    if (c == 'S') return [](uint32_t x) { return (class_of(x) & kSpace) == 0; };
    if (c == 'r') return [](uint32_t x) { return x == '\r'; };
    if (c == 'n') return [](uint32_t x) { return x == '\n'; };
    if (c != 'p') return [c](uint32_t x) { return x == c; };
    std::string name;
    CHECK(accept("{"));
    while (!accept("}")) name.push_back(static_cast<char>(pattern_[at_++].code));
    const auto has = [](CharClass all) { return [all](uint32_t x) { return (class_of(x) & all) == all; }; };
    const auto exactly = [](CharClass some, CharClass none) {
      return [some, none](uint32_t x) { return (class_of(x) & some) == some && (class_of(x) & none) == 0; };
    };
    if (name == "L") return has(kLetter);
    if (name == "M") return has(kMark);
    if (name == "N") return has(kNumber);
    if (name == "P") return has(kPunct);
    if (name == "S") return has(kSymbol);
    if (name == "Lu" || name == "Lt") return exactly(kLetter | kUpperSet, kLowerSet);
    if (name == "Ll") return exactly(kLetter | kLowerSet, kUpperSet);
    if (name == "Lm" || name == "Lo") return has(kLetter | kUpperSet | kLowerSet);
    CHECK(false);
    return nullptr;
  }

  Set bracket() {
    const bool negated = accept("^");
    std::vector<Set> sets;
    while (!accept("]")) {
      if (accept("\\")) {
        sets.push_back(escape());
        continue;
      }
      const uint32_t low = pattern_[at_++].code;
      uint32_t high = low;
      if (peek() == '-' && peek(1) != ']') {
        ++at_;
        high = pattern_[at_++].code;
      }
      sets.push_back([low, high](uint32_t c) { return c >= low && c <= high; });
    }
    return [sets, negated](uint32_t c) {
      for (const Set& set : sets) {
        if (set(c)) return !negated;
      }
      return negated;
    };
  }

  std::vector<Char> pattern_;
  size_t at_ = 0;
  bool fold_ = false;
  Node root_;
};

// As split_pieces, with patterns instead of stages.
inline std::vector<std::string> split(const std::vector<std::string>& patterns, std::string_view text) {
  const std::vector<Char> chars = decode(text);
  std::vector<std::pair<size_t, size_t>> spans{{0, chars.size()}};
  for (const std::string& pattern : patterns) {
    const Regex regex(pattern);
    std::vector<std::pair<size_t, size_t>> next;
    for (const auto& [begin, end] : spans) {
      size_t gap = begin;
      for (size_t at = begin; at < end;) {
        const size_t stop = regex.match(chars, at, end);
        if (stop == at - 1 || stop == at) {
          ++at;
          continue;
        }
        if (gap < at) next.push_back({gap, at});
        next.push_back({at, stop});
        gap = at = stop;
      }
      if (gap < end) next.push_back({gap, end});
    }
    spans = std::move(next);
  }
  std::vector<std::string> pieces;
  for (const auto& [begin, end] : spans) pieces.emplace_back(text.substr(chars[begin].begin, chars[end - 1].end - chars[begin].begin));
  return pieces;
}

}  // namespace firesteel::testing_regex
