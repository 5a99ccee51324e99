// Runs the batches of all tenants in the background class of the engine: a thread that takes batches from the store, a few lines of each
// at once, and puts their answers back. Everything it needs to go on is in the store, so a killed process loses nothing but the lines
// that were being written: those run again, with the same seed and so the same bytes, and are billed once.
//
//   validating > in_progress > finalizing > completed | expired         cancelling > cancelled         failed
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "server/server_context.h"

namespace firesteel {

// What a batch may ask: "/v1/chat/completions", "/v1/responses", "/v1/completions", "/v1/embeddings".
bool is_batch_endpoint(std::string_view path);

class BatchRunner {
 public:
  struct Options {
    int n_batches = 4;                 // at the same moment, of different tenants
    int n_lines = 4;                   // of each at the same moment
    int64_t hold_us = 30'000'000;      // another replica goes on so long after this one died
    int64_t poll_us = 2'000'000;       // how often the store is asked for batches that others made
    const Clock* wall = nullptr;       // windows and expiry; null: the wall clock
  };
  // `context` must outlive this.
  BatchRunner(ServerContext* context, Options options);
  ~BatchRunner();  // stop(0)
  BatchRunner(const BatchRunner&) = delete;
  BatchRunner& operator=(const BatchRunner&) = delete;

  // Begins no more lines; those that run may take limit_ms more. What is left goes on after the next start.
  void stop(int64_t limit_ms);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace firesteel
