#include "idle_pages.h"

#include <chrono>
#include <utility>

#include "base/clock.h"
#include "base/large_pages.h"

namespace firesteel {
namespace {

constexpr int64_t kCheckMs = 1000;
constexpr int kIdleChecks = 5;    // in a row, before anything is read
constexpr int kAttemptsMax = 3;   // interrupted ones begin from the start: the disk is not read for ever

}  // namespace

IdlePages::IdlePages(std::string path, const Engine& engine, std::function<void(uint64_t, double)> done)
    : path_(std::move(path)), engine_(engine), done_(std::move(done)), thread_([this] { run(); }) {}

IdlePages::~IdlePages() {
  {
    MutexLock lock(mutex_);
    stopped_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

bool IdlePages::wait_ms(int64_t ms) {
  MutexLock lock(mutex_);
  const int64_t until_us = system_clock().now_us() + ms * 1000;
  for (int64_t left_us = ms * 1000; !stopped_ && left_us > 0; left_us = until_us - system_clock().now_us()) {
    static_cast<void>(changed_.wait_for(mutex_, std::chrono::microseconds(left_us)));
  }
  return !stopped_;
}

void IdlePages::run() {
  const auto idle = [this] {
    const EngineStats stats = engine_.engine_stats();
    return stats.n_running == 0 && stats.n_waiting == 0;
  };
  int n_idle = 0;
  uint64_t n_steps = 0;
  for (int n_attempts = 0; n_attempts < kAttemptsMax;) {
    if (!wait_ms(kCheckMs)) return;
    // Steps, too: an answer may begin and end between two looks, and what it touched makes the pause another one.
    const uint64_t n_steps_now = engine_.engine_stats().n_steps;
    n_idle = idle() && n_steps_now == n_steps ? n_idle + 1 : 0;
    n_steps = n_steps_now;
    if (n_idle != kIdleChecks) continue;  // once in each pause
    const MappedPages pages = mapped_pages(path_);
    if (pages.resident_bytes < pages.mapped_bytes / 2) {
      if (pages.mapped_bytes == 0) return;  // nothing is mapped, or this system does not say
      continue;                             // too little was used to know how the file lies
    }
    bool interrupted = false;
    const int64_t begin_us = system_clock().now_us();
    const uint64_t n_bytes = read_into_large_pages(path_, [&] {
      interrupted = !idle() || !wait_ms(0);
      return !interrupted;
    });
    if (n_bytes > 0) done_(n_bytes, static_cast<double>(system_clock().now_us() - begin_us) * 1e-6);
    if (!interrupted) return;
    ++n_attempts;
  }
}

}  // namespace firesteel
