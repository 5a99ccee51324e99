#include "grammar/json_primitives.h"

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "grammar/regex.h"

namespace firesteel {
namespace {

const CodeSet kAnyChar = {{0, 0xD7FF}, {0xE000, 0x10FFFF}};

}  // namespace

NfaNode JsonPrimitives::space(NfaNode next) {
  // Bounded: a model that has nothing to say must not write white space for ever. A rule, because it stands everywhere.
  if (!space_) {
    space_ = builder_.declare_rule("space");
    const NfaNode end = builder_.accept();
    const NfaNode indent = builder_.repeat(0, 32, end, [&](NfaNode n) { return builder_.bytes(' ', ' ', n); });
    builder_.define_rule(*space_, builder_.any_of({end, builder_.bytes(' ', ' ', end), builder_.bytes('\n', '\n', indent)}));
  }
  return builder_.call(*space_, next);
}

NfaNode JsonPrimitives::digits(int64_t n_min, NfaNode next) {
  return builder_.repeat(n_min, -1, next, [&](NfaNode n) { return builder_.bytes('0', '9', n); });
}

NfaNode JsonPrimitives::string_of_length(int64_t n_min, int64_t n_max, NfaNode next) {
  const auto body = [&](NfaNode after) {
    const NfaNode end = builder_.bytes('"', '"', after);
    // \u escapes beyond the ones that must be escaped: any four digits that are not a lone surrogate.
    const auto character = [&](NfaNode n) {
      const auto hex = [&](NfaNode to) { return builder_.any_of({builder_.bytes('0', '9', to), builder_.bytes('a', 'f', to), builder_.bytes('A', 'F', to)}); };
      const NfaNode low2 = hex(hex(n));
      const NfaNode plain = builder_.any_of({builder_.bytes('0', '9', hex(low2)), builder_.bytes('a', 'c', hex(low2)), builder_.bytes('A', 'C', hex(low2)),
                                             builder_.bytes('e', 'f', hex(low2)), builder_.bytes('E', 'F', hex(low2)),
                                             builder_.bytes('d', 'd', builder_.bytes('0', '7', low2)), builder_.bytes('D', 'D', builder_.bytes('0', '7', low2))});
      return builder_.any_of({build_char(&builder_, kAnyChar, TextForm::kJsonString, n), builder_.literal("\\u", plain), builder_.literal("\\/", n)});
    };
    return builder_.bytes('"', '"', builder_.repeat(n_min, n_max, end, character));
  };
  if (n_min != 0 || n_max >= 0) return body(next);
  if (!string_) {
    string_ = builder_.declare_rule("string");
    builder_.define_rule(*string_, body(builder_.accept()));
  }
  return builder_.call(*string_, next);
}

NfaNode JsonPrimitives::integer(NfaNode next) {
  const NfaNode natural = builder_.any_of({builder_.bytes('0', '0', next), builder_.bytes('1', '9', digits(0, next))});
  return builder_.any_of({natural, builder_.bytes('-', '-', natural)});
}

NfaNode JsonPrimitives::number(NfaNode next) {
  const NfaNode exponent_digits = digits(1, next);
  const NfaNode sign = builder_.any_of({exponent_digits, builder_.bytes('+', '+', exponent_digits), builder_.bytes('-', '-', exponent_digits)});
  const NfaNode exponent = builder_.any_of({next, builder_.bytes('e', 'e', sign), builder_.bytes('E', 'E', sign)});
  const NfaNode fraction = builder_.any_of({exponent, builder_.bytes('.', '.', digits(1, exponent))});
  return integer(fraction);
}

// Numbers of n digits between two bounds of n digits, compared digit by digit.
NfaNode JsonPrimitives::same_length_between(const char* low, const char* high, size_t n, NfaNode next) {
  if (n == 0) return next;
  const auto any = [&](size_t count, NfaNode after) { return builder_.repeat(static_cast<int64_t>(count), static_cast<int64_t>(count), after, [&](NfaNode x) { return builder_.bytes('0', '9', x); }); };
  const uint8_t first = static_cast<uint8_t>(low[0]);
  const uint8_t last = static_cast<uint8_t>(high[0]);
  if (first == last) return builder_.bytes(first, first, same_length_between(low + 1, high + 1, n - 1, next));
  const std::string nines(n - 1, '9');
  const std::string zeros(n - 1, '0');
  std::vector<NfaNode> starts = {builder_.bytes(first, first, same_length_between(low + 1, nines.c_str(), n - 1, next)),
                                 builder_.bytes(last, last, same_length_between(zeros.c_str(), high + 1, n - 1, next))};
  if (last - first > 1) starts.push_back(builder_.bytes(static_cast<uint8_t>(first + 1), static_cast<uint8_t>(last - 1), any(n - 1, next)));
  return builder_.any_of(starts);
}

NfaNode JsonPrimitives::natural_between(uint64_t low, std::optional<uint64_t> high, NfaNode next) {
  std::vector<NfaNode> starts;
  const std::string low_text = std::to_string(low);
  const std::string high_text = high ? std::to_string(*high) : "";
  const size_t n_high = high ? high_text.size() : low_text.size();
  for (size_t n = low_text.size(); n <= n_high; ++n) {
    const std::string first = n == low_text.size() ? low_text : "1" + std::string(n - 1, '0');
    const std::string last = high && n == high_text.size() ? high_text : std::string(n, '9');
    starts.push_back(same_length_between(first.c_str(), last.c_str(), n, next));
  }
  if (!high) {  // and everything with more digits
    starts.push_back(builder_.bytes('1', '9', digits(static_cast<int64_t>(low_text.size()), next)));
  }
  return builder_.any_of(starts);
}

NfaNode JsonPrimitives::integer_between(std::optional<int64_t> low, std::optional<int64_t> high, NfaNode next) {
  if (!low && !high) return integer(next);
  std::vector<NfaNode> starts;
  const auto magnitude = [](int64_t v) { return v < 0 ? 0 - static_cast<uint64_t>(v) : static_cast<uint64_t>(v); };
  if (!high || *high >= 0) {
    const uint64_t first = low && *low > 0 ? magnitude(*low) : 0;
    starts.push_back(natural_between(first, high ? std::optional(magnitude(*high)) : std::nullopt, next));
  }
  if (!low || *low < 0) {
    const uint64_t first = high && *high < 0 ? magnitude(*high) : 1;
    const NfaNode natural = natural_between(first, low ? std::optional(magnitude(*low)) : std::nullopt, next);
    starts.push_back(builder_.bytes('-', '-', natural));
  }
  return builder_.any_of(starts);
}

// Of numbers that are not negative, with at most n_digits digits after the point.
NfaNode JsonPrimitives::magnitude_between(Bound low, std::optional<Bound> high, int64_t n_digits, NfaNode next) {
  const auto digit = [&](NfaNode n) { return builder_.bytes('0', '9', n); };
  const auto zero = [&](NfaNode n) { return builder_.bytes('0', '0', n); };
  const auto first = static_cast<uint64_t>(low.value);
  const uint64_t above = first + (low.is_exclusive ? 1 : 0);
  std::vector<NfaNode> starts;
  // Whole parts after which anything may follow, up to the one below the upper bound.
  if (!high || above + 1 <= static_cast<uint64_t>(high->value)) {
    const NfaNode fraction = n_digits == 0 ? next : builder_.any_of({next, builder_.bytes('.', '.', builder_.repeat(1, n_digits, next, digit))});
    starts.push_back(natural_between(above, high ? std::optional(static_cast<uint64_t>(high->value) - 1) : std::nullopt, fraction));
  }
  // The lower bound itself with something after the point: any digits, the last of which is not zero.
  if (low.is_exclusive && n_digits > 0 && (!high || low.value < high->value)) {
    const NfaNode fraction = builder_.repeat(0, n_digits - 1, builder_.bytes('1', '9', next), digit);
    starts.push_back(natural_between(first, first, builder_.bytes('.', '.', fraction)));
  }
  if (high && !high->is_exclusive && static_cast<uint64_t>(high->value) >= above) {
    const auto last = static_cast<uint64_t>(high->value);
    const NfaNode fraction = n_digits == 0 ? next : builder_.any_of({next, builder_.bytes('.', '.', builder_.repeat(1, n_digits, next, zero))});
    starts.push_back(natural_between(last, last, fraction));
  }
  return builder_.any_of(starts);
}

NfaNode JsonPrimitives::number_between(std::optional<Bound> low, std::optional<Bound> high, NfaNode next) {
  constexpr size_t kExactDigits = 15, kDigitsMax = 9;  // a double tells all numbers of 15 digits apart
  size_t n_whole = 1;
  for (const auto& bound : {low, high}) {
    if (bound) n_whole = std::max(n_whole, std::to_string(std::abs(bound->value)).size());
  }
  const auto n_digits = static_cast<int64_t>(std::min(kDigitsMax, kExactDigits - std::min(kExactDigits, n_whole)));
  std::vector<NfaNode> starts;
  if (!high || high->value > 0 || (high->value == 0 && !high->is_exclusive)) {
    starts.push_back(magnitude_between(low && low->value >= 0 ? *low : Bound{}, high, n_digits, next));
  }
  // Below zero the bounds change places; zero is written without a sign.
  if (!low || low->value < 0) {
    const Bound nearest = high && high->value < 0 ? Bound{-high->value, high->is_exclusive} : Bound{0, true};
    std::optional<Bound> farthest;
    if (low) farthest = Bound{-low->value, low->is_exclusive};
    starts.push_back(builder_.bytes('-', '-', magnitude_between(nearest, farthest, n_digits, next)));
  }
  return builder_.any_of(starts);
}

NfaNode JsonPrimitives::boolean(NfaNode next) { return builder_.any_of({builder_.literal("true", next), builder_.literal("false", next)}); }

NfaNode JsonPrimitives::any_value(NfaNode next) {
  if (!value_) {
    value_ = builder_.declare_rule("value");
    const NfaNode end = builder_.accept();
    builder_.define_rule(*value_, builder_.any_of({any_object(end), any_array(end), string(end), number(end), boolean(end), builder_.literal("null", end)}));
  }
  return builder_.call(*value_, next);
}

NfaNode JsonPrimitives::any_object(NfaNode next) {
  if (!object_) {
    object_ = builder_.declare_rule("object");
    const NfaNode end = builder_.bytes('}', '}', builder_.accept());
    const NfaNode after_member = builder_.node();
    const NfaNode member = string(colon(any_value(after_member)));
    builder_.link(after_member, space(end));
    builder_.link(after_member, comma(member));
    builder_.define_rule(*object_, builder_.bytes('{', '{', space(builder_.any_of({end, member}))));
  }
  return builder_.call(*object_, next);
}

NfaNode JsonPrimitives::any_array(NfaNode next) {
  if (!array_) {
    array_ = builder_.declare_rule("array");
    const NfaNode end = builder_.bytes(']', ']', builder_.accept());
    const NfaNode after_item = builder_.node();
    const NfaNode item = any_value(after_item);
    builder_.link(after_item, space(end));
    builder_.link(after_item, comma(item));
    builder_.define_rule(*array_, builder_.bytes('[', '[', space(builder_.any_of({end, item}))));
  }
  return builder_.call(*array_, next);
}

}  // namespace firesteel
