// The server runs the calculator for a model that calls it: in every dialect and in turns, streamed and whole. The model is made up, the
// server and the tools are real.
#include <memory>
#include <string>
#include <vector>

#include "agents/agent_generator.h"
#include "store/document_index.h"
#include "tools/calculator.h"
#include "tools/documents_tool.h"
#include "agents/run_record.h"
#include "server/app_fixture.h"

namespace firesteel {
namespace {

const char* const kCall = "Let me see. <tool_call>\n{\"name\": \"calculator\", \"arguments\": {\"expression\": \"17 * 23\"}}\n</tool_call>";

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

class ServerToolsTest : public AppTest {
 protected:
  void SetUp() override {
    AppTest::SetUp();
    model_ = std::make_unique<FakeGenerator>([this](const FakeGenerator::Question& question) -> Result<std::string> {
      temperature_ = question.sampling.temperature;
      max_tokens_ = question.stop.max_tokens;
      if (has(question.prompt, "too long")) return Error{ErrorCode::kInvalidArgument, "the prompt is too long"};
      if (has(question.prompt, "passage 1")) return std::string("Three months [1].");
      if (has(question.prompt, "lease")) return std::string("<tool_call>\n{\"name\": \"documents\", \"arguments\": {\"query\": \"notice\"}}\n</tool_call>");
      if (has(question.prompt, "plain")) return std::string("no tools needed");
      if (has(question.prompt, "391")) return std::string("It is 391.");
      return std::string(kCall);
    });
    ModelInfo info = model_->info();
    info.context_length = 2000;
    info.has_chat_template = true;
    info.sampling.temperature = 0;
    model_->set_info(info);
    agents_ = std::make_unique<AgentGenerator>(model_.get(), AgentGenerator::Options{.tools = {make_calculator()}, .more_tools = {make_documents(store_.get())}});
    options_.log_requests = false;
    context_ = std::make_unique<ServerContext>(agents_.get(), tenants_.get(), store_.get(), &log_, options_);
    server_ = HttpServer::start(std::make_shared<App>(context_.get()), {}).value();
    context_->attach(server_.get());
    secret_ = key();
  }
  void TearDown() override {
    model_->allow_all();
    context_->attach(nullptr);
    server_.reset();
    agents_.reset();
  }
  HttpResponse post(const char* path, const std::string& body) { return ask("POST", path, secret_, body); }

