// What all routes share. Lives longer than the HttpServer that runs them.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/generator.h"
#include "base/mutex.h"
#include "server/adapter_names.h"
#include "server/confirm_desk.h"
#include "server/credentials.h"
#include "server/server_metrics.h"
#include "store/document_index.h"
#include "store/store.h"
#include "telemetry/log.h"
#include "telemetry/trace.h"
#include "tenants/tenants.h"

namespace firesteel {

struct ConfigEntry {
  std::string name, value, origin;  // as the admin console shows them; no secrets
};

struct ServerOptions {
  std::string model_id = "model";
  std::vector<std::string> aliases = {};
  std::string version = "0", commit = "";
  // Requests without credentials are this caller (--no-auth, loopback only).
  std::optional<Principal> anonymous = {};
  HostPolicy hosts = {};
  bool secure_cookies = false;          // with TLS
  bool with_vllm_names = false;
  bool log_requests = true;
  int64_t session_ttl_us = int64_t{30} * 24 * 3600 * 1'000'000;
  int64_t reserved_tokens = 1024;       // reserved at admission when the request does not say max_tokens
  uint64_t prompt_body_bytes_max = 32u << 20;
  std::vector<ConfigEntry> config = {};
  std::string model_path = "";
  std::shared_ptr<const Tracer> tracer = {};   // null: no spans
  std::string adapter_folder = "";      // where adapters may be loaded from by name; empty: nowhere
  // What an answer says, however it is written: equal keys agree. Empty: no votes (POST /v1/fork, join "vote").
  std::function<std::string(std::string_view answer)> answer_key = {};
};

struct ReleaseDesk;   // release_routing.h

struct ServerContext {
  ServerContext(Generator* generator_in, Tenants* tenants_in, Store* store_in, Log* log_in, ServerOptions options_in)
      : generator(*generator_in), tenants(*tenants_in), store(*store_in), log(*log_in), options(std::move(options_in)),
        started_unix_us(wall_clock().now_us()), metrics(options.model_id, options.version, options.with_vllm_names, started_unix_us / 1'000'000) {}

  Generator& generator;
  Tenants& tenants;
  Store& store;
  Log& log;
  const ServerOptions options;
  const int64_t started_unix_us;
  ServerMetrics metrics;
  std::atomic<bool> draining{false};
  ReleaseDesk* releases = nullptr;   // set before serving, outlives it; nullptr: names are answered as they are
  MeaningFn meaning = {};            // what a query means, as the tool `documents` asks it; set before serving. Empty: documents are searched by words
  AdapterNames adapters;
  ConfirmDesk confirmations;

  // Work that may wait, from the I/O thread. False when there is no server any more or its queue is full.
  bool run_on_worker(std::function<void()> task) FS_EXCLUDES(mutex) {
    MutexLock lock(mutex);
    return http != nullptr && http->run_on_worker(std::move(task));
  }
  void attach(HttpServer* server) FS_EXCLUDES(mutex) {
    MutexLock lock(mutex);
    http = server;
  }
  // Who runs batches hears at once that there is one; without anybody it waits in the store.
  void on_batch(std::function<void()> notify) FS_EXCLUDES(mutex) {
    MutexLock lock(mutex);
    batch_made = std::move(notify);
  }
  void notify_batches() FS_EXCLUDES(mutex) {
    MutexLock lock(mutex);
    if (batch_made) batch_made();
  }
  HttpServerStats http_stats() FS_EXCLUDES(mutex) {
    MutexLock lock(mutex);
    return http == nullptr ? HttpServerStats{} : http->stats();
  }

 private:
  Mutex mutex;
  HttpServer* http FS_GUARDED_BY(mutex) = nullptr;
  std::function<void()> batch_made FS_GUARDED_BY(mutex);
};

}  // namespace firesteel
