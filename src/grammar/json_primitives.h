// JSON's own grammar in pieces (RFC 8259), for schema compilation.
#pragma once

#include <cstdint>
#include <optional>

#include "grammar/nfa.h"

namespace firesteel {

// Rules shared by one grammar: any value, string, number. Declared on first use.
class JsonPrimitives {
 public:
  explicit JsonPrimitives(NfaBuilder* builder) : builder_(*builder) {}

  NfaNode any_value(NfaNode next);
  NfaNode any_object(NfaNode next);
  NfaNode any_array(NfaNode next);
  NfaNode string(NfaNode next) { return string_of_length(0, -1, next); }
  NfaNode string_of_length(int64_t n_min, int64_t n_max, NfaNode next);
  NfaNode number(NfaNode next);
  NfaNode integer(NfaNode next);
  // Integers in [low, high]; either may be absent.
  NfaNode integer_between(std::optional<int64_t> low, std::optional<int64_t> high, NfaNode next);
  // Numbers between two whole ones, written without an exponent and with so few digits after the point that they are still between them when they
  // are read as doubles. Requires that the range is not empty, and |value| <= kBoundMax.
  struct Bound {
    int64_t value = 0;
    bool is_exclusive = false;
  };
  static constexpr int64_t kBoundMax = 1'000'000'000'000'000;
  NfaNode number_between(std::optional<Bound> low, std::optional<Bound> high, NfaNode next);
  NfaNode boolean(NfaNode next);

  // Optional white space: nothing, one space, or a line break with indentation.
  NfaNode space(NfaNode next);
  NfaNode comma(NfaNode next) { return space(builder_.bytes(',', ',', space(next))); }
  NfaNode colon(NfaNode next) { return space(builder_.bytes(':', ':', space(next))); }

 private:
  NfaNode digits(int64_t n_min, NfaNode next);
  NfaNode natural_between(uint64_t low, std::optional<uint64_t> high, NfaNode next);
  NfaNode magnitude_between(Bound low, std::optional<Bound> high, int64_t n_digits, NfaNode next);
  NfaNode same_length_between(const char* low, const char* high, size_t n, NfaNode next);

  NfaBuilder& builder_;
  std::optional<NfaRule> value_, object_, array_, string_, space_;
};

}  // namespace firesteel
