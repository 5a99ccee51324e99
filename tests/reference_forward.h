// A second, naive forward pass in float64, written from docs/formats/architectures.md and sharing nothing with src/model and
// src/kernels: the oracle of the parity and family tests. Reads the checkpoint's metadata and tensors by itself, keeps all keys and
// values in plain arrays and computes one token after the other.
#pragma once

#include <span>
#include <vector>

#include "base/ids.h"
#include "checkpoint/checkpoint.h"

namespace firesteel {

// Logits [tokens.size()][n_vocab] of one sequence from position 0. Aborts on a model it does not know.
std::vector<double> reference_forward(const Checkpoint& checkpoint, std::span<const TokenId> tokens);

}  // namespace firesteel
