// POST /firesteel/v1/admin/erase: everything about one person goes, and what was made of it is retired.
#include "server/admin_routes.h"
#include "server/own_api.h"
#include "server/release_routing.h"

namespace firesteel {
namespace {

HttpReply erase(ServerContext* context, Call& call) {
  const Result<Json> body = read_json_body(call);
  if (!body.ok()) return own_error(call, own_api_error(body.error()));
  for (const auto& [name, value] : body->as_object()) {
    if (name != "user" && name != "tenant" && name != "dry_run") return own_error(call, bad_field(name.substr(0, 64), "unknown; there are user, tenant, dry_run"));
  }
  const Result<std::optional<std::string>> user = string_field(*body, "user", 256), tenant = string_field(*body, "tenant", 256);
  const Result<std::optional<bool>> dry_run = bool_field(*body, "dry_run");
  if (!user.ok()) return own_error(call, own_api_error(user.error()));
  if (!tenant.ok()) return own_error(call, own_api_error(tenant.error()));
  if (!dry_run.ok()) return own_error(call, own_api_error(dry_run.error()));
  if (!*user || (**user).empty()) return own_error(call, bad_field("user", "expected the person's id"));
  if (context->releases == nullptr || !context->releases->erase_person) return own_error(call, {.kind = ApiErrorKind::kConflict, .message = "this server has no datasets and adapters to erase from", .code = "unsupported"});
  const Result<Json> report = context->releases->erase_person(**user, tenant->value_or(""), dry_run->value_or(false), call.principal->key.str());
  if (!report.ok()) return own_error(call, own_api_error(report.error()));
  // What is retired is not used by this server any more, whatever its files are called. Answers under way keep it to their end.
  if (const Json* adapters = report->find("adapters"); adapters != nullptr && adapters->is_array() && !dry_run->value_or(false)) {
    for (const Json& one : adapters->as_array()) {
      const Json* const digest = one.find("digest");
      if (digest == nullptr || !digest->is_string() || digest->as_string().empty()) continue;
      for (const AdapterNames::Entry& entry : context->adapters.list()) {
        if (entry.digest == digest->as_string()) context->adapters.erase(entry.name);
      }
      static_cast<void>(context->generator.unload_adapter(digest->as_string()));  // not loaded: as it should be
    }
  }
  return json_response(200, report->dump());
}

}  // namespace

void add_erase_routes(ServerContext* context, Router* router) {
  add_admin_route(context, router, HttpMethod::kPost, "erase", "erase", erase);
}

}  // namespace firesteel
