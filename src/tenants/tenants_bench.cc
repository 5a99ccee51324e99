// tenants/authenticate, tenants/admit_settle (durable), tenants/audit_verify: what the server pays per request.
#include <benchmark/benchmark.h>

#include <atomic>
#include <memory>
#include <string>

#include "store/sqlite_connection.h"
#include "store/sqlite_store.h"
#include "store/test_folder.h"
#include "tenants/audit_log.h"
#include "tenants/tenants.h"

namespace firesteel {
namespace {

struct World {
  World() {
    store = open_sqlite_store({.path = folder.file("store.db")}).value();
    tenants = Tenants::open(*store, ServerSecret::fresh(), {}).value();
    const TenantRecord tenant = tenants->create_tenant("a", {.requests_per_minute = 1'000'000'000, .concurrency = 1000}, {"bench"}).value();
    for (int i = 0; i < 1000; ++i) secret = tenants->create_key({.tenant = tenant.id, .name = "k"}, {"bench"}).value().secret;
  }
  TestFolder folder;
  std::unique_ptr<Store> store;
  std::unique_ptr<Tenants> tenants;
  std::string secret;
};

World& world() {
  static World one;
  return one;
}

void authenticate(benchmark::State& state) {
  World& made = world();
  for (auto _ : state) benchmark::DoNotOptimize(made.tenants->authenticate(made.secret).ok());
}

void admit_and_drop(benchmark::State& state) {
  const Principal who = world().tenants->authenticate(world().secret).value();
  for (auto _ : state) benchmark::DoNotOptimize(world().tenants->admit(who, 100, 100));
}

void admit_settle(benchmark::State& state) {
  const Principal who = world().tenants->authenticate(world().secret).value();
  static std::atomic<int64_t> next{0};
  for (auto _ : state) {
    UsageRecord usage;
    usage.request_id = "r" + std::to_string(++next);
    usage.model = "m";
    usage.tokens = {.prompt = 100, .cached = 50, .generated = 20};
    if (!world().tenants->settle(std::get<Admission>(world().tenants->admit(who, 100, 100)), usage).ok()) state.SkipWithError("not stored");
  }
  state.SetItemsProcessed(state.iterations());
}

void audit_verify(benchmark::State& state) {
  constexpr int64_t kRows = 100'000;
  TestFolder folder;
  { const auto made = open_sqlite_store({.path = folder.file("store.db")}).value(); }
  const auto db = SqliteConnection::open(folder.file("store.db"), SqliteConnection::Mode::kWriter, "", 1000).value();
  const AuditLog log(ServerSecret::fresh());
  bool ok = db->begin_write().ok();
  for (int64_t i = 0; i < kRows; ++i) {
    std::string line;
    ok = ok && log.append(*db, {.chain = "a", .seq = 0, .at_us = i * 1000, .actor = "key_0123456789", .action = "test.action", .target = "target",
                                .details = "{\"name\":\"something\",\"limits\":{}}", .previous = {}, .hash = {}}, &line).ok();
  }
  ok = ok && db->commit().ok();
  for (auto _ : state) ok = ok && log.verify(*db, "")->front().ok();
  if (!ok) state.SkipWithError("not verified");
  state.SetItemsProcessed(state.iterations() * kRows);
}

BENCHMARK(authenticate)->Name("tenants/authenticate/keys=1000");
BENCHMARK(admit_and_drop)->Name("tenants/admit");
BENCHMARK(admit_settle)->Name("tenants/admit_settle/threads=1")->UseRealTime();
BENCHMARK(admit_settle)->Name("tenants/admit_settle/threads=64")->Threads(64)->UseRealTime();
BENCHMARK(audit_verify)->Name("tenants/audit_verify/rows=100000")->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace firesteel
