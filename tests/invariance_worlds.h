// Invariant 1, "same request, same bytes": random requests are answered alone, and then again in random worlds, each an engine with
// its own threads, chunk sizes, batch, pool, cache and neighbours. Token ids and the bytes of log-probabilities must be the same.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "model/model.h"
#include "model/vision.h"
#include "tensor/kv_layout.h"

namespace firesteel {

struct InvarianceStats {
  int64_t n_requests = 0;
  uint64_t n_preempted = 0;
  uint64_t n_cached_tokens = 0;
  int64_t n_forked = 0;
  uint64_t n_accepted_tokens = 0;
};

// One world with n_requests of one model; with `vision`, most of them show pictures; with
// `adapters` (files), most of them have one. Reports differences as test failures that name
// the seed.
void check_world(const std::shared_ptr<const Model>& model, const std::string& model_name, KvType kv_type, uint64_t seed, int n_requests,
                 InvarianceStats* stats, const std::shared_ptr<const VisionModel>& vision = {}, const std::vector<std::string>& adapters = {});

}  // namespace firesteel
