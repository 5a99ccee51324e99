#include "manage.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/utf8.h"

namespace firesteel {

Actor cli_actor() { return {"cli:" + std::to_string(::getuid())}; }

void add_manage_options(Command* command, ManageOptions* options) {
  add_state_option(command, &options->state_dir);
  command->flag("--json", &options->json, "Print one JSON object");
}

int with_installation(const ManageOptions& options, bool must_exist, const std::function<Status(Installation&)>& action) {
  const std::string folder = state_dir_to_use(options.state_dir);
  if (must_exist && std::getenv("FIRESTEEL_DATABASE") == nullptr && ::access((folder + "/firesteel.db").c_str(), F_OK) != 0) {
    return fail({ErrorCode::kNotFound, folder + ": nothing is stored here yet; 'firesteel serve' or 'firesteel key create' make it, --state-dir names another folder"}, options.json);
  }
  Result<Installation> installation = open_installation(folder, 0);
  if (!installation.ok()) return fail(installation.error(), options.json);
  const Status status = action(*installation);
  return status.ok() ? static_cast<int>(kExitOk) : fail(status.error(), options.json);
}

bool LimitFlags::any_given() const {
  return spend > kNotGiven || std::any_of(values.begin(), values.end(), [](int64_t value) { return value != kNotGiven; });
}

Limits LimitFlags::over(Limits limits) const {
  int64_t* const members[] = {&limits.requests_per_minute, &limits.tokens_per_minute, &limits.tokens_per_day, &limits.concurrency, &limits.kv_share_percent};
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i] != kNotGiven) *members[i] = values[i];
  }
  if (spend > kNotGiven) limits.spend_micros_per_month = spend < 0 ? -1 : static_cast<int64_t>(std::llround(spend * 1e6));
  return limits;
}

void add_limit_flags(Command* command, LimitFlags* flags) {
  constexpr int64_t kMax = 10'000'000'000;
  command->integer("--rpm", &flags->values[0], -1, kMax, "Requests per minute; -1: no limit, as for all of these");
  command->integer("--tpm", &flags->values[1], -1, kMax, "Tokens (prompt and answer) per minute");
  command->integer("--tokens-per-day", &flags->values[2], -1, kMax, "Tokens per UTC day");
  command->integer("--concurrency", &flags->values[3], -1, 1'000'000, "Requests at the same moment");
  command->integer("--kv-share", &flags->values[4], -1, 100, "Percent of the memory for contexts");
  command->number("--spend", &flags->spend, -1, 1e9, "Spend per month in currency units, by the price list");
}

std::string time_text(int64_t unix_us) {
  if (unix_us == 0) return "-";
  const int64_t seconds = (unix_us / 1'000'000) % 86'400;
  return fmt::format("{} {:02}:{:02}:{:02}Z", day_text(day_of(unix_us)), seconds / 3600, seconds / 60 % 60, seconds % 60);
}

std::string money_text(int64_t micros) { return fmt::format("{}.{:02}", micros / 1'000'000, micros % 1'000'000 / 10'000); }

std::string limits_text(const Limits& limits) {
  std::string text;
  const auto add = [&](int64_t value, const char* unit) {
    if (value >= 0) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", value, unit);
  };
  add(limits.requests_per_minute, "req/min");
  add(limits.tokens_per_minute, "tok/min");
  add(limits.tokens_per_day, "tok/day");
  add(limits.concurrency, "at once");
  add(limits.kv_share_percent, "% KV");
  if (limits.spend_micros_per_month >= 0) text += fmt::format("{}{} per month", text.empty() ? "" : ", ", money_text(limits.spend_micros_per_month));
  return text.empty() ? "none" : text;
}

Json tenant_json(const TenantRecord& tenant) {
  return Json::Object{{"id", tenant.id.str()}, {"name", tenant.name}, {"disabled", tenant.disabled}, {"created_us", tenant.created_us},
                      {"limits", limits_json(tenant.limits)}};
}

std::string key_state(const KeyRecord& key, int64_t now_us) {
  if (key.revoked_us != 0) return "revoked";
  if (key.expires_us != 0 && key.expires_us <= now_us) return "expired";
  return key.replaced_by.empty() ? "active" : "rotated";
}

Json key_json(const KeyRecord& key, int64_t now_us) {
  Json::Array models;
  for (const std::string& model : key.allowed_models) models.emplace_back(model);
  return Json::Object{{"id", key.id.str()}, {"tenant", key.tenant.str()}, {"user", key.user.str()}, {"name", key.name}, {"hint", key.hint},
                      {"state", key_state(key, now_us)}, {"scopes", scopes_text(key.scopes)}, {"allowed_models", std::move(models)},
                      {"consent", key.consent}, {"limits", limits_json(key.limits)}, {"created_us", key.created_us}, {"expires_us", key.expires_us},
                      {"revoked_us", key.revoked_us}, {"last_used_us", key.last_used_us}, {"replaced_by", key.replaced_by.str()}};
}

Result<TenantRecord> find_tenant(Tenants& tenants, const std::string& id_or_name) {
  if (std::optional<TenantRecord> found = tenants.find_tenant(id_or_name)) return std::move(*found);
  std::vector<std::string> names;
  for (const TenantRecord& tenant : tenants.list_tenants()) names.push_back(tenant.name);
  const std::string near = nearest(id_or_name, names);
  return Error{ErrorCode::kNotFound, fmt::format("no tenant '{}'{}", printable(id_or_name), near.empty() ? "" : "; did you mean " + near + "?")};
}

std::string printable(std::string_view text) {
  std::string out;
  for (const char c : text) out += static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? '?' : c;
  return out;
}

void print_table(const std::vector<std::vector<std::string>>& rows) {
  const auto width_of = [](const std::string& text) {
    size_t n_characters = 0;
    for (size_t at = 0; at < text.size(); at += decode_utf8(text, at).n_bytes) ++n_characters;
    return n_characters;
  };
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
  }
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line.append(widths[i] - width_of(row[i]) + 2, ' ');
    }
    fmt::print("{}\n", line);
  }
}

}  // namespace firesteel
