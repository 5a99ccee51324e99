// One sample of one question of a story, or of a chat.
#pragma once

#include "base/result.h"
#include "base/rng.h"
#include "data/curriculum.h"
#include "schema/sample.h"

namespace firesteel {

// Tries until conditions and the split's rules hold. kInternal: the curriculum makes it impossible (too narrow, contradictory, a number
// that is used but not shown); the message has the kind and the last reason. ask < story.asks.size(); 0 for a chat.
Result<Sample> make_story_sample(const Story& story, size_t ask, Split split, Rng* rng);

// The fixed parts of the model's text, one place for all who write targets.
std::string think_block(std::string_view thinking);                 // "<think>\n...\n</think>\n\n"
std::string calculator_call(std::string_view expression);           // "<tool_call>\n{...}\n</tool_call>"

}  // namespace firesteel
