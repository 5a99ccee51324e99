// Two tenants and every id: whoever knows an id of another tenant learns nothing from it, on any route. The list of routes is the router's
// own, so a new route with an id in its address fails here until it is said whose ids it takes.
#include <map>
#include <set>

#include "labels/label_queue.h"
#include "server/app_fixture.h"
#include "store/stored_files.h"

namespace firesteel {
namespace {

constexpr Scope kAllButAdmin = Scope::kInference | Scope::kFiles | Scope::kFeedback | Scope::kUsageRead | Scope::kAuditRead | Scope::kTenantAdmin | Scope::kMetrics;
constexpr const char* kForm = "Content-Type: multipart/form-data; boundary=xx\r\n";

class CrawlTest : public AppTest {
 protected:
  void SetUp() override {
    AppTest::SetUp();
    start();
    mine_ = key();
    my_admin_ = key(Scope::kAdmin);
    foreign_ = key(kAllButAdmin, {}, other_tenant_);
    foreign_admin_ = key(Scope::kAdmin, {}, other_tenant_);
    conversation_ = made(ask("POST", "/firesteel/v1/conversations", mine_, "{\"title\": \"secret\"}"));
    const HttpResponse turn = ask("POST", "/firesteel/v1/conversations/" + conversation_ + "/turns", mine_,
                                  R"({"parent_id": null, "content": [{"type": "text", "text": "hello"}], "mode": "instant"})");
    const size_t at = turn.body.find("assistant_message_id\":\"") + 23;
    message_ = turn.body.substr(at, turn.body.find('"', at) - at);
    response_ = made(ask("POST", "/v1/responses", mine_, R"({"input": "hello"})"));
    request_ = header(ask("POST", "/v1/chat/completions", mine_, R"({"messages": [{"role": "user", "content": "hi"}]})"), "x-request-id");
    file_ = made(ask("POST", "/v1/files", mine_,
                     "--xx\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n--xx\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.jsonl\"\r\n\r\n"
                     R"({"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":{"messages":[{"role":"user","content":"hi"}]}})"
                     "\n\r\n--xx--\r\n", kForm));
    batch_ = made(ask("POST", "/v1/batches", mine_, R"({"input_file_id":")" + file_ + R"(","endpoint":"/v1/chat/completions","completion_window":"24h"})"));
    const std::string rows = StoredFiles(*store_).put(tenant_, "fine-tune", "rows.jsonl", "{}\n", 0, 1).value().id.str();
    job_ = made(ask("POST", "/v1/fine_tuning/jobs", mine_, R"({"model":"fake","training_file":")" + rows + "\"}"));
    document_ = made(ask("POST", "/firesteel/v1/documents?name=a.txt", mine_, "a secret word"));
    EXPECT_EQ(ask("PUT", "/firesteel/v1/admin/labels/pairs", my_admin_, R"({"kind": "pairwise", "title": "Which?"})").status, 200);
    LabelTask task;
    task.payload = *Json::parse(R"({"prompt": "q", "answers": ["good", "bad"], "why": "test"})");
    EXPECT_TRUE(LabelQueues(*store_).add_tasks(tenant_, "pairs", {task}, 1).ok());
    task_ = text(*json(ask("POST", "/firesteel/v1/admin/labels/pairs/next", my_admin_, "{}")).find("task"), "id");
    confirmation_ = context_->confirmations.open({.tenant = tenant_, .answer = [](ConfirmWord) { return true; }}).str();
    for (const std::string* id : {&confirmation_, &conversation_, &message_, &response_, &request_, &file_, &batch_, &job_, &document_, &task_}) EXPECT_GT(id->size(), 8u);
  }
  static std::string made(const HttpResponse& response) {
    EXPECT_TRUE(response.status == 200 || response.status == 201) << response.body;
    return text(json(response), "id");
  }
  // As well formed as the real one, and nobody's.
  static std::string unknown(std::string id) {
    for (size_t i = id.size() - 4; i < id.size(); ++i) id[i] = id[i] == '3' ? '4' : '3';
    return id;
  }
  // An answer without what names the request.
  HttpResponse plain(std::string_view method, const std::string& path, const std::string& secret, std::string_view body, const std::string& id) {
    HttpResponse response = ask(method, path, secret, body);
    for (auto& [name, value] : response.headers) {
      if (name == "x-request-id" || name == "date" || name == "content-length") value = "";
    }
    for (size_t at; !id.empty() && (at = response.body.find(id)) != std::string::npos;) response.body.erase(at, id.size());
    return response;
  }
  static bool begins(std::string_view text, std::string_view with) { return text.substr(0, with.size()) == with; }

