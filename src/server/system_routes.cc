// Health and metrics.
#include "base/json.h"
#include "server/app.h"

namespace firesteel {
namespace {

constexpr uint64_t kNoBody = 0;

HttpResponse state_response(ServerContext* context, bool ready_matters) {
  const bool ready = !context->draining && context->store.writable();
  Json body = Json::Object{{"status", ready ? "ok" : context->draining ? "draining" : "store_unavailable"}};
  return json_response(ready || !ready_matters ? 200 : 503, body.dump());
}

}  // namespace

void add_system_routes(ServerContext* context, Router* router) {
  const auto alive = [](Call&) -> HttpReply { return HttpResponse{200, {{"content-type", "text/plain; charset=utf-8"}}, "ok\n"}; };
  const auto ready = [context](Call&) -> HttpReply { return state_response(context, true); };
  router->add(Route(HttpMethod::kGet, "/livez", "livez", RouteAccess::open("asked by service managers; says nothing"), RouteLimits(kNoBody),
                    Dialect::kFiresteel, alive));
  router->add(Route(HttpMethod::kGet, "/readyz", "readyz", RouteAccess::open("asked by balancers; says nothing"), RouteLimits(kNoBody),
                    Dialect::kFiresteel, ready));
  router->add(Route(HttpMethod::kGet, "/health", "health", RouteAccess::open("llama-server's name for readyz"), RouteLimits(kNoBody),
                    Dialect::kFiresteel, ready));
  router->add(Route(HttpMethod::kGet, "/metrics", "metrics", RouteAccess::needs(Scope::kMetrics), RouteLimits(kNoBody), Dialect::kFiresteel,
                    [context](Call&) -> HttpReply {
                      return HttpResponse{200, {{"content-type", "text/plain; version=0.0.4; charset=utf-8"}}, context->metrics.registry().prometheus_text()};
                    }));
}

}  // namespace firesteel
