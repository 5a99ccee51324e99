// Work on rows that do not look at each other, shared among the cores. What comes out does not depend on how many there are: f(begin, end) writes
// to places of its rows only.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <thread>
#include <vector>

namespace firesteel {

// Calls f for blocks that cover [0, n), from at most eight threads, this one among them; returns when all are done.
template <typename F>
void parallel_rows(size_t n, const F& f) {
  constexpr size_t kBlock = 256, kThreadsMax = 8;
  std::atomic<size_t> next = 0;
  const auto work = [&] {
    for (size_t begin = next.fetch_add(kBlock); begin < n; begin = next.fetch_add(kBlock)) f(begin, std::min(begin + kBlock, n));
  };
  const size_t n_threads = std::min({static_cast<size_t>(std::max(1u, std::thread::hardware_concurrency())), kThreadsMax, (n + kBlock - 1) / kBlock});
  std::vector<std::thread> threads;
  for (size_t i = 1; i < n_threads; ++i) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
}

}  // namespace firesteel
