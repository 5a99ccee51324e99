// Spans: what a request did and how long it took, for collectors of OpenTelemetry. Off unless a sink is given; a span that is not
// recorded costs one null pointer. No content of a request becomes a name or an attribute: ids, counts, names of models and codes.
//
//   Span span = tracer->start("chat kindling", SpanKind::kServer, *traceparent);   span.set("gen_ai.usage.input_tokens", n);
//   Span tool = span.child("execute_tool calculator");                             // ends with its scope
//
// Sources: W3C Trace Context, level 1; OpenTelemetry's specification of traces; its semantic conventions for generative AI.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"

namespace firesteel {

// A place in a trace, as it travels between processes.
struct TraceContext {
  std::array<uint8_t, 16> trace_id = {};
  std::array<uint8_t, 8> span_id = {};
  bool sampled = false;
  std::string state = {};            // tracestate of others, passed on as it is
};
// "00-<32 hex>-<16 hex>-<2 hex>"; later versions may have more behind it. nullopt for anything else, zero ids included.
std::optional<TraceContext> parse_traceparent(std::string_view header);
std::string format_traceparent(const TraceContext& context);

enum class SpanKind : uint8_t { kInternal = 1, kServer = 2, kClient = 3 };  // numbers of OTLP

struct SpanRecord {
  std::string name = {};
  SpanKind kind = SpanKind::kInternal;
  TraceContext context = {};
  std::optional<std::array<uint8_t, 8>> parent = {};
  int64_t start_us = 0, end_us = 0;  // Unix time
  Json::Object attributes = {};      // text, numbers, booleans, arrays of text
  std::string error_type = {};       // empty: it went well
};

// Where finished spans go. Thread-safe, never waits.
class SpanSink {
 public:
  virtual ~SpanSink() = default;
  virtual void take(SpanRecord span) = 0;
};

// One thread at a time.
class Span {
 public:
  Span() = default;  // records nothing
  Span(Span&&) noexcept = default;
  Span& operator=(Span&& other) noexcept;
  ~Span() { end(); }

  bool recording() const { return record_ != nullptr; }
  void set(std::string_view name, Json value);
  void fail(std::string_view error_type);              // "timeout", "429" ...: few values
  // For what was measured elsewhere; Unix microseconds.
  void set_times(int64_t start_us, int64_t end_us);
  void end();                                          // later calls do nothing
  // Part of this one. Of a span that is not recorded: one that is not recorded.
  Span child(std::string name, SpanKind kind = SpanKind::kInternal) const;
  std::string traceparent() const;                     // for a request to somebody else; empty when not recorded
  std::string trace_id() const;                        // hexadecimal, for logs; empty when not recorded

 private:
  friend class Tracer;
  std::shared_ptr<SpanSink> sink_;
  std::unique_ptr<SpanRecord> record_;
};

// Begins traces, or goes on with those of callers. Thread-safe.
class Tracer {
 public:
  struct Sampling {
    double ratio = 1.0;              // of the traces that begin here
    bool follows_parent = true;      // a caller's decision counts for its trace
  };
  Tracer(std::shared_ptr<SpanSink> sink, Sampling sampling) : sink_(std::move(sink)), sampling_(sampling) {}
  // traceparent and tracestate as they came; empty or malformed: a new trace.
  Span start(std::string name, SpanKind kind, std::string_view traceparent = {}, std::string_view tracestate = {}) const;

 private:
  const std::shared_ptr<SpanSink> sink_;
  const Sampling sampling_;
};

}  // namespace firesteel
