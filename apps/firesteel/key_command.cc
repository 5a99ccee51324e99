// firesteel key: API keys. A secret is printed once, when it is made, and cannot be shown again.
#include <memory>

#include <fmt/format.h>

#include "base/clock.h"
#include "commands.h"
#include "manage.h"

namespace firesteel {
namespace {

constexpr int64_t kHourUs = 3'600'000'000;

struct KeyOptions {
  ManageOptions manage;
  LimitFlags limits;
  std::string tenant = "default", name, scopes = "inference,files,feedback,usage.read", user, key;
  std::vector<std::string> models;
  bool consent = false, all = false;
  int64_t expires_days = 0, overlap_hours = 24;
};

Result<KeyRecord> find_key(Tenants& tenants, const std::string& text) {
  const std::optional<KeyId> id = KeyId::parse(text);
  for (const TenantRecord& tenant : tenants.list_tenants()) {
    if (!id) break;
    if (std::optional<KeyRecord> found = tenants.find_key(tenant.id, *id)) return std::move(*found);
  }
  return Error{ErrorCode::kNotFound, "no key '" + printable(text) + "'; 'firesteel key list' shows ids (key_...)"};
}

Result<UserId> find_or_make_user(Tenants& tenants, const TenantRecord& tenant, const std::string& name) {
  if (name.empty()) return UserId();
  FS_TRY(const std::vector<UserRecord> users, tenants.list_users(tenant.id));
  for (const UserRecord& user : users) {
    if (user.name == name) return user.id;
  }
  FS_TRY(const UserRecord made, tenants.create_user(tenant.id, name, cli_actor()));
  return made.id;
}

void print_created(const CreatedKey& made, bool json) {
  if (json) {
    Json out = key_json(made.record, wall_clock().now_us());
    out.set("secret", made.secret);
    fmt::print("{}\n", out.dump());
    return;
  }
  fmt::print("{}\n", made.secret);
  fmt::print(stderr, "Key {} ({}), scopes {}. This is the only time that the secret is shown.\n", made.record.id.str(), printable(made.record.name),
             scopes_text(made.record.scopes));
}

void add_list(Command key) {
  const auto options = std::make_shared<KeyOptions>();
  options->tenant.clear();
  Command command = key.subcommand("list", "List keys: who, what for, when used; never secrets");
  command.text("--tenant", &options->tenant, "Only of this tenant (name or id)");
  command.flag("--all", &options->all, "Revoked and expired ones, too");
  add_manage_options(&command, &options->manage);
  command.examples("  firesteel key list\n  firesteel key list --tenant acme --all --json");
  command.run([options] {
    return with_installation(options->manage, /*must_exist=*/true, [&](Installation& installation) -> Status {
      std::vector<TenantRecord> tenants = installation.tenants->list_tenants();
      if (!options->tenant.empty()) {
        FS_TRY(TenantRecord only, find_tenant(*installation.tenants, options->tenant));
        tenants = {std::move(only)};
      }
      const int64_t now_us = wall_clock().now_us();
      Json::Array list;
      std::vector<std::vector<std::string>> rows = {{"ID", "TENANT", "NAME", "KEY", "STATE", "SCOPES", "EXPIRES", "LAST USED", "LIMITS"}};
      for (const TenantRecord& tenant : tenants) {
        for (const KeyRecord& record : installation.tenants->list_keys(tenant.id)) {
          const std::string state = key_state(record, now_us);
          if (!options->all && (state == "revoked" || state == "expired")) continue;
          list.push_back(key_json(record, now_us));
          rows.push_back({record.id.str(), printable(tenant.name), printable(record.name), record.hint, state, scopes_text(record.scopes),
                          time_text(record.expires_us), time_text(record.last_used_us), limits_text(record.limits)});
        }
      }
      if (options->manage.json) {
        fmt::print("{}\n", Json(Json::Object{{"keys", std::move(list)}}).dump());
      } else {
        print_table(rows);
      }
      return {};
    });
  });
}

void add_create(Command key) {
  const auto options = std::make_shared<KeyOptions>();
  Command command = key.subcommand("create", "Make a key; the secret alone goes to stdout");
  command.text("--tenant", &options->tenant, "Name or id of the tenant");
  command.text("--name", &options->name, "What it is for, so that it can be told from others");
  command.required("--name");
  command.text("--scopes", &options->scopes, "Comma-separated: inference, files, feedback, usage.read, audit.read, tenant.admin, metrics, admin");
  command.texts("--model", &options->models, "Only this model (may be repeated)");
  command.text("--user", &options->user, "Name of a person of the tenant, made when absent: keeps conversations apart");
  command.flag("--consent", &options->consent, "Content may be kept for improvement");
  command.integer("--expires-days", &options->expires_days, 0, 36'500, "Ends after so many days; 0: never");
  add_limit_flags(&command, &options->limits);
  add_manage_options(&command, &options->manage);
  command.examples(
      "  firesteel key create --name laptop > laptop.key\n"
      "  firesteel key create --tenant acme --name ci --scopes inference --rpm 60 --expires-days 90\n"
      "  curl -H \"Authorization: Bearer $(cat laptop.key)\" http://127.0.0.1:8080/v1/models");
  command.run([options] {
    const Result<Scope> scopes = parse_scopes(options->scopes);
    if (!scopes.ok()) return fail_usage("--scopes: " + scopes.error().message);
    return with_installation(options->manage, /*must_exist=*/false, [&](Installation& installation) -> Status {
      Tenants& tenants = *installation.tenants;
      FS_TRY(const TenantRecord tenant, find_tenant(tenants, options->tenant));
      FS_TRY(const UserId user, find_or_make_user(tenants, tenant, options->user));
      const int64_t expires_us = options->expires_days == 0 ? 0 : wall_clock().now_us() + options->expires_days * 24 * kHourUs;
      FS_TRY(const CreatedKey made, tenants.create_key({.tenant = tenant.id, .user = user, .name = options->name, .scopes = *scopes,
                                                        .allowed_models = options->models, .consent = options->consent,
                                                        .limits = options->limits.over({}), .expires_us = expires_us}, cli_actor()));
      print_created(made, options->manage.json);
      return {};
    });
  });
}

void add_rotate(Command key) {
  const auto options = std::make_shared<KeyOptions>();
  Command command = key.subcommand("rotate", "Make a new secret with the same rights; the old one goes on for a while");
  command.text("key", &options->key, "Id (key_...)");
  command.required("key");
  command.integer("--overlap-hours", &options->overlap_hours, 0, 24 * 365, "How long the old secret still works");
  add_manage_options(&command, &options->manage);
  command.examples("  firesteel key rotate key_... --overlap-hours 48 > laptop.key");
  command.run([options] {
    return with_installation(options->manage, /*must_exist=*/true, [&](Installation& installation) -> Status {
      FS_TRY(const KeyRecord found, find_key(*installation.tenants, options->key));
      FS_TRY(const CreatedKey made, installation.tenants->rotate_key(found.tenant, found.id, options->overlap_hours * kHourUs, cli_actor()));
      print_created(made, options->manage.json);
      return {};
    });
  });
}

void add_change(Command key, const char* word, const char* help, const char* examples, bool with_limits,
                const std::function<Status(Tenants&, const KeyRecord&, const KeyOptions&)>& action) {
  const auto options = std::make_shared<KeyOptions>();
  Command command = key.subcommand(word, help);
  command.text("key", &options->key, "Id (key_...)");
  command.required("key");
  if (with_limits) add_limit_flags(&command, &options->limits);
  add_manage_options(&command, &options->manage);
  command.examples(examples);
  command.run([options, action] {
    return with_installation(options->manage, /*must_exist=*/true, [&](Installation& installation) -> Status {
      FS_TRY(const KeyRecord found, find_key(*installation.tenants, options->key));
      FS_TRY_VOID(action(*installation.tenants, found, *options));
      FS_TRY(const KeyRecord changed, find_key(*installation.tenants, options->key));
      const int64_t now_us = wall_clock().now_us();
      if (options->manage.json) {
        fmt::print("{}\n", key_json(changed, now_us).dump());
      } else {
        fmt::print("{}: {}, limits: {}\n", changed.id.str(), key_state(changed, now_us), limits_text(changed.limits));
      }
      return {};
    });
  });
}

}  // namespace

void add_key(Command root) {
  Command key = root.subcommand("key", "Manage API keys");
  key.examples("  firesteel key create --name laptop\n  firesteel key list\n  firesteel key revoke key_...");
  add_list(key);
  add_create(key);
  add_rotate(key);
  add_change(key, "revoke", "End a key at once", "  firesteel key revoke key_...", false,
             [](Tenants& tenants, const KeyRecord& record, const KeyOptions&) { return tenants.revoke_key(record.tenant, record.id, cli_actor()); });
  add_change(key, "limit", "Change limits; those not given stay", "  firesteel key limit key_... --rpm 30 --spend 12.50", true,
             [](Tenants& tenants, const KeyRecord& record, const KeyOptions& options) -> Status {
               if (!options.limits.any_given()) return {};
               return tenants.set_key_limits(record.tenant, record.id, options.limits.over(record.limits), cli_actor());
             });
}

}  // namespace firesteel
