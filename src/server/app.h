// The server's application: every route, who may use it, and what is said when something is wrong. Runs inside an HttpServer.
#pragma once

#include <memory>

#include "server/http_server.h"
#include "server/router.h"
#include "server/server_context.h"

namespace firesteel {

class App final : public HttpHandler {
 public:
  // `context` must outlive this.
  explicit App(ServerContext* context);

  HeadVerdict on_head(HttpRequest* request) override;
  HttpResponse on_problem(const HttpProblem& problem, const HttpRequest* request) override;
  void on_finished(const HttpRecord& record) override;

  const Router& router() const { return router_; }

 private:
  struct Caller;  // filled on a worker by authorize, read there by handle
  std::optional<HttpResponse> authorize(const HttpRequest& request, const Route& route, Caller* caller);
  HttpResponse refusal(const ApiError& error, Dialect dialect, const HttpRequest& request);

  ServerContext& context_;
  Router router_;
};

// Each adds its routes; the table is in these functions.
void add_system_routes(ServerContext* context, Router* router);        // /livez /readyz /health /metrics
void add_dialect_routes(ServerContext* context, Router* router);       // /v1/... /api/...
void add_file_routes(ServerContext* context, Router* router);          // /v1/files
void add_batch_routes(ServerContext* context, Router* router);         // /v1/batches
void add_fine_tuning_routes(ServerContext* context, Router* router);   // /v1/fine_tuning/jobs
void add_session_routes(ServerContext* context, Router* router);       // /firesteel/v1/session
void add_conversation_routes(ServerContext* context, Router* router);  // /firesteel/v1/conversations, turns, feedback, export, import
void add_admin_routes(ServerContext* context, Router* router);         // /firesteel/v1/admin
void add_release_routes(ServerContext* context, Router* router);       // /firesteel/v1/admin/releases
void add_web_routes(ServerContext* context, Router* router);           // pages and their files

}  // namespace firesteel
