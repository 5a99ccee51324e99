// Shared by the quick and the slow kill -9 test. A child process works on the store with several threads and tells each
// acknowledgement over a pipe; the parent kills it at a random moment, opens the store and compares.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/rng.h"
#include "store/sqlite_store.h"
#include "store/test_folder.h"
#include "tenants/tenants.h"

namespace firesteel {

class KillTest {
 public:
  KillTest(uint64_t seed, int n_rounds) : rng_(seed), n_rounds_(n_rounds) {}

  void run() {
    {
      const auto store = open_sqlite_store({.path = path_}).value();
      const auto tenants = Tenants::open(*store, secret_, {}).value();
      tenant_ = tenants->create_tenant("a", {}, {"test"}).value().id;
      key_ = tenants->create_key({.tenant = tenant_, .name = "k"}, {"test"}).value().secret;
    }
    for (int round = 0; round < n_rounds_ && !::testing::Test::HasFailure(); ++round) {
      SCOPED_TRACE("round " + std::to_string(round));
      one_round(round);
    }
    EXPECT_LT(slowest_open_us_, 2'000'000);
    RecordProperty("slowest_open_us", slowest_open_us_);
    RecordProperty("acknowledged", static_cast<int64_t>(acknowledged_.size()));
    std::printf("%d kills, %zu records acknowledged, slowest opening %.1f ms\n", n_rounds_, acknowledged_.size(), static_cast<double>(slowest_open_us_) / 1000);
  }

 private:
  static void RecordProperty(const std::string& name, int64_t value) { ::testing::Test::RecordProperty(name, std::to_string(value)); }

