#include "data/generators.h"

#include <utility>

#include "data/pictures/pictures.h"
#include "data/story_sample.h"

namespace firesteel {

std::vector<SampleGenerator> story_generators(std::shared_ptr<const Curricula> curricula) {
  std::vector<SampleGenerator> generators;
  for (const auto& owned : curricula->stories()) {
    const Story* story = owned.get();
    const size_t n = story->is_chat() ? 1 : story->asks.size();
    for (size_t i = 0; i < n; ++i) {
      generators.push_back({story->is_chat() ? story->kind : story->kind + "/" + story->asks[i].name, story->weight,
                            [curricula, story, i](Split split, Rng* rng) { return make_story_sample(*story, i, split, rng); }});
    }
  }
  return generators;
}

namespace {

void add_pictures(std::vector<SampleGenerator>* generators) {
  for (const pictures::PictureKind& kind : pictures::picture_kinds()) {
    generators->push_back({std::string(kind.kind), kind.weight, [prefix = kind.kind](Split split, Rng* rng) -> Result<Sample> {
                             const auto which = split == Split::kTrain ? pictures::Split::kTrain : pictures::Split::kEval;
                             return pictures::make_picture_sample(rng, {.split = which, .prefix = prefix});
                           }});
  }
}

}  // namespace

Result<std::vector<SampleGenerator>> make_generators(const GeneratorOptions& options) {
  (void)options;
  FS_TRY(std::unique_ptr<const Curricula> curricula, Curricula::parse(embedded_curricula()));
  std::vector<SampleGenerator> generators = story_generators(std::shared_ptr<const Curricula>(std::move(curricula)));
  add_pictures(&generators);
  return generators;
}

}  // namespace firesteel
