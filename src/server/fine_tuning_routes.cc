// /v1/fine_tuning/jobs: tuning of adapters as clients of the OpenAI API ask for it (supervised, dpo). A job is stored; who runs it is wired
// elsewhere. A finished job's model is an adapter that the job's tenant alone may use.
#include <array>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/clock.h"
#include "server/app.h"
#include "server/openai_records.h"
#include "store/stored_files.h"
#include "store/tune_jobs.h"

namespace firesteel {
namespace {

constexpr uint64_t kBodyBytesMax = 64u << 10;
constexpr int64_t kPageMax = 100;
constexpr size_t kMetadataMax = 16;
// What a multiplier of 1 means; the same as the command's defaults.
constexpr double kSupervisedRate = 2e-3, kDpoRate = 3e-4;

int64_t now_us() { return wall_clock().now_us(); }
Json seconds_or_null(int64_t us) { return us == 0 ? Json() : Json(us / 1'000'000); }
Json text_or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }

double number_of(const Json& settings, const char* name, double otherwise) {
  const Json* value = settings.is_object() ? settings.find(name) : nullptr;
  return value != nullptr && value->is_number() ? value->as_double() : otherwise;
}

Json job_json(const ServerContext* context, const TuneJob& job) {
  const Json* method = job.settings.is_object() ? job.settings.find("method") : nullptr;
  const bool is_dpo = method != nullptr && method->is_string() && method->as_string() == "dpo";
  Json hyper = Json::Object{{"n_epochs", static_cast<int64_t>(number_of(job.settings, "epochs", 3))}, {"batch_size", static_cast<int64_t>(number_of(job.settings, "batch", 16))},
                            {"learning_rate_multiplier", number_of(job.settings, "rate_multiplier", 1)}};
  if (is_dpo) hyper.set("beta", number_of(job.settings, "beta", 0.1));
  const std::string kind = is_dpo ? "dpo" : "supervised";
  Json out = Json::Object{{"id", job.id.str()}, {"object", "fine_tuning.job"}, {"model", job.model}, {"created_at", job.created_us / 1'000'000},
                          {"finished_at", seconds_or_null(job.finished_us)},
                          {"fine_tuned_model", job.adapter_name.empty() ? Json() : Json(context->options.model_id + ":" + job.adapter_name)},
                          {"organization_id", job.tenant.str()}, {"status", tune_job_state_name(job.state)}, {"training_file", job.training_file.str()},
                          {"validation_file", Json()}, {"result_files", job.result_file.empty() ? Json::Array{} : Json::Array{job.result_file.str()}},
                          {"trained_tokens", job.state == TuneJobState::kSucceeded ? Json(job.n_tokens) : Json()}, {"hyperparameters", hyper},
                          {"method", Json::Object{{"type", kind}, {kind, Json::Object{{"hyperparameters", hyper}}}}},
                          {"seed", static_cast<int64_t>(number_of(job.settings, "seed", 1))}, {"user_provided_suffix", text_or_null(job.suffix)},
                          {"estimated_finish", Json()}, {"integrations", Json::Array{}}, {"metadata", job.metadata}};
  out.set("error", job.problem.empty() ? Json() : Json(Json::Object{{"code", "tuning_failed"}, {"message", job.problem}, {"param", Json()}}));
  return out;
}

// Reads an object's members one by one; the first that is wrong becomes the answer.
class JobReader {
 public:
  explicit JobReader(const Call& call) : call_(call) {}
  std::optional<HttpResponse> refused;

