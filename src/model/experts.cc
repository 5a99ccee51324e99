#include "model/experts.h"

#include <cmath>
#include <limits>

namespace firesteel {
namespace {

constexpr float kLowest = -std::numeric_limits<float>::infinity();

void softmax(float* values, int n) {
  float max = kLowest;
  for (int i = 0; i < n; ++i) max = values[i] > max ? values[i] : max;
  if (max == kLowest) max = 0;
  double sum = 0;
  for (int i = 0; i < n; ++i) {
    values[i] = std::exp(values[i] - max);
    sum += static_cast<double>(values[i]);
  }
  const float scale = sum > 0 ? static_cast<float>(1 / sum) : 0;
  for (int i = 0; i < n; ++i) values[i] *= scale;
}

}  // namespace

void choose_experts(const MoeConfig& moe, float* logits, int32_t* chosen, float* weights) {
  for (int e = 0; e < moe.n_experts; ++e) {
    if (!(logits[e] > -std::numeric_limits<float>::max())) logits[e] = -std::numeric_limits<float>::max();  // NaN too
  }
  if (moe.gating == ExpertGating::kSoftmaxAll) softmax(logits, moe.n_experts);
  if (moe.gating == ExpertGating::kSigmoid) {
    for (int e = 0; e < moe.n_experts; ++e) logits[e] = 1 / (1 + std::exp(-logits[e]));
  }
  for (int rank = 0; rank < moe.n_used; ++rank) {
    int best = -1;
    for (int e = 0; e < moe.n_experts; ++e) {
      bool taken = false;
      for (int r = 0; r < rank; ++r) taken = taken || chosen[r] == e;
      if (!taken && (best < 0 || logits[e] > logits[best])) best = e;
    }
    chosen[rank] = best;
    weights[rank] = logits[best];
  }
  if (moe.gating == ExpertGating::kSoftmaxSelected) {
    softmax(weights, moe.n_used);
  } else if (moe.normalise) {
    double sum = 0;
    for (int rank = 0; rank < moe.n_used; ++rank) sum += static_cast<double>(weights[rank]);
    const float scale = sum > 0 ? static_cast<float>(1 / sum) : 0;
    for (int rank = 0; rank < moe.n_used; ++rank) weights[rank] *= scale;
  }
  const float scale = static_cast<float>(moe.weights_scale);
  for (int rank = 0; rank < moe.n_used; ++rank) weights[rank] *= scale;
}

void group_by_expert(const MoeConfig& moe, int64_t n_rows, const int32_t* chosen, const float* chosen_weights, int32_t* first,
                     int32_t* rows, float* weights) {
  const int64_t n_places = n_rows * moe.n_used;
  for (int e = 0; e <= moe.n_experts; ++e) first[e] = 0;
  for (int64_t i = 0; i < n_places; ++i) ++first[chosen[i] + 1];
  for (int e = 0; e < moe.n_experts; ++e) first[e + 1] += first[e];
  // first[e] runs to the end of its group, then everything moves up by one.
  for (int64_t i = 0; i < n_places; ++i) {
    const int32_t place = first[chosen[i]]++;
    rows[place] = static_cast<int32_t>(i / moe.n_used);
    weights[place] = chosen_weights[i];
  }
  for (int e = moe.n_experts; e > 0; --e) first[e] = first[e - 1];
  first[0] = 0;
}

}  // namespace firesteel
