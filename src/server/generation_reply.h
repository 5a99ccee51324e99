// The pump: from a parsed request to the engine and back to the client's bytes.
//
//   Exchange > tokenize > admit > submit      (worker; refusals are ordinary answers)
//   TokenStream::try_next > encoder > bytes   (I/O thread, when the engine's waker rang)
//   all choices done > usage is durable > the last bytes
//
// A client that leaves destroys the reply, and with it the streams: blocks are free within one step. What was used until then is
// settled by a worker that waits for the engine's last word.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "schema/usage.h"
#include "server/exchange.h"
#include "server/http_server.h"
#include "server/router.h"
#include "server/server_context.h"

namespace firesteel {

struct GenerationOutcome {
  TokenCounts tokens;          // of the whole request
  std::string finish_reason;   // of the first choice; "cancelled" when the client left
  int64_t first_token_us = 0, total_us = 0;
  bool client_left = false;
  std::string text_head = {};  // beginning of the first choice's answer, without thinking; only when somebody observes
  std::optional<double> agreement = {};  // of a vote of agents: the share of samples that said what was answered
};

// Called once per accepted request, on the I/O thread or a worker; must not wait. `done` may be called from any thread, once.
using FinishFn = std::function<void(const GenerationOutcome& outcome, std::function<void(Status)> done)>;

// Lets somebody else stop a generation that is under way. Thread-safe.
class CancelHandle {
 public:
  void cancel() FS_EXCLUDES(mutex_);
  // One lane of a run of agents; false where there is none that runs.
  bool cancel_lane(int lane) FS_EXCLUDES(mutex_);
  // One of several branches (or choices); false where it does not run. The others go on.
  bool cancel_branch(size_t branch) FS_EXCLUDES(mutex_);
  // A person's word about a call that waits; false where none does.
  bool confirm(size_t choice, int64_t question, ConfirmWord word) FS_EXCLUDES(mutex_);
  bool cancelled() FS_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    return cancelled_;
  }

 private:
  friend class GenerationReply;
  Mutex mutex_;
  bool cancelled_ FS_GUARDED_BY(mutex_) = false;
  std::vector<TokenStream*> streams_ FS_GUARDED_BY(mutex_);  // null: it has ended
};

struct GenerationHooks {
  // More that must be durable before the last bytes; runs before the usage is settled.
  FinishFn before_settle = {};
  // kCancelled is an ordinary end, which the encoder sees as kDone.
  bool cancel_is_done = false;
  bool error_is_done = false;   // so is kError: other choices go on
  std::shared_ptr<CancelHandle> cancel = {};
  // A person has allowed a tool for the rest of the conversation; on any thread, and may wait.
  std::function<void(const std::string& tool)> allow_always = {};
  // Told once, when the request has ended, before its usage is settled; must not wait.
  std::function<void(const GenerationOutcome& outcome)> observe = {};
  // Work that nobody waits for. Dropped before its end it is as if it never ran: somebody runs it again from the start, and that run is
  // billed. Its times are not among those that metrics and Retry-After go by.
  bool background = false;
};

// Worker. Fills flow and cache namespace from the caller; `endpoint` is the route's name.
HttpReply start_generation(ServerContext* context, const Call& call, Exchange exchange, GenerationHooks hooks = {});

// A refusal of Tenants::admit in the catalogue's words.
ApiError to_api_error(const Refusal& refusal);
// x-ratelimit-{limit,remaining,reset}-{requests,tokens}; only for limits that exist.
void add_rate_headers(const RateView& requests, const RateView& tokens, HttpHeaders* headers);

}  // namespace firesteel
