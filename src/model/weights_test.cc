#include "model/weights.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "model/model.h"

namespace firesteel {
namespace {

// A one-layer llama of F32 tensors, written by hand so that a test can spoil one.
class File {
 public:
  File() {
    const int64_t dim = 32, ffn = 64, vocab = 20;
    shapes_ = {{"token_embd.weight", {dim, vocab}},      {"output_norm.weight", {dim}},         {"blk.0.attn_norm.weight", {dim}},
               {"blk.0.attn_q.weight", {dim, 32}},       {"blk.0.attn_k.weight", {dim, 16}},    {"blk.0.attn_v.weight", {dim, 16}},
               {"blk.0.attn_output.weight", {32, dim}},  {"blk.0.ffn_norm.weight", {dim}},      {"blk.0.ffn_gate.weight", {dim, ffn}},
               {"blk.0.ffn_up.weight", {dim, ffn}},      {"blk.0.ffn_down.weight", {ffn, dim}}};
  }
  std::map<std::string, std::vector<int64_t>> shapes_;
  float fill_ = 0.25f;

  Result<std::shared_ptr<const Model>> load() const {
    std::string path = (std::filesystem::temp_directory_path() / "firesteel-weights-XXXXXX").string();
    const int fd = ::mkstemp(path.data());
    const std::string bytes = build();
    EXPECT_EQ(::write(fd, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
    ::close(fd);
    auto checkpoint = Checkpoint::open(path);
    std::remove(path.c_str());  // it stays mapped
    if (!checkpoint.ok()) return checkpoint.error();
    return Model::load(*checkpoint, {});
  }

 private:
  template <typename T>
  static void put(std::string* to, T value) {
    to->append(reinterpret_cast<const char*>(&value), sizeof(T));
  }
  static void put_text(std::string* to, const std::string& text) {
    put(to, text.size());
    *to += text;
  }
  std::string build() const {
    std::string file = "GGUF";
    put(&file, uint32_t{3});
    put(&file, shapes_.size());
    const std::map<std::string, uint32_t> keys = {{"block_count", 1}, {"context_length", 64}, {"embedding_length", 32},
                                                  {"feed_forward_length", 64}, {"attention.head_count", 2},
                                                  {"attention.head_count_kv", 1}, {"vocab_size", 20}};
    put(&file, keys.size() + 1);
    put_text(&file, "general.architecture");
    put(&file, uint32_t{8});
    put_text(&file, "llama");
    for (const auto& [key, value] : keys) {
      put_text(&file, "llama." + key);
      put(&file, uint32_t{4});
      put(&file, value);
    }
    std::string data;
    for (const auto& [name, shape] : shapes_) {
      put_text(&file, name);
      put(&file, static_cast<uint32_t>(shape.size()));
      int64_t n = 1;
      for (const int64_t d : shape) {
        put(&file, d);
        n *= d;
      }
      put(&file, uint32_t{0});
      put(&file, data.size());
      for (int64_t i = 0; i < n; ++i) put(&data, fill_);
      data.resize((data.size() + 31) / 32 * 32);
    }
    file.resize((file.size() + 31) / 32 * 32);
    return file + data;
  }
};

TEST(Weights, AWholeFileLoadsAndCounts) {
  const auto model = File().load();
  ASSERT_TRUE(model.ok()) << model.error().message;
  const uint64_t macs = 32 * (32 + 16 + 16) + 32 * 32 + 3 * 32 * 64 + 32 * 20;
  EXPECT_EQ((*model)->macs_per_token(), macs);
  EXPECT_EQ((*model)->weight_bytes_per_token(), macs * 4);
  EXPECT_EQ((*model)->default_kv_type(), KvType::kF32);
  EXPECT_EQ((*model)->kv_layout(KvType::kBF16).n_kv_heads, 1);
}

TEST(Weights, EveryTensorIsRequired) {
  for (const auto& [name, shape] : File().shapes_) {
    File file;
    file.shapes_.erase(name);
    const auto model = file.load();
    ASSERT_FALSE(model.ok()) << name;
    EXPECT_EQ(model.error().code, ErrorCode::kDataLoss);
    EXPECT_NE(model.error().message.find("\"" + name + "\": expected ["), std::string::npos) << model.error().message;
  }
}

TEST(Weights, EveryShapeIsChecked) {
  for (const auto& [name, shape] : File().shapes_) {
    for (size_t d = 0; d < shape.size(); ++d) {
      File file;
      file.shapes_[name][d] += 32;
      const auto model = file.load();
      ASSERT_FALSE(model.ok()) << name;
      EXPECT_EQ(model.error().code, ErrorCode::kDataLoss);
      EXPECT_NE(model.error().message.find(name), std::string::npos) << model.error().message;
      EXPECT_NE(model.error().message.find("found ["), std::string::npos) << model.error().message;
    }
    File file;
    file.shapes_[name].push_back(2);  // another dimension
    EXPECT_FALSE(file.load().ok()) << name;
  }
}

TEST(Weights, ATensorThatWouldBeIgnoredIsRefused) {
  for (const char* name : {"blk.0.attn_sinks.weight", "blk.0.attn_q_norm.weight", "blk.1.attn_q.weight", "output.bias"}) {
    File file;
    file.shapes_[name] = {32};
    const auto model = file.load();
    ASSERT_FALSE(model.ok()) << name;
    EXPECT_EQ(model.error().code, ErrorCode::kUnsupported);
    EXPECT_NE(model.error().message.find(name), std::string::npos) << model.error().message;
  }
  File harmless;
  harmless.shapes_["blk.0.attn_rot_embd.weight"] = {8};
  EXPECT_TRUE(harmless.load().ok());
}

TEST(Weights, RopeFactorsMustBePositive) {
  File file;
  file.shapes_["rope_freqs.weight"] = {8};
  EXPECT_TRUE(file.load().ok());
  file.fill_ = 0;
  EXPECT_FALSE(file.load().ok());
}

}  // namespace
}  // namespace firesteel
