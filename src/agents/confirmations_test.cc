// A person is asked about a call: through the stream of one agent and of a run of lanes, and every way in which that can end.
#include "agents/confirmations.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "agents/agent_generator.h"
#include "agents/run_record.h"
#include "api/fake_generator.h"

namespace firesteel {
namespace {

class Pay final : public ActingTool {
 public:
  explicit Pay(bool asks_always) : asks_always_(asks_always) {}
  const std::string& name() const override { return name_; }
  const std::string& description() const override { return name_; }
  Json parameters() const override { return Json::Object{{"type", "object"}}; }
  bool asks_always() const override { return asks_always_; }
  Result<ToolResult> act(const Json&, const ToolContext&, const ActPermit&) const override {
    ++n_acts;
    return ToolResult("paid " + std::to_string(n_acts));
  }
  mutable std::atomic<int> n_acts = 0;

 private:
  const std::string name_ = "pay";
  const bool asks_always_;
};

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }
std::string member(const Json& json, const char* name) {
  const Json* found = json.find(name);
  return found == nullptr ? std::string() : found->is_string() ? found->as_string() : found->dump();
}

const char* const kPay = "<tool_call>\n{\"name\": \"pay\", \"arguments\": {\"amount\": 5}}\n</tool_call>";

// Calls once, then says what it was told.
Result<std::string> pays(const FakeGenerator::Question& question) {
  const size_t at = question.prompt.rfind("\"content\":\"");
  if (has(question.prompt, "\"role\":\"tool\"")) return "I was told: " + question.prompt.substr(at + 11, 60);
  return std::string(kPay);
}

GenerateRequest ask(bool confirms, const std::string& tainted_by = "documents") {
  GenerateRequest request;
  ChatPrompt prompt;
  prompt.messages = Json::Array{Json::Object{{"role", "user"}, {"content", "Pay it."}}};
  prompt.tools = tools_json({std::make_shared<Pay>(false)});
  request.prompt = std::move(prompt);
  request.tools = ToolUse{.names = {"pay"}, .reports_calls = true, .confirms = confirms, .tainted_by = tainted_by};
  return request;
}

struct Heard {
  std::vector<std::string> outcomes;
  std::string text;
  GenerateEvent done;
  Json question;
};

// Reads to the end; each question is answered by `word`, unless it says nothing.
Heard read(TokenStream* stream, const std::function<std::optional<ConfirmWord>(const Json&)>& word) {
  Heard heard;
  while (std::optional<GenerateEvent> event = stream->next()) {
    if (event->kind == GenerateEvent::Kind::kAgent) {
      const std::string type = member(*event->report, "type");
      if (type == "confirm") {
        heard.question = *event->report;
        if (const auto said = word(*event->report)) {
          EXPECT_TRUE(stream->confirm(event->report->find("confirm")->as_int(), *said));
        }
      }
      if (type == "confirmed") heard.outcomes.push_back(member(*event->report, "outcome"));
      continue;
    }
    if (!event->thinking) heard.text += event->text;
    if (event->kind == GenerateEvent::Kind::kDone) heard.done = std::move(*event);
  }
  return heard;
}

class ConfirmationsTest : public ::testing::Test {
 protected:
  void begin(bool asks_always = false, int64_t confirm_ms = 60'000) {
    pay_ = std::make_shared<Pay>(asks_always);
    agents_ = std::make_unique<AgentGenerator>(&fake_, AgentGenerator::Options{.more_tools = {pay_}, .confirm_ms = confirm_ms});
  }
  Heard run(GenerateRequest request, std::optional<ConfirmWord> word) {
    auto stream = agents_->submit(std::move(request)).value();
    return read(stream.get(), [&](const Json&) { return word; });
  }
  FakeGenerator fake_{pays};
  std::shared_ptr<Pay> pay_;
  std::unique_ptr<AgentGenerator> agents_;
};

TEST_F(ConfirmationsTest, YesRunsTheCallAndTheLedgerSaysSo) {
  begin();
  const Heard heard = run(ask(true), ConfirmWord::kAllow);
  EXPECT_EQ(heard.outcomes, std::vector<std::string>{"allowed"});
  EXPECT_EQ(pay_->n_acts, 1);
  EXPECT_TRUE(has(heard.text, "paid 1")) << heard.text;
  EXPECT_EQ(member(*heard.question.find("call"), "name"), "pay");
  EXPECT_EQ(member(*heard.question.find("call"), "arguments"), "{\"amount\":5}");
  EXPECT_EQ(member(heard.question, "tainted_by"), "documents");
  EXPECT_EQ(member(heard.question, "may_always"), "true");
  ASSERT_NE(heard.done.report, nullptr);
  EXPECT_TRUE(has(heard.done.report->dump(), R"("consent":"allowed")")) << heard.done.report->dump();
  EXPECT_EQ(member(*heard.done.report, "tainted_by"), "documents");
  // A replay pays nothing.
  const auto again = replay_run(&fake_, *heard.done.report, {});
  ASSERT_TRUE(again.ok()) << again.error().message;
  EXPECT_TRUE(again->same);
  EXPECT_EQ(pay_->n_acts, 1);
}

TEST_F(ConfirmationsTest, NoIsToldToTheModel) {
  begin();
  const Heard heard = run(ask(true), ConfirmWord::kDeny);
  EXPECT_EQ(heard.outcomes, std::vector<std::string>{"denied"});
  EXPECT_EQ(pay_->n_acts, 0);
  EXPECT_TRUE(has(heard.text, "not allowed")) << heard.text;
  EXPECT_EQ(heard.done.reason, FinishReason::kStop);
}

TEST_F(ConfirmationsTest, WithoutSomebodyToAskItIsRefusedAtOnce) {
  begin();
  const Heard heard = run(ask(false), ConfirmWord::kAllow);
  EXPECT_TRUE(heard.outcomes.empty());
  EXPECT_EQ(pay_->n_acts, 0);
  EXPECT_TRUE(has(heard.done.report->dump(), R"("consent":"nobody")"));
}

TEST_F(ConfirmationsTest, NothingStrangeNothingAsked) {
  begin();
  EXPECT_TRUE(run(ask(true, ""), ConfirmWord::kDeny).outcomes.empty());
  EXPECT_EQ(pay_->n_acts, 1);
}

TEST_F(ConfirmationsTest, SilenceIsANo) {
  begin(false, /*confirm_ms=*/30);
  const Heard heard = run(ask(true), std::nullopt);
  EXPECT_EQ(heard.outcomes, std::vector<std::string>{"timed_out"});
  EXPECT_EQ(pay_->n_acts, 0);
  EXPECT_EQ(heard.done.reason, FinishReason::kStop);
}

TEST_F(ConfirmationsTest, AWordIsTakenOnceAndOnlyWhereItIsAsked) {
  begin(/*asks_always=*/true);
  auto stream = agents_->submit(ask(true, "")).value();
  read(stream.get(), [&](const Json& question) -> std::optional<ConfirmWord> {
    const int64_t number = question.find("confirm")->as_int();
    EXPECT_EQ(member(question, "may_always"), "false");
    EXPECT_FALSE(stream->confirm(number + 1, ConfirmWord::kAllow));
    EXPECT_FALSE(stream->confirm(number, ConfirmWord::kAlways));  // this one is asked about every time
    EXPECT_TRUE(stream->confirm(number, ConfirmWord::kDeny));
    EXPECT_FALSE(stream->confirm(number, ConfirmWord::kAllow));  // said is said
    return std::nullopt;
  });
  EXPECT_FALSE(stream->confirm(1, ConfirmWord::kAllow));
  EXPECT_EQ(pay_->n_acts, 0);
}

TEST_F(ConfirmationsTest, AllowedBeforeIsNotAskedAbout) {
  begin();
  GenerateRequest request = ask(true);
  request.tools->allowed = {"pay"};
  const Heard heard = run(std::move(request), ConfirmWord::kDeny);
  EXPECT_TRUE(heard.outcomes.empty());
  EXPECT_EQ(pay_->n_acts, 1);
  EXPECT_TRUE(has(heard.done.report->dump(), R"("consent":"standing")"));
}

// A reader who leaves, and a person who stops the answer: the run ends, nothing was done.
TEST_F(ConfirmationsTest, LeavingAndStoppingEndTheWait) {
  begin();
  {
    auto stream = agents_->submit(ask(true)).value();
    while (auto event = stream->next()) {
      if (event->kind == GenerateEvent::Kind::kAgent && member(*event->report, "type") == "confirm") break;
    }
  }
  auto stream = agents_->submit(ask(true)).value();
  const Heard heard = read(stream.get(), [&](const Json&) {
    stream->cancel();
    return std::nullopt;
  });
  EXPECT_EQ(heard.outcomes, std::vector<std::string>{"timed_out"});
  agents_.reset();  // waits for both runs
  EXPECT_EQ(pay_->n_acts, 0);
}

TEST_F(ConfirmationsTest, LanesAskForThemselvesAndOneWordIsForAll) {
  begin();
  GenerateRequest request = ask(true);
  std::get<ChatPrompt>(request.prompt).tools = Json();  // lanes are offered them by the run
  request.agents = AgentParams{.mode = AnswerMode::kContemplating, .strategy = AgentStrategy::kVote, .n_agents = 3, .error_bound = 0, .n_at_once = 3, .reports_lanes = true};
  auto stream = agents_->submit(std::move(request)).value();
  int n_asked = 0;
  const Heard heard = read(stream.get(), [&](const Json& question) {
    ++n_asked;
    EXPECT_NE(question.find("lane"), nullptr);
    return ConfirmWord::kAlways;
  });
  EXPECT_EQ(pay_->n_acts, 3);
  EXPECT_GE(n_asked, 1);
  EXPECT_LE(n_asked, 3);
  EXPECT_EQ(heard.outcomes.size(), static_cast<size_t>(n_asked));
  EXPECT_TRUE(has(heard.done.report->dump(), R"("consent":"always")")) << heard.done.report->dump();
  const auto again = replay_run(&fake_, *heard.done.report, {});
  ASSERT_TRUE(again.ok()) << again.error().message;
  EXPECT_TRUE(again->same) << ::testing::PrintToString(again->differences);
  EXPECT_EQ(pay_->n_acts, 3);
}

TEST_F(ConfirmationsTest, OneLaneThatIsCancelledStopsWaiting) {
  begin();
  GenerateRequest request = ask(true);
  std::get<ChatPrompt>(request.prompt).tools = Json();  // lanes are offered them by the run
  request.agents = AgentParams{.mode = AnswerMode::kContemplating, .strategy = AgentStrategy::kVote, .n_agents = 2, .error_bound = 0, .n_at_once = 2, .reports_lanes = true};
  auto stream = agents_->submit(std::move(request)).value();
  // A no holds for the whole run, so the other lane hears it only when both have asked.
  std::optional<int64_t> other;
  bool is_cancelled = false;
  const Heard heard = read(stream.get(), [&](const Json& question) -> std::optional<ConfirmWord> {
    if (question.find("lane")->as_int() == 0) {
      EXPECT_TRUE(stream->cancel_lane(0));
      is_cancelled = true;
      if (other) {
        EXPECT_TRUE(stream->confirm(*other, ConfirmWord::kDeny));
      }
      return std::nullopt;
    }
    if (is_cancelled) return ConfirmWord::kDeny;
    other = question.find("confirm")->as_int();
    return std::nullopt;
  });
  EXPECT_EQ(heard.outcomes.size(), 2u);
  EXPECT_EQ(pay_->n_acts, 0);
}

}  // namespace
}  // namespace firesteel
