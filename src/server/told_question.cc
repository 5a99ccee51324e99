#include "server/told_question.h"

namespace firesteel {

std::optional<ToldQuestion> read_question(const Json& event) {
  const Json *type = event.find("type"), *id = event.find("confirm");
  if (type == nullptr || id == nullptr || !id->is_string()) return std::nullopt;
  const bool is_over = *type == Json("confirmed");
  if (!is_over && *type != Json("confirm")) return std::nullopt;
  ToldQuestion out{.is_over = is_over, .told = Json::Object{{"id", *id}}};
  if (const Json* call = event.find("call"); call != nullptr && call->is_object()) {
    for (const auto& [name, value] : call->as_object()) out.told.set(name, value);
  }
  for (const char* const name : {"outcome", "tainted_by", "may_always", "timeout_ms", "lane"}) {
    if (const Json* value = event.find(name); value != nullptr) out.told.set(name, *value);
  }
  return out;
}

}  // namespace firesteel
