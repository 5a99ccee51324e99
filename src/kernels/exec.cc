#include "kernels/exec.h"

#include <pthread.h>
#include <sched.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <thread>
#include <vector>

#include "base/check.h"
#include "base/clock.h"
#include "kernels/dispatch.h"

namespace firesteel {
namespace {

constexpr int64_t kSpinUs = 20;

// The CPUs the process could use when the first pool was made. Later queries would see the pinned mask of the calling thread.
const std::vector<int>& process_cpus() {
  static const std::vector<int> cpus = [] {
    std::vector<int> list;
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) == 0) {
      for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (CPU_ISSET(static_cast<size_t>(cpu), &set)) list.push_back(cpu);
      }
    }
    return list;
  }();
  return cpus;
}

bool pin_to(const std::vector<int>& cpus) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int cpu : cpus) CPU_SET(static_cast<size_t>(cpu), &set);
  return pthread_setaffinity_np(pthread_self(), sizeof set, &set) == 0;
}

// The gate: epoch of the current loop, whether it still admits threads, and how many workers are inside.
constexpr uint32_t kInsideMask = (1u << 11) - 1;
constexpr uint32_t kOpen = 1u << 11;
constexpr uint32_t kStop = 1u << 12;
constexpr uint32_t kEpochStep = 1u << 13;

// Spins until gate != seen for about 20 us, then sleeps until it changes. Returns the new value.
uint32_t wait_change(const std::atomic<uint32_t>& gate, uint32_t seen) {
  const int64_t until_us = system_clock().now_us() + kSpinUs;
  for (;;) {
    for (int i = 0; i < 64; ++i) {
      const uint32_t now = gate.load(std::memory_order_acquire);
      if (now != seen) return now;
      cpu_relax();
    }
    if (system_clock().now_us() >= until_us) break;
  }
  gate.wait(seen, std::memory_order_acquire);
  return gate.load(std::memory_order_acquire);
}

}  // namespace

struct Exec::Impl {
  // Tasks of one thread's share that nobody has taken yet. Thieves take from the same end: order does not matter to results.
  struct alignas(64) Share {
    std::atomic<int64_t> next{0};
    int64_t end = 0;
  };
  struct alignas(64) Scratch {
    std::byte* data = nullptr;
    size_t size = 0;
  };

  std::atomic<uint32_t> gate{0};
  alignas(64) TaskFn fn = nullptr;  // the current loop: written before the gate opens, read after entering it
  void* context = nullptr;
  std::vector<Share> shares;
  std::vector<Scratch> scratch;
  std::vector<std::thread> threads;
  std::vector<int> cpus;  // pinned: cpus[i] belongs to thread i; empty when not pinned
  bool running = false;   // catches re-entrance

  explicit Impl(size_t n) : shares(n), scratch(n) {}

  // Own share first, then the others'.
  void work(size_t thread) {
    for (size_t i = 0; i < shares.size(); ++i) {
      Share& share = shares[(thread + i) % shares.size()];
      for (;;) {
        if (share.next.load(std::memory_order_relaxed) >= share.end) break;  // no write to a line that others still use
        const int64_t task = share.next.fetch_add(1, std::memory_order_relaxed);
        if (task >= share.end) break;
        fn(context, task, static_cast<int>(thread));
      }
    }
  }

  void worker(size_t thread) {
    pin_to(cpus.empty() ? process_cpus() : std::vector<int>{cpus[thread]});  // best effort: only speed depends on it
    uint32_t seen = 0;
    for (;;) {
      uint32_t now = gate.load(std::memory_order_acquire);
      if ((now & kStop) != 0) return;
      if ((now & kOpen) == 0 || now / kEpochStep == seen) {
        wait_change(gate, now);
        continue;
      }
      if (!gate.compare_exchange_weak(now, now + 1, std::memory_order_acq_rel)) continue;
      seen = now / kEpochStep;
      work(thread);
      const uint32_t before = gate.fetch_sub(1, std::memory_order_release);
      // The last one out of a closed gate wakes the caller, who may sleep on it.
      if ((before & kOpen) == 0 && (before & kInsideMask) == 1) gate.notify_all();
    }
  }
};

Exec::Exec(int n_threads) : n_threads_(n_threads), impl_(new Impl(static_cast<size_t>(n_threads))) {
  CHECK(n_threads >= 1 && n_threads < static_cast<int>(kInsideMask));
  if (n_threads > 1 && process_cpus().size() >= static_cast<size_t>(n_threads)) impl_->cpus = process_cpus();
  for (int i = 1; i < n_threads; ++i) {
    impl_->threads.emplace_back([impl = impl_.get(), i] { impl->worker(static_cast<size_t>(i)); });
  }
}

Exec::~Exec() {
  impl_->gate.fetch_or(kStop, std::memory_order_release);
  impl_->gate.notify_all();
  for (std::thread& thread : impl_->threads) thread.join();
  for (Impl::Scratch& scratch : impl_->scratch) std::free(scratch.data);
}

void Exec::run(int64_t n_tasks, TaskFn fn, void* context) {
  Impl& impl = *impl_;
  CHECK(!impl.running);
  impl.running = true;
  if (n_tasks <= 1 || n_threads_ == 1) {
    for (int64_t task = 0; task < n_tasks; ++task) fn(context, task, 0);
    impl.running = false;
    return;
  }
  // A caller that the scheduler has put onto a worker's CPU would share it for milliseconds: step aside. The caller is not
  // pinned for good, because threads it starts later would inherit that.
  if (!impl.cpus.empty()) {
    const int here = sched_getcpu();
    for (size_t i = 1; i < static_cast<size_t>(n_threads_); ++i) {
      if (impl.cpus[i] == here && pin_to({impl.cpus[0]})) pin_to(process_cpus());
    }
  }
  impl.fn = fn;
  impl.context = context;
  for (int64_t i = 0; i < n_threads_; ++i) {
    Impl::Share& share = impl.shares[static_cast<size_t>(i)];
    share.next.store(n_tasks * i / n_threads_, std::memory_order_relaxed);
    share.end = n_tasks * (i + 1) / n_threads_;
  }
  const uint32_t epoch = impl.gate.load(std::memory_order_relaxed) / kEpochStep + 1;
  impl.gate.store((epoch * kEpochStep) | kOpen, std::memory_order_release);
  impl.gate.notify_all();
  impl.work(0);
  // Every task has been taken. Close, so that a worker waking late stays out, and wait for those inside.
  uint32_t gate = impl.gate.fetch_and(~kOpen, std::memory_order_acquire) & ~kOpen;
  while ((gate & kInsideMask) != 0) gate = wait_change(impl.gate, gate);
  impl.running = false;
}

std::byte* Exec::scratch(int thread, size_t n_bytes) {
  CHECK(thread >= 0 && thread < n_threads_);
  Impl::Scratch& scratch = impl_->scratch[static_cast<size_t>(thread)];
  if (scratch.size < n_bytes) {
    std::free(scratch.data);
    const size_t size = (n_bytes + 4095) / 4096 * 4096;
    scratch.data = static_cast<std::byte*>(std::aligned_alloc(64, size));
    CHECK(scratch.data != nullptr);
    scratch.size = size;
  }
  return scratch.data;
}

}  // namespace firesteel
