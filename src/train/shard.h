// What one shard of a step computes: up to a fixed number of tokens of several samples, packed one after the other.
#pragma once

#include <cstdint>
#include <vector>

namespace firesteel {

struct ShardPatch {
  int32_t position = 0;  // token whose embedding it replaces
  int32_t row = 0, column = 0;
};

// Tokens of a sample see only that sample's earlier tokens; positions start at 0 with each.
struct ShardSegment {
  int32_t start = 0;
  int32_t n_tokens = 0;
  int32_t first_target = 0;  // of the shard's targets
  int32_t n_targets = 0;
  int32_t adapter_from = 0;  // where an adapter begins to count, in tokens of the sample (tune/)
  int32_t kind = 0;          // for the statistics; whoever fills the shard knows what it means
  int32_t first_mark = 0;    // of the shard's marks
  int32_t n_marks = 0;
};

struct ShardTarget {
  int32_t position = 0;  // the logits after this token ...
  int32_t next = 0;      // ... should say this one
  float weight = 1;      // of its gradient; below zero: less of it. (Losses that are reported are without.)
};

struct Shard {
  std::vector<int32_t> tokens;
  std::vector<ShardSegment> segments;
  std::vector<ShardTarget> targets;       // in order of position, at most one at each
  std::vector<ShardTarget> marks;         // asked of the residual stream after the first layers, see Network; in order of position
  std::vector<ShardPatch> patches;
  std::vector<float> patch_values;        // [patches][patch_dim]

  void clear() {
    tokens.clear();
    segments.clear();
    targets.clear();
    marks.clear();
    patches.clear();
    patch_values.clear();
  }
};

struct SegmentResult {
  double loss = 0;     // sum over its targets, nats
  int32_t n_hits = 0;  // targets whose token had the largest logit
  int32_t n_mark_hits = 0;  // the same of its marks
};

}  // namespace firesteel
