#include "server/request_trace.h"

#include <map>

#include "server/app_fixture.h"

namespace firesteel {
namespace {

class Kept final : public SpanSink {
 public:
  void take(SpanRecord span) override FS_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    spans_.push_back(std::move(span));
  }
  std::vector<SpanRecord> spans() FS_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    return spans_;
  }

 private:
  Mutex mutex_;
  std::vector<SpanRecord> spans_ FS_GUARDED_BY(mutex_);
};

std::map<std::string, Json> attributes(const SpanRecord& span) { return {span.attributes.begin(), span.attributes.end()}; }

TEST_F(AppTest, ARequestIsASpanWithoutItsText) {
  const auto kept = std::make_shared<Kept>();
  options_.tracer = std::make_shared<const Tracer>(kept, Tracer::Sampling{});
  start();
  const std::string secret = key();
  const std::string parent = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n";
  ASSERT_EQ(ask("POST", "/v1/chat/completions", secret, R"({"messages":[{"role":"user","content":"confidential"}],"temperature":0.5,"max_tokens":7,"seed":3})", parent).status, 200);
  ASSERT_EQ(ask("POST", "/v1/completions", secret, R"({"prompt":"confidential","max_tokens":100000})").status, 200);
  const std::string poor = key(kDefaultScopes, {.tokens_per_day = 1});
  ASSERT_EQ(ask("POST", "/v1/chat/completions", poor, R"({"messages":[{"role":"user","content":"a b c d"}]})").status, 400);
  const std::vector<SpanRecord> spans = kept->spans();
  ASSERT_EQ(spans.size(), 3u);
  EXPECT_EQ(spans[0].name, "chat fake");
  EXPECT_EQ(format_traceparent(spans[0].context).substr(3, 32), "4bf92f3577b34da6a3ce929d0e0e4736");
  const auto first = attributes(spans[0]);
  EXPECT_EQ(first.at("gen_ai.request.temperature"), Json(0.5));
  EXPECT_EQ(first.at("gen_ai.request.max_tokens"), Json(7));
  EXPECT_EQ(first.at("gen_ai.request.seed"), Json("3"));
  EXPECT_EQ(first.at("gen_ai.response.finish_reasons").as_array().size(), 1u);
  EXPECT_GT(first.at("gen_ai.usage.output_tokens").as_int(), 0);
  EXPECT_EQ(first.count("error.type"), 0u);
  EXPECT_EQ(spans[1].name, "text_completion fake");
  EXPECT_EQ(attributes(spans[2]).at("error.type"), Json("400"));
  for (const SpanRecord& span : spans) EXPECT_EQ(Json(span.attributes).dump().find("confidential"), std::string::npos);
}

TEST(AgentSpans, LanesAndToolsAreChildren) {
  const auto kept = std::make_shared<Kept>();
  const Json ledger = Json::parse(R"({"lanes": [{"key": "part/1", "role": "part", "state": "done", "start_ms": 1.5, "end_ms": 20, "prompt_tokens": 5, "generated_tokens": 6,
    "tools": [{"name": "calculator", "arguments": "secret", "result": "secret", "start_ms": 4, "end_ms": 9.5}, {"name": "units", "failed": true}]}, {"key": "join", "role": "join", "state": "failed", "start_ms": 20, "end_ms": 3}]})").value();
  {
    const Span parent = Tracer(kept, {}).start("chat m", SpanKind::kServer);
    add_agent_spans(ledger, 1'000'000, parent);
    add_agent_spans(Json("nonsense"), 0, parent);
    add_agent_spans(ledger, 0, Span());
  }
  const std::vector<SpanRecord> spans = kept->spans();
  ASSERT_EQ(spans.size(), 5u);  // tools before their lane, all before the request
  EXPECT_EQ(spans[0].name, "execute_tool calculator");
  EXPECT_EQ(spans[0].start_us, 1'004'000);
  EXPECT_EQ(spans[0].end_us, 1'009'500);
  EXPECT_EQ(spans[1].error_type, "failed");
  EXPECT_EQ(spans[1].start_us, 1'020'000);  // without times of its own: where its lane ends
  EXPECT_EQ(spans[2].name, "invoke_agent part");
  EXPECT_EQ(spans[2].start_us, 1'001'500);
  EXPECT_EQ(spans[2].end_us, 1'020'000);
  EXPECT_EQ(spans[0].parent, spans[2].context.span_id);
  EXPECT_EQ(spans[3].end_us, spans[3].start_us);  // a time that runs backwards is not told
  EXPECT_EQ(spans[3].error_type, "failed");
  EXPECT_EQ(spans[2].parent, spans[4].context.span_id);
  for (const SpanRecord& span : spans) EXPECT_EQ(Json(span.attributes).dump().find("secret"), std::string::npos);
}

}  // namespace
}  // namespace firesteel
