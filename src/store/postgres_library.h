// The few functions of libpq that the store uses, loaded when a PostgreSQL store is opened: programs without one need no libpq, and
// the binary depends on the C library alone.
#pragma once

#include <string>

#include "base/result.h"

namespace firesteel {

struct PgConnection;  // libpq's PGconn
struct PgResult;      // libpq's PGresult

struct PostgresLibrary {
  using Oid = unsigned;
  PgConnection* (*connect)(const char* conninfo);
  int (*status)(const PgConnection*);             // 0: good
  void (*finish)(PgConnection*);
  char* (*connection_error)(const PgConnection*);
  int (*transaction_status)(const PgConnection*);  // 0 idle, 1 active, 2 in a transaction, 3 in a failed one, 4 unknown
  PgResult* (*exec)(PgConnection*, const char* text);
  PgResult* (*prepare)(PgConnection*, const char* name, const char* text, int n_params, const Oid* types);
  PgResult* (*exec_prepared)(PgConnection*, const char* name, int n_params, const char* const* values, const int* lengths, const int* formats, int result_format);
  int (*result_status)(const PgResult*);          // 1: command done, 2: rows
  char* (*result_error)(const PgResult*);
  char* (*error_field)(const PgResult*, int field);
  int (*n_rows)(const PgResult*);
  int (*n_fields)(const PgResult*);
  Oid (*field_type)(const PgResult*, int column);
  int (*is_null)(const PgResult*, int row, int column);
  char* (*value)(const PgResult*, int row, int column);
  int (*length)(const PgResult*, int row, int column);
  char* (*n_affected)(PgResult*);
  void (*clear)(PgResult*);
  void* (*set_notice_receiver)(PgConnection*, void (*receiver)(void*, const PgResult*), void* argument);
};

// kUnsupported with what to install. Loaded once, for the whole program.
Result<const PostgresLibrary*> postgres_library();

}  // namespace firesteel
