// POST /v1/fork over HTTP, with the fake generator.
#include <gtest/gtest.h>

#include <string>

#include "server/app_fixture.h"

namespace firesteel {
namespace {

class ForkTest : public AppTest {
 protected:
  HttpResponse fork(const std::string& body) { return ask("POST", "/v1/fork", secret_, body, "Content-Type: application/json\r\n"); }
  void begin() {
    options_.answer_key = [](std::string_view answer) { return std::string(answer.substr(answer.find_last_of(' ') + 1)); };
    start();
    secret_ = key();
  }
  std::string secret_;
};

TEST_F(ForkTest, BranchesContinueTheContext) {
  begin();
  const HttpResponse response = fork(R"({"context": "once upon", "branches": [" a time", {"suffix": " the hill", "seed": 5, "temperature": 0, "max_tokens": 3}], "seed": 9})");
  ASSERT_EQ(response.status, 200) << response.body;
  const Json answer = json(response);
  const Json::Array& branches = answer.find("branches")->as_array();
  ASSERT_EQ(branches.size(), 2u);
  EXPECT_EQ(text(branches[0], "text"), "once upon a time");  // the fake echoes
  EXPECT_EQ(text(branches[0], "finish_reason"), "stop");
  EXPECT_EQ(text(branches[1], "finish_reason"), "length");
  EXPECT_EQ(answer.find("chosen")->as_array().size(), 2u);
  const auto questions = generator_.questions();
  EXPECT_EQ(questions[0].sampling.seed, 9u);
  EXPECT_EQ(questions[1].sampling.seed, 5u);
  EXPECT_EQ(used().tokens.generated, answer.find("usage")->find("completion_tokens")->as_int());
}

TEST_F(ForkTest, StreamsAllBranchesInOneStream) {
  begin();
  const HttpResponse response = fork(R"({"context": {"messages": [{"role": "user", "content": "hi"}]}, "branches": ["", " b"], "stream": true, "max_tokens": 2})");
  ASSERT_EQ(response.status, 200) << response.body;
  EXPECT_NE(response.body.find("event: start\n"), std::string::npos);
  EXPECT_NE(response.body.find("\"branch\":1"), std::string::npos);
  EXPECT_NE(response.body.find("event: branch\n"), std::string::npos);
  EXPECT_NE(response.body.find("event: done\n"), std::string::npos);
}

TEST_F(ForkTest, JoinsChoose) {
  generator_.set_logprobs([](const FakeGenerator::Question& question, std::string_view) { return question.sampling.seed == 2 ? -0.1f : -1.f; });
  begin();
  Json answer = json(fork(R"({"context": "x", "branches": [" 5", {"suffix": " 6", "seed": 2}, " 5"], "join": "vote", "seed": 10})"));
  EXPECT_EQ(text(answer, "text"), "x 5");
  EXPECT_NEAR(answer.find("agreement")->as_double(), 2.0 / 3, 1e-9);
  answer = json(fork(R"({"context": "x", "branches": [" 5", {"suffix": " 6", "seed": 2}, " 5"], "join": "best", "seed": 10})"));
  EXPECT_EQ(text(answer, "text"), "x 6");
  answer = json(fork(R"({"context": "x", "branches": [" a", " b c d e f g"], "join": "first", "first_k": 1})"));
  EXPECT_GE(answer.find("chosen")->as_array().size(), 1u);
}

TEST_F(ForkTest, ABudgetIsShared) {
  begin();
  const Json answer = json(fork(R"({"context": "a b c d e", "branches": ["", "", ""], "budget_tokens": 7})"));
  EXPECT_EQ(answer.find("usage")->find("completion_tokens")->as_int(), 7);
}

TEST_F(ForkTest, OneBranchIsCancelledAndTheOthersGoOn) {
  begin();
  const std::string foreign = key(kDefaultScopes, {}, other_tenant_);
  generator_.allow(2);
  TestClient client(server_->port());
  client.send(http_request("POST", "/v1/fork", R"({"context": "once upon", "branches": [" a time", " the hill", " a sea"], "stream": true})", "x-api-key: " + secret_ + "\r\n"));
  ASSERT_TRUE(client.receive_until("\"branch\":2"));
  const size_t at = client.buffered().find("\"id\":\"") + 6;
  const std::string id = client.buffered().substr(at, client.buffered().find('"', at) - at);
  const auto cancel = [&](const std::string& secret, const std::string& of, const std::string& branch) { return ask("POST", "/v1/fork/" + of + "/branches/" + branch + "/cancel", secret).status; };
  EXPECT_EQ(cancel(foreign, id, "1"), 404);
  EXPECT_EQ(cancel("", id, "1"), 401);
  for (const char* const none : {"3", "-1", "1x", "18446744073709551616"}) EXPECT_EQ(cancel(secret_, id, none), 404) << none;
  EXPECT_EQ(cancel(secret_, "req_none", "1"), 404);
  EXPECT_EQ(generator_.n_cancelled(), 0);

  EXPECT_EQ(cancel(secret_, id, "1"), 202);
  ASSERT_TRUE(client.receive_until("\"finish_reason\":\"cancelled\""));
  EXPECT_EQ(client.buffered().find("event: done"), std::string::npos);  // two still write
  EXPECT_EQ(cancel(secret_, id, "1"), 404);  // it has ended
  generator_.allow_all();
  ASSERT_TRUE(client.receive_until("event: done"));
  const std::string& all = client.buffered();
  size_t n_stopped = 0;
  for (size_t found = 0; (found = all.find("\"finish_reason\":\"stop\"", found)) != std::string::npos; ++found) ++n_stopped;
  EXPECT_EQ(n_stopped, 2u);
  EXPECT_EQ(cancel(secret_, id, "0"), 404);
}

TEST_F(ForkTest, WrongRequestsNameThePlace) {
  begin();
  const auto refusal = [&](const std::string& body) {
    const HttpResponse response = fork(body);
    EXPECT_EQ(response.status, 400) << body;
    return response.body;
  };
  EXPECT_NE(refusal(R"({"branches": ["x"]})").find("context"), std::string::npos);
  EXPECT_NE(refusal(R"({"context": "x", "branches": []})").find("branches"), std::string::npos);
  EXPECT_NE(refusal(R"({"context": "x", "branches": ["y", {"suffix": "z", "temperature": 9}]})").find("branches[1].temperature"), std::string::npos);
  EXPECT_NE(refusal(R"({"context": "x", "branches": ["y"], "join": "some"})").find("join"), std::string::npos);
  EXPECT_NE(refusal(R"({"context": "x", "branches": ["y"], "first_k": 2})").find("first_k"), std::string::npos);
  EXPECT_NE(refusal(R"({"context": "x", "branches": ["y"], "what": 2})").find("what"), std::string::npos);
  EXPECT_NE(refusal(R"({"context": [-1], "branches": ["y"]})").find("token ids"), std::string::npos);
  EXPECT_EQ(ask("POST", "/v1/fork", "", "{}").status, 401);
}

}  // namespace
}  // namespace firesteel
