// firesteel tenant: whose data and limits are kept apart.
#include <memory>

#include <fmt/format.h>

#include "commands.h"
#include "manage.h"

namespace firesteel {
namespace {

struct TenantOptions {
  ManageOptions manage;
  LimitFlags limits;
  std::string tenant, name;
};

void print_tenant(const TenantRecord& tenant, bool json, const char* what) {
  if (json) {
    fmt::print("{}\n", tenant_json(tenant).dump());
  } else {
    fmt::print("{} tenant {} ({}), limits: {}\n", what, tenant.name, tenant.id.str(), limits_text(tenant.limits));
  }
}

void add_list(Command tenant) {
  const auto options = std::make_shared<TenantOptions>();
  Command command = tenant.subcommand("list", "List tenants with their limits and what they use today");
  add_manage_options(&command, &options->manage);
  command.examples("  firesteel tenant list\n  firesteel tenant list --json");
  command.run([options] {
    return with_installation(options->manage, /*must_exist=*/true, [&](Installation& installation) -> Status {
      Json::Array list;
      std::vector<std::vector<std::string>> rows = {{"NAME", "ID", "STATE", "TOKENS TODAY", "SPEND THIS MONTH", "LIMITS"}};
      for (const TenantRecord& record : installation.tenants->list_tenants()) {
        const Tenants::Load load = installation.tenants->load(record.id);
        Json json = tenant_json(record);
        json.set("tokens_today", load.tokens_today);
        json.set("spend_month_micros", load.spend_month_micros);
        list.push_back(std::move(json));
        rows.push_back({printable(record.name), record.id.str(), record.disabled ? "disabled" : "active", std::to_string(load.tokens_today),
                        money_text(load.spend_month_micros), limits_text(record.limits)});
      }
      if (options->manage.json) {
        fmt::print("{}\n", Json(Json::Object{{"tenants", std::move(list)}}).dump());
      } else {
        print_table(rows);
      }
      return {};
    });
  });
}

void add_create(Command tenant) {
  const auto options = std::make_shared<TenantOptions>();
  Command command = tenant.subcommand("create", "Make a tenant");
  command.text("name", &options->name, "Its name, unique");
  command.required("name");
  add_limit_flags(&command, &options->limits);
  add_manage_options(&command, &options->manage);
  command.examples("  firesteel tenant create acme --rpm 120 --tokens-per-day 2000000\n  firesteel key create --tenant acme --name laptop");
  command.run([options] {
    return with_installation(options->manage, /*must_exist=*/false, [&](Installation& installation) -> Status {
      FS_TRY(const TenantRecord made, installation.tenants->create_tenant(options->name, options->limits.over({}), cli_actor()));
      print_tenant(made, options->manage.json, "created");
      return {};
    });
  });
}

// A command that takes one tenant and does one thing to it.
void add_change(Command tenant, const char* word, const char* help, const char* examples, const std::function<void(Command*, TenantOptions*)>& flags,
                const std::function<Status(Tenants&, const TenantRecord&, const TenantOptions&)>& action) {
  const auto options = std::make_shared<TenantOptions>();
  Command command = tenant.subcommand(word, help);
  command.text("tenant", &options->tenant, "Name or id");
  command.required("tenant");
  flags(&command, options.get());
  add_manage_options(&command, &options->manage);
  command.examples(examples);
  command.run([options, action] {
    return with_installation(options->manage, /*must_exist=*/true, [&](Installation& installation) -> Status {
      FS_TRY(const TenantRecord found, find_tenant(*installation.tenants, options->tenant));
      FS_TRY_VOID(action(*installation.tenants, found, *options));
      FS_TRY(const TenantRecord changed, find_tenant(*installation.tenants, found.id.str()));
      print_tenant(changed, options->manage.json, changed.disabled ? "disabled:" : "now:");
      return {};
    });
  });
}

}  // namespace

void add_tenant(Command root) {
  Command tenant = root.subcommand("tenant", "Manage tenants: whose data and limits are kept apart");
  tenant.examples("  firesteel tenant list\n  firesteel tenant create acme --rpm 120");
  const auto no_flags = [](Command*, TenantOptions*) {};
  add_list(tenant);
  add_create(tenant);
  add_change(tenant, "disable", "Refuse all keys of a tenant at once; its data stays", "  firesteel tenant disable acme", no_flags,
             [](Tenants& tenants, const TenantRecord& record, const TenantOptions&) { return tenants.set_tenant_disabled(record.id, true, cli_actor()); });
  add_change(tenant, "enable", "Undo disable", "  firesteel tenant enable acme", no_flags,
             [](Tenants& tenants, const TenantRecord& record, const TenantOptions&) { return tenants.set_tenant_disabled(record.id, false, cli_actor()); });
  add_change(tenant, "rename", "Give a tenant another name; its id stays", "  firesteel tenant rename acme \"Acme Ltd\"",
             [](Command* command, TenantOptions* options) {
               command->text("name", &options->name, "The new name");
               command->required("name");
             },
             [](Tenants& tenants, const TenantRecord& record, const TenantOptions& options) {
               return tenants.rename_tenant(record.id, options.name, cli_actor());
             });
  add_change(tenant, "limit", "Change limits; those not given stay", "  firesteel tenant limit acme --tpm 100000 --rpm -1",
             [](Command* command, TenantOptions* options) { add_limit_flags(command, &options->limits); },
             [](Tenants& tenants, const TenantRecord& record, const TenantOptions& options) -> Status {
               if (!options.limits.any_given()) return {};
               return tenants.set_tenant_limits(record.id, options.limits.over(record.limits), cli_actor());
             });
}

}  // namespace firesteel
