#include "schema/identity.h"

#include <algorithm>
#include <array>
#include <utility>

namespace firesteel {
namespace {

constexpr std::array<std::pair<Scope, std::string_view>, 8> kScopeNames = {{
    {Scope::kInference, "inference"},
    {Scope::kFiles, "files"},
    {Scope::kFeedback, "feedback"},
    {Scope::kUsageRead, "usage.read"},
    {Scope::kAuditRead, "audit.read"},
    {Scope::kTenantAdmin, "tenant.admin"},
    {Scope::kMetrics, "metrics"},
    {Scope::kAdmin, "admin"},
}};

struct LimitName {
  std::string_view name;
  int64_t Limits::*member;
  int64_t min, max;
};
// The largest keeps rate arithmetic (limit * 60,000,000 us) inside 64 bits.
constexpr int64_t kLimitMax = 10'000'000'000;
constexpr std::array<LimitName, 6> kLimitNames = {{
    {"requests_per_minute", &Limits::requests_per_minute, 0, kLimitMax},
    {"tokens_per_minute", &Limits::tokens_per_minute, 0, kLimitMax},
    {"tokens_per_day", &Limits::tokens_per_day, 0, kLimitMax * 1000},
    {"concurrency", &Limits::concurrency, 0, 1'000'000},
    {"kv_share_percent", &Limits::kv_share_percent, 1, 100},
    {"spend_micros_per_month", &Limits::spend_micros_per_month, 0, kLimitMax * 1'000'000},
}};

}  // namespace

Json limits_json(const Limits& limits) {
  Json json(Json::Object{});
  for (const LimitName& limit : kLimitNames) {
    if (limits.*limit.member >= 0) json.set(limit.name, limits.*limit.member);
  }
  return json;
}

Status check_limits(const Limits& limits) {
  for (const LimitName& limit : kLimitNames) {
    const int64_t value = limits.*limit.member;
    if (value == -1 || (value >= limit.min && value <= limit.max)) continue;
    return Error{ErrorCode::kInvalidArgument, std::string(limit.name) + " must lie between " + std::to_string(limit.min) + " and " +
                                                  std::to_string(limit.max) + ", it is " + std::to_string(value)};
  }
  return {};
}

Result<Limits> parse_limits(const Json& json) {
  if (!json.is_object()) return Error{ErrorCode::kInvalidArgument, "limits must be an object"};
  Limits limits;
  for (const auto& [name, value] : json.as_object()) {
    const auto known = std::find_if(kLimitNames.begin(), kLimitNames.end(), [&wanted = name](const LimitName& limit) { return limit.name == wanted; });
    if (known == kLimitNames.end()) return Error{ErrorCode::kInvalidArgument, "unknown limit '" + name.substr(0, 64) + "'"};
    if (value.is_null()) continue;
    if (!value.is_int() || value.as_int() < 0) return Error{ErrorCode::kInvalidArgument, name + " must be a whole number, at least 0"};
    limits.*known->member = value.as_int();
  }
  FS_TRY_VOID(check_limits(limits));
  return limits;
}

std::string scopes_text(Scope scopes) {
  std::string text;
  for (const auto& [scope, name] : kScopeNames) {
    if ((scopes & scope) == Scope::kNone) continue;
    if (!text.empty()) text += ',';
    text += name;
  }
  return text;
}

Result<Scope> parse_scopes(std::string_view text) {
  Scope scopes = Scope::kNone;
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), word.size() + 1));
    bool known = false;
    for (const auto& [scope, name] : kScopeNames) {
      if (name != word) continue;
      scopes = scopes | scope;
      known = true;
    }
    if (!known) {
      std::string names;
      for (const auto& [scope, name] : kScopeNames) names += (names.empty() ? "" : ", ") + std::string(name);
      return Error{ErrorCode::kInvalidArgument, "unknown scope '" + std::string(word.substr(0, 64)) + "'; there are " + names};
    }
  }
  return scopes;
}

}  // namespace firesteel
