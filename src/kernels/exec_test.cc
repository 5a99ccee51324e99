#include "kernels/exec.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <vector>

#include "base/rng.h"

namespace firesteel {
namespace {

TEST(Exec, EveryTaskRunsOnce) {
  for (const int n_threads : {1, 2, 3, 8}) {
    Exec exec(n_threads);
    EXPECT_EQ(exec.n_threads(), n_threads);
    for (const int64_t n_tasks : {0, 1, 2, 7, 100, 1000}) {
      std::vector<int> count(static_cast<size_t>(n_tasks), 0);  // plain: a task writes only its own
      std::atomic<bool> thread_in_range = true;
      exec.parallel_for(n_tasks, [&](int64_t task, int thread) {
        ++count[static_cast<size_t>(task)];
        if (thread < 0 || thread >= n_threads) thread_in_range = false;
      });
      for (const int n : count) ASSERT_EQ(n, 1);
      EXPECT_TRUE(thread_in_range);
    }
  }
}

TEST(Exec, ResultsOfALoopAreVisibleToTheNext) {
  Exec exec(4);
  std::vector<int64_t> values(64, 0);
  for (int step = 0; step < 2000; ++step) {
    // Each task reads what its neighbour wrote in the loop before: a missing barrier is a wrong sum, and a race under TSan.
    std::vector<int64_t> next(values.size());
    exec.parallel_for(64, [&](int64_t task, int) {
      next[static_cast<size_t>(task)] = values[static_cast<size_t>((task + 1) % 64)] + 1;
    });
    values = next;
  }
  for (const int64_t value : values) EXPECT_EQ(value, 2000);
}

TEST(Exec, UnevenTasksAndSleepingWorkers) {
  Exec exec(3);
  Rng rng(5);
  for (int loop = 0; loop < 30; ++loop) {
    const int64_t n_tasks = rng.between(1, 40);
    std::atomic<int64_t> sum = 0;
    exec.parallel_for(n_tasks, [&](int64_t task, int) {
      volatile int64_t burn = 0;
      for (int64_t i = 0; i < (task % 7 == 0 ? 200000 : 10); ++i) burn = burn + 1;
      sum += task;
    });
    EXPECT_EQ(sum, n_tasks * (n_tasks - 1) / 2);
    volatile int64_t pause = 0;  // longer than the workers spin, at times
    for (int64_t i = 0; i < rng.between(0, 200000); ++i) pause = pause + 1;
  }
}

TEST(Exec, ScratchIsAlignedKeptAndPerThread) {
  Exec exec(2);
  std::byte* first = exec.scratch(0, 100);
  std::byte* second = exec.scratch(1, 100);
  EXPECT_NE(first, second);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(first) % 64, 0u);
  EXPECT_EQ(exec.scratch(0, 50), first);
  std::byte* grown = exec.scratch(0, 1 << 20);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(grown) % 64, 0u);
  std::memset(grown, 1, 1 << 20);
  EXPECT_EQ(exec.scratch(0, 1 << 20), grown);
}

TEST(Exec, PoolsComeAndGo) {
  for (int i = 0; i < 50; ++i) {
    Exec exec(1 + i % 4);
    std::atomic<int> n = 0;
    exec.parallel_for(i % 5, [&](int64_t, int) { ++n; });
    EXPECT_EQ(n, i % 5);
  }
}

}  // namespace
}  // namespace firesteel
