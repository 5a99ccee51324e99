// Subagents on the command line, as a user meets them.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/json.h"
#include "base/mapped_file.h"
#include "cli_runner.h"
#include "tiny_model.h"

namespace firesteel {
namespace {

constexpr const char* kTemplate =
    "{% for m in messages %}[{{ m.role }}]{{ m.content }}\n{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}";

class CliAgents : public testing::Test {
 protected:
  CliAgents() : template_("t.jinja", kTemplate) {}
  std::vector<std::string> model() const {
    static const TinyModelFile file(tiny_spec("llama"));
    return {"--model", file.path(), "--chat-template", template_.path()};
  }
  std::vector<std::string> ask(std::vector<std::string> more) const {
    std::vector<std::string> out = {"ask", "How many are 2 and 2?", "--max-tokens", "12", "--seed", "7"};
    for (const std::string& one : model()) out.push_back(one);
    out.insert(out.end(), more.begin(), more.end());
    return out;
  }
  TemporaryFile template_;
};

TEST_F(CliAgents, AChatAnswersBySubagentsUntilItIsToldNotTo) {
  std::vector<std::string> chat = {"chat", "--max-tokens", "6", "--seed", "7", "--agents", "3", "--strategy", "vote"};
  for (const std::string& one : model()) chat.push_back(one);
  const CliResult talked = run_cli(chat, "How many are 2 and 2?\n/agents off\nAnd 3?\n/agents 40\n/agents auto\n");
  EXPECT_EQ(talked.exit_code, 1) << talked.err;  // 40 are too many
  EXPECT_NE(talked.err.find("vote of 3"), std::string::npos) << talked.err;
  EXPECT_EQ(talked.err.find("vote of 3"), talked.err.rfind("vote of 3")) << talked.err;
  EXPECT_NE(talked.err.find("/agents 40: expected auto, off, or 2 to 16"), std::string::npos) << talked.err;
  EXPECT_NE(talked.err.find("A router chooses"), std::string::npos) << talked.err;
  chat[6] = "many";
  EXPECT_EQ(run_cli(chat).exit_code, 2);
}

TEST_F(CliAgents, AVoteHasALedgerAndIsReplayed) {
  const CliResult run = run_cli(ask({"--agents", "4", "--strategy", "vote", "--json"}));
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const Json answer = Json::parse(run.out).value();
  const Json* ledger = answer.find("ledger");
  ASSERT_NE(ledger, nullptr);
  EXPECT_EQ(ledger->find("strategy")->as_string(), "vote");
  EXPECT_EQ(ledger->find("answer")->as_string(), answer.find("text")->as_string());
  EXPECT_EQ(ledger->find("usage")->find("generated_tokens")->as_int(), answer.find("usage")->find("generated_tokens")->as_int());
  const auto told_of = [](const Json& of) { return of.find("details")->find("vote")->find("by")->as_string(); };
  EXPECT_EQ(told_of(*ledger), "count");
  const Json sure = Json::parse(run_cli(ask({"--agents", "4", "--strategy", "vote", "--vote-by", "confidence", "--json"})).out).value();
  EXPECT_EQ(told_of(*sure.find("ledger")), "confidence");
  // The same bytes, run again and replayed.
  EXPECT_EQ(Json::parse(run_cli(ask({"--agents", "4", "--strategy", "vote", "--json"})).out).value().find("text")->as_string(), answer.find("text")->as_string());
  const TemporaryFile stored("answer.json", run.out);
  std::vector<std::string> replay = {"replay", stored.path()};
  for (const std::string& one : model()) replay.push_back(one);
  const CliResult same = run_cli(replay);
  EXPECT_EQ(same.exit_code, 0) << same.err;
  EXPECT_NE(same.err.find("the same bytes"), std::string::npos) << same.err;
  // A ledger that says something else.
  Json other = answer;
  Json changed = *ledger;
  changed.set("answer", "never");
  other.set("ledger", changed);
  const TemporaryFile forged("forged.json", other.dump());
  replay[1] = forged.path();
  const CliResult different = run_cli(replay);
  EXPECT_EQ(different.exit_code, 1);
  EXPECT_NE(different.err.find("different: answer"), std::string::npos) << different.err;
  replay[1] = template_.path();
  EXPECT_EQ(run_cli(replay).exit_code, 1);
}

TEST_F(CliAgents, LanesArePlainLinesWhereThereIsNoTerminal) {
  const CliResult run = run_cli(ask({"--agents", "3", "--strategy", "refine", "--budget-tokens", "30"}));
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_NE(run.err.find("A draft: Draft 1"), std::string::npos) << run.err;
  EXPECT_NE(run.err.find("refine of 3"), std::string::npos) << run.err;
  EXPECT_EQ(run.err.find('\033'), std::string::npos);
}

TEST_F(CliAgents, ContradictionsAreUsageErrors) {
  for (const std::vector<std::string>& more : std::vector<std::vector<std::string>>{{"--agents", "17"}, {"--agents", "x"}, {"--agents", "4", "--mode", "instant"},
                                                                                   {"--agents", "4", "--raw"}, {"--agents", "1", "--mode", "contemplating"}, {"--strategy", "luck"}}) {
    EXPECT_EQ(run_cli(ask(more)).exit_code, 2) << more.back();
  }
}

}  // namespace
}  // namespace firesteel
