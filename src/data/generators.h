// The table of everything that makes samples: one row per kind (or family of kinds).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/rng.h"
#include "data/curriculum.h"
#include "data/wording.h"
#include "schema/sample.h"

namespace firesteel {

struct SampleGenerator {
  std::string kind;      // a path; mixtures choose by its beginning
  double weight = 1;     // beside its neighbours
  std::function<Result<Sample>(Split split, Rng* rng)> make;  // thread-safe
};

struct GeneratorOptions {
  std::string gsm8k_train;  // path of the real data, or empty: no such generator
  std::string mawps;
};

// All of them, in a fixed order. kInvalidArgument from a curriculum names file and line.
Result<std::vector<SampleGenerator>> make_generators(const GeneratorOptions& options);

// One generator per question of each story.
std::vector<SampleGenerator> story_generators(std::shared_ptr<const Curricula> curricula);

}  // namespace firesteel
