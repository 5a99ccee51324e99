// tenant, key, usage, audit and store: one installation from nothing to a backup, as an operator drives it.
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <string>

#include "base/json.h"
#include "cli_runner.h"

namespace firesteel {
namespace {

class CliManage : public ::testing::Test {
 protected:
  CliResult run(std::vector<std::string> words) {
    words.insert(words.end(), {"--state-dir", state_});
    return run_cli(words);
  }
  Json json(std::vector<std::string> words) {
    words.emplace_back("--json");
    const CliResult result = run(words);
    EXPECT_EQ(result.exit_code, 0) << words[0] << " " << words[1] << ": " << result.err;
    const Result<Json> parsed = Json::parse(result.out);
    EXPECT_TRUE(parsed.ok()) << result.out;
    return parsed.ok() ? *parsed : Json();
  }
  static std::string text(const Json& json, const char* name) {
    const Json* member = json.find(name);
    return member != nullptr && member->is_string() ? member->as_string() : "";
  }
  static bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

  TemporaryFile file_{"marker"};
  const std::string state_ = file_.folder() + "/state";
};

TEST_F(CliManage, EveryCommandHasHelpWithExamplesAndRefusesUnknownFlags) {
  const std::vector<std::vector<std::string>> commands = {
      {"tenant"}, {"tenant", "list"}, {"tenant", "create"}, {"tenant", "disable"}, {"tenant", "enable"}, {"tenant", "rename"}, {"tenant", "limit"},
      {"key"}, {"key", "list"}, {"key", "create"}, {"key", "rotate"}, {"key", "revoke"}, {"key", "limit"},
      {"usage"}, {"usage", "show"}, {"usage", "price"}, {"audit"}, {"audit", "show"}, {"audit", "verify"}, {"store"}, {"store", "backup"}, {"store", "check"}};
  for (std::vector<std::string> words : commands) {
    words.emplace_back("--help");
    const CliResult help = run_cli(words);
    EXPECT_EQ(help.exit_code, 0);
    EXPECT_TRUE(contains(help.out, "Examples:\n") && contains(help.out, "firesteel " + words[0])) << help.out;
    words.back() = "--no-such-flag";
    EXPECT_EQ(run_cli(words).exit_code, 2) << words[0];
  }
}

TEST_F(CliManage, NothingThereIsSaidPlainlyAndNothingIsMade) {
  for (const std::vector<std::string>& words : {std::vector<std::string>{"tenant", "list"}, {"key", "list"}, {"usage", "show"}, {"audit", "verify"}, {"store", "check"}}) {
    const CliResult result = run(words);
    EXPECT_EQ(result.exit_code, 1);
    EXPECT_TRUE(contains(result.err, state_) && contains(result.err, "firesteel serve")) << result.err;
  }
  struct stat info {};
  EXPECT_NE(stat(state_.c_str(), &info), 0);
}

TEST_F(CliManage, TenantsAndKeys) {
  const Json tenant = json({"tenant", "create", "acme", "--rpm", "120", "--spend", "12.5"});
  EXPECT_EQ(tenant.find("limits")->find("spend_micros_per_month")->as_int(), 12'500'000);
  EXPECT_TRUE(contains(run({"tenant", "create", "acme"}).err, "exists already"));
  const CliResult near = run({"tenant", "disable", "acm"});
  EXPECT_EQ(near.exit_code, 1);
  EXPECT_TRUE(contains(near.err, "did you mean acme?")) << near.err;

  const CliResult made = run({"key", "create", "--tenant", "acme", "--name", "laptop", "--user", "Ada", "--model", "kindling"});
  ASSERT_EQ(made.exit_code, 0) << made.err;
  EXPECT_TRUE(made.out.starts_with("fs-") && made.out.size() == 63) << made.out;  // the secret alone, for a file
  EXPECT_EQ(run({"key", "create", "--name", "x", "--scopes", "everything"}).exit_code, 2);
  const Json keys = json({"key", "list", "--tenant", "acme"});
  ASSERT_EQ(keys.find("keys")->as_array().size(), 1u);
  const Json& key = keys.find("keys")->as_array()[0];
  EXPECT_EQ(text(key, "state"), "active");
  EXPECT_FALSE(contains(keys.dump(), made.out.substr(3, 12)));
  const std::string id = text(key, "id");

  const Json rotated = json({"key", "rotate", id, "--overlap-hours", "1"});
  EXPECT_TRUE(text(rotated, "secret").starts_with("fs-"));
  EXPECT_EQ(json({"key", "list", "--tenant", "acme"}).find("keys")->as_array().size(), 2u);
  EXPECT_EQ(json({"key", "limit", id, "--rpm", "5"}).find("limits")->find("requests_per_minute")->as_int(), 5);
  EXPECT_EQ(text(json({"key", "revoke", id}), "state"), "revoked");
  EXPECT_EQ(json({"key", "list", "--tenant", "acme"}).find("keys")->as_array().size(), 1u);
  EXPECT_EQ(json({"key", "list", "--tenant", "acme", "--all"}).find("keys")->as_array().size(), 2u);
  EXPECT_EQ(run({"key", "revoke", "key_nothing"}).exit_code, 1);
  EXPECT_TRUE(json({"tenant", "disable", "acme"}).find("disabled")->as_bool());
  EXPECT_FALSE(json({"tenant", "enable", "acme"}).find("disabled")->as_bool());
  EXPECT_EQ(text(json({"tenant", "rename", "acme", "Acme Ltd"}), "name"), "Acme Ltd");

  const Json audit = json({"audit", "show", "--tenant", "Acme Ltd"});
  std::string actions;
  for (const Json& row : audit.find("rows")->as_array()) actions += text(row, "action") + " ";
  EXPECT_EQ(actions, "tenant.create user.create key.create key.rotate key.limits key.revoke tenant.disable tenant.enable tenant.rename ");
  EXPECT_EQ(run({"audit", "verify"}).exit_code, 0);
}

TEST_F(CliManage, UsagePricesBackupAndCheck) {
  ASSERT_EQ(run({"tenant", "create", "acme"}).exit_code, 0);
  EXPECT_EQ(json({"usage", "price", "*", "--prompt", "0.1"}).find("prices")->as_array()[0].find("prompt_micros")->as_int(), 100'000);
  EXPECT_TRUE(json({"usage", "show"}).find("usage")->as_array().empty());
  EXPECT_TRUE(run({"usage", "show", "--csv"}).out.starts_with("day,tenant,key,model,requests"));
  EXPECT_EQ(run({"usage", "show", "--from", "2026-02-30"}).exit_code, 1);
  EXPECT_EQ(run({"usage", "show", "--by", "hour"}).exit_code, 1);
  const std::string copy = file_.folder() + "/copy.db";
  EXPECT_EQ(run({"store", "backup", copy}).exit_code, 0);
  EXPECT_EQ(run({"store", "backup", copy}).exit_code, 1);  // never over a file
  EXPECT_EQ(run({"store", "check"}).out, "ok\n");
}

TEST_F(CliManage, TouchedAuditLogIsNamedAtItsRow) {
  ASSERT_EQ(run({"tenant", "create", "acme"}).exit_code, 0);
  ASSERT_EQ(run({"tenant", "limit", "acme", "--rpm", "1"}).exit_code, 0);
  ASSERT_EQ(run({"tenant", "limit", "acme", "--rpm", "2"}).exit_code, 0);
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open((state_ + "/firesteel.db").c_str(), &db), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(db, "DROP TRIGGER audit_no_update; UPDATE audit SET details = '{}' WHERE seq = 2 AND action = 'tenant.limits'", nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(db);
  const CliResult result = run({"audit", "verify", "--json"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_TRUE(contains(result.err, "row 2")) << result.err;
  const Result<Json> report = Json::parse(result.out);
  ASSERT_TRUE(report.ok()) << result.out;
  EXPECT_FALSE(report->find("ok")->as_bool());
}

}  // namespace
}  // namespace firesteel
