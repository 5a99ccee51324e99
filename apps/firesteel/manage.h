// What the commands tenant, key, usage, audit and store share.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "command_line.h"
#include "installation.h"
#include "schema/identity.h"
#include "schema/usage.h"

namespace firesteel {

// The actor that audit rows of these commands name.
Actor cli_actor();

struct ManageOptions {
  std::string state_dir;
  bool json = false;
};
void add_manage_options(Command* command, ManageOptions* options);

// Runs `action` on the installation and turns its result into an exit code. Works beside a running server, which sees the changes
// within 250 ms. With must_exist, an absent installation is an error instead of being made.
int with_installation(const ManageOptions& options, bool must_exist, const std::function<Status(Installation&)>& action);

// Limits as flags: --rpm, --tpm, --tokens-per-day, --concurrency, --kv-share, --spend. What is not given stays as it is.
struct LimitFlags {
  static constexpr int64_t kNotGiven = -2;
  std::array<int64_t, 5> values{kNotGiven, kNotGiven, kNotGiven, kNotGiven, kNotGiven};
  double spend = kNotGiven;  // currency units
  bool any_given() const;
  Limits over(Limits limits) const;
};
void add_limit_flags(Command* command, LimitFlags* flags);

std::string time_text(int64_t unix_us);   // "2026-11-23 07:30:12Z", "-" for 0
std::string money_text(int64_t micros);   // "12.50"
std::string limits_text(const Limits& limits);

Json tenant_json(const TenantRecord& tenant);
Json key_json(const KeyRecord& key, int64_t now_us);
std::string key_state(const KeyRecord& key, int64_t now_us);  // "active", "revoked", "expired", "rotated"

// By id or name; kNotFound names the near ones.
Result<TenantRecord> find_tenant(Tenants& tenants, const std::string& id_or_name);

// Columns as wide as their widest cell; the first row is the head.
void print_table(const std::vector<std::vector<std::string>>& rows);
// Text of somebody else on a terminal: control characters become '?'.
std::string printable(std::string_view text);

}  // namespace firesteel
