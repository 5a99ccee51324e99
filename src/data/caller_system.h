// The system texts of callers, as they come through the API: training shows some, so that a plain "You are a helpful assistant." changes
// nothing in the answers.
#pragma once

#include "base/rng.h"
#include "schema/sample.h"

namespace firesteel {

// Puts a neutral system text before one sample in twenty that has none.
void add_caller_system(Sample* sample, Rng* rng);

}  // namespace firesteel
