// From a request to the engine and back: usage, quotas, disconnects, failures, turns.
#include "server/generation_reply.h"

#include <thread>

#include "server/app_fixture.h"

namespace firesteel {
namespace {

constexpr const char* kChat = "/v1/chat/completions";
constexpr const char* kQuestion = R"({"model": "fake", "messages": [{"role": "user", "content": "one two three"}]})";
constexpr const char* kStreamed = R"({"model": "fake", "messages": [{"role": "user", "content": "one two three"}], "stream": true})";

// Until `condition` holds; the work is on other threads, and nothing tells when it is over.
template <typename Condition>
bool eventually(Condition condition) {
  const int64_t until_us = system_clock().now_us() + 20'000'000;
  while (!condition()) {
    if (system_clock().now_us() > until_us) return false;
    std::this_thread::yield();
  }
  return true;
}

class GenerationReplyTest : public AppTest {};

TEST_F(GenerationReplyTest, UsageIsStoredBeforeTheAnswerEnds) {
  start();
  const std::string secret = key();
  const HttpResponse answer = ask("POST", kChat, secret, kQuestion);
  ASSERT_EQ(answer.status, 200) << answer.body;
  const Json usage = *json(answer).find("usage");
  const UsageRow stored = used();
  EXPECT_EQ(stored.n_requests, 1);
  EXPECT_EQ(stored.tokens.prompt, usage.find("prompt_tokens")->as_int());
  EXPECT_EQ(stored.tokens.generated, usage.find("completion_tokens")->as_int());
  EXPECT_GT(stored.tokens.generated, 0);

  const HttpResponse streamed = ask("POST", kChat, secret, kStreamed);
  EXPECT_EQ(header(streamed, "content-type"), "text/event-stream");
  EXPECT_EQ(header(streamed, "cache-control"), "no-store");
  EXPECT_EQ(header(streamed, "x-accel-buffering"), "no");
  EXPECT_EQ(streamed.body.substr(streamed.body.size() - 14), "data: [DONE]\n\n");
  EXPECT_EQ(used().n_requests, 2);
}

TEST_F(GenerationReplyTest, EmbeddingsAreMetered) {
  start();
  const HttpResponse answer = ask("POST", "/v1/embeddings", key(), R"({"model": "fake", "input": ["one two", "three"]})");
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(used().n_requests, 1);
  EXPECT_EQ(used().tokens.prompt, json(answer).find("usage")->find("prompt_tokens")->as_int());
  EXPECT_GT(used().tokens.prompt, 0);
}

TEST_F(GenerationReplyTest, AClientThatLeavesFreesTheEngineAndIsBilledForWhatItUsed) {
  for (const char* const body : {kStreamed, kQuestion}) {
    SCOPED_TRACE(body);
    if (server_ == nullptr) start();
    const int64_t n_before = generator_.n_cancelled();
    const int64_t n_used = used().n_requests;
    generator_.allow(1);
    {
      TestClient client(server_->port());
      client.send(http_request("POST", kChat, body, "x-api-key: " + key() + "\r\n"));
      ASSERT_TRUE(eventually([&] { return generator_.stats().n_running > 0; }));
      if (body == kStreamed) {
        ASSERT_TRUE(client.receive_until("\"content\""));
      }
    }
    EXPECT_TRUE(eventually([&] { return generator_.n_cancelled() == n_before + 1; }));
    EXPECT_TRUE(eventually([&] { return used().n_requests == n_used + 1; }));
    EXPECT_GT(used().tokens.prompt, 0);
    generator_.allow_all();
  }
}

TEST_F(GenerationReplyTest, AnEngineThatFailsIsAnErrorOfTheDialect) {
  start();
  const std::string secret = key();
  for (const bool stream : {false, true}) {
    generator_.allow(1);
    TestClient client(server_->port());
    client.send(http_request("POST", kChat, stream ? kStreamed : kQuestion, "x-api-key: " + secret + "\r\n"));
    ASSERT_TRUE(eventually([&] { return generator_.stats().n_running > 0; }));
    generator_.break_streams(Error{ErrorCode::kInternal, "a secret path"});
    const std::optional<HttpResponse> answer = client.receive();
    ASSERT_TRUE(answer.has_value());
    EXPECT_EQ(answer->status, stream ? 200 : 500);
    EXPECT_NE(answer->body.find("\"error\""), std::string::npos) << answer->body;
    EXPECT_EQ(answer->body.find("[DONE]"), std::string::npos);
    EXPECT_EQ(answer->body.find("secret"), std::string::npos);
    generator_.allow_all();
  }
}

TEST_F(GenerationReplyTest, LimitsAreRefusedWithTheirHeaders) {
  start();
  Limits limits;
  limits.requests_per_minute = 1;
  const std::string slow = key(kDefaultScopes, limits);
  const HttpResponse first = ask("POST", kChat, slow, kQuestion);
  EXPECT_EQ(first.status, 200);
  EXPECT_EQ(header(first, "x-ratelimit-limit-requests"), "1");
  EXPECT_EQ(header(first, "x-ratelimit-remaining-requests"), "0");
  const HttpResponse second = ask("POST", kChat, slow, kQuestion);
  EXPECT_EQ(second.status, 429);
  EXPECT_EQ(text(*json(second).find("error"), "code"), "rate_limit_exceeded");
  EXPECT_GE(std::stoi("0" + header(second, "retry-after")), 1);
  EXPECT_EQ(header(second, "x-should-retry"), "");

  limits = {};
  limits.tokens_per_day = 1;
  const HttpResponse exhausted = ask("POST", kChat, key(kDefaultScopes, limits), R"({"max_tokens": 1, "messages": [{"role": "user", "content": "a"}]})");
  // One token is below any prompt: that request can never run, so it is the client's mistake or its quota, never "try again".
  EXPECT_TRUE(exhausted.status == 400 || exhausted.status == 429) << exhausted.body;
  EXPECT_EQ(header(exhausted, "retry-after"), "");
}

TEST_F(GenerationReplyTest, AFullEngineSaysWhenToComeAgain) {
  start();
  FakeGenerator full([](const FakeGenerator::Question&) -> Result<std::string> { return Error{ErrorCode::kResourceExhausted, "the queue is full"}; });
  ServerContext context(&full, tenants_.get(), store_.get(), &log_, options_);
  const auto app = std::make_shared<App>(&context);
  const std::unique_ptr<HttpServer> server = HttpServer::start(app, {}).value();
  const std::optional<HttpResponse> refused = ask_once(server->port(), http_request("POST", kChat, kQuestion, "x-api-key: " + key() + "\r\n"));
  ASSERT_TRUE(refused.has_value());
  EXPECT_EQ(refused->status, 429);
  EXPECT_GE(std::stoi("0" + header(*refused, "retry-after")), 1);
  const std::optional<HttpResponse> anthropic = ask_once(server->port(), http_request("POST", "/v1/messages",
      R"({"model": "fake", "max_tokens": 5, "messages": [{"role": "user", "content": "a"}]})", "anthropic-version: 2023-06-01\r\nx-api-key: " + key() + "\r\n"));
  EXPECT_EQ(anthropic->status, 529) << anthropic->body;
  EXPECT_EQ(used().n_requests, 0);
}

TEST_F(GenerationReplyTest, KeysSeeOnlyTheirModels) {
  start();
  const std::string secret = key(kDefaultScopes, {}, {}, {"another"});
  const HttpResponse refused = ask("POST", kChat, secret, kQuestion);
  EXPECT_EQ(refused.status, 404);
  EXPECT_EQ(text(*json(refused).find("error"), "code"), "model_not_found");
}

TEST_F(GenerationReplyTest, DrainEndsStreamsWithAnError) {
  HttpServerOptions http;
  http.linger_ms = 20;
  start(http);
  generator_.allow(1);
  TestClient client(server_->port());
  client.send(http_request("POST", kChat, kStreamed, "x-api-key: " + key() + "\r\n"));
  ASSERT_TRUE(client.receive_until("\"content\""));
  context_->draining = true;
  server_->drain(1);
  EXPECT_TRUE(client.receive_until("the server is stopping"));
  EXPECT_TRUE(eventually([&] { return generator_.n_cancelled() == 1; }));
}

// --- turns of the web app ------------------------------------------------------------------------------------------------------------

class TurnTest : public AppTest {
 protected:
  void begin() {
    start();
    secret_ = key();
    conversation_ = text(json(ask("POST", "/firesteel/v1/conversations", secret_, R"({"system": "Be brief."})")), "id");
  }
  std::string turns() const { return "/firesteel/v1/conversations/" + conversation_ + "/turns"; }
  Json messages() {
    const Json whole = json(ask("GET", "/firesteel/v1/conversations/" + conversation_, secret_));
    const Json* found = whole.find("messages");
    return found == nullptr ? Json(Json::Array{}) : *found;
  }
  static std::string field(const std::string& stream, const std::string& name) {
    const size_t at = stream.find("\"" + name + "\":\"");
    if (at == std::string::npos) return {};
    const size_t begin = at + name.size() + 4;
    return stream.substr(begin, stream.find('"', begin) - begin);
  }
  std::string secret_, conversation_;
};

TEST_F(TurnTest, QuestionAndAnswerAreStored) {
  begin();
  const HttpResponse turn = ask("POST", turns(), secret_, R"({"parent_id": null, "content": [{"type": "text", "text": "What is a spark?"}]})");
  ASSERT_EQ(turn.status, 200) << turn.body;
  EXPECT_EQ(turn.body.substr(0, 13), "event: start\n");
  EXPECT_NE(turn.body.find("\nevent: done\n"), std::string::npos);
  EXPECT_EQ(field(turn.body, "title"), "What is a spark?");
  const Json stored = messages();
  ASSERT_EQ(stored.as_array().size(), 2u);
  const Json& question = stored.as_array()[0];
  const Json& answer = stored.as_array()[1];
  EXPECT_EQ(text(question, "id"), field(turn.body, "user_message_id"));
  EXPECT_EQ(text(answer, "id"), field(turn.body, "assistant_message_id"));
  EXPECT_EQ(text(answer, "parent_id"), text(question, "id"));
  EXPECT_EQ(text(answer, "finish_reason"), "stop");
  EXPECT_NE(generator_.questions().back().prompt.find("brief"), std::string::npos);  // the system message
  EXPECT_EQ(used().n_requests, 1);

  // The answer again: a sibling.
  const HttpResponse again = ask("POST", turns(), secret_, R"({"parent_id": ")" + text(question, "id") + R"(", "regenerate": true})");
  EXPECT_EQ(again.status, 200);
  EXPECT_EQ(field(again.body, "user_message_id"), text(question, "id"));
  EXPECT_EQ(messages().as_array().size(), 3u);
  // Feedback on it.
  const HttpResponse feedback = ask("PUT", "/firesteel/v1/messages/" + text(answer, "id") + "/feedback", secret_, R"({"thumb": "down", "reason": "wrong"})");
  EXPECT_EQ(feedback.body, R"({"thumb":"down"})");  // without consent only the thumb
  EXPECT_EQ(text(*messages().as_array()[1].find("feedback"), "thumb"), "down");
}

TEST_F(TurnTest, PicturesAreSeenInTheirTurnAndLater) {
  begin();
  const std::string content = R"("content": [{"type": "text", "text": "What is it?"}, {"type": "image", "name": "a.png", "data_uri": "data:image/png;base64,UDYgMiAxIDI1NQphYmNkZWY="}]})";
  const HttpResponse blind = ask("POST", turns(), secret_, R"({"parent_id": null, )" + content);
  EXPECT_EQ(blind.status, 400);
  EXPECT_NE(blind.body.find("does not see images"), std::string::npos) << blind.body;
  ModelInfo info = generator_.info();
  info.can_see = true;
  generator_.set_info(info);
  const HttpResponse turn = ask("POST", turns(), secret_, R"({"parent_id": null, )" + content);
  ASSERT_EQ(turn.status, 200) << turn.body;
  ASSERT_EQ(generator_.questions().back().images.size(), 1u);
  EXPECT_EQ(generator_.questions().back().images[0]->width, 2);

  const std::string parent = R"({"parent_id": ")" + field(turn.body, "assistant_message_id") + "\", ";
  EXPECT_EQ(ask("POST", turns(), secret_, parent + R"("content": [{"type": "text", "text": "And its colour?"}]})").status, 200);
  EXPECT_EQ(generator_.questions().back().images.size(), 1u);
  const HttpResponse broken = ask("POST", turns(), secret_, parent + R"("content": [{"type": "image", "data_uri": "data:image/png;base64,R0lGODlh"}]})");
  EXPECT_EQ(broken.status, 400);
  EXPECT_NE(broken.body.find("found GIF"), std::string::npos) << broken.body;
  EXPECT_EQ(messages().as_array().size(), 4u);  // a refused question is not stored

