// The audit log's record: who did what to what, in one chain per tenant.
#pragma once

#include <cstdint>
#include <string>

namespace firesteel {

struct AuditEntry {
  std::string chain = {};     // tenant id, or "system"
  int64_t seq = 0;       // 1, 2, 3 ... without gaps
  int64_t at_us = 0;     // for people; order is seq, so clock jumps do no harm
  std::string actor = {};     // key id, "cli", "server"
  std::string action = {};    // "key.create", "tenant.disable" ...
  std::string target = {};    // id of what was acted on
  std::string details = {};   // JSON object, no secrets, no content
  std::string previous = {};  // hash of the row before (32 bytes; zeros for the first)
  std::string hash = {};      // keyed BLAKE2b-256 over previous and all fields above
};

// What checking one chain found.
struct AuditReport {
  std::string chain = {};
  int64_t n_rows = 0;
  int64_t n_checkpoints = 0;
  int64_t first_bad_seq = 0;  // 0: nothing wrong
  std::string problem = {};        // what is wrong there
  bool ok() const { return first_bad_seq == 0; }
};

}  // namespace firesteel
