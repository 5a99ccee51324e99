#include "tenants/quota.h"

namespace firesteel {

void TokenBucket::advance(int64_t limit, int64_t now_us) {
  if (limit < 0) {
    limit_ = -1;
    last_us_ = now_us;
    return;
  }
  // A new limit starts full; a changed one keeps what was used.
  if (limit_ < 0) {
    level_ = limit * kUnit;
  } else if (limit != limit_) {
    level_ += (limit - limit_) * kUnit;
  }
  limit_ = limit;
  const int64_t elapsed_us = std::clamp<int64_t>(now_us - last_us_, 0, (kDebtMinutes + 1) * kUnit);
  last_us_ = std::max(last_us_, now_us);
  level_ = std::min(level_ + elapsed_us * limit, limit * kUnit);
}

int64_t TokenBucket::wait_us(int64_t cost) const {
  if (limit_ < 0) return 0;
  const int64_t missing = cost * kUnit - level_;
  if (missing <= 0) return 0;
  return limit_ == 0 ? kUnit : (missing + limit_ - 1) / limit_;
}

void TokenBucket::take(int64_t cost) {
  if (limit_ >= 0) level_ = std::max(level_ - cost * kUnit, -kDebtMinutes * limit_ * kUnit);
}

void TokenBucket::give_back(int64_t cost) {
  if (limit_ >= 0) level_ = std::min(level_ + cost * kUnit, limit_ * kUnit);
}

int64_t TokenBucket::full_in_us() const {
  if (limit_ <= 0) return 0;
  return (limit_ * kUnit - level_ + limit_ - 1) / limit_;
}

void Meter::advance(const Limits& limits, int64_t now_us, int64_t today, int64_t this_month) {
  requests.advance(limits.requests_per_minute, now_us);
  tokens.advance(limits.tokens_per_minute, now_us);
  if (day != today) {
    day = today;
    tokens_today = 0;
  }
  if (month != this_month) {
    month = this_month;
    spend_month = 0;
  }
}

}  // namespace firesteel
