#include "telemetry/history.h"

#include <algorithm>

#include "telemetry/metrics.h"

namespace firesteel {
namespace {

constexpr size_t kErrorCountsMax = 4096;

void observe(const std::vector<double>& bounds, double value, std::vector<uint64_t>* counts) {
  if (counts->empty()) counts->resize(bounds.size() + 1);
  const auto bucket = std::lower_bound(bounds.begin(), bounds.end(), value) - bounds.begin();
  ++(*counts)[static_cast<size_t>(bucket)];
}

void add(const std::vector<uint64_t>& from, std::vector<uint64_t>* to) {
  if (to->size() < from.size()) to->resize(from.size());
  for (size_t i = 0; i < from.size(); ++i) (*to)[i] += from[i];
}

const std::vector<double>& first_token_bounds() {
  static const std::vector<double> bounds = latency_bounds_s();
  return bounds;
}
const std::vector<double>& gap_bounds() {
  static const std::vector<double> bounds = gap_bounds_s();
  return bounds;
}

}  // namespace

HistoryPoint& History::Ring::at(int64_t now_s) {
  const int64_t begin_s = now_s - now_s % step_s;
  HistoryPoint& slot = slots[static_cast<size_t>(begin_s / step_s) % slots.size()];
  if (slot.begin_s != begin_s) {
    slot = HistoryPoint{};
    slot.begin_s = begin_s;
  }
  return slot;
}

void History::add_request(int64_t now_s, int64_t n_tokens, double first_token_s) {
  MutexLock lock(mutex_);
  for (Ring& ring : rings_) {
    HistoryPoint& point = ring.at(now_s);
    ++point.n_requests;
    point.n_tokens += n_tokens;
    if (first_token_s >= 0) observe(first_token_bounds(), first_token_s, &point.first_token_counts);
  }
}

void History::add_gap(int64_t now_s, double gap_s) {
  MutexLock lock(mutex_);
  for (Ring& ring : rings_) observe(gap_bounds(), gap_s, &ring.at(now_s).gap_counts);
}

void History::add_error(int64_t now_s, const std::string& code) {
  MutexLock lock(mutex_);
  for (Ring& ring : rings_) ++ring.at(now_s).n_errors;
  const int64_t minute = now_s / 60;
  for (auto count = errors_.rbegin(); count != errors_.rend() && count->minute == minute; ++count) {
    if (count->code != code) continue;
    ++count->n;
    return;
  }
  if (errors_.size() >= kErrorCountsMax) errors_.erase(errors_.begin(), errors_.begin() + kErrorCountsMax / 4);
  errors_.push_back({minute, code, 1});
}

void History::add_load(int64_t now_s, int64_t n_waiting, uint64_t kv_bytes_used) {
  MutexLock lock(mutex_);
  for (Ring& ring : rings_) {
    HistoryPoint& point = ring.at(now_s);
    point.n_waiting_max = std::max(point.n_waiting_max, n_waiting);
    point.kv_bytes_used_max = std::max(point.kv_bytes_used_max, kv_bytes_used);
  }
}

std::vector<HistoryPoint> History::points(int64_t now_s, int64_t n_seconds) const {
  MutexLock lock(mutex_);
  const Ring& ring = rings_[n_seconds <= 24 * 3600 ? 0 : 1];
  std::vector<HistoryPoint> found;
  for (const HistoryPoint& point : ring.slots) {
    if (point.begin_s > now_s - n_seconds && point.begin_s <= now_s) found.push_back(point);
  }
  std::sort(found.begin(), found.end(), [](const HistoryPoint& a, const HistoryPoint& b) { return a.begin_s < b.begin_s; });
  return found;
}

void merge_history(const HistoryPoint& from, HistoryPoint* to) {
  to->n_requests += from.n_requests;
  to->n_tokens += from.n_tokens;
  to->n_errors += from.n_errors;
  add(from.first_token_counts, &to->first_token_counts);
  add(from.gap_counts, &to->gap_counts);
  to->n_waiting_max = std::max(to->n_waiting_max, from.n_waiting_max);
  to->kv_bytes_used_max = std::max(to->kv_bytes_used_max, from.kv_bytes_used_max);
}

HistoryPoint History::sum(int64_t now_s, int64_t n_seconds) const {
  HistoryPoint total;
  total.begin_s = now_s - n_seconds;
  for (const HistoryPoint& point : points(now_s, n_seconds)) merge_history(point, &total);
  return total;
}

std::map<std::string, int64_t> History::errors(int64_t now_s, int64_t n_seconds) const {
  MutexLock lock(mutex_);
  std::map<std::string, int64_t> found;
  for (const ErrorCount& count : errors_) {
    if (count.minute > (now_s - n_seconds) / 60 && count.minute <= now_s / 60) found[count.code] += count.n;
  }
  return found;
}

}  // namespace firesteel