  // Eight photographs of a megabyte, as the app sends them.
  std::string large = R"({"parent_id": null, "content": [)";
  const std::string picture = R"({"type": "image", "data_uri": "data:image/png;base64,UDYgMiAxIDI1NQphYmNk)" + std::string(1'300'000, 'A') + "\"}";
  for (int i = 0; i < 8; ++i) large += (i > 0 ? "," : "") + picture;
  EXPECT_EQ(ask("POST", turns(), secret_, large + "]}").status, 200);
  EXPECT_EQ(generator_.questions().back().images.size(), 8u);
}

TEST_F(TurnTest, CancelEndsTheStreamAndKeepsWhatWasWritten) {
  begin();
  generator_.allow(2);
  TestClient client(server_->port());
  client.send(http_request("POST", turns(), R"({"parent_id": null, "content": [{"type": "text", "text": "one two three four"}]})",
                           "x-api-key: " + secret_ + "\r\n"));
  ASSERT_TRUE(client.receive_until("event: delta"));
  const std::string id = field(client.buffered(), "assistant_message_id");
  EXPECT_EQ(ask("POST", "/firesteel/v1/turns/" + id + "/cancel", key(kDefaultScopes, {}, other_tenant_)).status, 404);
  EXPECT_EQ(ask("POST", "/firesteel/v1/turns/" + id + "/cancel", secret_).status, 202);
  EXPECT_TRUE(client.receive_until("\"finish_reason\":\"cancelled\""));
  EXPECT_EQ(text(messages().as_array().back(), "finish_reason"), "cancelled");
  EXPECT_EQ(ask("POST", "/firesteel/v1/turns/" + id + "/cancel", secret_).status, 404);
}

