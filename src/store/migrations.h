// The schema's history. Each step runs once, in order, in one transaction; a database made by a newer program is refused.
// Steps are never edited after a release: a change is a new step.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/result.h"
#include "store/batch_store.h"

namespace firesteel {

enum class Database { kSqlite, kPostgres };

struct Migration {
  int64_t version;             // 1, 2, 3 ...
  const char* name;
  const char* sql;             // SQLite's dialect; types INTEGER, REAL, TEXT, BLOB only: other databases get a translation
  const char* sqlite_only;     // statements that differ between databases
  const char* postgres_only;
};

std::span<const Migration> migrations();

// BIGINT and BYTEA for INTEGER and BLOB, tables without STRICT.
std::string postgres_dialect(const char* sql);

// Brings the database to the newest schema, all steps in one transaction. kUnsupported when it is newer than this program.
Status migrate(StoreConnection& db, Database database);

}  // namespace firesteel
