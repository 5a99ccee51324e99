// What a request used, exactly: one row per request, one per branch below it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "schema/ids.h"

namespace firesteel {

struct TokenCounts {
  int64_t prompt = 0;      // all prompt tokens, cached ones included
  int64_t cached = 0;      // of the prompt, taken from the prefix cache or a forked context
  int64_t generated = 0;   // thinking included
  bool operator==(const TokenCounts&) const = default;
};

struct BranchUsage {
  std::string name = {};        // "plan", "branch 2", "join" ...
  TokenCounts tokens = {};
  bool operator==(const BranchUsage&) const = default;
};

// request_id makes storing idempotent: the same one again changes nothing, so a retry is never billed twice.
struct UsageRecord {
  std::string request_id = {};            // the server's, at most 128 bytes
  TenantId tenant = {};                   // tenant, key and user are filled from the admission by Tenants::settle
  KeyId key = {};
  UserId user = {};
  std::string model = {};
  std::string endpoint = {};              // "openai.chat", "anthropic.messages" ...
  std::string finish_reason = {};         // "stop", "length", "cancelled", "error" ...
  TokenCounts tokens = {};                // of the whole request, branches included
  std::vector<BranchUsage> branches = {}; // empty when there was no fork
  int64_t at_us = 0;                 // Unix microseconds; filled by settle when 0
  int64_t total_us = 0;              // duration
  int64_t first_token_us = 0;        // time to first token; 0: none came
  int64_t cost_micros = 0;           // filled by settle from the price list
};

// One line of a report: sums over what it does not name.
struct UsageRow {
  std::string tenant = {}, key = {}, model = {}, day = {};  // day: "2026-11-23"; empty where not grouped by it
  int64_t n_requests = 0;
  TokenCounts tokens = {};
  int64_t cost_micros = 0;
};

// Days since 1970-01-01 UTC, and as people write them ("2026-11-23").
int64_t day_of(int64_t unix_us);
std::string day_text(int64_t day);
std::optional<int64_t> parse_day(std::string_view text);
// Months since 1970-01 UTC.
int64_t month_of(int64_t unix_us);
int64_t first_day_of_month(int64_t month);

struct UsageQuery {
  TenantId tenant = {};                   // empty: all tenants (operators only; the caller checks the scope)
  KeyId key = {};                         // empty: all
  std::string model = {};                 // empty: all
  int64_t from_day = 0;              // inclusive
  int64_t until_day = INT32_MAX;     // exclusive
  bool by_tenant = false, by_key = false, by_model = false, by_day = false;
};

}  // namespace firesteel
