// The stream of synthesised samples that training and evaluation read.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "data/generators.h"
#include "data/wording.h"
#include "schema/sample.h"

namespace firesteel {

struct SynthOptions {
  uint64_t seed = 1;
  Split split = Split::kTrain;
  // (beginning of a kind, weight): "math" takes every generator below math/, "" all. First a line of the mixture is chosen by weight, then a
  // generator below it by its own weight. A generator that several lines match belongs to the longest. Empty: default_mixture().
  std::vector<std::pair<std::string, double>> mixture = {};
  GeneratorOptions generators = {};
};

std::vector<std::pair<std::string, double>> default_mixture();

class SynthSource : public SampleSource {
 public:
  // kInvalidArgument: a bad curriculum (FILE:LINE), or a line of the mixture that no kind begins with.
  static Result<std::unique_ptr<SynthSource>> create(SynthOptions options);
  ~SynthSource() override;

  // A pure function of (seed, split, mixture, curricula, index). Thread-safe.
  Result<Sample> sample(uint64_t index) const override;
  // The same from one generator: kinds()[k].
  Result<Sample> sample_of(size_t kind_idx, uint64_t index) const;

  std::vector<std::string> kinds() const;

 private:
  struct Impl;
  explicit SynthSource(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace firesteel