  std::string mine_, my_admin_, foreign_, foreign_admin_;
  std::string conversation_, message_, response_, request_, file_, batch_, job_, document_, task_, confirmation_;
};

TEST_F(CrawlTest, EveryIdInAnAddress) {
  generator_.allow(2);  // the fork is under way until the end
  TestClient client(server_->port());
  client.send(http_request("POST", "/v1/fork", R"({"context": "secret", "branches": [" a b c d", " b c d e"], "stream": true})", "x-api-key: " + mine_ + "\r\n"));
  ASSERT_TRUE(client.receive_until("\"branch\":1"));
  const size_t id_at = client.buffered().find("\"id\":\"") + 6;
  const std::string fork = client.buffered().substr(id_at, client.buffered().find('"', id_at) - id_at);
  const std::pair<const char*, const std::string*> kOwned[] = {
      {"/v1/fork/", &fork},
      {"/v1/responses/", &response_},
      {"/v1/files/", &file_},
      {"/v1/batches/", &batch_},
      {"/v1/fine_tuning/jobs/", &job_},
      {"/firesteel/v1/conversations/", &conversation_},
      {"/firesteel/v1/turns/", &message_},
      {"/firesteel/v1/messages/", &message_},
      {"/firesteel/v1/requests/", &request_},
      {"/firesteel/v1/documents/", &document_},
      {"/firesteel/v1/confirmations/", &confirmation_},
      {"/firesteel/v1/admin/label-tasks/", &task_},
  };
  // No tenant's: pages and the names of models; and the operator's, which nobody reaches without the scope for all tenants.
  const std::set<std::string> kNobodys = {"/v1/models/{*}", "/admin/{*}", "/assets/{*}", "/{*}"};
  const std::set<std::string> kOperators = {"tenants/{}", "keys/{}/rotate", "keys/{}", "adapters/{}", "releases/{}/promote", "releases/{}/rollback"};
  const std::string admin = "/firesteel/v1/admin/";
  const std::string body = R"({"thumb": "up", "parent_id": null, "content": [{"type": "text", "text": "hi"}], "over": ")" + unknown(unknown(message_)) + "\"}";
  size_t n_tried = 0;
  for (const auto& route : app_->router().routes()) {
    const std::string& pattern = route->pattern();
    const char* const method = method_name(route->method());
    if (pattern.find('{') == std::string::npos) continue;
    SCOPED_TRACE(std::string(method) + " " + pattern);
    const bool of_admin = begins(pattern, admin);
    if (kNobodys.count(pattern) != 0) continue;
    if (of_admin && kOperators.count(pattern.substr(admin.size())) != 0) {
      std::string path = pattern;
      path.replace(path.find("{}"), 2, tenant_.str());
      EXPECT_EQ(ask(method, path, foreign_, route->method() == HttpMethod::kDelete ? "" : "{}").status, 403);
      EXPECT_TRUE(route->access().scope() == Scope::kAdmin);
      ++n_tried;
      continue;
    }
    // Queues have names, which each tenant chooses for itself: putting one makes the own one.
    if (begins(pattern, admin + "labels/{}")) {
      if (route->method() == HttpMethod::kPut) continue;
      const std::string path = admin + "labels/pairs" + pattern.substr(admin.size() + 9);
      const std::string_view sent = route->method() == HttpMethod::kPost ? "{}" : "";
      EXPECT_EQ(ask(method, path, foreign_admin_, sent).status, 404) << path;
      EXPECT_EQ(ask(method, path, foreign_, sent).status, 403);
      ++n_tried;
      continue;
    }
    const std::string* owned = nullptr;
    for (const auto& [prefix, id] : kOwned) {
      if (begins(pattern, prefix)) owned = id;
    }
    ASSERT_NE(owned, nullptr) << "a new route: say in this test whose ids it takes";
    const auto answer = [&](const std::string& id) {
      std::string path = pattern;
      path.replace(path.find("{}"), 2, id);
      for (size_t at; (at = path.find("{}")) != std::string::npos;) path.replace(at, 2, "1");
      const bool has_body = route->method() != HttpMethod::kGet && route->method() != HttpMethod::kDelete;
      const std::string sent = !has_body ? "" : of_admin ? R"({"choice": 1})" : body;
      return plain(method, path, of_admin ? foreign_admin_ : foreign_, sent, id);
    };
    const HttpResponse of_foreign = answer(*owned), of_unknown = answer(unknown(*owned));
    EXPECT_EQ(of_foreign.status, 404) << of_foreign.body;
    EXPECT_EQ(of_foreign.body, of_unknown.body);
    EXPECT_EQ(of_foreign.headers, of_unknown.headers);
    EXPECT_EQ(of_foreign.body.find("secret"), std::string::npos);
    for (const char* const malformed : {"x", "..%2f..%2fx", "%00", "%ff", "' or 1=1", "-1"}) {
      const int status = answer(malformed).status;
      EXPECT_TRUE(status == 404 || status == 400) << malformed << " " << status;  // 400: not even an address
    }
    ++n_tried;
  }
  EXPECT_GE(n_tried, 25u);
  // All is still there.
  EXPECT_EQ(ask("POST", "/v1/fork/" + fork + "/branches/1/cancel", mine_).status, 202);
  EXPECT_TRUE(client.receive_until("\"finish_reason\":\"cancelled\""));
  for (const std::string& path : {"/v1/responses/" + response_, "/v1/files/" + file_, "/v1/files/" + file_ + "/content", "/v1/batches/" + batch_,
                                  "/firesteel/v1/conversations/" + conversation_}) {
    EXPECT_EQ(ask("GET", path, mine_).status, 200) << path;
  }
  EXPECT_EQ(ask("POST", admin + "label-tasks/" + task_, my_admin_, R"({"choice": 1})").status, 200);
  EXPECT_EQ(ask("DELETE", "/firesteel/v1/documents/" + document_, mine_).status, 204);
  EXPECT_EQ(ask("POST", "/firesteel/v1/confirmations/" + confirmation_, mine_, R"({"answer": "maybe"})").status, 400);
  EXPECT_EQ(ask("POST", "/firesteel/v1/confirmations/" + confirmation_, mine_, R"({"answer": "deny"})").status, 200);
}