  void one_round(int round) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      ::close(ends[0]);
      work(ends[1], round);
      ::_exit(3);
    }
    ::close(ends[1]);
    // Some are killed while they open the store, most in the middle of work.
    const uint64_t n_before_kill = rng_.below(10) == 0 ? 0 : rng_.below(300);
    std::string text;
    while (static_cast<uint64_t>(std::count(text.begin(), text.end(), '\n')) < n_before_kill && read_some(ends[0], &text)) {
    }
    const int64_t until_us = system_clock().now_us() + rng_.between(0, n_before_kill == 0 ? 20'000 : 2'000);
    while (system_clock().now_us() < until_us) {
    }
    ::kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFSIGNALED(status)) << "the child ended by itself: " << status;
    while (read_some(ends[0], &text)) {
    }
    ::close(ends[0]);
    take_over(text);
    compare();
  }

  static bool read_some(int fd, std::string* text) {
    char buffer[4096];
    const ssize_t n = ::read(fd, buffer, sizeof buffer);
    if (n > 0) text->append(buffer, static_cast<size_t>(n));
    return n > 0;
  }

  void take_over(std::string_view text) {
    while (!text.empty()) {
      const size_t end = text.find('\n');
      if (end == std::string_view::npos) break;
      acknowledged_.insert(std::string(text.substr(0, end)));
      text.remove_prefix(end + 1);
    }
  }

  // In the child: until it is killed.
  void work(int fd, int round) const {
    auto store = open_sqlite_store({.path = path_});
    if (!store.ok()) return;
    auto tenants = Tenants::open(**store, secret_, {});
    if (!tenants.ok()) return;
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; ++t) {
      threads.emplace_back([&, t] {
        for (int n = 0;; ++n) {
          const std::string id = "r" + std::to_string(round) + "-" + std::to_string(t) + "-" + std::to_string(n);
          const std::string line = one_piece(**tenants, id, n);
          if (line.empty() || ::write(fd, line.data(), line.size()) != static_cast<ssize_t>(line.size())) ::_exit(4);
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
  }

  // What was acknowledged, as a line.
  std::string one_piece(Tenants& tenants, const std::string& id, int n) const {
    const Actor actor{"child"};
    if (n % 7 == 3) return tenants.audit(tenant_, actor, "test", id, "{}").ok() ? "audit " + id + "\n" : "";
    if (n % 31 == 17) {
      const auto made = tenants.create_key({.tenant = tenant_, .name = id}, actor);
      return made.ok() ? "key " + made->secret + "\n" : "";
    }
    auto who = tenants.authenticate(key_);
    if (!who.ok()) return "";
    auto admitted = tenants.admit(*who, 10, 10);
    if (!std::holds_alternative<Admission>(admitted)) return "";
    return tenants.settle(std::get<Admission>(std::move(admitted)), usage(id)).ok() ? "usage " + id + "\n" : "";
  }

  static UsageRecord usage(const std::string& id) {
    UsageRecord record;
    record.request_id = id;
    record.model = "m";
    record.tokens = {.prompt = 7, .cached = 3, .generated = 5};
    record.branches = {{"one", record.tokens}};
    return record;
  }

  void compare() {
    const int64_t begin_us = system_clock().now_us();
    auto store = open_sqlite_store({.path = path_});
    ASSERT_TRUE(store.ok()) << store.error().message;
    auto opened = Tenants::open(**store, secret_, {});
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    Tenants& tenants = **opened;
    const auto who = tenants.authenticate(key_);
    ASSERT_TRUE(who.ok());
    slowest_open_us_ = std::max(slowest_open_us_, system_clock().now_us() - begin_us);
    EXPECT_TRUE((*store)->check_integrity().ok());

    // Retries of what was acknowledged: nothing is doubled.
    int n_retries = 0;
    std::multiset<std::string> found;
    for (const std::string& line : acknowledged_) {
      if (!line.starts_with("usage ") || ++n_retries > 5) continue;
      auto admitted = tenants.admit(*who, 10, 10);
      ASSERT_TRUE(std::holds_alternative<Admission>(admitted));
      EXPECT_TRUE(tenants.settle(std::get<Admission>(std::move(admitted)), usage(line.substr(6))).ok());
    }
    int64_t n_daily = 0, n_tokens = 0;
    const Status read = (*store)->read([&](Reader& reader) -> Status {
      const auto note = [&](const char* kind) {
        return [&found, kind](const Row& row) {
          found.insert(std::string(kind) + row.text(0));
          return true;
        };
      };
      Status status = reader.each("SELECT request_id FROM usage", {}, note("usage "));
      if (status.ok()) status = reader.each("SELECT target FROM audit WHERE action = 'test'", {}, note("audit "));
      if (status.ok()) {
        status = reader.each("SELECT sum(n_requests), sum(prompt + generated) FROM usage_daily", {}, [&](const Row& row) {
          n_daily = row.integer(0);
          n_tokens = row.integer(1);
          return true;
        });
      }
      return status;
    });
    ASSERT_TRUE(read.ok()) << read.error().message;
    int64_t n_usage = 0;
    for (const std::string& name : found) {
      EXPECT_EQ(found.count(name), 1u) << name << " is doubled";
      if (name.starts_with("usage ")) ++n_usage;
    }
    EXPECT_EQ(n_daily, n_usage);
    EXPECT_EQ(n_tokens, 12 * n_usage);
    for (const std::string& line : acknowledged_) {
      if (line.starts_with("key ")) {
        EXPECT_TRUE(tenants.authenticate(line.substr(4)).ok()) << "a key that was given out is lost";
      } else {
        EXPECT_TRUE(found.contains(line)) << line << " was acknowledged and is lost";
      }
    }
    const auto reports = tenants.verify_audit("");
    ASSERT_TRUE(reports.ok());
    for (const AuditReport& report : *reports) EXPECT_TRUE(report.ok()) << report.problem;
  }

  Rng rng_;
  const int n_rounds_;
  TestFolder folder_;
  const std::string path_ = folder_.file("store.db");
  const ServerSecret secret_ = ServerSecret::fresh();
  TenantId tenant_;
  std::string key_;
  std::set<std::string> acknowledged_;
  int64_t slowest_open_us_ = 0;
};

}  // namespace firesteel
