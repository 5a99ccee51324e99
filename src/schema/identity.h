// Who may do what: tenants, users, keys, their limits. Records as stored; secrets are never part of them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "schema/ids.h"

namespace firesteel {

// Bits of what a key may do. A route names the ones that it needs.
enum class Scope : uint32_t {
  kNone = 0,
  kInference = 1u << 0,      // chat, completions, embeddings, models, conversations of the own tenant
  kFiles = 1u << 1,          // files and batches
  kFeedback = 1u << 2,       // thumbs, reasons, corrections
  kUsageRead = 1u << 3,      // usage of the own tenant
  kAuditRead = 1u << 4,      // audit log of the own tenant
  kTenantAdmin = 1u << 5,    // keys, users and limits of the own tenant
  kMetrics = 1u << 6,        // operator's metrics
  kAdmin = 1u << 7,          // everything of every tenant
};
constexpr Scope operator|(Scope a, Scope b) { return static_cast<Scope>(static_cast<uint32_t>(a) | static_cast<uint32_t>(b)); }
constexpr Scope operator&(Scope a, Scope b) { return static_cast<Scope>(static_cast<uint32_t>(a) & static_cast<uint32_t>(b)); }
// All bits of `needed` are there; kAdmin holds every one.
constexpr bool has_scope(Scope held, Scope needed) { return (held & Scope::kAdmin) == Scope::kAdmin || (held & needed) == needed; }
constexpr Scope kDefaultScopes = Scope::kInference | Scope::kFiles | Scope::kFeedback | Scope::kUsageRead;

// "inference,usage.read"; in bit order. Parsing names an unknown word and the known ones.
std::string scopes_text(Scope scopes);
Result<Scope> parse_scopes(std::string_view text);

// Limits of a key or a tenant; -1: none. Both a key's and its tenant's hold.
struct Limits {
  int64_t requests_per_minute = -1;
  int64_t tokens_per_minute = -1;       // prompt + generated; max_tokens is reserved at admission and given back when unused
  int64_t tokens_per_day = -1;          // UTC day
  int64_t concurrency = -1;             // requests at the same moment
  int64_t kv_share_percent = -1;        // of the engine's KV blocks, 1..100
  int64_t spend_micros_per_month = -1;  // millionths of the currency unit, UTC month; prices per model
  bool operator==(const Limits&) const = default;
};

// {"requests_per_minute": 60, ...}: members that are absent or null mean no limit; unknown ones, fractions and values outside
// 0..10^10 (kv_share_percent: 1..100) are refused, naming the member.
Json limits_json(const Limits& limits);
Result<Limits> parse_limits(const Json& json);
Status check_limits(const Limits& limits);

struct TenantRecord {
  TenantId id = {};
  std::string name = {};
  bool disabled = false;
  int64_t created_us = 0;   // Unix microseconds, as all `_us` of records
  int64_t flow = 0;         // small number: the scheduler's fairness flow
  Limits limits = {};
};

struct UserRecord {
  UserId id = {};
  TenantId tenant = {};
  std::string name = {};         // unique in the tenant
  bool disabled = false;
  int64_t created_us = 0;
};

struct KeyRecord {
  KeyId id = {};
  TenantId tenant = {};
  UserId user = {};                               // empty: the tenant itself
  std::string name = {};
  std::string hint = {};                          // "fs-ab12...": enough to recognise a key, useless to guess it
  Scope scopes = kDefaultScopes;
  std::vector<std::string> allowed_models = {};   // empty: all
  bool consent = false;                      // content may be kept for improvement
  Limits limits = {};
  int64_t created_us = 0;
  int64_t expires_us = 0;                    // 0: never
  int64_t revoked_us = 0;                    // 0: not
  int64_t last_used_us = 0;                  // written with usage, so up to a minute old
  KeyId replaced_by = {};                         // after rotation; the old one expires when the overlap ends
};

}  // namespace firesteel
