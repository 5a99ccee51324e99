// Label queues on a real PostgreSQL server: the same checks as on SQLite.
#include <gtest/gtest.h>

#include <memory>

#include "labels/collect.h"
#include "labels/label_checks.h"
#include "store/postgres_server.h"
#include "store/postgres_store.h"

namespace firesteel {
namespace {

TEST(PostgresLabels, KeepTheSamePromises) {
  if (PostgresServer::binary_folder().empty()) GTEST_SKIP() << "no PostgreSQL server is installed (Debian: postgresql)";
  PostgresServer server;
  ASSERT_TRUE(server.start());
  auto store = open_postgres_store({.conninfo = server.conninfo()});
  ASSERT_TRUE(store.ok()) << store.error().message;
  leases_are_exclusive_and_order_is_by_disagreement(**store);
  labels_are_counted_undone_and_judged(**store);
  random_labelling_keeps_its_invariants(**store, 7, 200);
  const TenantId tenant = TenantId::fresh();
  EXPECT_TRUE(collect_tasks(**store, tenant, "pairwise", 10).ok());
  EXPECT_TRUE(erase_feedback(**store, tenant, "usr_x").ok());
}

}  // namespace
}  // namespace firesteel
