// Multiple choice without writing: which letter does the model hold likeliest as its next token?
#pragma once

#include "api/generator.h"
#include "eval/run.h"

namespace firesteel {

// Generates one token of `request` (greedy, whatever its sampling says) and compares the choices' letters among its 20 likeliest
// alternatives; a letter that is not among them counts as less likely than all that are. Attempt::choice is -1 when none is.
Attempt choose_by_logprob(Generator* generator, GenerateRequest request, size_t n_choices);

}  // namespace firesteel
