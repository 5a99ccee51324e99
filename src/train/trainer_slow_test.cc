// kill -9 at any moment, then --resume: the bytes of a run that was never interrupted.
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>

#include "train/kill_checks.h"
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
  survive_kills(kSeed, 200, 1000, 400'000, [&] {
    SmallRun run(folder, "killed");
    configure(&run);
    run.options.resume = std::filesystem::exists(run.options.folder + "/checkpoint.bin");
    return run.go().ok();
  });
  for (const char* name : {"/checkpoint.bin", "/model.gguf"}) {
    EXPECT_TRUE(bytes_of(whole.options.folder + name) == bytes_of(folder.path("killed") + name)) << name << ", seed " << kSeed;
  }
}

TEST(TrainerDisk, AFullDiskStopsTheRunAndTheCheckpointStaysWhole) {
  const TestFolder folder;
  SmallRun run(folder, "run");
  configure(&run);
  std::atomic<bool> stop = false;
  run.options.stop = &stop;
  run.options.progress = [&](const TrainProgress& p) { stop = p.step == 3; };
  ASSERT_TRUE(run.go().ok());
  const std::string kept = bytes_of(run.options.folder + "/checkpoint.bin");
  EXPECT_TRUE(beside_a_full_disk(kept.size() / 2, [&] {
    SmallRun full(folder, "run");
    configure(&full);
    full.options.resume = true;
    const Result<TrainResult> result = full.go();
    return !result.ok() && result.error().code == ErrorCode::kIo && result.error().message.find("cannot write") != std::string::npos;
  }));
  EXPECT_TRUE(bytes_of(run.options.folder + "/checkpoint.bin") == kept);
}

}  // namespace
}  // namespace firesteel
