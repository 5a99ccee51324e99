// Compound questions: several problems asked in one message, so that what parallel work gains can be measured on problems with known answers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/result.h"
#include "eval/item.h"

namespace firesteel {

// One message of a user without pictures, not longer than 300 bytes nor with lines, graded as a number or in exact words.
bool can_be_part(const EvalItem& item);

// `count` items of parts_min to parts_max problems each, taken from `simple` in order, each used once (requires parts_max * count of them;
// kInvalidArgument otherwise). How they are asked is drawn from (seed, index): numbered lines, numbers in a sentence, bullets, "First, ...
// Then, ...", question after question. In a third of the numbered ones the last part asks for something of an earlier answer that is a whole
// number ("What is 3 times the answer to question 2?"). Slices: "form", "parts", "needs" (yes, no).
Result<std::vector<EvalItem>> make_compound_items(std::vector<EvalItem> simple, int parts_min, int parts_max, size_t count, uint64_t seed);

}  // namespace firesteel
