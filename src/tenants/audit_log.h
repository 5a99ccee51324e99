// The audit log: per tenant a chain of rows, each with a keyed hash over the one before and itself. Whoever edits the database without
// the server secret is found at the row that was touched; whoever cuts off the end, by the head's authentication code; whoever puts
// back an older copy of everything, by checkpoints (signed with Ed25519) that were copied elsewhere.
//
//   hash_n = BLAKE2b-256(key, "row" | chain | seq | at_us | actor | action | target | details | hash_(n-1)), fields length-prefixed
//   head   = (seq, hash, BLAKE2b-256(key, "head" | chain | seq | hash))
//   checkpoint, every kCheckpointRows rows or kCheckpointUs = Ed25519("checkpoint" | chain | seq | at_us | hash | seq of the one before)
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "schema/audit.h"
#include "store/store.h"
#include "tenants/crypto.h"
#include "tenants/server_secret.h"

namespace firesteel {

class AuditLog {
 public:
  static constexpr int64_t kCheckpointRows = 1000;
  static constexpr int64_t kCheckpointUs = 60'000'000;

  explicit AuditLog(const ServerSecret& secret);

  // Adds a row in the caller's transaction, so that it is stored exactly when the action is. seq, previous and hash of `entry` are
  // filled here. `checkpoint` gets a JSON line to be copied elsewhere once the commit succeeded, or stays empty.
  Status append(Transaction& transaction, AuditEntry entry, std::string* checkpoint) const;

  // Every chain; kUnavailable and the like only when it cannot be read.
  Result<std::vector<AuditReport>> verify(Reader& reader, std::string_view external) const;

  // Ed25519 key of the checkpoints, hex.
  std::string public_key() const;

 private:
  struct Checkpoint {
    std::string chain;
    int64_t seq = 0, at_us = 0, previous_seq = 0;
    std::string hash, signature;
  };
  std::string row_hash(const AuditEntry& entry) const;
  std::string head_mac(const std::string& chain, int64_t seq, const std::string& hash) const;
  static std::string checkpoint_text(const Checkpoint& checkpoint);
  static std::string checkpoint_line(const Checkpoint& checkpoint);
  Result<AuditReport> verify_chain(Reader& reader, const std::string& chain, const std::vector<Checkpoint>& external) const;
  static std::vector<Checkpoint> parse_external(std::string_view text, std::string* problem);

  ServerSecret::DerivedKey chain_key_;
  SigningKey signing_key_;
};

}  // namespace firesteel
