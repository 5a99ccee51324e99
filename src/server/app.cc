#include "server/app.h"
#include "server/document_routes.h"
#include "server/tool_routes.h"
#include "server/fork_routes.h"

#include <utility>

#include "base/clock.h"
#include "server/authenticate.h"
#include "server/credentials.h"
#include "server/socket_routes.h"

namespace firesteel {

struct App::Caller {
  std::optional<Principal> principal;
  std::string session;
};

namespace {

ApiErrorKind kind_of(int status) {
  switch (status) {
    case 405: case 501: return ApiErrorKind::kMethodNotAllowed;
    case 408: return ApiErrorKind::kRequestTimeout;
    case 413: return ApiErrorKind::kTooLarge;
    case 414: case 431: return ApiErrorKind::kHeadersTooLarge;
    case 429: return ApiErrorKind::kOverloaded;
    case 503: return ApiErrorKind::kUnavailable;
    default: return ApiErrorKind::kInvalidRequest;
  }
}

// Of every answer; the pages' own policy is set by the web routes.
void add_security_headers(HttpResponse* response) {
  response->headers.emplace_back("x-content-type-options", "nosniff");
  for (const auto& [name, value] : response->headers) {
    if (name == "cache-control") return;
  }
  response->headers.emplace_back("cache-control", "no-store");
}

}  // namespace

App::App(ServerContext* context) : context_(*context) {
  add_system_routes(context, &router_);
  add_dialect_routes(context, &router_);
  add_socket_routes(context, &router_);
  add_document_routes(context, &router_);
  add_fork_routes(context, &router_);
  add_tool_routes(context, &router_);
  add_file_routes(context, &router_);
  add_batch_routes(context, &router_);
  add_fine_tuning_routes(context, &router_);
  add_session_routes(context, &router_);
  add_conversation_routes(context, &router_);
  add_admin_routes(context, &router_);
  add_release_routes(context, &router_);
  add_web_routes(context, &router_);
  context_.metrics.registry().add_collector([context] {
    context->metrics.set_load(context->generator.stats());
    context->metrics.set_connections(context->http_stats());
  });
}

HttpResponse App::refusal(const ApiError& error, Dialect dialect, const HttpRequest& request) {
  HttpResponse response = error_response(error, dialect, request.request_id);
  add_security_headers(&response);
  return response;
}

HeadVerdict App::on_head(HttpRequest* request) {
  request->request_id = make_request_id();
  HeadVerdict verdict;
  const Router::Match match = router_.find(request->method, request->path, &request->path_parameters);
  const Dialect dialect = match.route != nullptr ? match.route->dialect() : dialect_of_path(request->path);
  if (!host_allowed(context_.options.hosts, *request)) {
    verdict.refusal = refusal({.kind = ApiErrorKind::kForbidden, .message = "this server is not addressed by that host name", .code = "bad_host"},
                              dialect, *request);
    return verdict;
  }
  if (!origin_allowed(context_.options.hosts, *request)) {
    verdict.refusal = refusal({.kind = ApiErrorKind::kForbidden, .message = "requests of pages from other origins are not taken", .code = "bad_origin"},
                              dialect, *request);
    return verdict;
  }
  if (request->method == HttpMethod::kOptions) {
    if (HttpHeaders cors = cors_headers(context_.options.hosts, *request, true); !cors.empty()) {
      verdict.refusal = HttpResponse{204, std::move(cors), {}};
      return verdict;
    }
  }
  if (match.route == nullptr) {
    ApiError error{.kind = ApiErrorKind::kNotFound, .message = "there is nothing at this address", .code = "not_found"};
    if (!match.allowed.empty()) {
      error = {.kind = ApiErrorKind::kMethodNotAllowed, .message = "this address takes " + match.allowed, .headers = {{"allow", match.allowed}}};
    }
    verdict.refusal = refusal(error, dialect, *request);
    return verdict;
  }
  const Route& route = *match.route;
  const auto caller = std::make_shared<Caller>();
  verdict.body_bytes_max = route.limits().body_bytes_max;
  if (!route.access().is_open()) {
    verdict.authorize = [this, &route, caller](const HttpRequest& r) { return authorize(r, route, caller.get()); };
  }
  verdict.handle = [this, &route, caller](HttpRequest& r) -> HttpReply {
    Call call{.request = r, .route = route, .principal = caller->principal ? &*caller->principal : nullptr, .session = caller->session,
              .cors = cors_headers(context_.options.hosts, r, false)};
    HttpReply reply = route.handler()(call);
    HttpResponse* response = std::get_if<HttpResponse>(&reply);
    if (response == nullptr) return reply;
    add_security_headers(response);
    response->headers.insert(response->headers.end(), call.cors.begin(), call.cors.end());
    bool has_id = false;
    for (const auto& [name, value] : response->headers) has_id = has_id || name == "x-request-id" || name == "request-id";
    if (!has_id) response->headers.emplace_back("x-request-id", r.request_id);
    return reply;
  };
  return verdict;
}

std::optional<HttpResponse> App::authorize(const HttpRequest& request, const Route& route, Caller* caller) {
  const std::optional<ApiError> error = authenticate(&context_, request, route, &caller->principal, &caller->session);
  return error ? std::optional<HttpResponse>(refusal(*error, route.dialect(), request)) : std::nullopt;
}

HttpResponse App::on_problem(const HttpProblem& problem, const HttpRequest* request) {
  ApiError error{.kind = kind_of(problem.status), .message = problem.reason};
  if (error.kind == ApiErrorKind::kOverloaded || error.kind == ApiErrorKind::kUnavailable) error.retry_after_ms = 1000;
  HttpResponse response = error_response(error, request == nullptr ? Dialect::kOpenAi : dialect_of_path(request->path),
                                         request == nullptr ? std::string() : request->request_id);
  add_security_headers(&response);
  // What is wrong with the protocol is said in its words, also where the dialects have none.
  if (error.kind != ApiErrorKind::kOverloaded) response.status = problem.status;
  return response;
}

void App::on_finished(const HttpRecord& record) {
  std::string name = "unreadable";
  const char* method = "";
  if (record.request != nullptr) {
    std::vector<std::string> parameters;
    const Router::Match match = router_.find(record.request->method, record.request->path, &parameters);
    name = match.route != nullptr ? match.route->name() : "none";
    method = method_name(record.request->method);
  }
  context_.metrics.on_http(name, method, record.status, record.duration_us);
  if (!context_.options.log_requests || !context_.log.shows(LogLevel::kInfo)) return;
  Json::Object fields{{"request_id", record.request != nullptr ? record.request->request_id : std::string()},
                      {"route", name},
                      {"method", method},
                      {"status", record.status},
                      {"duration_ms", static_cast<double>(record.duration_us / 10) / 100},
                      {"bytes_in", static_cast<int64_t>(record.bytes_received)},
                      {"bytes_out", static_cast<int64_t>(record.bytes_sent)}};
  if (record.request != nullptr) fields.emplace_back("peer", record.request->peer);
  if (const std::string* parent = record.request == nullptr ? nullptr : record.request->header("traceparent"); parent != nullptr && parse_traceparent(*parent)) {
    fields.emplace_back("trace_id", parent->substr(3, 32));
  }
  if (record.disconnected) fields.emplace_back("disconnected", true);
  context_.log.write(LogLevel::kInfo, "request", std::move(fields));
}

}  // namespace firesteel