TEST_F(CrawlTest, EveryIdInABodyOrAQuery) {
  // {what is sent where} by the foreign tenant: with the real id, and with nobody's.
  struct Case {
    const char* method;
    std::string path, body;
    std::string id;
    int status;
  };
  const std::string own = made(ask("POST", "/firesteel/v1/conversations", foreign_, "{}"));
  const std::string turns = "/firesteel/v1/conversations/" + own + "/turns";
  const std::vector<Case> cases = {
      {"POST", "/v1/responses", R"({"input": "x", "previous_response_id": "ID"})", response_, 404},
      {"POST", "/v1/batches", R"({"input_file_id":"ID","endpoint":"/v1/chat/completions","completion_window":"24h"})", file_, 404},
      {"POST", turns, R"({"parent_id": "ID", "content": [{"type": "text", "text": "hi"}], "mode": "instant"})", message_, 404},
      {"POST", turns, R"({"parent_id": "ID", "regenerate": true, "mode": "instant"})", message_, 404},
      {"GET", "/firesteel/v1/conversations?before=ID", "", conversation_, 404},
      {"GET", "/v1/files?after=ID", "", file_, 404},
      {"GET", "/v1/fine_tuning/jobs?after=ID", "", job_, 404},
      {"POST", "/v1/fine_tuning/jobs", R"({"model":"fake","training_file":"ID"})", file_, 404},
      {"GET", "/v1/batches?after=ID", "", batch_, 404},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(std::string(one.method) + " " + one.path + " " + one.body);
    const auto answer = [&](const std::string& id) {
      std::string path = one.path, body = one.body;
      for (std::string* text : {&path, &body}) {
        if (const size_t at = text->find("ID"); at != std::string::npos) text->replace(at, 2, id);
      }
      return plain(one.method, path, foreign_, body, id);
    };
    const HttpResponse of_foreign = answer(one.id), of_unknown = answer(unknown(one.id));
    EXPECT_EQ(of_foreign.status, one.status) << of_foreign.body;
    EXPECT_EQ(of_foreign.body, of_unknown.body);
    EXPECT_EQ(of_foreign.headers, of_unknown.headers);
  }
}

// What lists has only what is one's own.
TEST_F(CrawlTest, ListsAreEmptyForOthers) {
  const std::string ids[] = {conversation_, message_, response_, request_, file_, batch_, job_, document_, tenant_.str(), "secret"};
  size_t n_tried = 0;
  for (const auto& route : app_->router().routes()) {
    const std::string& pattern = route->pattern();
    if (route->method() != HttpMethod::kGet || pattern.find('{') != std::string::npos || route->access().is_open() || begins(pattern, "/firesteel/v1/admin/")) continue;
    SCOPED_TRACE(pattern);
    const HttpResponse response = ask("GET", pattern + (pattern == "/firesteel/v1/documents/search" ? "?q=secret" : ""), foreign_);
    EXPECT_EQ(response.status, pattern == "/v1/responses" ? 426 : 200) << response.body;  // a WebSocket
    for (const std::string& id : ids) EXPECT_EQ(response.body.find(id), std::string::npos) << id;
    ++n_tried;
  }
  EXPECT_GE(n_tried, 10u);
}

}  // namespace
}  // namespace firesteel