  std::unique_ptr<FakeGenerator> model_;
  std::unique_ptr<AgentGenerator> agents_;
  std::string secret_;
  double temperature_ = -1;
  int64_t max_tokens_ = 0;
};

TEST_F(ServerToolsTest, EveryDialectAnswersWithTextAndReportsTheCall) {
  const std::vector<std::pair<const char*, std::string>> requests = {
      {"/v1/chat/completions", R"({"messages": [{"role": "user", "content": "17 * 23?"}])"},
      {"/v1/responses", R"({"input": "17 * 23?")"},
      {"/v1/messages", R"({"max_tokens": 1200, "thinking": {"type": "enabled", "budget_tokens": 1024}, "messages": [{"role": "user", "content": "17 * 23?"}])"},
      {"/api/chat", R"({"messages": [{"role": "user", "content": "17 * 23?"}])"},
      {"/api/generate", R"({"prompt": "17 * 23?")"},
  };
  for (const auto& [path, body] : requests) {
    for (const char* const stream : {"false", "true"}) {
      SCOPED_TRACE(std::string(path) + " stream " + stream);
      const HttpResponse answer = post(path, body + ", \"stream\": " + stream + "}");
      ASSERT_EQ(answer.status, 200) << answer.body;
      EXPECT_TRUE(has(answer.body, "391")) << answer.body;
      EXPECT_FALSE(has(answer.body, "<tool_call>")) << answer.body;
      EXPECT_TRUE(has(answer.body, R"("tool_calls":[{"name":"calculator","arguments":"{\"expression\":\"17 * 23\"}","result":"391"}])")) << answer.body;
      EXPECT_EQ(temperature_, 0);  // the model's wish
      EXPECT_EQ(post(path, body + ", \"stream\": " + stream + "}").status, 200);
    }
  }
}

TEST_F(ServerToolsTest, UsageCountsAllRoundsAndEachTokenOnce) {
  const Json answer = json(post("/v1/chat/completions", R"({"seed": 1, "messages": [{"role": "user", "content": "17 * 23?"}]})"));
  const Json& usage = *answer.find("usage");
  const int64_t n_call = model_->count_tokens(RawPrompt{kCall}).value(), n_rest = model_->count_tokens(RawPrompt{"It is 391."}).value();
  EXPECT_EQ(usage.find("completion_tokens")->as_int(), n_call + n_rest);
  const auto questions = model_->questions();
  ASSERT_EQ(questions.size(), 2u);
  EXPECT_LE(usage.find("prompt_tokens")->as_int(), model_->count_tokens(RawPrompt{questions[1].prompt}).value());
  EXPECT_EQ(used().tokens.generated, n_call + n_rest);
}

TEST_F(ServerToolsTest, SameRequestSameBytes) {
  const char* const body = R"({"seed": 7, "stream": true, "stream_options": {"include_usage": true}, "messages": [{"role": "user", "content": "17 * 23?"}]})";
  const auto without_names = [](std::string text) {  // ids and times of the answers
    for (const char* const name : {"\"id\":\"", "\"created\":"}) {
      for (size_t at = text.find(name); at != std::string::npos; at = text.find(name, at + 1)) text.erase(at, text.find(',', at) - at);
    }
    return text;
  };
  EXPECT_EQ(without_names(post("/v1/chat/completions", body).body), without_names(post("/v1/chat/completions", body).body));
}

TEST_F(ServerToolsTest, TheCallerDecides) {
  const auto ask_with = [&](const std::string& more) { return post("/v1/chat/completions", R"({"messages": [{"role": "user", "content": "17 * 23?"}], )" + more + "}"); };
  // Tools of its own: the call is the caller's.
  const std::string own = R"("tools": [{"type": "function", "function": {"name": "calculator", "parameters": {"type": "object"}}}])";
  EXPECT_TRUE(has(ask_with(own).body, R"("finish_reason":"tool_calls")"));
  // No calls at all.
  for (const std::string& none : {own + R"(, "tool_choice": "none")", std::string(R"("firesteel": {"tools": "none"})")}) {
    const HttpResponse answer = ask_with(none);
    EXPECT_FALSE(has(answer.body, "It is 391")) << answer.body;
    EXPECT_FALSE(has(model_->questions().back().prompt, "\"tools\"")) << none;
  }
  EXPECT_TRUE(has(ask_with(R"("firesteel": {"tools": ["calculator"]})").body, "391"));
  const HttpResponse unknown = ask_with(R"("firesteel": {"tools": ["shell"]})");
  EXPECT_EQ(unknown.status, 400);
  EXPECT_TRUE(has(unknown.body, "this server's tools (calculator, documents)")) << unknown.body;
  EXPECT_EQ(ask_with(R"("logprobs": true, "firesteel": {"tools": ["calculator"]})").status, 400);
  EXPECT_EQ(post("/v1/completions", R"({"prompt": "x", "firesteel": {"tools": ["calculator"]}})").status, 400);
  // What it says of sampling wins.
  ask_with(R"("temperature": 0.5)");
  EXPECT_EQ(temperature_, 0.5);
}

TEST_F(ServerToolsTest, DocumentsAreTheTenantsAndNeedTheirScope) {
  const StoredPassage passage{"Notice", "Notice must be given three months before."};
  ASSERT_TRUE(DocumentIndex(*store_).add(tenant_, "lease.md", "", 1, {passage}, 1).ok());
  const char* const body = R"({"messages": [{"role": "user", "content": "What does the lease say of notice?"}], "firesteel": {"tools": ["documents"]}})";
  const auto ask_as = [&](const std::string& secret) { return ask("POST", "/v1/chat/completions", secret, body); };
  const HttpResponse answer = ask_as(key(Scope::kInference | Scope::kFiles));
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_TRUE(has(answer.body, "Three months [1].")) << answer.body;
  EXPECT_TRUE(has(answer.body, "[1] lease.md, passage 1 (Notice)")) << answer.body;
  EXPECT_TRUE(has(ask_as(key(Scope::kInference | Scope::kFiles, {}, other_tenant_)).body, "no passage holds"));
  EXPECT_EQ(ask_as(key(Scope::kInference)).status, 403);
}

TEST_F(ServerToolsTest, MaxTokensHoldsOverAllRounds) {
  const int64_t n_call = model_->count_tokens(RawPrompt{kCall}).value();
  const Json answer = json(post("/v1/chat/completions", R"({"max_tokens": )" + std::to_string(n_call + 1) + R"(, "messages": [{"role": "user", "content": "17 * 23?"}]})"));
  EXPECT_EQ(max_tokens_, 1);
  EXPECT_EQ(answer.find("usage")->find("completion_tokens")->as_int(), n_call + 1);
  EXPECT_EQ(text(answer.find("choices")->as_array()[0], "finish_reason"), "length");
}

TEST_F(ServerToolsTest, AnAnswerWithoutCallsHasNoReport) {
  const HttpResponse answer = post("/v1/chat/completions", R"({"messages": [{"role": "user", "content": "plain"}]})");
  EXPECT_TRUE(has(answer.body, "no tools needed"));
  EXPECT_FALSE(has(answer.body, "tool_calls"));
}

TEST_F(ServerToolsTest, RefusalsAreThoseOfTheFirstRound) {
  for (const char* const stream : {"false", "true"}) {
    const HttpResponse answer = post("/v1/chat/completions", std::string(R"({"messages": [{"role": "user", "content": "too long"}], "stream": )") + stream + "}");
    EXPECT_EQ(answer.status, 400) << answer.body;
  }
}

TEST_F(ServerToolsTest, ClientsThatLeaveEndTheLoop) {
  model_->allow(3);
  {
    TestClient client(server_->port());
    client.send(http_request("POST", "/v1/chat/completions", R"({"stream": true, "messages": [{"role": "user", "content": "17 * 23?"}]})",
                             "Authorization: Bearer " + secret_ + "\r\n"));
    ASSERT_TRUE(client.receive_until("Let"));
  }
  agents_.reset();  // would wait for ever for a run that nobody ends
  SUCCEED();
}

class TurnToolsTest : public ServerToolsTest, public ::testing::WithParamInterface<const char*> {};

// "auto" goes through the router of agents, "thinking" does not.
TEST_P(TurnToolsTest, ATurnShowsTheCallKeepsItAndCanBeReplayed) {
  ModelInfo info = model_->info();
  info.can_think = true;
  model_->set_info(info);
  const std::string conversation = text(json(post("/firesteel/v1/conversations", "{}")), "id");
  const HttpResponse turn = post(("/firesteel/v1/conversations/" + conversation + "/turns").c_str(), R"({"parent_id": null, "content": [{"type": "text", "text": "17 * 23?"}], "mode": ")" + std::string(GetParam()) + "\"}");
  ASSERT_EQ(turn.status, 200) << turn.body;
  EXPECT_TRUE(has(turn.body, "event: tool\ndata: {\"lane\":0,\"name\":\"calculator\"")) << turn.body;
  EXPECT_TRUE(has(turn.body, R"("result":"391")")) << turn.body;
  EXPECT_TRUE(has(turn.body, R"("has_ledger":true)")) << turn.body;
  EXPECT_FALSE(has(turn.body, "<tool_call>"));
  const Json whole = json(ask("GET", "/firesteel/v1/conversations/" + conversation, secret_));
  const Json& answer = whole.find("messages")->as_array()[1];
  EXPECT_TRUE(has(answer.dump(), R"("tools":[{"name":"calculator")")) << answer.dump();
  const HttpResponse ledger = ask("GET", "/firesteel/v1/turns/" + text(answer, "id") + "/ledger", secret_);
  ASSERT_EQ(ledger.status, 200) << ledger.body;
  AgentRun::Options options;
  options.tools = {make_calculator()};
  const auto again = replay_run(model_.get(), json(ledger), options);
  ASSERT_TRUE(again.ok()) << again.error().message;
  EXPECT_TRUE(again->same) << (again->differences.empty() ? "" : again->differences.front());
  EXPECT_TRUE(has(again->answer.text, "It is 391.")) << again->answer.text;
  EXPECT_TRUE(has(answer.dump(), "Let me see.\\n\\nIt is 391.")) << answer.dump();
}
INSTANTIATE_TEST_SUITE_P(Modes, TurnToolsTest, ::testing::Values("auto", "thinking"));

}  // namespace
}  // namespace firesteel
