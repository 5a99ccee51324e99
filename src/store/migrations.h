// The schema's history. Each step runs once, in order, in a transaction of its own; a database made by a newer program is refused.
// Steps are never edited after a release: a change is a new step.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace firesteel {

struct Migration {
  int64_t version;       // 1, 2, 3 ...
  const char* name;
  const char* sql;       // SQLite's dialect; types INTEGER, REAL, TEXT, BLOB only
  const char* triggers;  // statements that differ between databases, here for SQLite
};

std::span<const Migration> migrations();

}  // namespace firesteel
