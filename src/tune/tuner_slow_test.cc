// kill -9 at any moment of a tuning run, then --resume: the bytes of a run that was never interrupted. And a disk that is full.
#include <gtest/gtest.h>

#include <filesystem>

#include "train/kill_checks.h"
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
  survive_kills(kSeed, 300, 20'000, 500'000, [&] { return SmallTuning{small}.go("killed").ok(); });
  for (const char* name : {"/checkpoint.bin", "/adapter.gguf"}) {
    EXPECT_TRUE(bytes_of(small.folder.path("whole") + name) == bytes_of(small.folder.path("killed") + name)) << name << ", seed " << kSeed;
  }
}

TEST(TunerDisk, AFullDiskStopsTheRunAndNothingIsHalfWritten) {
  const SmallBase small;
  ASSERT_TRUE(SmallTuning{small}.go("whole").ok());
  const auto n_bytes = bytes_of(small.folder.path("whole") + "/checkpoint.bin").size();
  const SmallTuning full{small};
  EXPECT_TRUE(beside_a_full_disk(n_bytes / 2, [&] {
    const Result<TuneResult> result = full.go("full");
    return !result.ok() && result.error().code == ErrorCode::kIo;
  }));
  EXPECT_FALSE(std::filesystem::exists(small.folder.path("full") + "/checkpoint.bin"));
  // The adapter is smaller than a checkpoint: it is whole, or not there.
  const std::string adapter = small.folder.path("full") + "/adapter.gguf";
  if (std::filesystem::exists(adapter)) {
    EXPECT_TRUE(Adapter::load(adapter, small.open().config).ok());
  }
}

}  // namespace
}  // namespace firesteel
