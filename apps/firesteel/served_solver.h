// Evaluation on a running server instead of an engine of one's own: items go there as batches (docs/api.md, POST /v1/batches), which run in the background class beside people's
// requests, wait in the server's store, and are shared by its replicas.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "eval_solver.h"

namespace firesteel {

struct ServedOptions {
  uint16_t port = 0;             // of this machine
  std::string key = {};          // an API key with the scopes inference and files
  std::string model = {};        // as clients ask for it: "kindling", "helper@candidate"
  bool is_variant = false;       // its own settings count where `settings` says nothing, not the suite's
};

// "http://127.0.0.1:8080" (or localhost): kInvalidArgument for anything else; another machine's server is reached by a tunnel.
Result<uint16_t> parse_served(const std::string& url);

// One for all suites of a run. Items of a suite go in batches of 32, in their order; the first that is asked for sends its batch, and all of it wait for it together. What goes wrong on
// the way (no server, no right) is no answer: the attempt is cancelled, and problem() says why.
class ServedSolver {
 public:
  static constexpr size_t kBatchItems = 32;
  ServedSolver(ServedOptions options, EvalSettings settings) : options_(std::move(options)), settings_(std::move(settings)) {}
  Attempt solve(const Suite& suite, const EvalItem& item, size_t index);
  std::string problem() const;
  // The server's version and whether it knows the model, before anything is asked. kNotFound, kPermissionDenied, kUnavailable.
  Status check();

 private:
  struct Batch {
    bool done = false;
    std::map<std::string, Attempt> attempts;   // by the item's id
    std::string problem;
  };
  std::string line_of(const Suite& suite, const EvalItem& item, size_t index) const;
  Status run(const Suite& suite, size_t first, Batch* batch);

  const ServedOptions options_;
  const EvalSettings settings_;
  mutable Mutex mutex_;
  CondVar changed_;
  std::map<std::string, std::shared_ptr<Batch>> batches_;   // by suite and first item
};

}  // namespace firesteel
