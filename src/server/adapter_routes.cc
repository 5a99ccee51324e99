// Adapters come and go while the server answers: /firesteel/v1/admin/adapters. Files lie in the folder that the operator named
// (--adapter-dir): a request says a file's name there, never a path.
#include <filesystem>

#include "base/json.h"
#include "server/adapter_names.h"
#include "server/admin_routes.h"
#include "server/own_api.h"

namespace firesteel {
namespace {

Json entry_json(ServerContext* context, const AdapterNames::Entry& entry, const std::vector<AdapterInfo>& loaded) {
  Json out = Json::Object{{"name", entry.name}, {"model", context->options.model_id + ":" + entry.name}, {"digest", entry.digest}};
  out.set("tenant", entry.tenant ? Json(entry.tenant->str()) : Json());
  for (const AdapterInfo& info : loaded) {
    if (info.digest != entry.digest) continue;
    out.set("rank", info.rank);
    out.set("alpha", info.alpha);
    out.set("parameters", info.n_parameters);
    out.set("used_by", info.n_used_by);
  }
  return out;
}

HttpReply list_adapters(ServerContext* context, Call&) {
  const std::vector<AdapterInfo> loaded = context->generator.adapters();
  Json::Array data;
  for (const AdapterNames::Entry& entry : context->adapters.list()) data.push_back(entry_json(context, entry, loaded));
  return json_response(200, Json(Json::Object{{"data", std::move(data)}}).dump());
}

HttpReply load_adapter(ServerContext* context, Call& call) {
  const Result<Json> body = read_json_body(call);
  if (!body.ok()) return own_error(call, own_api_error(body.error()));
  const Result<std::optional<std::string>> name = string_field(*body, "name", 64), file = string_field(*body, "file", 255);
  if (!name.ok()) return own_error(call, own_api_error(name.error()));
  if (!file.ok()) return own_error(call, own_api_error(file.error()));
  if (!*name || !AdapterNames::is_name(**name)) return own_error(call, bad_field("name", "expected 1 to 64 letters, digits, '.', '_' or '-'"));
  if (context->options.adapter_folder.empty()) {
    return own_error(call, {.kind = ApiErrorKind::kConflict, .message = "adapters are read from one folder only, and this server was started without --adapter-dir", .code = "no_adapter_folder"});
  }
  const bool is_plain = *file && !(**file).empty() && (**file).find_first_of("/\\") == std::string::npos && (**file).find('\0') == std::string::npos && (**file)[0] != '.';
  if (!is_plain) return own_error(call, bad_field("file", "expected the name of a file in the adapter folder"));
  const Result<AdapterInfo> info = context->generator.load_adapter(context->options.adapter_folder + "/" + **file);
  if (!info.ok()) {
    // The message names the file as it was asked for, not where it lies.
    std::string message = info.error().message;
    if (const size_t at = message.find(context->options.adapter_folder + "/"); at != std::string::npos) message.erase(at, context->options.adapter_folder.size() + 1);
    if (info.error().code == ErrorCode::kNotFound) return not_found(call);
    return own_error(call, {.kind = info.error().code == ErrorCode::kResourceExhausted ? ApiErrorKind::kConflict : ApiErrorKind::kInvalidRequest, .message = message, .param = "file"});
  }
  const Status audited = context->tenants.audit({}, {.name = call.principal->key.str()}, "adapter.load", **name, Json(Json::Object{{"digest", info->digest}}).dump());
  if (!audited.ok()) return own_error(call, own_api_error(audited.error()));
  const AdapterNames::Entry entry{.name = **name, .digest = info->digest};
  context->adapters.set(entry);
  return json_response(200, entry_json(context, entry, context->generator.adapters()).dump());
}

HttpReply unload_adapter(ServerContext* context, Call& call) {
  const std::string& name = call.request.path_parameters.at(0);
  std::optional<AdapterNames::Entry> found;
  int n_names = 0;
  const std::vector<AdapterNames::Entry> all = context->adapters.list();
  for (const AdapterNames::Entry& entry : all) {
    if (entry.name == name) found = entry;
  }
  if (!found) return not_found(call);
  for (const AdapterNames::Entry& entry : all) n_names += entry.digest == found->digest ? 1 : 0;
  const Status audited = context->tenants.audit({}, {.name = call.principal->key.str()}, "adapter.unload", name, Json(Json::Object{{"digest", found->digest}}).dump());
  if (!audited.ok()) return own_error(call, own_api_error(audited.error()));
  context->adapters.erase(name);
  // Answers under way keep the adapter to their end. Another name may stand for the same file.
  if (n_names == 1 && !context->generator.unload_adapter(found->digest).ok()) return not_found(call);
  return json_response(200, Json(Json::Object{{"name", name}, {"deleted", true}}).dump());
}

}  // namespace

void add_adapter_routes(ServerContext* context, Router* router) {
  add_admin_route(context, router, HttpMethod::kGet, "adapters", "adapters.list", list_adapters);
  add_admin_route(context, router, HttpMethod::kPost, "adapters", "adapters.load", load_adapter);
  add_admin_route(context, router, HttpMethod::kDelete, "adapters/{}", "adapters.unload", unload_adapter);
}

}  // namespace firesteel
