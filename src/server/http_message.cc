#include "server/http_message.h"

namespace firesteel {
namespace {

const std::string* first(const std::vector<std::pair<std::string, std::string>>& pairs, std::string_view name) {
  for (const auto& [key, value] : pairs) {
    if (key == name) return &value;
  }
  return nullptr;
}

}  // namespace

const std::string* HttpRequest::header(std::string_view name) const { return first(headers, name); }
const std::string* HttpRequest::query_parameter(std::string_view name) const { return first(query, name); }

HttpResponse json_response(int status, std::string body) {
  return {status, {{"content-type", "application/json"}}, std::move(body)};
}

}  // namespace firesteel