  void fail(const std::string& param, const std::string& message, const std::string& code = {}) {
    if (!refused) refused = bad_request(call_, param, message, code);
  }
  template <size_t n>
  void only(const Json& object, const std::string& where, const std::array<std::string_view, n>& known) {
    for (const auto& [name, value] : object.as_object()) {
      bool is_known = false;
      for (const std::string_view one : known) is_known = is_known || name == one;
      if (!is_known) fail(where + name, fmt::format("is not a parameter here; expected {}", fmt::join(known, ", ")), "unknown_parameter");
    }
  }
  // A number, or "auto" (nullopt).
  std::optional<double> number(const Json& object, const std::string& where, const char* name, double low, double high, bool whole) {
    const Json* value = object.find(name);
    if (value == nullptr || value->is_null() || (value->is_string() && value->as_string() == "auto")) return std::nullopt;
    const bool fits = (whole ? value->is_int() : value->is_number()) && value->as_double() >= low && value->as_double() <= high;
    if (!fits) fail(where + name, fmt::format("expected \"auto\" or {} from {:g} to {:g}", whole ? "a whole number" : "a number", low, high));
    return fits ? std::optional(value->as_double()) : std::nullopt;
  }
  void hyperparameters(const Json& object, const std::string& where, bool is_dpo, Json* settings) {
    only(object, where, std::array<std::string_view, 6>{"n_epochs", "batch_size", "learning_rate_multiplier", "beta", "rank", "alpha"});
    if (const auto v = number(object, where, "n_epochs", 1, 50, true)) settings->set("epochs", static_cast<int64_t>(*v));
    if (const auto v = number(object, where, "batch_size", 1, 256, true)) settings->set("batch", static_cast<int64_t>(*v));
    if (const auto v = number(object, where, "learning_rate_multiplier", 1e-3, 100, false)) {
      settings->set("rate_multiplier", *v);
      settings->set("rate", *v * (is_dpo ? kDpoRate : kSupervisedRate));
    }
    // Beyond the OpenAI API: the adapter's size.
    if (const auto v = number(object, where, "rank", 1, 64, true)) settings->set("rank", static_cast<int64_t>(*v));
    if (const auto v = number(object, where, "alpha", 1e-3, 1e4, false)) settings->set("alpha", *v);
    if (const auto v = number(object, where, "beta", 0, 100, false)) {
      if (!is_dpo) fail(where + "beta", "is for the method dpo");
      settings->set("beta", *v);
    }
  }
  void method(const Json& body, Json* settings) {
    bool is_dpo = false;
    const Json* method = body.find("method");
    const Json* hyper = body.find("hyperparameters");
    std::string where = "hyperparameters.";
    if (method != nullptr && !method->is_null()) {
      if (!method->is_object()) return fail("method", "expected an object");
      only(*method, "method.", std::array<std::string_view, 3>{"type", "supervised", "dpo"});
      const Json* type = method->find("type");
      if (type == nullptr || !type->is_string() || (type->as_string() != "supervised" && type->as_string() != "dpo")) return fail("method.type", "expected supervised or dpo");
      is_dpo = type->as_string() == "dpo";
      if (const Json* of = method->find(type->as_string()); of != nullptr && !of->is_null()) {
        if (!of->is_object()) return fail("method." + type->as_string(), "expected an object");
        only(*of, "method." + type->as_string() + ".", std::array<std::string_view, 1>{"hyperparameters"});
        if (of->find("hyperparameters") != nullptr) {
          hyper = of->find("hyperparameters");
          where = "method." + type->as_string() + ".hyperparameters.";
        }
      }
      if (method->find(is_dpo ? "supervised" : "dpo") != nullptr) return fail(std::string("method.") + (is_dpo ? "supervised" : "dpo"), "is not for this method");
    }
    settings->set("method", is_dpo ? "dpo" : "sft");
    if (hyper == nullptr || hyper->is_null()) return;
    if (!hyper->is_object()) return fail(where.substr(0, where.size() - 1), "expected an object");
    hyperparameters(*hyper, where, is_dpo, settings);
  }

