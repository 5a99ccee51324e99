// Numbers that a text says in words: what an expression may use as constants.
#pragma once

#include <string_view>
#include <vector>

#include "base/decimal.h"

namespace firesteel {

// "twelve", "half" (2), "twice" (2), "dozen" (12), "week" (7) ..., in order, without doubles.
std::vector<Decimal> numbers_in_words(std::string_view text, bool with_units);

}  // namespace firesteel
