// Data sets on the disk: what is written is read back, interruption resumes, damage is named.
#include "data/shards.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <string>

#include "base/mapped_file.h"
#include "data/contamination.h"
#include "data/sample_json.h"

namespace firesteel {
namespace {

class Shards : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "/fs_shards_XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override {
    for (int i = 0; i < 8; ++i) ::remove(shard(i).c_str());
    for (const char* name : {"/plan.json", "/card.json"}) ::remove((folder_ + name).c_str());
    ::remove(folder_.c_str());
  }
  std::string shard(int i) const { return fmt::format("{}/shard-{:06}.jsonl.zst", folder_, i); }
  ShardOptions options(uint64_t n = 50) const {
    return {.folder = folder_, .n_samples = n, .n_per_shard = 20, .synth = {.seed = 3, .split = Split::kEval, .mixture = {{"math", 4}, {"pictures", 1}}, .generators = {}}};
  }

  std::string folder_;
};

std::string text_of_sample(const Sample& sample) { return sample_line(sample); }

TEST_F(Shards, AreTheStreamOfTheSynthesiser) {
  const Result<DatasetCard> card = write_shards(options(), nullptr);
  ASSERT_TRUE(card.ok()) << card.error().message;
  EXPECT_EQ(card->shard_bytes.size(), 3u);
  const auto read = ShardSource::open(folder_);
  ASSERT_TRUE(read.ok()) << read.error().message;
  const auto synth = SynthSource::create(options().synth);
  ASSERT_TRUE(synth.ok());
  for (const uint64_t i : {49u, 0u, 20u, 19u, 33u, 50u}) {
    const Result<Sample> a = (*read)->sample(i);
    const Result<Sample> b = (*synth)->sample(i % 50);
    ASSERT_TRUE(a.ok() && b.ok());
    EXPECT_EQ(text_of_sample(*a), text_of_sample(*b)) << i;
  }
  uint64_t n = 0;
  for (const auto& [kind, count] : (*read)->card().kinds) n += count;
  EXPECT_EQ(n, 50u);
}

TEST_F(Shards, InterruptedRunGoesOnToTheSameBytes) {
  const Result<DatasetCard> stopped = write_shards(options(), [](uint64_t n_done) { return n_done < 20; });
  ASSERT_FALSE(stopped.ok());
  EXPECT_EQ(stopped.error().code, ErrorCode::kCancelled);
  EXPECT_FALSE(ShardSource::open(folder_).ok());
  const Result<std::string> first = read_file(shard(0), 1 << 24);
  ASSERT_TRUE(first.ok());
  const Result<DatasetCard> resumed = write_shards(options(), nullptr);
  ASSERT_TRUE(resumed.ok()) << resumed.error().message;
  EXPECT_EQ(*first, *read_file(shard(0), 1 << 24));
  ShardOptions other = options();
  other.synth.seed = 4;
  const Result<DatasetCard> refused = write_shards(other, nullptr);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kFailedPrecondition);
}

TEST_F(Shards, DamageNamesShardAndOffset) {
  ASSERT_TRUE(write_shards(options(), nullptr).ok());
  std::string bytes = *read_file(shard(1), 1 << 24);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 0x40);
  ASSERT_TRUE(write_file_atomic(shard(1), bytes).ok());
  const auto read = ShardSource::open(folder_);
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_TRUE((*read)->sample(5).ok());
  const Result<Sample> damaged = (*read)->sample(25);
  ASSERT_FALSE(damaged.ok());
  EXPECT_EQ(damaged.error().code, ErrorCode::kDataLoss);
  EXPECT_NE(damaged.error().message.find(shard(1) + ": offset 0:"), std::string::npos) << damaged.error().message;
  EXPECT_TRUE((*read)->sample(45).ok()) << "the other shards are still readable";
}

TEST(SampleJson, LinesOfDamagedSamplesAreRefused) {
  const Sample sample{.kind = "a/b",
                      .messages = {{"user", "What is \"this\"?\n\xc3\xa9", {0}}},
                      .images = {{2, 1, {1, 2, 3, 250, 251, 252}}},
                      .thinking = true,
                      .tools = false,
                      .target = "Answer: <|n0|>",
                      .answer = "3",
                      .grader = "number"};
  const std::string line = sample_line(sample);
  const Result<Sample> read = parse_sample_line(line);
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(sample_line(*read), line);
  EXPECT_EQ(read->images[0].pixels, sample.images[0].pixels);
  for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{
           {"\"width\":2", "\"width\":3"}, {"\"width\":2", "\"width\":2000000000"}, {"AQID", "AQ*D"}, {"[0]", "[1]"}, {"\"kind\"", "\"knd\""}, {"true", "1"}}) {
    std::string broken = line;
    const size_t at = broken.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    broken.replace(at, from.size(), to);
    const Result<Sample> refused = parse_sample_line(broken);
    ASSERT_FALSE(refused.ok()) << broken;
    EXPECT_EQ(refused.error().code, ErrorCode::kDataLoss);
  }
  for (size_t n = 0; n < line.size(); ++n) EXPECT_FALSE(parse_sample_line(line.substr(0, n)).ok()) << n;
}

TEST(SampleJson, Base64IsThatOfTheStandard) {
  EXPECT_EQ(base64_encode(""), "");
  EXPECT_EQ(base64_encode("f"), "Zg==");
  EXPECT_EQ(base64_encode("fo"), "Zm8=");
  EXPECT_EQ(base64_encode("foobar"), "Zm9vYmFy");
  EXPECT_EQ(*base64_decode("Zm8="), "fo");
  for (const char* bad : {"Z", "Zg=", "=g==", "Zg=a", "Zm9v\n"}) EXPECT_FALSE(base64_decode(bad).ok()) << bad;
}

TEST(Contamination, CountsSharedNgramsAndWholeTexts) {
  ContaminationIndex index;
  index.add("Tom had 54 pens. He gave 28 pens to Ann. How many pens does he have left?");
  index.finish();
  ContaminationReport report;
  const auto add = [&](std::string_view text) { report.add(index.overlap(text), text); };
  add("Tom had 54 pens. He gave 28 pens to Ann. How many pens does he have left?");
  add("tom had 7 pens, he gave 3 pens to Ann; how many pens does he have left");
  add("Ben had 7 pens. He gave 3 pens to Ann. How many pens does he have left?");
  add("A train travels at 80 km/h for 3 hours. How far does it go?");
  EXPECT_EQ(report.n_items, 4u);
  EXPECT_EQ(report.n_whole, 1u);
  EXPECT_EQ(report.n_whole_masked, 2u);
  EXPECT_EQ(report.n_any, 3u);
  EXPECT_EQ(report.n_all, 2u);
}

}  // namespace
}  // namespace firesteel
