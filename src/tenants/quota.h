// Arithmetic of limits: what one key or tenant has used and may still use. No locks, no clocks: the caller brings both.
#pragma once

#include <algorithm>
#include <cstdint>

#include "schema/identity.h"

namespace firesteel {

// Refills at `limit` per minute up to `limit`. Exact: the level is kept in units of 1/60,000,000 of a token.
class TokenBucket {
 public:
  // Must come first at each use: takes over the limit (-1: none) and fills up for the time that has passed.
  void advance(int64_t limit, int64_t now_us);
  // 0: `cost` fits now. Otherwise how long until it does. Requires cost <= limit.
  int64_t wait_us(int64_t cost) const;
  void take(int64_t cost);       // may go below zero: what was used was used
  void give_back(int64_t cost);
  int64_t limit() const { return limit_; }
  int64_t remaining() const { return limit_ < 0 ? -1 : std::max<int64_t>(0, level_ / kUnit); }
  int64_t full_in_us() const;    // until all of the limit is available

 private:
  static constexpr int64_t kUnit = 60'000'000;  // microseconds per minute
  static constexpr int64_t kDebtMinutes = 10;   // what one request overdrew is forgotten beyond this; bounds the arithmetic, too
  int64_t limit_ = -1;
  int64_t level_ = 0;
  int64_t last_us_ = 0;
};

// Everything that is counted for one key or one tenant.
struct Meter {
  TokenBucket requests, tokens;
  int64_t n_running = 0;
  int64_t tokens_reserved = 0;      // of running requests
  int64_t spend_reserved = 0;
  int64_t minute = -1, requests_in_minute = 0;  // admitted in this minute of the wall clock, for people to see; limits use the bucket
  int64_t day = -1, tokens_today = 0;
  int64_t month = -1, spend_month = 0;

  void advance(const Limits& limits, int64_t now_us, int64_t today, int64_t this_month);
};

struct Demand {
  int64_t tokens = 0;
  int64_t spend_micros = 0;
};

}  // namespace firesteel
