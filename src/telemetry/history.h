// What the last hour, day and month looked like, for the console's charts: one point per minute for a day, one per hour for 30 days.
// In memory, about 0.7 MB; gone after a restart. Long-term history is Prometheus' business.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/mutex.h"

namespace firesteel {

// Sums of one minute or hour.
struct HistoryPoint {
  int64_t begin_s = 0;              // Unix seconds
  int64_t n_requests = 0;
  int64_t n_tokens = 0;             // generated
  int64_t n_errors = 0;
  std::vector<uint64_t> first_token_counts;  // buckets of latency_bounds_s()
  std::vector<uint64_t> gap_counts;          // buckets of gap_bounds_s()
  int64_t n_waiting_max = 0;
  uint64_t kv_bytes_used_max = 0;
};

// Adds what happened; begin_s stays.
void merge_history(const HistoryPoint& from, HistoryPoint* to);

// Thread-safe. Times are passed in, so tests need no clock.
class History {
 public:
  void add_request(int64_t now_s, int64_t n_tokens, double first_token_s);   // first_token_s < 0: none came
  void add_gap(int64_t now_s, double gap_s);
  void add_error(int64_t now_s, const std::string& code);
  void add_load(int64_t now_s, int64_t n_waiting, uint64_t kv_bytes_used);

  // The last `n_seconds`, oldest first; points where nothing happened are left out. Minutes up to a day, hours beyond.
  std::vector<HistoryPoint> points(int64_t now_s, int64_t n_seconds) const;
  // The same in one.
  HistoryPoint sum(int64_t now_s, int64_t n_seconds) const;
  std::map<std::string, int64_t> errors(int64_t now_s, int64_t n_seconds) const;  // by code

 private:
  struct Ring {
    explicit Ring(int64_t step, size_t n_points) : step_s(step), slots(n_points) {}
    HistoryPoint& at(int64_t now_s);
    int64_t step_s;
    std::vector<HistoryPoint> slots;
  };
  struct ErrorCount { int64_t minute = 0; std::string code; int64_t n = 0; };

  mutable Mutex mutex_;
  std::array<Ring, 2> rings_ FS_GUARDED_BY(mutex_) = {Ring(60, 24 * 60), Ring(3600, 30 * 24)};
  std::vector<ErrorCount> errors_ FS_GUARDED_BY(mutex_);  // bounded; the oldest go first
};

}  // namespace firesteel
