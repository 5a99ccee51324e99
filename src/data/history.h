// Conversations with more than one question: a sample gets another one before it, as people go on in the same chat.
#pragma once

#include "schema/sample.h"

namespace firesteel {

// Puts the question of `earlier` and its answer, in plain text without thinking, before the messages of *sample (behind a system text).
// False, and nothing done, where `earlier` is no short exchange in plain text: a call as its target, a picture, several turns.
bool add_history(const Sample& earlier, Sample* sample);

}  // namespace firesteel
