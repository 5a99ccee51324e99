#include "store/postgres_library.h"

#include <dlfcn.h>

#include "base/mutex.h"

namespace firesteel {
namespace {

template <typename Function>
bool find(void* handle, const char* name, Function* function) {
  void* const address = ::dlsym(handle, name);
  *function = reinterpret_cast<Function>(address);
  return address != nullptr;
}

bool find_all(void* handle, PostgresLibrary* library) {
  return find(handle, "PQconnectdb", &library->connect) && find(handle, "PQstatus", &library->status) && find(handle, "PQfinish", &library->finish) &&
         find(handle, "PQerrorMessage", &library->connection_error) && find(handle, "PQtransactionStatus", &library->transaction_status) &&
         find(handle, "PQexec", &library->exec) && find(handle, "PQprepare", &library->prepare) && find(handle, "PQexecPrepared", &library->exec_prepared) &&
         find(handle, "PQresultStatus", &library->result_status) && find(handle, "PQresultErrorMessage", &library->result_error) &&
         find(handle, "PQresultErrorField", &library->error_field) && find(handle, "PQntuples", &library->n_rows) &&
         find(handle, "PQnfields", &library->n_fields) && find(handle, "PQftype", &library->field_type) && find(handle, "PQgetisnull", &library->is_null) &&
         find(handle, "PQgetvalue", &library->value) && find(handle, "PQgetlength", &library->length) && find(handle, "PQcmdTuples", &library->n_affected) &&
         find(handle, "PQclear", &library->clear) && find(handle, "PQsetNoticeReceiver", &library->set_notice_receiver);
}

}  // namespace

Result<const PostgresLibrary*> postgres_library() {
  static Mutex mutex;
  static PostgresLibrary library;
  static bool loaded = false;
  MutexLock lock(mutex);
  if (!loaded) {
    void* const handle = ::dlopen("libpq.so.5", RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) {
      return Error{ErrorCode::kUnsupported, std::string("PostgreSQL needs its client library libpq.so.5 (Debian: apt-get install libpq5): ") + ::dlerror()};
    }
    if (!find_all(handle, &library)) return Error{ErrorCode::kUnsupported, "libpq.so.5 lacks a function that is needed; version 10 or newer is expected"};
    loaded = true;
  }
  return &library;
}

}  // namespace firesteel
