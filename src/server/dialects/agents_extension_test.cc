// What the extension object says about agents.
#include <gtest/gtest.h>

#include "server/dialects/generation.h"

namespace firesteel {
namespace {

struct Read {
  bool several = false;
  std::optional<AgentParams> agents;
  std::string error;
};

Read read(const std::string& text) {
  ReadState state;
  ModelInfo info;
  info.has_agents = true;
  Generation generation;
  const Json json = Json::parse(text).value();
  Read out;
  out.several = read_agents(BodyReader(json, "firesteel", &state), info, &generation);
  out.agents = generation.agents;
  if (state.error) out.error = state.error->message;
  return out;
}

TEST(AgentsExtension, AVoteIsByCountOrByConfidence) {
  EXPECT_EQ(read(R"({"agents": 4, "strategy": "vote"})").agents->vote_by, VoteBy::kCount);
  EXPECT_EQ(read(R"({"agents": 4, "strategy": "vote", "vote_by": "count"})").agents->vote_by, VoteBy::kCount);
  const Read sure = read(R"({"agents": 4, "strategy": "vote", "vote_by": "confidence", "error_bound": 0.1})");
  ASSERT_TRUE(sure.several);
  EXPECT_EQ(sure.agents->vote_by, VoteBy::kConfidence);
  EXPECT_EQ(sure.agents->error_bound, 0.1);
  EXPECT_NE(read(R"({"agents": 4, "vote_by": "weather"})").error.find("vote_by"), std::string::npos);
  EXPECT_NE(read(R"({"vote_by": "confidence"})").error.find("only with agents"), std::string::npos);
}

}  // namespace
}  // namespace firesteel
