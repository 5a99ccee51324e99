#include "kvcache/snapshot.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <string>
#include <vector>

#include "base/rng.h"

namespace firesteel {
namespace {

class SnapshotTest : public ::testing::TestWithParam<KvType> {
 protected:
  void SetUp() override {
    layout_ = {GetParam(), 2, 3, 16};
    path_ = ::testing::TempDir() + "firesteel_snapshot_" + std::to_string(getpid()) + "_" + kv_type_name(GetParam());
    Rng rng(3);
    for (int i = 0; i < 100; ++i) tokens_.push_back(static_cast<TokenId>(rng.below(1000)));
    for (auto& block : blocks_) {
      block.resize(layout_.block_bytes());
      for (std::byte& byte : block) byte = static_cast<std::byte>(1 + rng.below(255));
    }
  }
  void TearDown() override { unlink(path_.c_str()); }
  Status save() {
    const std::vector<std::byte*> addresses = {blocks_[0].data(), blocks_[1].data()};
    return save_snapshot(path_, "model-a", layout_, tokens_, addresses);
  }
  // Without the sync of write_file_atomic, which costs 20 ms a time.
  bool overwrite(const std::string& content) const {
    std::FILE* file = std::fopen(path_.c_str(), "wb");
    if (file == nullptr) return false;
    const bool written = std::fwrite(content.data(), 1, content.size(), file) == content.size();
    return (std::fclose(file) == 0) && written;
  }
  std::string bytes() const { return read_file(path_, 1u << 30).value(); }

  KvLayout layout_;
  std::string path_;
  std::vector<TokenId> tokens_;
  std::vector<std::byte> blocks_[2];
};

TEST_P(SnapshotTest, ComesBackWithUnusedSlotsZero) {
  ASSERT_TRUE(save().ok());
  auto snapshot = Snapshot::open(path_, "model-a", layout_);
  ASSERT_TRUE(snapshot.ok()) << snapshot.error().message;
  EXPECT_EQ(std::vector<TokenId>(snapshot->tokens().begin(), snapshot->tokens().end()), tokens_);
  ASSERT_EQ(snapshot->n_blocks(), 2);
  std::vector<std::byte> block(layout_.block_bytes());
  ASSERT_TRUE(snapshot->read_block(0, block.data()).ok());
  EXPECT_EQ(block, blocks_[0]);
  ASSERT_TRUE(snapshot->read_block(1, block.data()).ok());
  // 36 of 64 slots are used: that share of the bytes survives (none was zero), and each is what it was.
  size_t n_kept = 0;
  for (size_t i = 0; i < block.size(); ++i) {
    if (block[i] == std::byte{0}) continue;
    ++n_kept;
    ASSERT_EQ(block[i], blocks_[1][i]) << i;
  }
  EXPECT_EQ(n_kept, block.size() * 36 / 64);
}

TEST_P(SnapshotTest, AnotherModelLayoutOrVersionIsNamed) {
  ASSERT_TRUE(save().ok());
  const auto other_model = Snapshot::open(path_, "model-b", layout_);
  ASSERT_FALSE(other_model.ok());
  EXPECT_EQ(other_model.error().code, ErrorCode::kFailedPrecondition);
  EXPECT_NE(other_model.error().message.find("model-a"), std::string::npos);
  KvLayout other = layout_;
  other.n_layers = 3;
  EXPECT_EQ(Snapshot::open(path_, "model-a", other).error().code, ErrorCode::kFailedPrecondition);
  std::string content = bytes();
  content[8] = 9;
  ASSERT_TRUE(write_file_atomic(path_, content).ok());
  EXPECT_EQ(Snapshot::open(path_, "model-a", layout_).error().code, ErrorCode::kFailedPrecondition);
  EXPECT_EQ(Snapshot::open(path_ + "x", "model-a", layout_).error().code, ErrorCode::kNotFound);
}

TEST_P(SnapshotTest, EveryTruncationAndBitFlipIsATypedError) {
  ASSERT_TRUE(save().ok());
  const std::string good = bytes();
  Rng rng(11);
  std::vector<std::byte> block(layout_.block_bytes());
  for (int i = 0; i < 300; ++i) {
    std::string bad = good;
    const bool truncate = i % 3 == 0;
    const size_t at = rng.below(i % 2 == 0 ? good.size() : 200);
    if (truncate) {
      bad.resize(at);
    } else {
      bad[at] = static_cast<char>(bad[at] ^ (1 << rng.below(8)));
    }
    ASSERT_TRUE(overwrite(bad));
    const auto snapshot = Snapshot::open(path_, "model-a", layout_);
    if (!snapshot.ok()) {
      const ErrorCode code = snapshot.error().code;
      EXPECT_TRUE(code == ErrorCode::kDataLoss || code == ErrorCode::kFailedPrecondition) << snapshot.error().message;
      continue;
    }
    // Only zero padding and the blocks are not covered by the header's hash.
    bool all_ok = true;
    for (int64_t b = 0; b < snapshot->n_blocks(); ++b) {
      const auto status = snapshot->read_block(b, block.data());
      if (!status.ok()) {
        all_ok = false;
        EXPECT_EQ(status.error().code, ErrorCode::kDataLoss);
      }
    }
    EXPECT_TRUE(!all_ok || at < 4096) << "flip at " << at << " was not seen";
  }
}

TEST(Snapshot, HashDependsOnEveryByteAndTheLength) {
  std::vector<std::byte> bytes(75);
  const uint64_t hash = snapshot_hash(bytes);
  for (size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = std::byte{1};
    EXPECT_NE(snapshot_hash(bytes), hash);
    bytes[i] = std::byte{0};
    EXPECT_NE(snapshot_hash({bytes.data(), i}), hash);
  }
}

INSTANTIATE_TEST_SUITE_P(Types, SnapshotTest, ::testing::Values(KvType::kF32, KvType::kBF16, KvType::kInt8),
                         [](const auto& param) { return std::string(kv_type_name(param.param)); });

}  // namespace
}  // namespace firesteel
