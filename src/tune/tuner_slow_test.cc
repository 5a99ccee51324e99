// kill -9 at any moment of a tuning run, then --resume: the bytes of a run that was never interrupted. And a disk that is full.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "tune/test_tune.h"

namespace firesteel {
namespace {

using namespace test_tune;  // NOLINT: what the tests are made of

struct SmallTuning {
  const SmallBase& small;
  BaseModel base = small.open();
  TuneData data = read_tune_data(small.write("pairs.jsonl", preferences(24)), base, {.kind = TuneKind::kPreference, .n_tokens_max = 128}).value();

  Result<TuneResult> go(const std::string& name) const {
    TuneOptions options = options_for(small, name);
    options.name = "same";
    options.settings.method = TuneMethod::kDpo;
    options.settings.epochs = 30;
    options.save_every_steps = 1;
    options.n_threads = 2;
    options.resume = std::filesystem::exists(options.folder + "/checkpoint.bin");
    return tune(options, base, data);
  }
};

TEST(TunerKill, ResumedRunsHaveTheBytesOfAnUninterruptedOne) {
  const SmallBase small;
  ASSERT_TRUE(SmallTuning{small}.go("whole").ok());
  constexpr uint64_t kSeed = 20261128;
  Rng rng(kSeed);
  int n_kills = 0;
  for (int round = 0; round < 300; ++round) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      // The alarm kills at any moment, also in the middle of a write.
      std::signal(SIGALRM, [](int) { ::kill(::getpid(), SIGKILL); });
      const itimerval timer{{0, 0}, {0, static_cast<suseconds_t>(20'000 + rng.below(500'000))}};
      ::setitimer(ITIMER_REAL, &timer, nullptr);
      _exit(SmallTuning{small}.go("killed").ok() ? 0 : 1);
    }
    rng.next_u32();
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
      ++n_kills;
      continue;
    }
    ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "seed " << kSeed << " round " << round;
    break;
  }
  EXPECT_GT(n_kills, 2) << "seed " << kSeed;
  for (const char* name : {"/checkpoint.bin", "/adapter.gguf"}) {
    EXPECT_TRUE(bytes_of(small.folder.path("whole") + name) == bytes_of(small.folder.path("killed") + name)) << name << ", seed " << kSeed;
  }
}

// A limit on the size of files stands in for a full disk.
TEST(TunerDisk, AFullDiskStopsTheRunAndNothingIsHalfWritten) {
  const SmallBase small;
  ASSERT_TRUE(SmallTuning{small}.go("whole").ok());
  const auto n_bytes = bytes_of(small.folder.path("whole") + "/checkpoint.bin").size();
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const SmallTuning run{small};
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{n_bytes / 2, n_bytes / 2};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) _exit(2);
    const Result<TuneResult> result = run.go("full");
    _exit(!result.ok() && result.error().code == ErrorCode::kIo ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  EXPECT_FALSE(std::filesystem::exists(small.folder.path("full") + "/checkpoint.bin"));
  // The adapter is smaller than a checkpoint: it is whole, or not there.
  const std::string adapter = small.folder.path("full") + "/adapter.gguf";
  if (std::filesystem::exists(adapter)) EXPECT_TRUE(Adapter::load(adapter, small.open().config).ok());
}

}  // namespace
}  // namespace firesteel
