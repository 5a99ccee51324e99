// A whole server for tests: real sockets, real tenants on a store in a folder of its own, and a generator that makes up answers.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/fake_generator.h"
#include "base/json.h"
#include "server/app.h"
#include "server/test_client.h"
#include "store/sqlite_store.h"
#include "store/test_folder.h"

namespace firesteel {

class AppTest : public ::testing::Test {
 protected:
  void SetUp() override {
    store_ = open_sqlite_store({.path = folder_.file("store.db")}).value();
    tenants_ = Tenants::open(*store_, ServerSecret::fresh(), {.checkpoint_path = {}}).value();
    tenant_ = tenants_->create_tenant("first", {}, kActor).value().id;
    other_tenant_ = tenants_->create_tenant("second", {}, kActor).value().id;
    ModelInfo info = generator_.info();
    info.context_length = 1000;
    generator_.set_info(info);
    options_.model_id = "fake";
    options_.log_requests = true;
  }
  void TearDown() override {
    generator_.allow_all();
    if (context_ != nullptr) context_->attach(nullptr);
    server_.reset();
  }
  // After options_ were set as the test wants them.
  void start(HttpServerOptions http = {}) {
    context_ = std::make_unique<ServerContext>(&generator_, tenants_.get(), store_.get(), &log_, options_);
    context_->meaning = meaning_;
    app_ = std::make_shared<App>(context_.get());
    server_ = HttpServer::start(app_, std::move(http)).value();
    context_->attach(server_.get());
  }
  std::string key(Scope scopes = kDefaultScopes, const Limits& limits = {}, std::optional<TenantId> tenant = {}, std::vector<std::string> models = {}) {
    KeySpec spec;
    spec.tenant = tenant.value_or(tenant_);
    spec.name = "test";
    spec.scopes = scopes;
    spec.limits = limits;
    spec.allowed_models = std::move(models);
    return tenants_->create_key(spec, kActor).value().secret;
  }
  HttpResponse ask(std::string_view method, std::string_view path, const std::string& secret = {}, std::string_view body = {},
                   const std::string& more_headers = {}) {
    const std::string headers = (secret.empty() ? "" : "Authorization: Bearer " + secret + "\r\n") + more_headers;
    TestClient client(server_->port());
    client.send(http_request(method, path, body, headers));
    return client.receive(method == "HEAD").value_or(HttpResponse{0, {}, {}});
  }
  static Json json(const HttpResponse& response) {
    Result<Json> parsed = Json::parse(response.body);
    return parsed.ok() ? std::move(parsed).value() : Json();
  }
  static std::string text(const Json& object, std::string_view name) {
    const Json* found = object.find(name);
    return found != nullptr && found->is_string() ? found->as_string() : std::string();
  }
  static std::string header(const HttpResponse& response, std::string_view name) {
    const std::string* found = find_header(response, name);
    return found == nullptr ? std::string() : *found;
  }
  // Sums of all usage of a tenant.
  UsageRow used(std::optional<TenantId> tenant = {}) {
    UsageQuery query;
    query.tenant = tenant.value_or(tenant_);
    const Result<std::vector<UsageRow>> rows = tenants_->usage(query);
    return rows.ok() && !rows->empty() ? rows->front() : UsageRow{};
  }

  static inline const Actor kActor{"test"};
  TestFolder folder_;
  FakeGenerator generator_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Tenants> tenants_;
  TenantId tenant_, other_tenant_;
  Log log_{[](const std::string&) {}};
  ServerOptions options_;
  MeaningFn meaning_;
  std::unique_ptr<ServerContext> context_;
  std::shared_ptr<App> app_;
  std::unique_ptr<HttpServer> server_;
};

}  // namespace firesteel
