// For tests of train/ and tune/: one small network, and shards of random tokens for it.
#pragma once

#include <cstdint>
#include <vector>

#include "base/rng.h"
#include "train/network_shape.h"
#include "train/shard.h"

namespace firesteel::test_network {

inline NetworkShape small_shape() {
  NetworkShape s;
  s.dim = 32;
  s.n_layers = 2;
  s.n_heads = 2;
  s.n_kv_heads = 1;
  s.head_dim = 16;
  s.ffn_dim = 48;
  s.n_vocab = 40;
  s.context = 64;
  s.vision = false;
  return s;
}

// Samples of these lengths; every other token is a target. What is to be learnt counts differently, some of it the other way round.
inline Shard random_shard(const NetworkShape& shape, const std::vector<int32_t>& lengths, uint64_t seed) {
  Rng rng(seed);
  Shard shard;
  for (const int32_t n : lengths) {
    ShardSegment segment{.start = static_cast<int32_t>(shard.tokens.size()), .n_tokens = n, .first_target = static_cast<int32_t>(shard.targets.size())};
    for (int32_t i = 0; i < n; ++i) {
      shard.tokens.push_back(static_cast<int32_t>(rng.below(static_cast<uint64_t>(shape.n_vocab))));
      if (i % 2 == 1) shard.targets.push_back({segment.start + i, static_cast<int32_t>(rng.below(static_cast<uint64_t>(shape.n_vocab))), shard.segments.empty() ? 1.5f : -0.7f});
    }
    segment.n_targets = static_cast<int32_t>(shard.targets.size()) - segment.first_target;
    shard.segments.push_back(segment);
  }
  return shard;
}

}  // namespace firesteel::test_network