 private:
  const Call& call_;
};

bool is_suffix(const std::string& text) {
  if (text.size() > 18) return false;
  for (const char c : text) {
    const bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
    if (!good) return false;
  }
  return true;
}

HttpReply create(ServerContext* context, Call& call) {
  const Result<Json> body = read_json_body(call);
  if (!body.ok()) return records_error(call, body.error());
  JobReader reader(call);
  reader.only(*body, "", std::array<std::string_view, 9>{"model", "training_file", "validation_file", "hyperparameters", "method", "suffix", "seed", "metadata", "integrations"});
  TuneJob job;
  job.settings = Json::Object{};
  reader.method(*body, &job.settings);
  for (const char* name : {"validation_file", "integrations"}) {
    const Json* value = body->find(name);
    const bool nothing = value == nullptr || value->is_null() || (value->is_array() && value->as_array().empty());
    if (!nothing) reader.fail(name, "is not supported; evaluate the model afterwards (firesteel eval)", "unsupported_parameter");
  }
  const Result<std::optional<std::string>> model = string_field(*body, "model", 256), suffix = string_field(*body, "suffix", 64), file = string_field(*body, "training_file", 128);
  const Result<std::optional<int64_t>> seed = int_field(*body, "seed", 0, INT32_MAX);
  for (const auto* field : {&model, &suffix, &file}) {
    if (!field->ok()) return records_error(call, field->error());
  }
  if (!seed.ok()) return records_error(call, seed.error());
  const auto adapter = *model ? adapter_of_model(**model, context->options.model_id, context->options.aliases, context->adapters, *call.principal) : std::nullopt;
  if (!*model) reader.fail("model", "missing");
  else if (!adapter) reader.fail("model", "there is no such model, or this key may not use it", "model_not_found");
  else if (!adapter->empty()) reader.fail("model", "an adapter cannot be tuned further; name the model it stands on");
  if (*suffix && !is_suffix(**suffix)) reader.fail("suffix", "expected at most 18 letters, digits, '-', '_' or '.'");
  const Json* metadata = body->find("metadata");
  if (metadata != nullptr && !metadata->is_null()) {
    bool good = metadata->is_object() && metadata->as_object().size() <= kMetadataMax;
    for (size_t i = 0; good && i < metadata->as_object().size(); ++i) {
      const auto& [name, value] = metadata->as_object()[i];
      good = value.is_string() && name.size() <= 64 && value.as_string().size() <= 512;
    }
    if (!good) reader.fail("metadata", "expected an object of at most 16 strings, names of at most 64 and values of at most 512 bytes");
    job.metadata = *metadata;
  }
  if (!*file) reader.fail("training_file", "missing");
  if (reader.refused) return std::move(*reader.refused);

  const std::optional<FileId> file_id = FileId::parse(**file);
  const Result<StoredFile> stored = file_id ? StoredFiles(context->store).get(call.principal->tenant, *file_id, now_us()) : Error{ErrorCode::kNotFound, ""};
  if (!stored.ok() && stored.error().code == ErrorCode::kNotFound) {
    return error_response({.kind = ApiErrorKind::kNotFound, .message = "there is no such file", .param = "training_file"}, Dialect::kOpenAi, call.request.request_id);
  }
  if (!stored.ok()) return records_error(call, stored.error());
  if (stored->purpose != "fine-tune") return bad_request(call, "training_file", "expected a file of the purpose fine-tune, found " + stored->purpose);

  job.id = TuneJobId::fresh();
  job.tenant = call.principal->tenant;
  job.key = call.principal->key;
  job.model = context->options.model_id;
  job.suffix = suffix->value_or("");
  job.training_file = *file_id;
  job.settings.set("seed", seed->value_or(1));
  job.created_us = now_us();
  const Status created = TuneJobs(context->store).create(job);
  if (!created.ok()) return records_error(call, created.error());
  return json_response(200, job_json(context, job).dump());
}

HttpReply answer_with(const ServerContext* context, const Call& call, const Result<TuneJob>& job) {
  if (job.ok()) return json_response(200, job_json(context, *job).dump());
  return job.error().code == ErrorCode::kNotFound ? no_such(call, "fine-tuning job") : records_error(call, job.error());
}

HttpReply list(ServerContext* context, Call& call) {
  const Result<int64_t> limit = int_query(call.request, "limit", 1, kPageMax, 20);
  if (!limit.ok()) return records_error(call, limit.error());
  std::optional<TuneJobId> after;
  if (const std::string text = text_query(call.request, "after"); !text.empty()) {
    after = TuneJobId::parse(text);
    if (!after) return no_such(call, "fine-tuning job");
  }
  Result<std::vector<TuneJob>> jobs = TuneJobs(context->store).list(call.principal->tenant, after, *limit + 1);
  if (!jobs.ok()) return jobs.error().code == ErrorCode::kNotFound ? no_such(call, "fine-tuning job") : records_error(call, jobs.error());
  const bool has_more = static_cast<int64_t>(jobs->size()) > *limit;
  if (has_more) jobs->resize(static_cast<size_t>(*limit));
  Json::Array data;
  for (const TuneJob& job : *jobs) data.push_back(job_json(context, job));
  return list_of(std::move(data), has_more);
}

HttpReply get(ServerContext* context, Call& call) {
  const std::optional<TuneJobId> id = TuneJobId::parse(call.request.path_parameters.at(0));
  if (!id) return no_such(call, "fine-tuning job");
  return answer_with(context, call, TuneJobs(context->store).get(call.principal->tenant, *id));
}

HttpReply cancel(ServerContext* context, Call& call) {
  const std::optional<TuneJobId> id = TuneJobId::parse(call.request.path_parameters.at(0));
  if (!id) return no_such(call, "fine-tuning job");
  return answer_with(context, call, TuneJobs(context->store).cancel(call.principal->tenant, *id, now_us()));
}

// An event's name is its job and number: "ftevent-..." in OpenAI's API, where only this route understands it again.
HttpReply events(ServerContext* context, Call& call) {
  const std::optional<TuneJobId> id = TuneJobId::parse(call.request.path_parameters.at(0));
  if (!id) return no_such(call, "fine-tuning job");
  const Result<int64_t> limit = int_query(call.request, "limit", 1, kPageMax, 20);
  if (!limit.ok()) return records_error(call, limit.error());
  int64_t before = 0;
  if (const std::string after = text_query(call.request, "after"); !after.empty()) {
    for (const char c : after.starts_with("ftevent-") ? after.substr(8) : std::string("?")) {
      if (c < '0' || c > '9' || before > 1'000'000) return no_such(call, "event");
      before = before * 10 + (c - '0');
    }
    if (before == 0) return no_such(call, "event");
  }
  Result<std::vector<TuneJobEvent>> found = TuneJobs(context->store).events(call.principal->tenant, *id, before, *limit + 1);
  if (!found.ok()) return found.error().code == ErrorCode::kNotFound ? no_such(call, "fine-tuning job") : records_error(call, found.error());
  const bool has_more = static_cast<int64_t>(found->size()) > *limit;
  if (has_more) found->resize(static_cast<size_t>(*limit));
  Json::Array data;
  for (const TuneJobEvent& event : *found) {
    data.push_back(Json::Object{{"id", "ftevent-" + std::to_string(event.seq)}, {"object", "fine_tuning.job.event"}, {"created_at", event.at_us / 1'000'000},
                                {"level", event.level}, {"message", event.text}, {"type", event.data.is_null() ? "message" : "metrics"}, {"data", event.data}});
  }
  return list_of(std::move(data), has_more);
}

}  // namespace

void add_fine_tuning_routes(ServerContext* context, Router* router) {
  const auto add = [&](HttpMethod method, const char* pattern, const char* name, uint64_t bytes_max, HttpReply (*handle)(ServerContext*, Call&)) {
    router->add(Route(method, pattern, name, RouteAccess::needs(Scope::kInference | Scope::kFiles), RouteLimits(bytes_max), Dialect::kOpenAi,
                      [context, handle](Call& call) { return handle(context, call); }));
  };
  add(HttpMethod::kPost, "/v1/fine_tuning/jobs", "fine_tuning.create", kBodyBytesMax, create);
  add(HttpMethod::kGet, "/v1/fine_tuning/jobs", "fine_tuning.list", 0, list);
  add(HttpMethod::kGet, "/v1/fine_tuning/jobs/{}", "fine_tuning.get", 0, get);
  add(HttpMethod::kPost, "/v1/fine_tuning/jobs/{}/cancel", "fine_tuning.cancel", 4096, cancel);
  add(HttpMethod::kGet, "/v1/fine_tuning/jobs/{}/events", "fine_tuning.events", 0, events);
}

}  // namespace firesteel
