// Counters of an engine, as one consistent copy.
#pragma once

#include <cstdint>

namespace firesteel {

struct EngineStats {
  // Now.
  int64_t n_waiting = 0;          // sequences that hold no blocks yet (or not any more)
  int64_t n_running = 0;          // sequences in the step loop
  int64_t n_contexts = 0;
  uint64_t n_blocks = 0;          // of the pool
  uint64_t n_free_blocks = 0;
  uint64_t n_cached_blocks = 0;   // referenced by the prefix cache
  uint64_t kv_bytes_touched = 0;  // KV memory committed so far
  uint64_t kv_bytes_max = 0;
  uint64_t workspace_bytes = 0;

  // Since the start.
  uint64_t n_requests = 0;        // accepted
  uint64_t n_finished = 0;        // terminal events
  uint64_t n_steps = 0;
  uint64_t n_prefill_tokens = 0;  // rows computed of prompts (and of resumed sequences)
  uint64_t n_decode_tokens = 0;   // tokens sampled
  uint64_t n_prompt_tokens = 0;   // of accepted requests
  uint64_t n_generated_tokens = 0;  // published: without ends of generation
  uint64_t n_prefix_queries = 0;  // requests that looked into the prefix cache
  uint64_t n_prefix_hits = 0;     // and found something
  uint64_t n_redrawn_tokens = 0;  // of constrained answers: what the model drew first was not allowed
  uint64_t n_drafted_tokens = 0;  // guessed ahead (speculation)
  uint64_t n_accepted_tokens = 0; // of those, the ones that were then drawn
  uint64_t n_cached_tokens = 0;   // prompt tokens taken from prefix cache or contexts instead
  uint64_t n_preempted = 0;
  uint64_t n_evicted_blocks = 0;
  int64_t step_us = 0;            // time in steps, summed
  int64_t forward_us = 0;         // of it, in Model::forward
};

}  // namespace firesteel
