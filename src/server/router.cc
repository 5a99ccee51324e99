#include "server/router.h"

#include <utility>

#include "base/check.h"

namespace firesteel {

RouteAccess RouteAccess::needs(Scope scope) {
  CHECK(scope != Scope::kNone);
  return RouteAccess(scope, nullptr);
}

Route::Route(HttpMethod method, std::string_view pattern, std::string_view name, RouteAccess access, RouteLimits limits, Dialect dialect,
             RouteHandler handler)
    : method_(method), pattern_(pattern), name_(name), access_(access), limits_(limits), dialect_(dialect), handler_(std::move(handler)) {
  CHECK(!pattern_.empty() && pattern_.front() == '/' && handler_);
}

bool Route::matches(std::string_view path, std::vector<std::string>* parameters) const {
  parameters->clear();
  std::string_view pattern = pattern_;
  while (!pattern.empty() && !path.empty()) {
    if (pattern == "{*}") {
      parameters->emplace_back(path);
      return true;
    }
    if (pattern.substr(0, 2) == "{}") {
      const std::string_view segment = path.substr(0, path.find('/'));
      if (segment.empty() || segment.size() > 256) return false;
      parameters->emplace_back(segment);
      path.remove_prefix(segment.size());
      pattern.remove_prefix(2);
      continue;
    }
    if (pattern.front() != path.front()) return false;
    pattern.remove_prefix(1);
    path.remove_prefix(1);
  }
  return pattern.empty() && path.empty();
}

Router::Match Router::find(HttpMethod method, std::string_view path, std::vector<std::string>* parameters) const {
  if (method == HttpMethod::kHead) method = HttpMethod::kGet;
  Match match;
  for (const std::unique_ptr<const Route>& route : routes_) {
    std::vector<std::string> found;
    if (!route->matches(path, &found)) continue;
    if (route->method() == method) {
      *parameters = std::move(found);
      match.route = route.get();
      return match;
    }
    match.allowed += (match.allowed.empty() ? "" : ", ") + std::string(method_name(route->method()));
  }
  return match;
}

const char* method_name(HttpMethod method) {
  static constexpr const char* kNames[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};
  return kNames[static_cast<size_t>(method)];
}

Dialect dialect_of_path(std::string_view path) {
  const auto below = [path](std::string_view prefix) { return path.substr(0, prefix.size()) == prefix; };
  if (below("/v1/messages")) return Dialect::kAnthropic;
  if (below("/api/")) return Dialect::kOllama;
  if (below("/firesteel/")) return Dialect::kFiresteel;
  return Dialect::kOpenAi;
}

}  // namespace firesteel
