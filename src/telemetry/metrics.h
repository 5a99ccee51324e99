// Counters, gauges and histograms, and their Prometheus text (exposition format 0.0.4).
//
// Metrics are registered by name and labels, live as long as the registry, and are updated with relaxed atomics from any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"

namespace firesteel {

using MetricLabels = std::vector<std::pair<std::string, std::string>>;  // in the order they are printed

class Counter {
 public:
  void add(uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  // For a count that someone else keeps: set when it is read.
  void set(uint64_t value) { value_.store(value, std::memory_order_relaxed); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

class Gauge {
 public:
  void set(double value) { value_.store(value, std::memory_order_relaxed); }
  void add(double delta) { value_.fetch_add(delta, std::memory_order_relaxed); }
  double value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_{0};
};

// Counts per bucket; bounds are upper, inclusive, ascending.
class Histogram {
 public:
  explicit Histogram(std::vector<double> bounds);
  void observe(double value);
  const std::vector<double>& bounds() const { return bounds_; }
  // Per bucket (not cumulative); one more than bounds, the last above them all.
  std::vector<uint64_t> counts() const;
  double sum() const { return sum_.load(std::memory_order_relaxed); }

 private:
  const std::vector<double> bounds_;
  std::vector<std::atomic<uint64_t>> counts_;
  std::atomic<double> sum_{0};
};

// Estimated from bucket counts, linear inside a bucket; NaN without observations. q in [0, 1].
double histogram_quantile(const std::vector<double>& bounds, const std::vector<uint64_t>& counts, double q);

std::vector<double> latency_bounds_s();   // 1 ms to 60 s, about 2.2 per step of ten ... for requests and first tokens
std::vector<double> gap_bounds_s();       // 1 ms to 1 s, for gaps between tokens

// Thread-safe. The same name and labels give the same metric. A name beyond n_series_max label sets gets one series more, with every
// label "other": a bound, whatever callers use as labels.
class MetricRegistry {
 public:
  static constexpr size_t kSeriesMax = 200;

  Counter& counter(const std::string& name, const std::string& help, const MetricLabels& labels = {});
  Gauge& gauge(const std::string& name, const std::string& help, const MetricLabels& labels = {});
  Histogram& histogram(const std::string& name, const std::string& help, std::vector<double> bounds, const MetricLabels& labels = {});
  // A second name for everything that is or will be registered under `name`.
  void alias(const std::string& name, const std::string& other_name);
  // Called before each text, to set what others keep. Must not register collectors.
  void add_collector(std::function<void()> collector);

  std::string prometheus_text();

 private:
  enum class Kind : uint8_t { kCounter, kGauge, kHistogram };
  struct Series {
    MetricLabels labels;
    std::unique_ptr<Counter> counter;
    std::unique_ptr<Gauge> gauge;
    std::unique_ptr<Histogram> histogram;
  };
  struct Family {
    Kind kind;
    std::string help;
    std::map<MetricLabels, Series> series;
  };
  Series& series(const std::string& name, const std::string& help, Kind kind, const MetricLabels& labels) FS_REQUIRES(mutex_);
  static void append_family(const std::string& name, const Family& family, std::string* out);

  Mutex mutex_;
  std::map<std::string, Family> families_ FS_GUARDED_BY(mutex_);
  std::multimap<std::string, std::string> aliases_ FS_GUARDED_BY(mutex_);
  std::vector<std::function<void()>> collectors_ FS_GUARDED_BY(mutex_);
};

}  // namespace firesteel
