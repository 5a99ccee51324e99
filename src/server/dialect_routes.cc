// The APIs that clients already speak: from a route to the dialect's function and on to the pump.
#include <sys/random.h>

#include <utility>

#include "base/clock.h"
#include "server/app.h"
#include "server/dialect_routes.h"
#include "server/generation_reply.h"
#include "server/release_routing.h"
#include "server/response_records.h"

namespace firesteel {
namespace {

constexpr size_t kReleaseBodyMax = 4u << 20;  // larger bodies are taken to say everything themselves

// What an answer without events used, as its dialect says it.
int64_t prompt_tokens_of(const HttpResponse& response) {
  const Result<Json> body = Json::parse(response.body);
  if (!body.ok()) return 0;
  const Json* usage = body->find("usage");
  const Json* count = usage != nullptr ? usage->find("prompt_tokens") : body->find("prompt_eval_count");
  return count != nullptr && count->is_int() ? count->as_int() : 0;
}

}  // namespace

std::optional<ApiError> make_exchange_context(ServerContext* context, const Principal& principal, const std::string& request_id, ExchangeContext* out) {
  const ServerOptions& options = context->options;
  bool may = principal.may_use_model(options.model_id);
  for (const std::string& alias : options.aliases) may = may || principal.may_use_model(alias);
  const std::vector<std::string> adapted = context->adapters.model_names(options.model_id, principal);
  may = may || !adapted.empty();
  if (!may) return ApiError{.kind = ApiErrorKind::kNotFound, .message = "this key may use no model that is served here", .code = "model_not_found"};
  out->generator = &context->generator;
  out->request_id = request_id;
  out->model_id = options.model_id;
  out->aliases = options.aliases;
  out->aliases.insert(out->aliases.end(), adapted.begin(), adapted.end());
  if (context->releases != nullptr) {
    for (std::string& name : context->releases->controller->names()) {
      if (!principal.may_use_model(name.substr(0, name.find('@')))) continue;
      if (name.find('@') == std::string::npos) out->aliases.push_back(name + "@");  // and all its versions (dialects/generation.cc)
      out->aliases.push_back(std::move(name));
    }
  }
  out->now_unix_s = wall_clock().now_us() / 1'000'000;
  if (getrandom(&out->random_seed, sizeof out->random_seed, 0) != sizeof out->random_seed) {
    out->random_seed = static_cast<uint64_t>(system_clock().now_us());
  }
  out->responses = make_response_records(&context->store, {principal.tenant, principal.user});
  return std::nullopt;
}

std::optional<HttpResponse> take_place(ServerContext* context, const Call& call, Admission* place) {
  AdmissionOrRefusal admitted = context->tenants.admit(*call.principal, 0, 0, context->options.model_id);
  if (const Refusal* refusal = std::get_if<Refusal>(&admitted)) return error_response(to_api_error(*refusal), call.route.dialect(), call.request.request_id);
  *place = std::move(std::get<Admission>(admitted));
  return std::nullopt;
}

HttpReply compute_metered(ServerContext* context, const Call& call, const ExchangeContext& exchange_context, AnswerFn compute) {
  const Dialect errors = call.route.dialect();
  const std::string& request_id = call.request.request_id;
  // The count is known only afterwards; four bytes a token is what text of most languages has.
  AdmissionOrRefusal admitted = context->tenants.admit(*call.principal, static_cast<int64_t>(call.request.body.size() / 4), 0, context->options.model_id);
  if (const Refusal* refusal = std::get_if<Refusal>(&admitted)) return error_response(to_api_error(*refusal), errors, request_id);
  const int64_t start_us = system_clock().now_us();
  ReplyOrError reply = compute(call.request, exchange_context);
  if (const ApiError* error = std::get_if<ApiError>(&reply)) return error_response(*error, errors, request_id);
  HttpResponse& response = std::get<HttpResponse>(reply);
  if (response.status != 200) return std::move(response);
  UsageRecord record;
  record.request_id = request_id;
  record.model = context->options.model_id;
  record.endpoint = call.route.name();
  record.finish_reason = "stop";
  record.tokens.prompt = prompt_tokens_of(response);
  record.total_us = system_clock().now_us() - start_us;
  const Status settled = context->tenants.settle(std::move(std::get<Admission>(admitted)), std::move(record));
  if (!settled.ok()) {
    return error_response({.kind = ApiErrorKind::kUnavailable, .message = "the server's storage does not work at the moment; try again", .code = "store_unavailable"},
                          errors, request_id);
  }
  return std::move(response);
}

HttpReply answer_generation(ServerContext* context, Call& call, ParseFn parse, GenerationHooks hooks) {
  ExchangeContext exchange_context;
  const auto refuse = [&](const ApiError& error) { return error_response(error, call.route.dialect(), call.request.request_id); };
  if (const auto error = make_exchange_context(context, *call.principal, call.request.request_id, &exchange_context)) return refuse(*error);
  Admission place;
  if (std::optional<HttpResponse> refused = take_place(context, call, &place)) return std::move(*refused);
  ExchangeOrError parsed = parse(call.request, exchange_context);
  place = Admission();
  const std::string body = std::exchange(call.request.body, {});
  if (const ApiError* error = std::get_if<ApiError>(&parsed)) return refuse(*error);
  Exchange exchange = std::move(std::get<Exchange>(parsed));
  if (context->releases != nullptr) {
    const Result<Json> said = body.size() <= kReleaseBodyMax ? Json::parse(body) : Result<Json>(Json());
    if (const auto error = apply_release(context, call, exchange.model, "api", said.ok() ? *said : Json(), "", &exchange, &hooks)) return refuse(*error);
  }
  return start_generation(context, call, std::move(exchange), std::move(hooks));
}

void add_dialect_routes(ServerContext* context, Router* router) {
  const auto generate = [&](std::string_view path, std::string_view name, Dialect dialect, ParseFn parse) {
    router->add(Route(HttpMethod::kPost, path, name, RouteAccess::needs(Scope::kInference), RouteLimits(context->options.prompt_body_bytes_max),
                      dialect, [context, parse](Call& call) { return answer_generation(context, call, parse, {}); }));
  };
  const auto answer = [&](HttpMethod method, std::string_view path, std::string_view name, Dialect dialect, AnswerFn compute, bool metered = false) {
    const uint64_t body_bytes_max = method == HttpMethod::kPost ? context->options.prompt_body_bytes_max : 0;
    router->add(Route(method, path, name, RouteAccess::needs(Scope::kInference), RouteLimits(body_bytes_max), dialect,
                      [context, compute, metered](Call& call) -> HttpReply {
                        ExchangeContext exchange_context;
                        const Dialect errors = call.route.dialect();
                        if (const auto error = make_exchange_context(context, *call.principal, call.request.request_id, &exchange_context)) {
                          return error_response(*error, errors, call.request.request_id);
                        }
                        // Versions answer; what the model itself is asked for knows no other names than it lists.
                        std::erase_if(exchange_context.aliases, [](const std::string& alias) { return alias.ends_with('@'); });
                        if (metered) return compute_metered(context, call, exchange_context, compute);
                        ReplyOrError reply = compute(call.request, exchange_context);
                        if (const ApiError* error = std::get_if<ApiError>(&reply)) {
                          return error_response(*error, errors, call.request.request_id);
                        }
                        return std::move(std::get<HttpResponse>(reply));
                      }));
  };
  constexpr HttpMethod kGet = HttpMethod::kGet, kPost = HttpMethod::kPost;

  generate("/v1/chat/completions", "openai.chat", Dialect::kOpenAi, parse_openai_chat);
  generate("/v1/completions", "openai.completions", Dialect::kOpenAi, parse_openai_completions);
  generate("/v1/responses", "openai.responses", Dialect::kOpenAi, parse_openai_responses);
  answer(kGet, "/v1/responses/{}", "openai.responses.get", Dialect::kOpenAi, answer_openai_response_get);
  answer(HttpMethod::kDelete, "/v1/responses/{}", "openai.responses.delete", Dialect::kOpenAi, answer_openai_response_delete);
  answer(kPost, "/v1/embeddings", "openai.embeddings", Dialect::kOpenAi, answer_openai_embeddings, true);
  answer(kGet, "/v1/models", "openai.models", Dialect::kOpenAi, answer_openai_models);
  answer(kGet, "/v1/models/{*}", "openai.model", Dialect::kOpenAi, answer_openai_model);
  answer(kPost, "/tokenize", "tokenize", Dialect::kOpenAi, answer_tokenize);
  answer(kPost, "/detokenize", "detokenize", Dialect::kOpenAi, answer_detokenize);

  generate("/v1/messages", "anthropic.messages", Dialect::kAnthropic, parse_anthropic_messages);
  answer(kPost, "/v1/messages/count_tokens", "anthropic.count_tokens", Dialect::kAnthropic, answer_anthropic_count_tokens);

  generate("/api/chat", "ollama.chat", Dialect::kOllama, parse_ollama_chat);
  generate("/api/generate", "ollama.generate", Dialect::kOllama, parse_ollama_generate);
  answer(kPost, "/api/embed", "ollama.embed", Dialect::kOllama, answer_ollama_embed, true);
  answer(kGet, "/api/tags", "ollama.tags", Dialect::kOllama, answer_ollama_tags);
  answer(kPost, "/api/show", "ollama.show", Dialect::kOllama, answer_ollama_show);
  answer(kGet, "/api/ps", "ollama.ps", Dialect::kOllama, answer_ollama_ps);
  answer(kGet, "/api/version", "ollama.version", Dialect::kOllama, answer_ollama_version);
}

}  // namespace firesteel
