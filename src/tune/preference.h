// Losses over pairs of answers, of which one is preferred. Pure arithmetic on the log-probabilities of whole answers.
//
//   DPO   -log sigmoid(beta ((c - c_ref) - (r - r_ref)))                Rafailov et al. 2023, arXiv:2305.18290
//   ORPO  -c / n_c + lambda * -log sigmoid(log odds(c) - log odds(r))   Hong et al. 2024, arXiv:2403.07691
// with odds(p) = p / (1 - p) of the mean token probability exp(c / n_c). Length-normalised DPO divides c and r (and their references) by the
// answers' lengths, as SimPO does for its margin (Meng et al. 2024, arXiv:2405.14734).
#pragma once

#include <cmath>
#include <cstdint>

namespace firesteel {

struct AnswerLogprob {
  double sum = 0;        // of the answer's tokens, under the tuned model
  double reference = 0;  // the same under the base (DPO)
  int64_t n_tokens = 1;
};

struct PreferenceLoss {
  double loss = 0;
  double margin = 0;       // what the sigmoid is taken of; above zero: the preferred answer is ahead
  double d_chosen = 0;     // d loss / d sum of the chosen answer: below zero
  double d_rejected = 0;
};

inline double log_sigmoid(double x) { return x >= 0 ? -std::log1p(std::exp(-x)) : x - std::log1p(std::exp(x)); }
inline double sigmoid(double x) { return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x)); }

inline PreferenceLoss dpo_loss(const AnswerLogprob& chosen, const AnswerLogprob& rejected, double beta, bool by_length) {
  const double c = by_length ? 1.0 / static_cast<double>(chosen.n_tokens) : 1, r = by_length ? 1.0 / static_cast<double>(rejected.n_tokens) : 1;
  PreferenceLoss out;
  out.margin = beta * (c * (chosen.sum - chosen.reference) - r * (rejected.sum - rejected.reference));
  out.loss = -log_sigmoid(out.margin);
  const double slope = -beta * sigmoid(-out.margin);
  out.d_chosen = slope * c;
  out.d_rejected = -slope * r;
  return out;
}

inline PreferenceLoss orpo_loss(const AnswerLogprob& chosen, const AnswerLogprob& rejected, double lambda) {
  const double n_c = static_cast<double>(chosen.n_tokens), n_r = static_cast<double>(rejected.n_tokens);
  // A mean of exactly 0 (probability 1) has no finite odds.
  const double c = std::fmin(chosen.sum / n_c, -1e-9), r = std::fmin(rejected.sum / n_r, -1e-9);
  const double not_c = -std::expm1(c), not_r = -std::expm1(r);  // 1 - p
  PreferenceLoss out;
  out.margin = (c - std::log(not_c)) - (r - std::log(not_r));
  out.loss = -c - lambda * log_sigmoid(out.margin);
  const double slope = -lambda * sigmoid(-out.margin);
  out.d_chosen = (-1 + slope / not_c) / n_c;  // d log odds / d mean = 1 / (1 - p)
  out.d_rejected = -slope / not_r / n_r;
  return out;
}

}  // namespace firesteel
