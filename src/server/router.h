// Which handler answers which address. A route cannot be written without its scope, its limits and the dialect of its errors: the
// constructor takes them all and nothing has a default.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "schema/identity.h"
#include "server/api_error.h"
#include "server/http_message.h"
#include "server/http_server.h"
#include "tenants/tenants.h"

namespace firesteel {

class Route;

// One authenticated request on its way through a handler. Worker thread.
struct Call {
  HttpRequest& request;                  // the handler may take the body
  const Route& route;
  const Principal* principal = nullptr;  // nullptr on open routes only
  std::string session = {};              // the cookie's token, when it was the credential
  HttpHeaders cors = {};                 // of every answer; empty unless a listed origin asks
};
using RouteHandler = std::function<HttpReply(Call& call)>;

// Who may use a route.
class RouteAccess {
 public:
  // Everybody, without a key. `why` is for the reader of the table.
  static RouteAccess open(const char* why) { return RouteAccess(Scope::kNone, why == nullptr ? "" : why); }
  // Whoever has a key or a session.
  static RouteAccess any_key() { return RouteAccess(Scope::kNone, nullptr); }
  // A key (or session) that has all of these.
  static RouteAccess needs(Scope scope);

  bool is_open() const { return why_ != nullptr; }
  Scope scope() const { return scope_; }

 private:
  RouteAccess(Scope scope, const char* why) : scope_(scope), why_(why) {}
  Scope scope_;
  const char* why_;   // of open routes only
};

struct RouteLimits {
  explicit RouteLimits(uint64_t body_bytes) : body_bytes_max(body_bytes) {}
  uint64_t body_bytes_max;
};

class Route {
 public:
  // pattern: "/v1/models/{}"; {} is one segment, a last {*} the rest of the path. name: for metrics, logs and usage ("openai.chat").
  Route(HttpMethod method, std::string_view pattern, std::string_view name, RouteAccess access, RouteLimits limits, Dialect dialect,
        RouteHandler handler);

  HttpMethod method() const { return method_; }
  const std::string& pattern() const { return pattern_; }
  const std::string& name() const { return name_; }
  const RouteAccess& access() const { return access_; }
  const RouteLimits& limits() const { return limits_; }
  Dialect dialect() const { return dialect_; }
  const RouteHandler& handler() const { return handler_; }
  // Fills `parameters` with what the braces stand for.
  bool matches(std::string_view path, std::vector<std::string>* parameters) const;

 private:
  HttpMethod method_;
  std::string pattern_, name_;
  RouteAccess access_;
  RouteLimits limits_;
  Dialect dialect_;
  RouteHandler handler_;
};

// Immutable once it serves.
class Router {
 public:
  void add(Route route) { routes_.push_back(std::make_unique<Route>(std::move(route))); }
  const std::vector<std::unique_ptr<const Route>>& routes() const { return routes_; }

  struct Match {
    const Route* route = nullptr;   // nullptr: none
    std::string allowed;            // methods of the address when only the method is wrong: "GET, POST"
  };
  // HEAD finds the route of GET. The first that fits wins, in the order of adding.
  Match find(HttpMethod method, std::string_view path, std::vector<std::string>* parameters) const;

 private:
  std::vector<std::unique_ptr<const Route>> routes_;
};

const char* method_name(HttpMethod method);
// The dialect of errors for an address that no route has: clients of each API should understand their 404.
Dialect dialect_of_path(std::string_view path);

}  // namespace firesteel
