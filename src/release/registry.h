// Variants, aliases and rollouts in the store. Each change is one transaction with its audit row; what two people change at the same
// moment is decided by compare-and-set. Thread-safe, stateless beyond the store.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "release/rollout.h"
#include "release/variant.h"
#include "store/store.h"
#include "tenants/tenants.h"

namespace firesteel {

struct AliasRecord {
  std::string alias;           // "champion", "candidate", "previous" ...
  std::string digest;
  int64_t version = 0;         // counts its changes
};

struct AliasChange {
  int64_t at_us = 0;
  std::string alias, digest, actor, reason;
};

struct RolloutRecord {
  std::string id;
  std::string name;
  RolloutPlan plan;
  std::string champion, candidate;   // digests
  std::vector<SuiteResult> suites = {};
  RolloutState state;
  int64_t version = 0;
  int64_t created_us = 0, updated_us = 0;
};

class Registry {
 public:
  Registry(Store& store, Tenants& tenants, const Clock& wall = wall_clock()) : store_(store), tenants_(tenants), wall_(wall) {}

  // The same content under the same name is the same variant: it is returned as it is. The first of a name becomes its champion.
  struct Origin {
    std::string dataset = {}, report = {}, note = {};
  };
  Result<Variant> create(const std::string& name, const VariantSpec& spec, const Origin& origin, const Actor& actor);
  Result<std::vector<Variant>> list(const std::string& name);   // newest first; empty name: of all names
  Result<std::vector<std::string>> names();
  // `which`: a number, at least 8 digits of a digest, or an alias with or without "@". kNotFound says what there is.
  Result<Variant> find(const std::string& name, std::string_view which);
  Result<std::vector<AliasRecord>> aliases(const std::string& name);
  Result<std::vector<AliasChange>> history(const std::string& name, int64_t limit);   // newest first

  // kFailedPrecondition when the alias points elsewhere than `expected` (a digest; empty: must not exist; nullopt: whatever it is).
  Status set_alias(const std::string& name, const std::string& alias, const std::string& digest, const std::optional<std::string>& expected,
                   const std::string& reason, const Actor& actor);
  // champion := digest, previous := what it was. Running rollouts of the name end as cancelled when they are not about this candidate.
  Status promote(const std::string& name, const std::string& digest, const std::optional<std::string>& expected, const std::string& reason, const Actor& actor);
  // Ends a running rollout of the name (its users are back at the champion), or without one makes the previous champion the champion
  // again. Returns what serves now.
  Result<Variant> roll_back(const std::string& name, const std::string& reason, const Actor& actor);

  // kFailedPrecondition: another one of this name is under way, no champion, or candidate and champion are the same.
  Result<RolloutRecord> start(const RolloutPlan& plan, const std::vector<SuiteResult>& suites, const Actor& actor);
  Result<RolloutRecord> rollout(const std::string& id);
  // Newest first. only_running: those that are not over.
  Result<std::vector<RolloutRecord>> rollouts(const std::string& name, bool only_running, int64_t limit);
  Result<std::vector<RolloutEvent>> events(const std::string& rollout, int64_t limit);   // newest first
  Result<Evidence> evidence(const RolloutRecord& rollout);
  // New results of suites, for a gate that waits.
  Status put_suites(const std::string& rollout, const std::vector<SuiteResult>& suites, const Actor& actor);
  // Moves a rollout on by what is stored, and with it the alias when it ends in a promotion. Returns it as it is then.
  Result<RolloutRecord> advance_stored(const std::string& id, const Actor& actor);

 private:
  Status save(const RolloutRecord& before, const RolloutState& state, const std::vector<RolloutEvent>& events, const Actor& actor);

  Store& store_;
  Tenants& tenants_;
  const Clock& wall_;
};

}  // namespace firesteel
