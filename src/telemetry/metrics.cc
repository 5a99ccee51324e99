#include "telemetry/metrics.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "base/check.h"

namespace firesteel {
namespace {

std::string number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  return fmt::format("{}", value);
}

void append_escaped(const std::string& text, bool quotes, std::string* out) {
  for (const char c : text) {
    if (c == '\\') *out += "\\\\";
    else if (c == '\n') *out += "\\n";
    else if (c == '"' && quotes) *out += "\\\"";
    else *out += c;
  }
}

void append_sample(const std::string& name, const MetricLabels& labels, const std::string& le, const std::string& value, std::string* out) {
  *out += name;
  if (!labels.empty() || !le.empty()) {
    *out += '{';
    bool first = true;
    for (const auto& [key, label] : labels) {
      if (!first) *out += ',';
      first = false;
      *out += key + "=\"";
      append_escaped(label, true, out);
      *out += '"';
    }
    if (!le.empty()) *out += (first ? "le=\"" : ",le=\"") + le + "\"";
    *out += '}';
  }
  *out += ' ' + value + '\n';
}

}  // namespace

Histogram::Histogram(std::vector<double> bounds) : bounds_(std::move(bounds)), counts_(bounds_.size() + 1) {
  CHECK(std::is_sorted(bounds_.begin(), bounds_.end()));
}

void Histogram::observe(double value) {
  if (std::isnan(value)) return;
  const auto bucket = std::lower_bound(bounds_.begin(), bounds_.end(), value) - bounds_.begin();
  counts_[static_cast<size_t>(bucket)].fetch_add(1, std::memory_order_relaxed);
  sum_.fetch_add(value, std::memory_order_relaxed);
}

std::vector<uint64_t> Histogram::counts() const {
  std::vector<uint64_t> counts;
  counts.reserve(counts_.size());
  for (const std::atomic<uint64_t>& count : counts_) counts.push_back(count.load(std::memory_order_relaxed));
  return counts;
}

double histogram_quantile(const std::vector<double>& bounds, const std::vector<uint64_t>& counts, double q) {
  CHECK(counts.size() == bounds.size() + 1);
  uint64_t total = 0;
  for (const uint64_t count : counts) total += count;
  if (total == 0) return std::numeric_limits<double>::quiet_NaN();
  const double rank = q * static_cast<double>(total);
  double below = 0;
  for (size_t i = 0; i < bounds.size(); ++i) {
    const auto inside = static_cast<double>(counts[i]);
    if (inside > 0 && below + inside >= rank) {
      const double lower = i == 0 ? 0 : bounds[i - 1];
      return lower + (bounds[i] - lower) * std::clamp((rank - below) / inside, 0.0, 1.0);
    }
    below += inside;
  }
  return bounds.empty() ? std::numeric_limits<double>::quiet_NaN() : bounds.back();
}

std::vector<double> latency_bounds_s() {
  return {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 60, 120};
}

std::vector<double> gap_bounds_s() {
  return {0.001, 0.0025, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1};
}

MetricRegistry::Series& MetricRegistry::series(const std::string& name, const std::string& help, Kind kind, const MetricLabels& labels) {
  const auto [family, is_new] = families_.try_emplace(name, Family{kind, help, {}});
  CHECK(family->second.kind == kind);
  std::map<MetricLabels, Series>& all = family->second.series;
  const auto found = all.find(labels);
  if (found != all.end()) return found->second;
  MetricLabels used = labels;
  if (all.size() >= kSeriesMax) {
    for (auto& [key, value] : used) value = "other";
  }
  Series& made = all[used];
  made.labels = used;
  return made;
}

Counter& MetricRegistry::counter(const std::string& name, const std::string& help, const MetricLabels& labels) {
  MutexLock lock(mutex_);
  Series& found = series(name, help, Kind::kCounter, labels);
  if (found.counter == nullptr) found.counter = std::make_unique<Counter>();
  return *found.counter;
}

Gauge& MetricRegistry::gauge(const std::string& name, const std::string& help, const MetricLabels& labels) {
  MutexLock lock(mutex_);
  Series& found = series(name, help, Kind::kGauge, labels);
  if (found.gauge == nullptr) found.gauge = std::make_unique<Gauge>();
  return *found.gauge;
}

Histogram& MetricRegistry::histogram(const std::string& name, const std::string& help, std::vector<double> bounds, const MetricLabels& labels) {
  MutexLock lock(mutex_);
  Series& found = series(name, help, Kind::kHistogram, labels);
  if (found.histogram == nullptr) found.histogram = std::make_unique<Histogram>(std::move(bounds));
  return *found.histogram;
}

void MetricRegistry::alias(const std::string& name, const std::string& other_name) {
  MutexLock lock(mutex_);
  aliases_.emplace(name, other_name);
}

void MetricRegistry::add_collector(std::function<void()> collector) {
  MutexLock lock(mutex_);
  collectors_.push_back(std::move(collector));
}

void MetricRegistry::append_family(const std::string& name, const Family& family, std::string* out) {
  static constexpr const char* kKinds[] = {"counter", "gauge", "histogram"};
  *out += "# HELP " + name + " ";
  append_escaped(family.help, false, out);
  *out += "\n# TYPE " + name + " " + kKinds[static_cast<size_t>(family.kind)] + "\n";
  for (const auto& [labels, one] : family.series) {
    if (family.kind == Kind::kCounter) {
      append_sample(name, labels, "", std::to_string(one.counter->value()), out);
    } else if (family.kind == Kind::kGauge) {
      append_sample(name, labels, "", number(one.gauge->value()), out);
    } else {
      const std::vector<double>& bounds = one.histogram->bounds();
      const std::vector<uint64_t> counts = one.histogram->counts();
      uint64_t total = 0;
      for (size_t i = 0; i < counts.size(); ++i) {
        total += counts[i];
        append_sample(name + "_bucket", labels, i < bounds.size() ? number(bounds[i]) : "+Inf", std::to_string(total), out);
      }
      append_sample(name + "_sum", labels, "", number(one.histogram->sum()), out);
      append_sample(name + "_count", labels, "", std::to_string(total), out);
    }
  }
}

std::string MetricRegistry::prometheus_text() {
  std::vector<std::function<void()>> collectors;
  {
    MutexLock lock(mutex_);
    collectors = collectors_;
  }
  for (const std::function<void()>& collect : collectors) collect();  // these take the lock themselves
  MutexLock lock(mutex_);
  std::string out;
  for (const auto& [name, family] : families_) {
    append_family(name, family, &out);
    const auto [begin, end] = aliases_.equal_range(name);
    for (auto other = begin; other != end; ++other) append_family(other->second, family, &out);
  }
  return out;
}

}  // namespace firesteel