TEST_F(TurnTest, AClosedPageKeepsWhatWasWritten) {
  begin();
  generator_.allow(2);
  {
    TestClient client(server_->port());
    client.send(http_request("POST", turns(), R"({"parent_id": null, "content": [{"type": "text", "text": "one two three four"}]})",
                             "x-api-key: " + secret_ + "\r\n"));
    ASSERT_TRUE(client.receive_until("event: delta"));
  }
  ASSERT_TRUE(eventually([&] { return messages().as_array().size() == 2; }));
  const Json answer = messages().as_array().back();
  EXPECT_EQ(text(answer, "finish_reason"), "cancelled");
  EXPECT_FALSE(text(answer.find("content")->as_array()[0], "text").empty());
}

TEST_F(TurnTest, ARefusedQuestionIsNotStored) {
  begin();
  Limits limits;
  limits.tokens_per_minute = 1;
  const std::string poor = key(kDefaultScopes, limits);
  for (const char* const body : {R"({"parent_id": null, "content": []})", R"({"parent_id": null, "content": [{"type": "sound"}]})",
                                 R"({"parent_id": "msg_nobody", "content": [{"type": "text", "text": "a"}]})", R"({"parent_id": 1})",
                                 R"({"parent_id": null, "regenerate": true})", R"({"parent_id": null, "content": [{"type": "text", "text": "a"}], "mode": "loud"})",
                                 R"({"parent_id": null, "content": [{"type": "text", "text": "a"}], "model": "other"})",
                                 R"({"parent_id": null, "content": [{"type": "text", "text": "a"}], "sampling": {"temperature": 1e999}})"}) {
    const int status = ask("POST", turns(), secret_, body).status;
    EXPECT_TRUE(status == 400 || status == 404) << status << " for " << body;
  }
  const int status = ask("POST", turns(), poor, R"({"parent_id": null, "content": [{"type": "text", "text": "one two three"}]})").status;
  EXPECT_TRUE(status == 429 || status == 400) << status;
  EXPECT_TRUE(messages().as_array().empty());
}

TEST_F(TurnTest, ExportAndImportKeepTheTree) {
  begin();
  ask("POST", turns(), secret_, R"({"parent_id": null, "content": [{"type": "text", "text": "first"}]})");
  const HttpResponse exported = ask("GET", "/firesteel/v1/export", secret_);
  const std::string other = key(kDefaultScopes, {}, other_tenant_);
  EXPECT_EQ(ask("POST", "/firesteel/v1/import", other, exported.body).body, R"({"imported":1,"skipped":0})");
  const Json list = json(ask("GET", "/firesteel/v1/conversations", other));
  ASSERT_EQ(list.find("data")->as_array().size(), 1u);
  const std::string id = text(list.find("data")->as_array()[0], "id");
  EXPECT_NE(id, conversation_);
  const Json copy = json(ask("GET", "/firesteel/v1/conversations/" + id, other));
  EXPECT_EQ(text(copy, "system"), "Be brief.");
  EXPECT_EQ(copy.find("messages")->as_array().size(), 2u);
  EXPECT_EQ(ask("POST", "/firesteel/v1/import", other, R"({"format": "x"})").status, 400);
}

}  // namespace
}  // namespace firesteel
