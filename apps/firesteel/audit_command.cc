// firesteel audit: what was done by whom, and whether somebody has touched the log. firesteel store: backup and check of the database.
#include <memory>

#include <fmt/format.h>

#include "base/mapped_file.h"
#include "commands.h"
#include "manage.h"

namespace firesteel {
namespace {

struct AuditOptions {
  ManageOptions manage;
  std::string tenant, checkpoints, path;
  int64_t after = 0, limit = 1000;
};

int show_audit(const AuditOptions& options) {
  return with_installation(options.manage, /*must_exist=*/true, [&](Installation& installation) -> Status {
    TenantId chain;
    if (!options.tenant.empty()) {
      FS_TRY(const TenantRecord tenant, find_tenant(*installation.tenants, options.tenant));
      chain = tenant.id;
    }
    FS_TRY(const std::vector<AuditEntry> rows, installation.tenants->audit_rows(chain, options.after, options.limit));
    Json::Array list;
    std::vector<std::vector<std::string>> table = {{"SEQ", "TIME", "ACTOR", "ACTION", "TARGET", "DETAILS"}};
    for (const AuditEntry& row : rows) {
      const Result<Json> details = Json::parse(row.details);
      list.push_back(Json::Object{{"seq", row.seq}, {"at_us", row.at_us}, {"actor", row.actor}, {"action", row.action}, {"target", row.target},
                                  {"details", details.ok() ? *details : Json(row.details)}});
      table.push_back({std::to_string(row.seq), time_text(row.at_us), printable(row.actor), printable(row.action), printable(row.target), printable(row.details)});
    }
    if (options.manage.json) {
      fmt::print("{}\n", Json(Json::Object{{"chain", chain.empty() ? std::string("system") : chain.str()}, {"rows", std::move(list)}}).dump());
    } else {
      print_table(table);
    }
    return {};
  });
}

int verify_audit(const AuditOptions& options) {
  std::string first_problem;
  const int code = with_installation(options.manage, /*must_exist=*/true, [&](Installation& installation) -> Status {
    const std::string path = options.checkpoints.empty() ? installation.state_dir + "/audit-checkpoints.jsonl" : options.checkpoints;
    Result<std::string> external = read_file(path, 1 << 30);
    // The copy beside the database may be missing; one that was named must be there.
    if (!external.ok() && !options.checkpoints.empty()) return external.error();
    FS_TRY(const std::vector<AuditReport> reports, installation.tenants->verify_audit(external.ok() ? *external : std::string()));
    Json::Array list;
    for (const AuditReport& report : reports) {
      Json json(Json::Object{{"chain", report.chain}, {"ok", report.ok()}, {"rows", report.n_rows}, {"checkpoints", report.n_checkpoints}});
      if (!report.ok()) {
        json.set("first_bad_row", report.first_bad_seq);
        json.set("problem", report.problem);
        if (first_problem.empty()) first_problem = fmt::format("{}, row {}: {}", printable(report.chain), report.first_bad_seq, report.problem);
      }
      list.push_back(std::move(json));
      if (!options.manage.json) {
        fmt::print("{:30} {:>9} rows {:>7} checkpoints  {}\n", printable(report.chain), report.n_rows, report.n_checkpoints,
                   report.ok() ? "ok" : fmt::format("BAD at row {}: {}", report.first_bad_seq, report.problem));
      }
    }
    if (options.manage.json) fmt::print("{}\n", Json(Json::Object{{"ok", first_problem.empty()}, {"chains", std::move(list)}}).dump());
    return {};
  });
  if (code != kExitOk || first_problem.empty()) return code;
  fmt::print(stderr, "firesteel: the audit log was touched: {}\n", first_problem);
  return kExitFailed;
}

}  // namespace

void add_audit(Command root) {
  Command audit = root.subcommand("audit", "Show the log of management actions, and check that nobody touched it");
  audit.examples("  firesteel audit show --tenant acme\n  firesteel audit verify");
  const auto show_options = std::make_shared<AuditOptions>();
  Command show = audit.subcommand("show", "Print a chain's rows");
  show.text("--tenant", &show_options->tenant, "The tenant's chain (name or id); absent: the system's");
  show.integer("--after", &show_options->after, 0, INT64_MAX, "Only rows after this number");
  show.integer("--limit", &show_options->limit, 1, 100'000, "At most so many rows");
  add_manage_options(&show, &show_options->manage);
  show.examples("  firesteel audit show\n  firesteel audit show --tenant acme --after 1000 --json");
  show.run([show_options] { return show_audit(*show_options); });

  const auto verify_options = std::make_shared<AuditOptions>();
  Command verify = audit.subcommand("verify", "Check every row, head and signed checkpoint; names the first bad row, exit code 1");
  verify.text("--checkpoints", &verify_options->checkpoints, "Copy of audit-checkpoints.jsonl kept elsewhere: finds an old state that was put back");
  add_manage_options(&verify, &verify_options->manage);
  verify.examples("  firesteel audit verify\n  firesteel audit verify --checkpoints BACKUP/audit-checkpoints.jsonl --json");
  verify.run([verify_options] { return verify_audit(*verify_options); });
}

void add_store(Command root) {
  Command store = root.subcommand("store", "Back up and check the database");
  store.examples("  firesteel store backup firesteel-backup.db\n  firesteel store check");
  const auto backup_options = std::make_shared<AuditOptions>();
  Command backup = store.subcommand("backup", "Copy the database, whole and consistent, while a server works on it");
  backup.text("path", &backup_options->path, "File to make; must not exist");
  backup.required("path");
  add_manage_options(&backup, &backup_options->manage);
  backup.examples("  firesteel store backup firesteel-backup.db\nKeep server.secret of the state folder with it: keys cannot be checked without.");
  backup.run([backup_options] {
    return with_installation(backup_options->manage, /*must_exist=*/true, [&](Installation& installation) -> Status {
      FS_TRY_VOID(installation.store->backup(backup_options->path));
      if (backup_options->manage.json) {
        fmt::print("{}\n", Json(Json::Object{{"path", backup_options->path}}).dump());
      } else {
        fmt::print("{}\n", backup_options->path);
      }
      return {};
    });
  });

  const auto check_options = std::make_shared<AuditOptions>();
  Command check = store.subcommand("check", "Read all of the database and check its structure");
  add_manage_options(&check, &check_options->manage);
  check.examples("  firesteel store check");
  check.run([check_options] {
    return with_installation(check_options->manage, /*must_exist=*/true, [&](Installation& installation) -> Status {
      FS_TRY_VOID(installation.store->check_integrity());
      fmt::print("{}\n", check_options->manage.json ? "{\"ok\":true}" : "ok");
      return {};
    });
  });
}

}  // namespace firesteel
