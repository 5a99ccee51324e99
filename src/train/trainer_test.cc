#include "train/trainer.h"

#include <gtest/gtest.h>

#include <fstream>

#include "train/test_run.h"

namespace firesteel {
namespace {

using test_run::SmallRun;

std::string bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

TEST(Trainer, LossOf200StepsIsExactlyThis) {
  const TestFolder folder;
  SmallRun run(folder, "run", "generic");
  run.options.config.n_tokens = 1'000'000;
  run.options.config.shard_tokens = 96;
  run.options.config.n_shards = run.options.config.n_lanes = 1;
  std::atomic<bool> stop = false;
  run.options.stop = &stop;
  std::string curve;
  run.options.progress = [&](const TrainProgress& p) {
    if (p.step == 200) stop = true;
    if (p.step % 40 != 0) return;
    char text[64];
    std::snprintf(text, sizeof text, "%lld %.9g %.9g; ", static_cast<long long>(p.step), p.loss, p.gradient_norm);
    curve += text;
  };
  const Result<TrainResult> result = run.go();
  ASSERT_TRUE(result.ok()) << result.error().message;
  EXPECT_FALSE(result->finished);
  // The generic column on any machine. A change of these numbers is a change of what training does.
  EXPECT_EQ(curve,
            "40 4.47792719 2.08072706; 80 2.44939647 0.405183621; 120 1.32554164 0.28557805; 160 0.797041771 1.54541672; "
            "200 0.543419507 0.282199106; ");
}

TEST(Trainer, BytesDoNotDependOnThreads) {
  const TestFolder folder;
  for (const std::string optimizer : {"adamw", "muon"}) {
    std::string expected;
    for (const int n_threads : {1, 2, 3}) {
      SmallRun run(folder, optimizer + std::to_string(n_threads));
      run.options.config.optimizer = optimizer;
      run.options.config.n_tokens = 8000;
      run.options.config.n_shards = 5;
      run.options.config.n_lanes = 3;
      run.options.n_threads = n_threads;
      run.options.n_feed_threads = n_threads;
      const Result<TrainResult> result = run.go();
      ASSERT_TRUE(result.ok()) << result.error().message;
      const std::string found = bytes_of(run.options.folder + "/checkpoint.bin") + bytes_of(run.options.folder + "/model.gguf");
      if (n_threads == 1) expected = found;
      EXPECT_GT(found.size(), 1000u);
      EXPECT_TRUE(found == expected) << optimizer << ", " << n_threads << " threads";
    }
  }
}

TEST(Trainer, AResumedRunHasTheBytesOfAnUninterruptedOne) {
  const TestFolder folder;
  SmallRun whole(folder, "whole");
  whole.source = test_run::Additions(1, true);
  whole.eval = test_run::Additions(2, true);
  whole.options.config.shape.vision = true;
  whole.options.config.n_tokens = 9000;
  ASSERT_TRUE(whole.go().ok());
  SmallRun parts(folder, "parts");
  parts.source = whole.source;
  parts.eval = whole.eval;
  parts.options.config = whole.options.config;
  std::atomic<bool> stop = false;
  parts.options.stop = &stop;
  for (int part = 0; part < 40; ++part) {
    stop = false;
    parts.options.progress = [&, first = int64_t{-1}](const TrainProgress& p) mutable {
      if (first < 0) first = p.step;
      if (p.step >= first + part) stop = true;
    };
    const Result<TrainResult> result = parts.go();
    ASSERT_TRUE(result.ok()) << result.error().message;
    parts.options.resume = true;
    if (result->finished) break;
  }
  for (const char* name : {"/checkpoint.bin", "/model.gguf", "/model.mmproj.gguf"}) {
    EXPECT_GT(bytes_of(whole.options.folder + name).size(), 1000u) << name;
    EXPECT_TRUE(bytes_of(whole.options.folder + name) == bytes_of(parts.options.folder + name)) << name;
  }
}

TEST(SampleEncoder, MarksAreAskedAtTheirPatches) {
  const TestFolder folder;
  const auto encoder = SampleEncoder::open(test_run::write_tokenizer(folder)).value();
  Sample sample = test_run::Additions(1, true).sample(0).value();  // a picture of 12 x 8: 3 x 2 patches of 4 pixels
  const PatchParams patches{2, 4, 4, 16};
  sample.marks = {{.x = 0.9F, .y = 0.9F, .text = "7"}, {.x = 0.4F, .y = 0.1F, .text = "1"}, {.x = 0.4F, .y = 0.2F, .text = "2"}, {.x = 1.2F, .y = 0.5F, .text = "3"}};
  const EncodedSample encoded = encoder->encode(sample, true, &patches).value();
  ASSERT_EQ(encoded.patches.size(), 6U);
  ASSERT_EQ(encoded.seen.size(), 2U);  // one of two in the same patch; none for what was clipped
  const auto token = [&](const char* text) {
    std::vector<TokenId> ids;
    EXPECT_TRUE(encoder->tokenizer().encode(text, {}, &ids).ok());
    return ids.at(0);
  };
  EXPECT_EQ(encoded.seen[0].position, encoded.patches[1].position);
  EXPECT_TRUE(encoded.seen[0].next == token("1") || encoded.seen[0].next == token("2"));
  EXPECT_EQ(encoded.seen[1].position, encoded.patches[5].position);
  EXPECT_EQ(encoded.seen[1].next, token("7"));

  Shard with, without;
  append_sample(encoded, 0, 0.5F, &with);
  append_sample(encoded, 0, 0.5F, &with);
  append_sample(encoded, 0, 0, &without);
  EXPECT_EQ(with.targets.size(), 2 * without.targets.size());
  EXPECT_TRUE(without.marks.empty());
  ASSERT_EQ(with.marks.size(), 4U);
  EXPECT_EQ(with.segments[1].first_mark, 2);
  EXPECT_EQ(with.segments[1].n_marks, 2);
  EXPECT_EQ(with.marks[2].position, with.segments[1].start + encoded.seen[0].position);
  EXPECT_EQ(with.marks[0].weight, 0.5F);
}

TEST(Trainer, AFolderWithARunIsNotOverwritten) {
  const TestFolder folder;
  SmallRun run(folder, "run");
  run.options.config.n_tokens = 500;
  run.options.resume = true;
  EXPECT_EQ(run.go().error().code, ErrorCode::kNotFound);
  run.options.resume = false;
  ASSERT_TRUE(run.go().ok());
  EXPECT_EQ(run.go().error().code, ErrorCode::kFailedPrecondition);
  run.options.resume = true;
  run.options.config.rate = 1e-3;
  EXPECT_EQ(run.go().error().code, ErrorCode::kFailedPrecondition);  // another configuration
  SmallRun next(folder, "next");
  next.options.config.n_tokens = 1000;
  next.options.config.rate = 1e-3;
  next.options.from = run.options.folder + "/checkpoint.bin";
  const Result<TrainResult> result = next.go();
  ASSERT_TRUE(result.ok()) << result.error().message;
  EXPECT_GT(result->step, 2);
}

TEST(Trainer, ADamagedCheckpointIsNamed) {
  const TestFolder folder;
  SmallRun run(folder, "run");
  run.options.config.n_tokens = 500;
  ASSERT_TRUE(run.go().ok());
  const std::string path = run.options.folder + "/checkpoint.bin", good = bytes_of(path);
  run.options.resume = true;
  std::string flipped = good;
  flipped[good.size() / 2] = static_cast<char>(flipped[good.size() / 2] ^ 1);
  for (const std::string& bad : {flipped, good.substr(0, good.size() / 3), good.substr(0, 5), std::string()}) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bad;
    const Result<TrainResult> result = run.go();
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().code, ErrorCode::kDataLoss);
    EXPECT_NE(result.error().message.find("checkpoint.bin"), std::string::npos);
  }
}

