#include "telemetry/trace.h"

#include <sys/random.h>

#include <algorithm>
#include <utility>

#include "base/clock.h"

namespace firesteel {
namespace {

constexpr size_t kTraceStateBytes = 512;
constexpr size_t kAttributesMax = 64;

int hex_digit(char c) {  // lower case only, as the standard has it
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

template <size_t n>
bool read_hex(std::string_view text, std::array<uint8_t, n>* out) {
  if (text.size() != 2 * n) return false;
  for (size_t i = 0; i < n; ++i) {
    const int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    (*out)[i] = static_cast<uint8_t>(high * 16 + low);
  }
  return true;
}

template <size_t n>
void append_hex(const std::array<uint8_t, n>& bytes, std::string* out) {
  static constexpr char kDigits[] = "0123456789abcdef";
  for (const uint8_t byte : bytes) {
    *out += kDigits[byte >> 4];
    *out += kDigits[byte & 15];
  }
}

template <size_t n>
bool is_zero(const std::array<uint8_t, n>& bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](uint8_t byte) { return byte == 0; });
}

// Never all zero, which means "none".
template <size_t n>
std::array<uint8_t, n> fresh_id() {
  std::array<uint8_t, n> id{};
  if (getrandom(id.data(), n, 0) != static_cast<ssize_t>(n)) {
    const int64_t now = system_clock().now_us();
    for (size_t i = 0; i < n; ++i) id[i] = static_cast<uint8_t>(now >> (i % 8 * 8));
  }
  id[n - 1] = static_cast<uint8_t>(id[n - 1] | 1);
  return id;
}

}  // namespace

std::optional<TraceContext> parse_traceparent(std::string_view header) {
  TraceContext context;
  std::array<uint8_t, 1> version{}, flags{};
  if (header.size() < 55 || !read_hex(header.substr(0, 2), &version) || version[0] == 0xff) return std::nullopt;
  if (version[0] == 0 ? header.size() != 55 : header.size() > 55 && header[55] != '-') return std::nullopt;
  if (header[2] != '-' || header[35] != '-' || header[52] != '-') return std::nullopt;
  if (!read_hex(header.substr(3, 32), &context.trace_id) || !read_hex(header.substr(36, 16), &context.span_id) || !read_hex(header.substr(53, 2), &flags)) {
    return std::nullopt;
  }
  if (is_zero(context.trace_id) || is_zero(context.span_id)) return std::nullopt;
  context.sampled = (flags[0] & 1) != 0;
  return context;
}

std::string format_traceparent(const TraceContext& context) {
  std::string out = "00-";
  append_hex(context.trace_id, &out);
  out += '-';
  append_hex(context.span_id, &out);
  return out + (context.sampled ? "-01" : "-00");
}

Span& Span::operator=(Span&& other) noexcept {
  if (this != &other) {
    end();
    sink_ = std::move(other.sink_);
    record_ = std::move(other.record_);
  }
  return *this;
}

void Span::set(std::string_view name, Json value) {
  if (record_ == nullptr || record_->attributes.size() >= kAttributesMax) return;
  for (auto& [key, old] : record_->attributes) {
    if (key != name) continue;
    old = std::move(value);
    return;
  }
  record_->attributes.emplace_back(std::string(name), std::move(value));
}

void Span::fail(std::string_view error_type) {
  if (record_ != nullptr) record_->error_type = error_type;
}

void Span::set_times(int64_t start_us, int64_t end_us) {
  if (record_ == nullptr) return;
  record_->start_us = start_us;
  record_->end_us = end_us;
}

void Span::end() {
  if (record_ == nullptr) return;
  if (record_->end_us == 0) record_->end_us = std::max(wall_clock().now_us(), record_->start_us);
  if (!record_->error_type.empty()) set("error.type", record_->error_type);
  sink_->take(std::move(*record_));
  record_.reset();
}

Span Span::child(std::string name, SpanKind kind) const {
  Span span;
  if (record_ == nullptr) return span;
  span.sink_ = sink_;
  span.record_ = std::make_unique<SpanRecord>();
  span.record_->name = std::move(name);
  span.record_->kind = kind;
  span.record_->context = record_->context;
  span.record_->context.span_id = fresh_id<8>();
  span.record_->parent = record_->context.span_id;
  span.record_->start_us = wall_clock().now_us();
  return span;
}

std::string Span::traceparent() const { return record_ == nullptr ? std::string() : format_traceparent(record_->context); }

std::string Span::trace_id() const {
  std::string out;
  if (record_ != nullptr) append_hex(record_->context.trace_id, &out);
  return out;
}

Span Tracer::start(std::string name, SpanKind kind, std::string_view traceparent, std::string_view tracestate) const {
  Span span;
  const std::optional<TraceContext> parent = parse_traceparent(traceparent);
  const std::array<uint8_t, 16> trace_id = parent ? parent->trace_id : fresh_id<16>();
  bool sampled = parent && sampling_.follows_parent && parent->sampled;
  if (!parent || !sampling_.follows_parent) {
    // By the trace's own id, so that processes with the same ratio keep the same traces.
    uint64_t low = 0;
    for (size_t i = 8; i < 16; ++i) low = low << 8 | trace_id[i];
    sampled = static_cast<double>(low >> 11) * 0x1.0p-53 < sampling_.ratio;
  }
  if (sink_ == nullptr || !sampled) return span;
  span.sink_ = sink_;
  span.record_ = std::make_unique<SpanRecord>();
  span.record_->name = std::move(name);
  span.record_->kind = kind;
  span.record_->context.trace_id = trace_id;
  span.record_->context.span_id = fresh_id<8>();
  span.record_->context.sampled = true;
  if (parent && tracestate.size() <= kTraceStateBytes) span.record_->context.state = tracestate;
  if (parent) span.record_->parent = parent->span_id;
  span.record_->start_us = wall_clock().now_us();
  return span;
}

}  // namespace firesteel
