// For slow tests of runs that write checkpoints: kill -9 at any moment, and a disk that is full.
#pragma once

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <functional>

#include "base/rng.h"

namespace firesteel {

// The exit code of a child process in which `run` went well: 0, otherwise 1; -1 when a signal ended it.
inline int exit_code_of(const std::function<bool()>& run) {
  const pid_t child = ::fork();
  if (child == 0) _exit(run() ? 0 : 1);
  int status = 0;
  if (child < 0 || ::waitpid(child, &status, 0) != child) return -2;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// Begins `run` (which goes on where the last one left off) again and again, each time killed after least_us to least_us + spread_us, until one comes to
// its end. Expects that some were killed and that the last one went well.
inline void survive_kills(uint64_t seed, int n_rounds_max, uint64_t least_us, uint64_t spread_us, const std::function<bool()>& run) {
  Rng rng(seed);
  int n_kills = 0, code = -1;
  for (; n_kills < n_rounds_max; ++n_kills) {
    const auto after_us = static_cast<suseconds_t>(least_us + rng.below(spread_us));
    code = exit_code_of([&] {
      // The alarm kills at any moment, also in the middle of a write.
      std::signal(SIGALRM, [](int) { ::kill(::getpid(), SIGKILL); });
      const itimerval timer{{0, 0}, {0, after_us}};
      ::setitimer(ITIMER_REAL, &timer, nullptr);
      return run();
    });
    if (code != -1) break;
  }
  EXPECT_EQ(code, 0) << "seed " << seed << ", killed " << n_kills << " times";
  EXPECT_GT(n_kills, 2) << "seed " << seed;
}

// A limit on the size of files stands in for a full disk: writes fail in the middle of a file. Whether `run` then does as expected.
inline bool beside_a_full_disk(uint64_t n_bytes_max, const std::function<bool()>& run) {
  return exit_code_of([&] {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{n_bytes_max, n_bytes_max};
    return ::setrlimit(RLIMIT_FSIZE, &limit) == 0 && run();
  }) == 0;
}

}  // namespace firesteel
