// Regular expressions as automata. The syntax is that of ECMA-262 without what a finite automaton cannot do: look-around and back
// references are refused by name. Groups may be named or plain; lazy quantifiers mean the same as greedy ones here.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "grammar/nfa.h"

namespace firesteel {

// Parsed expression. Children are owned; immutable after parsing.
struct Regex {
  enum class Kind : uint8_t { kEmpty, kSet, kSequence, kAlternatives, kRepeat };
  Kind kind = Kind::kEmpty;
  CodeSet set;                    // kSet: one character of it
  std::vector<Regex> children;    // kSequence, kAlternatives; one for kRepeat
  int64_t n_min = 0, n_max = -1;  // kRepeat
};

struct RegexSource {
  Regex regex;
  bool anchored_start = false;  // began with ^
  bool anchored_end = false;    // ended with $
};

// kInvalidArgument with the offset and the reason.
Result<RegexSource> parse_regex(std::string_view source, const GrammarLimits& limits);

// How a character of the text is written: as itself, or inside a JSON string (quotes, backslashes and control characters escaped).
enum class TextForm : uint8_t { kPlain, kJsonString };

NfaNode build_regex(NfaBuilder* builder, const Regex& regex, TextForm form, NfaNode next);

// One character of `set` in the given form.
NfaNode build_char(NfaBuilder* builder, const CodeSet& set, TextForm form, NfaNode next);

// Text of a pattern as JSON Schema means it: unanchored unless ^ or $ say otherwise. `any` characters around it are repeated freely.
NfaNode build_pattern(NfaBuilder* builder, const RegexSource& source, TextForm form, NfaNode next);

}  // namespace firesteel
