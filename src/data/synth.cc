#include "data/synth.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "data/history.h"

namespace firesteel {
namespace {

constexpr uint64_t kHistoryOneIn = 12;  // training samples that have an exchange before them, where the one drawn is fit for it

bool begins_with(std::string_view kind, std::string_view prefix) {
  if (prefix.empty()) return true;
  return kind.starts_with(prefix) && (kind.size() == prefix.size() || kind[prefix.size()] == '/' || prefix.back() == '/');
}

uint64_t mixed(uint64_t a, uint64_t b) {
  uint64_t hash = a * 0x9e3779b97f4a7c15u + b;
  hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9u;
  hash = (hash ^ (hash >> 27)) * 0x94d049bb133111ebu;
  return hash ^ (hash >> 31);
}

}  // namespace

struct SynthSource::Impl {
  // Draws an index in proportion to its weight.
  class Weighted {
   public:
    void add(double weight) { sums_.push_back((sums_.empty() ? 0 : sums_.back()) + weight); }
    bool empty() const { return sums_.empty(); }
    size_t draw(Rng* rng) const {
      const double at = rng->uniform() * sums_.back();
      const size_t index = static_cast<size_t>(std::upper_bound(sums_.begin(), sums_.end(), at) - sums_.begin());
      return std::min(index, sums_.size() - 1);
    }

   private:
    std::vector<double> sums_;
  };

  struct Line {
    std::vector<size_t> generators;
    Weighted weights;
  };

  SynthOptions options;
  std::vector<SampleGenerator> generators;
  std::vector<Line> lines;
  Weighted line_weights;

  Rng rng_for(uint64_t stream, uint64_t index) const {
    const uint64_t split = options.split == Split::kTrain ? 1 : 2;
    return Rng(mixed(mixed(mixed(options.seed, split), stream), index));
  }

  Result<Sample> draw(Rng* rng) const {
    const Line& line = lines[line_weights.draw(rng)];
    return generators[line.generators[line.weights.draw(rng)]].make(options.split, rng);
  }
};

std::vector<std::pair<std::string, double>> default_mixture() {
  return {{"math", 0.32}, {"everyday", 0.04},   {"pictures", 0.29}, {"science", 0.12}, {"health", 0.05}, {"units", 0.03},
          {"dates", 0.03},  {"chat", 0.06},     {"plans", 0.03},   {"real", 0.09}};
}

SynthSource::SynthSource(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SynthSource::~SynthSource() = default;

Result<std::unique_ptr<SynthSource>> SynthSource::create(SynthOptions options) {
  auto impl = std::make_unique<Impl>();
  FS_TRY(impl->generators, make_generators(options.generators));
  if (options.mixture.empty()) options.mixture = default_mixture();
  const auto& mixture = options.mixture;
  std::vector<Impl::Line> lines(mixture.size());
  std::vector<bool> matched(mixture.size(), false);
  for (size_t g = 0; g < impl->generators.size(); ++g) {
    const SampleGenerator& generator = impl->generators[g];
    size_t best = mixture.size();
    for (size_t m = 0; m < mixture.size(); ++m) {
      if (!begins_with(generator.kind, mixture[m].first)) continue;
      matched[m] = true;
      if (best == mixture.size() || mixture[m].first.size() > mixture[best].first.size()) best = m;
    }
    if (best == mixture.size()) continue;
    lines[best].generators.push_back(g);
    lines[best].weights.add(generator.weight);
  }
  for (size_t m = 0; m < mixture.size(); ++m) {
    // The default names real data, which only some have.
    if (!matched[m] && mixture[m].first == "real") continue;
    if (!matched[m]) return Error{ErrorCode::kInvalidArgument, fmt::format("mixture: no kind begins with '{}'", mixture[m].first)};
    if (!(mixture[m].second >= 0)) return Error{ErrorCode::kInvalidArgument, fmt::format("mixture: the weight of '{}' is negative", mixture[m].first)};
    if (lines[m].generators.empty() || mixture[m].second <= 0) continue;
    impl->line_weights.add(mixture[m].second);
    impl->lines.push_back(std::move(lines[m]));
  }
  if (impl->lines.empty()) return Error{ErrorCode::kInvalidArgument, "mixture: every weight is 0"};
  impl->options = std::move(options);
  return std::unique_ptr<SynthSource>(new SynthSource(std::move(impl)));
}

Result<Sample> SynthSource::sample(uint64_t index) const {
  Rng rng = impl_->rng_for(0, index);
  FS_TRY(Sample sample, impl_->draw(&rng));
  if (impl_->options.split == Split::kTrain && rng.below(kHistoryOneIn) == 0) {
    FS_TRY(const Sample earlier, impl_->draw(&rng));
    add_history(earlier, &sample);
  }
  return sample;
}

Result<Sample> SynthSource::sample_of(size_t kind_idx, uint64_t index) const {
  const SampleGenerator& generator = impl_->generators[kind_idx];
  Rng rng = impl_->rng_for(stable_hash(generator.kind), index);
  return generator.make(impl_->options.split, &rng);
}

std::vector<std::string> SynthSource::kinds() const {
  std::vector<std::string> kinds;
  for (const SampleGenerator& generator : impl_->generators) kinds.push_back(generator.kind);
  return kinds;
}

}  // namespace firesteel
