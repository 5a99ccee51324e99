// Time as a parameter, so that schedulers run in a simulator.
#pragma once

#include <cstdint>

namespace firesteel {

class Clock {
 public:
  virtual ~Clock() = default;
  // Microseconds on a monotonic scale with an arbitrary origin (wall_clock aside).
  virtual int64_t now_us() const = 0;
};

// The machine's monotonic clock. Lives for the whole program.
const Clock& system_clock();

// Microseconds since 1970-01-01 UTC; may jump. For what people read and for expiry dates, never for timeouts.
const Clock& wall_clock();

// Moves only when told to. Not thread-safe: for simulations on one thread.
class VirtualClock final : public Clock {
 public:
  int64_t now_us() const override { return now_us_; }
  void advance_us(int64_t delta_us) { now_us_ += delta_us; }

 private:
  int64_t now_us_ = 0;
};

}  // namespace firesteel
