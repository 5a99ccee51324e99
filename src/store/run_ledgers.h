// What runs of agents did, beside the answers that they wrote: the ledger as JSON (docs/subagents.md), from which an answer can be
// replayed. Goes with its message. Every operation takes the owner: a foreign id is not found.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "store/conversations.h"
#include "store/store.h"

namespace firesteel {

class RunLedgers {
 public:
  explicit RunLedgers(Store& store) : store_(store) {}

  // Of a message of the owner (kNotFound otherwise); a second one replaces the first. At most 8 MiB.
  Status put(const Owner& owner, const MessageId& message, const std::string& ledger, int64_t now_us);
  Result<std::string> get(const Owner& owner, const MessageId& message);
  // For the operator's command line, whoever it belongs to.
  Result<std::string> get_any(const MessageId& message);

 private:
  Store& store_;
};

}  // namespace firesteel
