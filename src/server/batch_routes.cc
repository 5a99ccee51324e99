// /v1/batches: a file of requests that run by and by in the background class (batch_runner.h runs them). Per tenant.
#include <array>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/clock.h"
#include "server/app.h"
#include "server/batch_runner.h"
#include "server/openai_records.h"
#include "store/request_batches.h"
#include "store/stored_files.h"

namespace firesteel {
namespace {

constexpr uint64_t kBodyBytesMax = 256u << 10;
constexpr int64_t kWindowUs = int64_t{24} * 3600 * 1'000'000;
constexpr int64_t kPageMax = 100;
constexpr size_t kMetadataMax = 16;

int64_t now_us() { return wall_clock().now_us(); }

Json id_or_null(const std::string& id) { return id.empty() ? Json() : Json(id); }

Json batch_json(const StoredBatch& batch) {
  const auto time = [&](const char* name) {
    const Json* found = batch.times.find(name);
    return found != nullptr && found->is_int() ? *found : Json();
  };
  Json errors;
  if (batch.problems.is_array()) errors = Json::Object{{"object", "list"}, {"data", batch.problems}};
  return Json::Object{{"id", batch.id.str()},
                      {"object", "batch"},
                      {"endpoint", batch.endpoint},
                      {"errors", std::move(errors)},
                      {"input_file_id", batch.input_file.str()},
                      {"completion_window", "24h"},
                      {"status", batch_state_name(batch.state)},
                      {"output_file_id", id_or_null(batch.output_file.str())},
                      {"error_file_id", id_or_null(batch.error_file.str())},
                      {"created_at", batch.created_us / 1'000'000},
                      {"in_progress_at", time("in_progress_at")},
                      {"expires_at", batch.expires_us / 1'000'000},
                      {"finalizing_at", time("finalizing_at")},
                      {"completed_at", time("completed_at")},
                      {"failed_at", time("failed_at")},
                      {"expired_at", time("expired_at")},
                      {"cancelling_at", time("cancelling_at")},
                      {"cancelled_at", time("cancelled_at")},
                      {"request_counts", Json::Object{{"total", batch.n_total}, {"completed", batch.n_completed}, {"failed", batch.n_failed}}},
                      {"metadata", batch.metadata}};
}

std::optional<HttpResponse> check_metadata(const Call& call, const Json& metadata) {
  if (metadata.is_null()) return std::nullopt;
  if (!metadata.is_object() || metadata.as_object().size() > kMetadataMax) return bad_request(call, "metadata", fmt::format("expected an object of at most {} strings", kMetadataMax));
  for (const auto& [name, value] : metadata.as_object()) {
    if (!value.is_string() || name.size() > 64 || value.as_string().size() > 512) return bad_request(call, "metadata", "expected names of at most 64 bytes and strings of at most 512");
  }
  return std::nullopt;
}

HttpReply create(ServerContext* context, Call& call) {
  const Result<Json> body = read_json_body(call);
  if (!body.ok()) return records_error(call, body.error());
  static constexpr std::array<std::string_view, 5> kKnown = {"input_file_id", "endpoint", "completion_window", "metadata", "output_expires_after"};
  for (const Json::Member& member : body->as_object()) {
    bool known = false;
    for (const std::string_view name : kKnown) known = known || member.first == name;
    if (!known) return bad_request(call, member.first, "is not a parameter of batches; expected input_file_id, endpoint, completion_window, metadata or output_expires_after", "unknown_parameter");
  }
  StoredBatch batch;
  const Result<std::optional<std::string>> endpoint = string_field(*body, "endpoint", 128);
  if (!endpoint.ok()) return records_error(call, endpoint.error());
  if (!*endpoint || !is_batch_endpoint(**endpoint)) return bad_request(call, "endpoint", "expected /v1/chat/completions, /v1/responses, /v1/completions or /v1/embeddings");
  const Result<std::optional<std::string>> window = string_field(*body, "completion_window", 16);
  if (!window.ok() || window->value_or("") != "24h") return bad_request(call, "completion_window", "expected \"24h\"");
  const Result<std::optional<int64_t>> expires_s = expires_after_seconds(*body, "output_expires_after");
  if (!expires_s.ok()) return records_error(call, expires_s.error());
  const Json* const metadata = body->find("metadata");
  if (metadata != nullptr) batch.metadata = *metadata;
  if (std::optional<HttpResponse> wrong = check_metadata(call, batch.metadata)) return std::move(*wrong);

  const Result<std::optional<std::string>> input = string_field(*body, "input_file_id", 128);
  if (!input.ok()) return records_error(call, input.error());
  if (!*input) return bad_request(call, "input_file_id", "missing");
  const std::optional<FileId> file_id = FileId::parse(**input);
  const Result<StoredFile> file = file_id ? StoredFiles(context->store).get(call.principal->tenant, *file_id, now_us()) : Error{ErrorCode::kNotFound, ""};
  if (!file.ok() && file.error().code == ErrorCode::kNotFound) {
    return error_response({.kind = ApiErrorKind::kNotFound, .message = "there is no such file", .param = "input_file_id"}, Dialect::kOpenAi, call.request.request_id);
  }
  if (!file.ok()) return records_error(call, file.error());
  if (file->purpose != "batch") return bad_request(call, "input_file_id", "expected a file of the purpose batch, found " + file->purpose);

  batch.id = BatchId::fresh();
  batch.tenant = call.principal->tenant;
  batch.key = call.principal->key;
  batch.endpoint = **endpoint;
  batch.input_file = *file_id;
  if (*expires_s) batch.times.set("output_expires_after_s", **expires_s);
  batch.created_us = now_us();
  batch.expires_us = batch.created_us + kWindowUs;
  const Status created = RequestBatches(context->store).create(batch);
  if (!created.ok()) return records_error(call, created.error());
  context->notify_batches();
  return json_response(200, batch_json(batch).dump());
}

HttpReply list(ServerContext* context, Call& call) {
  const Result<int64_t> limit = int_query(call.request, "limit", 1, kPageMax, 20);
  if (!limit.ok()) return records_error(call, limit.error());
  std::optional<BatchId> after;
  if (const std::string text = text_query(call.request, "after"); !text.empty()) {
    after = BatchId::parse(text);
    if (!after) return no_such(call, "batch");
  }
  Result<std::vector<StoredBatch>> batches = RequestBatches(context->store).list(call.principal->tenant, after, *limit + 1);
  if (!batches.ok()) return batches.error().code == ErrorCode::kNotFound ? no_such(call, "batch") : records_error(call, batches.error());
  const bool has_more = static_cast<int64_t>(batches->size()) > *limit;
  if (has_more) batches->resize(static_cast<size_t>(*limit));
  Json::Array data;
  for (const StoredBatch& batch : *batches) data.push_back(batch_json(batch));
  return list_of(std::move(data), has_more);
}

HttpReply answer_with(const Call& call, const Result<StoredBatch>& batch) {
  if (batch.ok()) return json_response(200, batch_json(*batch).dump());
  return batch.error().code == ErrorCode::kNotFound ? no_such(call, "batch") : records_error(call, batch.error());
}

HttpReply get(ServerContext* context, Call& call) {
  const std::optional<BatchId> id = BatchId::parse(call.request.path_parameters.at(0));
  if (!id) return no_such(call, "batch");
  return answer_with(call, RequestBatches(context->store).get(call.principal->tenant, *id));
}

HttpReply cancel(ServerContext* context, Call& call) {
  const std::optional<BatchId> id = BatchId::parse(call.request.path_parameters.at(0));
  if (!id) return no_such(call, "batch");
  const Result<StoredBatch> batch = RequestBatches(context->store).cancel(call.principal->tenant, *id, now_us());
  if (batch.ok()) context->notify_batches();
  return answer_with(call, batch);
}

}  // namespace

void add_batch_routes(ServerContext* context, Router* router) {
  const auto add = [&](HttpMethod method, const char* pattern, const char* name, uint64_t bytes_max, HttpReply (*handle)(ServerContext*, Call&)) {
    router->add(Route(method, pattern, name, RouteAccess::needs(Scope::kInference | Scope::kFiles), RouteLimits(bytes_max), Dialect::kOpenAi,
                      [context, handle](Call& call) { return handle(context, call); }));
  };
  add(HttpMethod::kPost, "/v1/batches", "batches.create", kBodyBytesMax, create);
  add(HttpMethod::kGet, "/v1/batches", "batches.list", 0, list);
  add(HttpMethod::kGet, "/v1/batches/{}", "batches.get", 0, get);
  add(HttpMethod::kPost, "/v1/batches/{}/cancel", "batches.cancel", 4096, cancel);
}

}  // namespace firesteel
