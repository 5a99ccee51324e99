#include "train/adamw.h"

#include <algorithm>
#include <cmath>

namespace firesteel {
namespace {

constexpr int64_t kChunk = 16384;

}  // namespace

AdamW::AdamW(const ParameterLayout& layout, const KernelTable& table, const AdamOptions& options, bool (*skip)(const ParameterInfo&))
    : table_(table), options_(options) {
  for (const ParameterInfo& info : layout.tensors) {
    const double decay = info.kind == ParameterKind::kMatrix ? options.weight_decay : 0.0;
    for (int64_t at = 0; at < info.n(); at += kChunk) {
      chunks_.push_back({info.offset + at, std::min(kChunk, info.n() - at), static_cast<float>(info.rate), static_cast<float>(decay),
                         skip != nullptr && skip(info)});
    }
  }
  squares_.resize(chunks_.size());
}

double AdamW::step(Exec* exec, const std::vector<float*>& lanes, int64_t step, double rate, float* weights, float* m, float* v) {
  exec->parallel_for(static_cast<int64_t>(chunks_.size()), [&](int64_t task, int) {
    const Chunk& chunk = chunks_[static_cast<size_t>(task)];
    for (size_t lane = 1; lane < lanes.size(); ++lane) table_.add(lanes[0] + chunk.offset, lanes[lane] + chunk.offset, chunk.n);
    squares_[static_cast<size_t>(task)] = table_.train.sum_squares(lanes[0] + chunk.offset, chunk.n);
  });
  double sum = 0;
  for (const double squares : squares_) sum += squares;
  const double norm = std::sqrt(sum);
  if (!std::isfinite(norm)) return norm;
  float p[kAdamParams] = {};
  p[kAdamGradScale] = static_cast<float>(grad_scale(norm));
  p[kAdamBeta1] = static_cast<float>(options_.beta1);
  p[kAdamBeta2] = static_cast<float>(options_.beta2);
  p[kAdamEps] = static_cast<float>(options_.eps);
  p[kAdamMScale] = static_cast<float>(1 / (1 - std::pow(options_.beta1, static_cast<double>(step))));
  p[kAdamVScale] = static_cast<float>(1 / (1 - std::pow(options_.beta2, static_cast<double>(step))));
  exec->parallel_for(static_cast<int64_t>(chunks_.size()), [&](int64_t task, int) {
    const Chunk& chunk = chunks_[static_cast<size_t>(task)];
    if (chunk.skip) return;
    float own[kAdamParams];
    std::copy(std::begin(p), std::end(p), own);
    own[kAdamRate] = static_cast<float>(rate) * chunk.rate;
    own[kAdamDecay] = chunk.decay;
    table_.train.adamw(weights + chunk.offset, m + chunk.offset, v + chunk.offset, lanes[0] + chunk.offset, chunk.n, own);
  });
  return norm;
}

}  // namespace firesteel
