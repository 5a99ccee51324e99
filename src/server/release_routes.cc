// The console's releases: variants, rollouts and their gates, promote and roll back.
#include "release/view.h"
#include "server/admin_routes.h"
#include "server/app.h"
#include "server/own_api.h"
#include "server/release_routing.h"

namespace firesteel {
namespace {

constexpr int64_t kEventsShown = 50, kRolloutsShown = 10;

HttpResponse failed(const Call& call, const Error& error) {
  if (error.code == ErrorCode::kFailedPrecondition) return own_error(call, {.kind = ApiErrorKind::kConflict, .message = error.message, .code = "conflict"});
  return own_error(call, own_api_error(error));
}

Registry registry_of(ServerContext* context) { return Registry(context->store, context->tenants); }

Result<Json> all_releases(ServerContext* context) {
  Registry registry = registry_of(context);
  FS_TRY(const std::vector<Variant> variants, registry.list(""));
  Json::Array list, rollouts;
  for (const Variant& variant : variants) {
    FS_TRY(const std::vector<AliasRecord> aliases, registry.aliases(variant.name));
    list.push_back(variant_view(variant, aliases));
  }
  FS_TRY(const std::vector<RolloutRecord> records, registry.rollouts("", /*only_running=*/false, kRolloutsShown));
  for (const RolloutRecord& record : records) {
    FS_TRY(Json view, rollout_view(&registry, record, kEventsShown));
    rollouts.push_back(std::move(view));
  }
  return Json(Json::Object{{"variants", std::move(list)}, {"rollouts", std::move(rollouts)}, {"serves_releases", context->releases != nullptr}});
}

HttpReply list_releases(ServerContext* context, Call& call) {
  const Result<Json> out = all_releases(context);
  if (!out.ok()) return failed(call, out.error());
  return json_response(200, out->dump());
}

struct Wish {
  std::string which, reason;
};
Result<Wish> read_wish(const Call& call) {
  FS_TRY(const Json body, read_json_body(call));
  for (const auto& [name, value] : body.as_object()) {
    if (name != "which" && name != "reason") return Error{ErrorCode::kInvalidArgument, name.substr(0, 64) + ": unknown; there are which, reason"};
  }
  FS_TRY(const std::optional<std::string> which, string_field(body, "which", 128));
  FS_TRY(const std::optional<std::string> reason, string_field(body, "reason", 1024));
  return Wish{which.value_or(""), reason.value_or("")};
}

HttpReply promote(ServerContext* context, Call& call) {
  const std::string name = call.request.path_parameters.at(0);
  const Result<Wish> wish = read_wish(call);
  if (!wish.ok()) return failed(call, wish.error());
  Registry registry = registry_of(context);
  const Result<Variant> variant = registry.find(name, wish->which.empty() ? "candidate" : wish->which);
  if (!variant.ok()) return failed(call, variant.error());
  const auto running = registry.rollouts(name, /*only_running=*/true, 1);
  if (!running.ok()) return failed(call, running.error());
  const bool is_ready = !running->empty() && running->front().candidate == variant->digest && running->front().state.status == RolloutStatus::kReady;
  if (!is_ready && wish->reason.empty()) return own_error(call, bad_field("reason", "it has not passed every gate; expected the reason for promoting it all the same"));
  const Status status = registry.promote(name, variant->digest, std::nullopt, wish->reason.empty() ? "passed every gate" : wish->reason, {call.principal->key.str()});
  if (!status.ok()) return failed(call, status.error());
  if (context->releases != nullptr) static_cast<void>(context->releases->controller->tick(false));  // here at once, elsewhere within 250 ms
  return json_response(200, Json(Json::Object{{"champion", variant->digest}, {"number", variant->number}}).dump());
}

HttpReply roll_back(ServerContext* context, Call& call) {
  const Result<Wish> wish = read_wish(call);
  if (!wish.ok()) return failed(call, wish.error());
  Registry registry = registry_of(context);
  const Result<Variant> now = registry.roll_back(call.request.path_parameters.at(0), wish->reason.empty() ? "in the console" : wish->reason, {call.principal->key.str()});
  if (!now.ok()) return failed(call, now.error());
  if (context->releases != nullptr) static_cast<void>(context->releases->controller->tick(false));
  return json_response(200, Json(Json::Object{{"champion", now->digest}, {"number", now->number}}).dump());
}

}  // namespace

void add_release_routes(ServerContext* context, Router* router) {
  add_admin_route(context, router, HttpMethod::kGet, "releases", "releases.list", list_releases);
  add_admin_route(context, router, HttpMethod::kPost, "releases/{}/promote", "releases.promote", promote);
  add_admin_route(context, router, HttpMethod::kPost, "releases/{}/rollback", "releases.rollback", roll_back);
}

}  // namespace firesteel
