#include "server/tool_routes.h"

#include <optional>
#include <string>
#include <utility>

#include "server/confirm_desk.h"
#include "server/own_api.h"
#include "server/own_tools.h"

namespace firesteel {
namespace {

HttpReply answer(ServerContext* context, Call& call) {
  const std::optional<ConfirmationId> id = ConfirmationId::parse(call.request.path_parameters.at(0));
  if (!id) return not_found(call);
  const Result<Json> body = read_json_body(call);
  if (!body.ok()) return own_error(call, own_api_error(body.error()));
  const Result<std::optional<std::string>> said = string_field(*body, "answer", 16);
  if (!said.ok()) return own_error(call, own_api_error(said.error()));
  const std::optional<ConfirmWord> word = find_confirm_word(said->value_or(""));
  // Whether there is such a question comes first: what is wrong with a body tells nothing about ids of others.
  if (!context->confirmations.has(call.principal->tenant, call.principal->user, *id)) return not_found(call);
  if (!word) return own_error(call, bad_field("answer", "expected allow, deny or always"));
  if (!context->confirmations.answer(call.principal->tenant, call.principal->user, *id, *word)) return not_found(call);
  return json_response(200, Json(Json::Object{{"answer", confirm_word_name(*word)}}).dump());
}

// What there is, and whether this key may name it.
HttpReply list(ServerContext* context, Call& call) {
  const ModelInfo info = context->generator.info();
  Json::Array data;
  for (const ToolInfo& tool : info.tools) {
    const Json* const function = tool.declaration.find("function");
    const Json* const description = function == nullptr ? nullptr : function->find("description");
    const bool allowed = !check_tool_scopes({.names = {tool.name}}, info, *call.principal).has_value();
    data.push_back(Json::Object{{"name", tool.name}, {"description", description == nullptr ? Json("") : *description}, {"automatic", tool.automatic}, {"allowed", allowed}});
  }
  return json_response(200, Json(Json::Object{{"data", std::move(data)}}).dump());
}

}  // namespace

void add_tool_routes(ServerContext* context, Router* router) {
  router->add(Route(HttpMethod::kGet, "/firesteel/v1/tools", "tools", RouteAccess::needs(Scope::kInference), RouteLimits(0), Dialect::kFiresteel,
                    [context](Call& call) { return list(context, call); }));
  router->add(Route(HttpMethod::kPost, "/firesteel/v1/confirmations/{}", "confirmation.answer", RouteAccess::needs(Scope::kInference), RouteLimits(4096),
                    Dialect::kFiresteel, [context](Call& call) { return answer(context, call); }));
}

}  // namespace firesteel
