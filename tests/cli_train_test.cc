// firesteel train from shards, as a user meets it: the samples decide, not where they come from.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "base/mapped_file.h"
#include "cli_runner.h"

namespace firesteel {
namespace {

const std::string kTokenizer = std::string(FS_MODEL_FOLDER) + "/kindling/tokenizer.gguf";

std::string bytes_of(const std::string& path) {
  const auto bytes = read_file(path, 1u << 26);
  return bytes.ok() ? *bytes : std::string();
}

// The model without the digest of the configuration that made it.
std::string weights_of(const std::string& run) {
  std::string model = bytes_of(run + "/model.gguf");
  const std::string key = "configuration ";
  const size_t at = model.find(key);
  EXPECT_NE(at, std::string::npos) << run;
  if (at != std::string::npos) model.erase(at + key.size(), 32);
  return model;
}

// A network of a few thousand parameters, four steps of 1,024 tokens and a bit.
TemporaryFile configuration(const std::string& data) {
  return TemporaryFile("tiny.toml", fmt::format(R"(tokenizer = "{}"
[model]
dim = 32
layers = 1
heads = 2
kv_heads = 1
head_dim = 16
ffn = 32
context = 512
vision = false
[train]
seed = 7
tokens = 9_000
shard_tokens = 512
shards = 4
lanes = 1
precision = "f32"
warmup_tokens = 1_000
[eval]
samples = 0
[save]
every_tokens = 2_000
{})",
                                                kTokenizer, data));
}

CliResult synth(const std::string& folder) {
  return run_cli({"data", "synth", "--out", folder, "--count", "256", "--per-shard", "32", "--seed", "7", "--mixture", "units=1"});
}

TEST(CliTrain, ShardsGiveTheBytesOfTheirGenerator) {
  const TemporaryFile place("nothing");
  const std::string folder = place.folder() + "/shards", files = fmt::format("[data]\nsource = \"files\"\nfiles = [\"{}\"]\n", folder);
  ASSERT_EQ(synth(folder).exit_code, 0);
  const TemporaryFile made = configuration("[data.mixture]\nunits = 1\n"), read = configuration(files);
  const std::string from_generator = place.folder() + "/generator", from_shards = place.folder() + "/shards-run";
  const CliResult first = run_cli({"train", made.path(), "--out", from_generator, "--threads", "1"});
  ASSERT_EQ(first.exit_code, 0) << first.err;
  const CliResult second = run_cli({"train", read.path(), "--out", from_shards, "--threads", "1"});
  ASSERT_EQ(second.exit_code, 0) << second.err;
  EXPECT_TRUE(weights_of(from_shards) == weights_of(from_generator));

  // A damaged shard stops the run, and nothing is lost.
  const std::string shard = folder + "/shard-000002.jsonl.zst", whole = bytes_of(shard);
  std::string damaged = whole;
  damaged[damaged.size() / 2] = static_cast<char>(damaged[damaged.size() / 2] ^ 0x20);
  ASSERT_TRUE(write_file_atomic(shard, damaged).ok());
  const std::string broken = place.folder() + "/broken";
  const CliResult stopped = run_cli({"train", read.path(), "--out", broken, "--threads", "1"});
  EXPECT_EQ(stopped.exit_code, 1);
  EXPECT_NE(stopped.err.find("shard-000002.jsonl.zst: offset"), std::string::npos) << stopped.err;
  std::filesystem::remove(shard);
  const CliResult again = synth(folder);
  ASSERT_EQ(again.exit_code, 0) << again.err;
  ASSERT_TRUE(bytes_of(shard) == whole) << "data synth writes what is missing, the same bytes";
  const CliResult resumed = run_cli({"train", read.path(), "--out", broken, "--threads", "1", "--resume"});
  ASSERT_EQ(resumed.exit_code, 0) << resumed.err;
  EXPECT_TRUE(bytes_of(broken + "/model.gguf") == bytes_of(from_shards + "/model.gguf"));

  // Other samples are another run.
  ASSERT_EQ(run_cli({"data", "synth", "--out", place.folder() + "/other", "--count", "64", "--per-shard", "32", "--seed", "8", "--mixture", "units=1"}).exit_code, 0);
  const TemporaryFile other = configuration(fmt::format("[data]\nsource = \"files\"\nfiles = [\"{}/other\"]\n", place.folder()));
  const CliResult refused = run_cli({"train", other.path(), "--out", broken, "--threads", "1", "--resume"});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_NE(refused.err.find("configuration"), std::string::npos) << refused.err;
}

TEST(CliTrain, WhatDoesNotFitIsSaid) {
  const auto refused = [](const std::string& data, const std::string& expected) {
    const TemporaryFile config = configuration(data);
    const CliResult result = run_cli({"train", config.path(), "--out", config.folder() + "/run"});
    EXPECT_NE(result.exit_code, 0);
    EXPECT_NE(result.err.find(expected), std::string::npos) << result.err;
  };
  refused("[data]\nsource = \"files\"\n", "data.files: expected folders");
  refused("[data]\nfiles = [\"x\"]\n", "data.files: expected folders");
  refused("[data]\nsource = \"files\"\nfiles = [\"/nowhere\"]\n", "/nowhere/card.json");
  refused("[data]\nsource = \"files\"\nfiles = [\"/nowhere\"]\n[data.mixture]\nunits = 1\n", "data.mixture");
}

}  // namespace
}  // namespace firesteel
