#include "data/generators.h"

#include <utility>

#include "data/pictures/pictures.h"
#include "data/real/problem.h"
#include "data/real/reword.h"
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
                             // Training thinks more: one word of an answer says little about what was seen.
                             const bool training = split == Split::kTrain;
                             return pictures::make_picture_sample(rng, {.split = which, .prefix = prefix, .thinking = training ? 0.92 : 0.75, .tools = training ? 0.6 : 0.4});
                           }});
    const std::string told = pictures::told_kind(kind.kind);
    if (told.empty()) continue;
    generators->push_back({told, kind.weight, [prefix = kind.kind](Split split, Rng* rng) -> Result<Sample> {
                             return pictures::make_told_sample(rng, prefix, split == Split::kTrain ? pictures::Split::kTrain : pictures::Split::kEval);
                           }});
  }
}

// Real problems of the split; what is held out by its sentence skeleton is for evaluation.
Status add_real(const std::string& kind, double weight, Result<std::vector<RealProblem>> read, uint64_t held_out_percent, std::vector<SampleGenerator>* generators) {
  FS_TRY(std::vector<RealProblem> all, std::move(read));
  struct Parts {
    std::vector<RealProblem> train, eval;
    OtherStories others;  // of train
  };
  auto parts = std::make_shared<Parts>();
  for (RealProblem& problem : all) {
    (is_held_out_skeleton(problem.text, held_out_percent) ? parts->eval : parts->train).push_back(std::move(problem));
  }
  if (parts->train.empty() || parts->eval.empty()) return Error{ErrorCode::kInvalidArgument, kind + ": no problem of the file can be used"};
  parts->others.asides = asides(parts->train);
  for (const RealProblem& problem : parts->train) {
    if (std::string facts = facts_of(problem); !facts.empty()) parts->others.facts.push_back(std::move(facts));
  }
  generators->push_back({kind, weight, [parts, kind](Split split, Rng* rng) -> Result<Sample> {
                           const std::vector<RealProblem>& problems = split == Split::kTrain ? parts->train : parts->eval;
                           return make_real_sample(problems[rng->below(problems.size())], kind, split, parts->others, rng);
                         }});
  return {};
}

}  // namespace

Result<std::vector<SampleGenerator>> make_generators(const GeneratorOptions& options) {
  FS_TRY(std::unique_ptr<const Curricula> curricula, Curricula::parse(embedded_curricula()));
  std::vector<SampleGenerator> generators = story_generators(std::shared_ptr<const Curricula>(std::move(curricula)));
  add_pictures(&generators);
  // GSM8K's problems take four times the tokens of MAWPS's and need five times the steps: they come less often.
  if (!options.gsm8k_train.empty()) FS_TRY_VOID(add_real("real/gsm8k", 1, read_gsm8k(options.gsm8k_train), kGsm8kHeldOutPercent, &generators));
  if (!options.mawps.empty()) FS_TRY_VOID(add_real("real/mawps", 5, read_mawps(options.mawps), kMawpsHeldOutPercent, &generators));
  return generators;
}

}  // namespace firesteel
