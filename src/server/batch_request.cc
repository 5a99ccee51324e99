#include "server/batch_request.h"

#include <array>
#include <utility>
#include <variant>

#include "base/rng.h"
#include "server/batch_runner.h"
#include "server/release_routing.h"

namespace firesteel {
namespace {

constexpr std::array<BatchEndpoint, 4> kEndpoints = {{
    {"/v1/chat/completions", "openai.batch.chat", parse_openai_chat, nullptr},
    {"/v1/responses", "openai.batch.responses", parse_openai_responses, nullptr},
    {"/v1/completions", "openai.batch.completions", parse_openai_completions, nullptr},
    {"/v1/embeddings", "openai.batch.embeddings", nullptr, answer_openai_embeddings},
}};

uint64_t seed_of(const std::string& batch, int64_t line) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : batch) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  const auto words = philox4x32({static_cast<uint32_t>(line), 0, 0, 0xba7c4u}, hash);
  return (uint64_t{words[0]} << 32) | words[1];
}

}  // namespace

const BatchEndpoint* find_batch_endpoint(std::string_view path) {
  for (const BatchEndpoint& endpoint : kEndpoints) {
    if (path == endpoint.path) return &endpoint;
  }
  return nullptr;
}

bool is_batch_endpoint(std::string_view path) { return find_batch_endpoint(path) != nullptr; }

HttpReply run_batch_request(ServerContext* context, const BatchEndpoint& endpoint, const Principal& principal, const std::string& batch_id, int64_t line,
                            const std::string& request_id, const std::string& body) {
  HttpRequest request;
  request.method = HttpMethod::kPost;
  request.path = endpoint.path;
  request.headers = {{"content-type", "application/json"}};
  request.body = body;
  request.request_id = request_id;
  // Not in the router: it has the name that usage is stored under.
  const Route route(HttpMethod::kPost, endpoint.path, endpoint.name, RouteAccess::needs(Scope::kInference), RouteLimits(context->options.prompt_body_bytes_max),
                    Dialect::kOpenAi, [](Call&) -> HttpReply { return HttpResponse{}; });
  const Call call{.request = request, .route = route, .principal = &principal};
  const auto refuse = [&](const ApiError& error) { return error_response(error, Dialect::kOpenAi, request_id); };
  ExchangeContext exchange_context;
  if (const auto error = make_exchange_context(context, principal, request_id, &exchange_context)) return refuse(*error);
  exchange_context.random_seed = seed_of(batch_id, line);
  if (endpoint.answer != nullptr) {
    std::erase_if(exchange_context.aliases, [](const std::string& alias) { return alias.ends_with('@'); });  // as dialect_routes.cc does
    return compute_metered(context, call, exchange_context, endpoint.answer);
  }
  ExchangeOrError parsed = endpoint.parse(request, exchange_context);
  if (const ApiError* error = std::get_if<ApiError>(&parsed)) return refuse(*error);
  Exchange exchange = std::move(std::get<Exchange>(parsed));
  for (GenerateRequest& each : exchange.requests) each.priority = Priority::kBatch;
  GenerationHooks hooks;
  if (context->releases != nullptr) {
    const Result<Json> said = Json::parse(body);
    if (const auto error = apply_release(context, call, exchange.model, "batch", said.ok() ? *said : Json(), "", &exchange, &hooks)) return refuse(*error);
    hooks.observe = {};  // how long background work took says nothing about a variant
  }
  hooks.background = true;
  return start_generation(context, call, std::move(exchange), std::move(hooks));
}

}  // namespace firesteel
