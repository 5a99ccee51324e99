// Twins of public items, written the way people write to an assistant: a greeting, small letters, a slip of the keyboard, "u" for "you". Who
// learnt the public wording by heart loses on them; the answer is the same.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "eval/compare.h"
#include "eval/item.h"
#include "eval/report.h"

namespace firesteel {

// The same for the same seed. Words with a digit, a sign of a formula or a capital inside stay as they are, and so do `kept`, digits and signs; only the order of
// letters in some long words, the dress of sentences, and what stands before and behind change.
std::string as_people_write(std::string_view text, const std::vector<std::string>& kept, uint64_t seed);

// Every item, and behind it its twin ("ID~twin"), told apart by the slice "form": "public" and "twin". Of a conversation the last question changes; what stands
// before and behind the choices of a question stays.
std::vector<EvalItem> with_twins(const std::vector<EvalItem>& items, uint64_t seed);

// Public wordings against twins, pair by pair: `first` is the public one. nullopt where a report has no twins.
std::optional<std::vector<SuiteComparison>> compare_twins(const Report& report);

}  // namespace firesteel
