// Browser sessions: a key is exchanged for an HttpOnly cookie, so that scripts never hold it.
#include <fmt/format.h>

#include "base/json.h"
#include "server/app.h"
#include "server/own_api.h"

namespace firesteel {
namespace {

Json::Array scope_words(Scope scopes) {
  Json::Array words;
  std::string_view rest;
  const std::string text = scopes_text(scopes);
  for (rest = text; !rest.empty();) {
    const size_t end = rest.find(',');
    words.push_back(rest.substr(0, end));
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  }
  return words;
}

Json session_json(const Principal& principal, const std::string& token) {
  Json out = Json::Object{{"tenant", principal.tenant_name}, {"user", principal.user.str()}, {"scopes", scope_words(principal.scopes)}};
  out.set("csrf", token.empty() ? std::string("none") : csrf_token(token));
  out.set("consent", principal.consent);
  return out;
}

std::string cookie(const std::string& token, int64_t max_age_s, bool secure) {
  return fmt::format("{}={}; Path=/; Max-Age={}; HttpOnly; SameSite=Strict{}", kSessionCookie, token, max_age_s, secure ? "; Secure" : "");
}

HttpReply open_session(ServerContext* context, Call& call) {
  const Result<Json> body = read_json_body(call);
  if (!body.ok()) return own_error(call, to_api_error(body.error()));
  const Json* key = body->find("key");
  if (key == nullptr || !key->is_string()) return own_error(call, bad_field("key", "expected a string"));
  const Result<Principal> principal = context->tenants.authenticate(key->as_string());
  if (!principal.ok()) return own_error(call, own_api_error(principal.error()));
  const Result<std::string> token = context->tenants.open_session(*principal, context->options.session_ttl_us);
  if (!token.ok()) return own_error(call, own_api_error(token.error()));
  HttpResponse response = json_response(200, session_json(*principal, *token).dump());
  response.headers.emplace_back("set-cookie", cookie(*token, context->options.session_ttl_us / 1'000'000, context->options.secure_cookies));
  return response;
}

}  // namespace

void add_session_routes(ServerContext* context, Router* router) {
  constexpr std::string_view kPath = "/firesteel/v1/session";
  router->add(Route(HttpMethod::kPost, kPath, "session.open", RouteAccess::open("takes the key itself"), RouteLimits(4096), Dialect::kFiresteel,
                    [context](Call& call) { return open_session(context, call); }));
  router->add(Route(HttpMethod::kGet, kPath, "session.get", RouteAccess::any_key(), RouteLimits(0), Dialect::kFiresteel, [](Call& call) -> HttpReply {
    return json_response(200, session_json(*call.principal, call.session).dump());
  }));
  router->add(Route(HttpMethod::kDelete, kPath, "session.close", RouteAccess::any_key(), RouteLimits(0), Dialect::kFiresteel,
                    [context](Call& call) -> HttpReply {
                      if (!call.session.empty()) {
                        const Status closed = context->tenants.close_session(call.session);
                        if (!closed.ok()) return own_error(call, own_api_error(closed.error()));
                      }
                      HttpResponse response{204, {}, {}};
                      response.headers.emplace_back("set-cookie", cookie("", 0, context->options.secure_cookies));
                      return response;
                    }));
}

}  // namespace firesteel
