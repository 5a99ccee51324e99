#include "base/clock.h"

#include <chrono>

namespace firesteel {
namespace {

class SystemClock final : public Clock {
 public:
  int64_t now_us() const override {
    return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
  }
};

class WallClock final : public Clock {
 public:
  int64_t now_us() const override {
    return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  }
};

}  // namespace

const Clock& wall_clock() {
  static const WallClock clock;
  return clock;
}

const Clock& system_clock() {
  static const SystemClock clock;
  return clock;
}

}  // namespace firesteel
