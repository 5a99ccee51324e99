// Choosing experts for tokens, and the tokens of each expert. Pure arithmetic on small arrays; the products are in forward.cc.
#pragma once

#include <cstdint>

#include "model/config.h"

namespace firesteel {

// Picks n_used experts of one token from its router logits [n_experts] (overwritten by the gate values).
//
//   chosen   [n_used] expert ids, highest first; ties go to the lower id.
//   weights  [n_used] factors of their outputs.
//
// A NaN counts as the lowest value. Source: Jiang et al. 2024 (Mixtral), arXiv:2401.04088; docs/formats/architectures.md.
void choose_experts(const MoeConfig& moe, float* logits, int32_t* chosen, float* weights);

// Groups the tokens by expert: places first[e] .. first[e+1] of rows (and weights) belong to expert e, rows ascending.
//
//   chosen, chosen_weights  [n_rows][n_used]
//   first                   [n_experts + 1]
//   rows, weights           [n_rows * n_used]
void group_by_expert(const MoeConfig& moe, int64_t n_rows, const int32_t* chosen, const float* chosen_weights, int32_t* first,
                     int32_t* rows, float* weights);

}  // namespace firesteel
