// Reading what models write: marked answers, numbers with their units, words without their dress, LaTeX without its commands.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/decimal.h"

namespace firesteel {

// A number in a text: "-1,234.5", "3/4", "1 1/2", "1.5e3", "2 x 10^5", "\frac{1}{2}" after plain_math().
struct TextNumber {
  Decimal value;
  int n_decimals = 0;      // written
  size_t begin = 0, end = 0;  // bytes, with its sign
};
std::vector<TextNumber> find_numbers(std::string_view text);

// The unit that stands behind a number ("km/h", "EUR", "%"), or a currency sign before it; empty when there is none.
std::string_view unit_of(std::string_view text, const TextNumber& number);
// One name for each known unit: "kilometers per hour" and "km/h" are "km/h"; empty for others.
std::string_view known_unit(std::string_view unit);

std::string_view trim(std::string_view text);

// Lower case, single blanks, no quotes or emphasis around it, no final stop, no articles.
std::string plain_words(std::string_view text);

// LaTeX reduced to what a formula says: "\dfrac{1}{2}" is "1/2" where both are plain, spaces and units in \text go, "50,\!625" is "50625".
std::string plain_math(std::string_view text);

}  // namespace firesteel