TEST(Trainer, AnExplodingLossStopsTheRunAndKeepsTheCheckpoint) {
  const TestFolder folder;
  SmallRun run(folder, "run");
  run.options.config.n_tokens = 400;
  ASSERT_TRUE(run.go().ok());
  const std::string kept = bytes_of(run.options.folder + "/checkpoint.bin");
  SmallRun wild(folder, "wild");
  wild.options.from = run.options.folder + "/checkpoint.bin";
  wild.options.config.rate = 1;
  wild.options.config.clip = 0;
  wild.options.config.n_tokens = 400'000;
  wild.options.config.save_every_tokens = 1'000'000;
  const Result<TrainResult> result = wild.go();
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, ErrorCode::kDataLoss);
  EXPECT_EQ(bytes_of(wild.options.folder + "/checkpoint.bin"), "");
  EXPECT_TRUE(bytes_of(run.options.folder + "/checkpoint.bin") == kept);
}

TEST(TrainConfig, UnknownKeysAreRefusedWithTheNearest) {
  const auto message = [](const std::string& text) {
    const Result<TrainConfig> config = parse_train_config(text, "c.toml");
    return config.ok() ? std::string("taken") : config.error().message;
  };
  const std::string head = "tokenizer = \"t.gguf\"\n";
  EXPECT_EQ(message(head), "taken");
  EXPECT_EQ(message(head + "[model]\nlayer = 3\n"), "c.toml:3: unknown key 'layer' in [model]; did you mean 'layers'?");
  EXPECT_EQ(message(head + "[modle]\n"), "c.toml:2: unknown key 'modle'; did you mean 'model'?");
  EXPECT_EQ(message(head + "[train]\nrate = \"high\"\n"), "c.toml:3: train.rate: expected a number");
  EXPECT_EQ(message(head + "[train]\nschedule = \"lineal\"\n"), "c.toml:3: train.schedule: expected one of linear, cosine, stable");
  EXPECT_EQ(message(head + "[train]\nlanes = 0\n"), "c.toml:3: train.lanes: expected 1 to 256");
  EXPECT_EQ(message("[model]\n"), "c.toml: tokenizer: expected the path of a tokenizer's .gguf file");
  EXPECT_NE(message("a = \n").find("c.toml:1"), std::string::npos);
}

}  // namespace
}  // namespace firesteel
