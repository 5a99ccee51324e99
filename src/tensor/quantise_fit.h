// Searches for the scale (and minimum) of a small group of weights, minimising a weighted squared error. Internal to the encoders.
//
// For a given assignment of integer levels q the best scale (and minimum) is a least-squares solution; what is searched is the
// assignment, by rounding with a few trial scales around the obvious one. Sums are enough to score a trial, so a trial costs one
// pass over the group, in four lanes.
#pragma once

#include <cstdint>

namespace firesteel {

// Groups have 16 or 32 elements: n is a multiple of 4. Values are finite and at most 3e8 in magnitude.
inline constexpr int kMaxGroup = 32;

struct AffineFit {
  float scale = 0;  // >= 0
  float min = 0;    // >= 0: x is about scale * q - min
};
struct AffineSearch {
  int max_level;    // q is 0..max_level
  float first, step;  // trial t spreads the range over max_level + first + t * step levels
  int n_trials;
};
AffineFit fit_affine(const float* x, const float* weights, int n, const AffineSearch& search);

// x is about scale * q, q in -half..half-1. The scale may be negative: the value of largest magnitude falls on the side with one
// level more.
float fit_symmetric(const float* x, const float* weights, int n, int half, float trial_step, int n_trials);

// Nearest of kIq4Values to v, as its index.
int nearest_iq4(float v);
// x is about scale * kIq4Values[q].
float fit_iq4(const float* x, const float* weights, int n);

}  // namespace firesteel
