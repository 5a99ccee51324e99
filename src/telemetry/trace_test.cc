#include "telemetry/trace.h"

#include <gtest/gtest.h>

#include <vector>

namespace firesteel {
namespace {

class Kept final : public SpanSink {
 public:
  void take(SpanRecord span) override { spans.push_back(std::move(span)); }
  std::vector<SpanRecord> spans;
};

constexpr const char* kParent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

TEST(Trace, ReadsOnlyWhatTheStandardAllows) {
  const auto context = parse_traceparent(kParent);
  ASSERT_TRUE(context.has_value());
  EXPECT_TRUE(context->sampled);
  EXPECT_EQ(format_traceparent(*context), kParent);
  EXPECT_TRUE(parse_traceparent("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00-what-comes-later").has_value());
  for (const char* const wrong : {"", "00", "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
                                  "00-00000000000000000000000000000000-00f067aa0ba902b7-01", "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
                                  "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x", "00-4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7-01",
                                  "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00x", "00-4bf92f3577b34da6a3ce929d0e0e473-000f067aa0ba902b7-01"}) {
    EXPECT_FALSE(parse_traceparent(wrong).has_value()) << wrong;
  }
}

TEST(Trace, GoesOnWithTheCallersTraceAndHasItsOwnOtherwise) {
  const auto kept = std::make_shared<Kept>();
  const Tracer tracer(kept, {});
  {
    Span span = tracer.start("chat m", SpanKind::kServer, kParent, "vendor=1");
    Span tool = span.child("execute_tool calculator");
    EXPECT_EQ(tool.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
    tool.fail("timeout");
    tool.end();
    tool.end();
    span.set("n", 1);
    span.set("n", 2);
  }
  ASSERT_EQ(kept->spans.size(), 2u);
  const SpanRecord& tool = kept->spans[0];
  const SpanRecord& span = kept->spans[1];
  EXPECT_EQ(tool.parent, span.context.span_id);
  EXPECT_EQ(tool.attributes, (Json::Object{{"error.type", "timeout"}}));
  EXPECT_EQ(span.parent, parse_traceparent(kParent)->span_id);
  EXPECT_EQ(span.context.state, "vendor=1");
  EXPECT_EQ(span.attributes, (Json::Object{{"n", 2}}));
  EXPECT_GE(span.end_us, span.start_us);
  EXPECT_NE(tracer.start("a", SpanKind::kServer, "nonsense").trace_id(), tracer.start("b", SpanKind::kServer).trace_id());
}

TEST(Trace, SamplesByTheCallersWishOrTheRatio) {
  const auto kept = std::make_shared<Kept>();
  std::string unsampled = kParent;
  unsampled.back() = '0';
  EXPECT_FALSE(Tracer(kept, {}).start("a", SpanKind::kServer, unsampled).recording());
  EXPECT_TRUE(Tracer(kept, {.ratio = 0}).start("a", SpanKind::kServer, kParent).recording());
  EXPECT_FALSE(Tracer(kept, {.ratio = 0, .follows_parent = false}).start("a", SpanKind::kServer, kParent).recording());
  EXPECT_FALSE(Tracer(kept, {.ratio = 0}).start("a", SpanKind::kServer).recording());
  EXPECT_FALSE(Tracer(nullptr, {}).start("a", SpanKind::kServer).recording());
  const Tracer some(kept, {.ratio = 0.25});
  int n = 0;
  for (int i = 0; i < 2000; ++i) n += some.start("a", SpanKind::kServer).recording() ? 1 : 0;
  EXPECT_NEAR(n, 500, 120);  // six standard deviations
  Span nothing;
  EXPECT_FALSE(nothing.child("x").recording());
  EXPECT_EQ(nothing.traceparent(), "");
}

}  // namespace
}  // namespace firesteel
