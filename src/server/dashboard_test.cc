// The Grafana dashboard asks for metrics that exist, with labels that they have.
#include <algorithm>
#include <set>

#include "base/mapped_file.h"
#include "server/app_fixture.h"
#include "server/release_routing.h"

namespace firesteel {
namespace {

bool is_name_char(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; }

// Every name of ours in a text.
std::set<std::string> metric_names(const std::string& text) {
  std::set<std::string> names;
  for (size_t at = 0; (at = text.find("firesteel_", at)) != std::string::npos;) {
    size_t end = at;
    while (end < text.size() && is_name_char(text[end])) ++end;
    names.insert(text.substr(at, end - at));
    at = end;
  }
  return names;
}

TEST_F(AppTest, TheDashboardKnowsTheMetrics) {
  start();
  ASSERT_TRUE(Registry(*store_, *tenants_).create("fake", {}, {}, {"test"}).ok());
  ReleaseDesk desk(&generator_, std::make_unique<ReleaseController>(*store_, *tenants_, ServerSecret::fresh()));
  ASSERT_TRUE(desk.controller->tick(false).ok());
  context_->releases = &desk;
  ask("POST", "/v1/chat/completions", key(), R"({"messages":[{"role":"user","content":"hi there"}]})");
  ask("GET", "/v1/models");  // an error
  const std::string metrics = ask("GET", "/metrics", key(Scope::kMetrics)).body;
  const std::set<std::string> there = metric_names(metrics);
  const Result<std::string> dashboard = read_file(std::string(FS_TEST_DATA) + "/../../deploy/grafana/firesteel.json", 1u << 20);
  ASSERT_TRUE(dashboard.ok());
  ASSERT_TRUE(Json::parse(*dashboard).ok());
  const std::set<std::string> asked = metric_names(*dashboard);
  EXPECT_GT(asked.size(), 15u);
  for (const std::string& name : asked) EXPECT_EQ(there.count(name), 1u) << name << " is in the dashboard, not in /metrics";
  context_->releases = nullptr;
  for (const char* const label : {"model_name=", "variant=", "surface=", "status=", "code=", "finished_reason=", "route=", "le="}) {
    EXPECT_NE(metrics.find(label), std::string::npos) << label;
  }
}

}  // namespace
}  // namespace firesteel
