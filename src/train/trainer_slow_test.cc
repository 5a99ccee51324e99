// kill -9 at any moment, then --resume: the bytes of a run that was never interrupted.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "train/test_run.h"

namespace firesteel {
namespace {

using test_run::SmallRun;

std::string bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

void configure(SmallRun* run) {
  run->options.config.n_tokens = 60'000;
  run->options.config.save_every_tokens = 2'000;
  run->options.config.eval_every_tokens = 3'000;
  run->options.n_threads = 2;
}

TEST(TrainerKill, ResumedRunsHaveTheBytesOfAnUninterruptedOne) {
  const TestFolder folder;
  SmallRun whole(folder, "whole");
  configure(&whole);
  ASSERT_TRUE(whole.go().ok());
  constexpr uint64_t kSeed = 20261127;
  Rng rng(kSeed);
  int n_kills = 0;
  for (int round = 0; round < 200; ++round) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      // The alarm kills at any moment, also in the middle of a write.
      std::signal(SIGALRM, [](int) { ::kill(::getpid(), SIGKILL); });
      const itimerval timer{{0, 0}, {0, static_cast<suseconds_t>(1000 + rng.below(400'000))}};
      ::setitimer(ITIMER_REAL, &timer, nullptr);
      SmallRun run(folder, "killed");
      configure(&run);
      run.options.resume = std::filesystem::exists(run.options.folder + "/checkpoint.bin");
      _exit(run.go().ok() ? 0 : 1);
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
  for (const char* name : {"/checkpoint.bin", "/model.gguf"}) {
    EXPECT_TRUE(bytes_of(whole.options.folder + name) == bytes_of(folder.path("killed") + name)) << name << ", seed " << kSeed;
  }
}

// A limit on the size of files stands in for a full disk: writes fail in the middle of a checkpoint.
TEST(TrainerDisk, AFullDiskStopsTheRunAndTheCheckpointStaysWhole) {
  const TestFolder folder;
  SmallRun run(folder, "run");
  configure(&run);
  std::atomic<bool> stop = false;
  run.options.stop = &stop;
  run.options.progress = [&](const TrainProgress& p) { stop = p.step == 3; };
  ASSERT_TRUE(run.go().ok());
  const std::string kept = bytes_of(run.options.folder + "/checkpoint.bin");
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{kept.size() / 2, kept.size() / 2};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) _exit(2);
    SmallRun full(folder, "run");
    configure(&full);
    full.options.resume = true;
    const Result<TrainResult> result = full.go();
    const bool named = !result.ok() && result.error().code == ErrorCode::kIo && result.error().message.find("cannot write") != std::string::npos;
    _exit(named ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  EXPECT_TRUE(bytes_of(run.options.folder + "/checkpoint.bin") == kept);
}

}  // namespace
}  // namespace firesteel
