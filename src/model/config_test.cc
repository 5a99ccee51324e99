#include "model/config.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <string>

namespace firesteel {
namespace {

Metadata base_metadata(const std::string& arch) {
  Metadata m;
  // Literals: Metadata borrows its strings.
  static const std::string names[] = {"llama", "qwen2", "qwen3", "qwen3moe", "gemma2", "gemma3", "phi3"};
  for (const std::string& name : names) {
    if (name == arch) m.set("general.architecture", std::string_view(name));
  }
  m.set(arch + ".block_count", uint64_t{12});
  m.set(arch + ".context_length", uint64_t{8192});
  m.set(arch + ".embedding_length", uint64_t{256});
  m.set(arch + ".feed_forward_length", uint64_t{512});
  m.set(arch + ".attention.head_count", uint64_t{8});
  m.set(arch + ".attention.head_count_kv", uint64_t{2});
  m.set(arch + ".vocab_size", uint64_t{1000});
  return m;
}

ModelConfig read(const Metadata& m) {
  auto config = read_config(m);
  EXPECT_TRUE(config.ok()) << (config.ok() ? "" : config.error().message);
  return config.ok() ? *config : ModelConfig();
}

TEST(Config, DefaultsOfLlama) {
  const ModelConfig c = read(base_metadata("llama"));
  EXPECT_EQ(c.head_dim, 32);
  EXPECT_EQ(c.n_kv_heads, 2);
  EXPECT_EQ(c.rope.n_dims, 32);
  EXPECT_FALSE(c.rope.neox);
  EXPECT_EQ(c.rope.theta, 10000);
  EXPECT_EQ(c.window, 0);
  EXPECT_DOUBLE_EQ(c.attention_scale, 1 / std::sqrt(32.0));
  EXPECT_EQ(c.activation, Activation::kSilu);
  EXPECT_FALSE(c.qk_norm || c.post_norms);
}

TEST(Config, AFolderOfHuggingFacePairsHalves) {
  Metadata m = base_metadata("llama");
  m.set("firesteel.rope.neox", true);
  EXPECT_TRUE(read(m).rope.neox);
}

TEST(Config, FamiliesDiffer) {
  EXPECT_TRUE(read(base_metadata("qwen2")).rope.neox);
  EXPECT_TRUE(read(base_metadata("qwen3")).qk_norm);
  Metadata m = base_metadata("qwen2");
  m.set("qwen2.attention.sliding_window", uint64_t{4096});  // unused unless a pattern says otherwise
  EXPECT_EQ(read(m).window, 0);
}

TEST(Config, Gemma3AlternatesWindowAndGlobalLayers) {
  Metadata m = base_metadata("gemma3");
  m.set("gemma3.attention.sliding_window", uint64_t{512});
  m.set("gemma3.rope.freq_base", 1e6);
  const ModelConfig c = read(m);
  EXPECT_EQ(c.window, 512);
  for (int layer = 0; layer < 12; ++layer) EXPECT_EQ(c.layer_has_window(layer), layer != 5 && layer != 11) << layer;
  EXPECT_EQ(c.rope.theta, 1e6);
  EXPECT_EQ(c.rope.theta_window, 10000);
  EXPECT_TRUE(c.rope.window_has_own_base);
  EXPECT_EQ(c.embedding_scale, 16);
  EXPECT_TRUE(c.qk_norm && c.post_norms);
  EXPECT_EQ(c.activation, Activation::kGeluTanh);

  m.set("gemma3.attention.sliding_window_pattern", uint64_t{3});
  EXPECT_FALSE(read(m).layer_has_window(2));
  m.set("gemma3.attention.sliding_window_pattern", std::vector<bool>{true, false, true, true, true, true, true, true, true, true, true, true});
  EXPECT_FALSE(read(m).layer_has_window(1));
  EXPECT_TRUE(read(m).layer_has_window(5));
}

TEST(Config, AWindowAsLongAsTheContextIsNone) {
  Metadata m = base_metadata("llama");
  m.set("llama.attention.sliding_window", uint64_t{8192});
  EXPECT_EQ(read(m).window, 0);
  m.set("llama.attention.sliding_window", uint64_t{8191});
  EXPECT_TRUE(read(m).layer_has_window(3));
}

TEST(Config, PerLayerArraysOfOneValueAreThatValue) {
  Metadata m = base_metadata("llama");
  m.set("llama.attention.head_count_kv", std::vector<int64_t>(12, 4));
  EXPECT_EQ(read(m).n_kv_heads, 4);
  std::vector<int64_t> mixed(12, 4);
  mixed[7] = 2;
  m.set("llama.attention.head_count_kv", mixed);
  const auto config = read_config(m);
  ASSERT_FALSE(config.ok());
  EXPECT_EQ(config.error().code, ErrorCode::kUnsupported);
}

TEST(Config, ExpertsOfMixtralAndQwen) {
  Metadata m = base_metadata("llama");
  m.set("llama.expert_count", uint64_t{8});
  m.set("llama.expert_used_count", uint64_t{2});
  EXPECT_EQ(read(m).moe.ffn_dim, 512);
  Metadata q = base_metadata("qwen3moe");
  q.set("qwen3moe.expert_count", uint64_t{128});
  q.set("qwen3moe.expert_used_count", uint64_t{8});
  q.set("qwen3moe.expert_feed_forward_length", uint64_t{768});
  EXPECT_EQ(read(q).moe.ffn_dim, 768);
  EXPECT_TRUE(read(q).moe.normalise);
}

TEST(Config, ScalingOfLongContexts) {
  Metadata m = base_metadata("llama");
  m.set("llama.rope.scaling.factor", 4.0);  // without a type: linear, as old files mean it
  EXPECT_EQ(read(m).rope.scaling, RopeScaling::kLinear);
  m.set("llama.rope.scaling.type", std::string_view("yarn"));
  m.set("llama.rope.scaling.original_context_length", uint64_t{2048});
  EXPECT_EQ(read(m).rope.scaling, RopeScaling::kYarn);
  EXPECT_EQ(read(m).rope.original_context, 2048);
  EXPECT_EQ(read(m).rope.yarn_beta_fast, 32);
  m.set("llama.rope.scaling.type", std::string_view("none"));
  EXPECT_EQ(read(m).rope.scaling, RopeScaling::kNone);
}

// One bad value at a time: a typed error that names the key.
TEST(Config, EveryBadValueIsRefusedByName) {
  struct Case {
    const char* key;
    MetaValue value;
    ErrorCode code;
  };
  const Case cases[] = {
      {"general.architecture", std::string_view("mamba"), ErrorCode::kUnsupported},
      {"general.architecture", uint64_t{1}, ErrorCode::kDataLoss},
      {"general.type", std::string_view("adapter"), ErrorCode::kUnsupported},
      {"llama.block_count", uint64_t{0}, ErrorCode::kDataLoss},
      {"llama.block_count", uint64_t{1025}, ErrorCode::kDataLoss},
      {"llama.block_count", int64_t{-1}, ErrorCode::kDataLoss},
      {"llama.block_count", std::numeric_limits<uint64_t>::max(), ErrorCode::kDataLoss},
      {"llama.block_count", std::string_view("12"), ErrorCode::kDataLoss},
      {"llama.block_count", std::vector<int64_t>{}, ErrorCode::kDataLoss},
      {"llama.context_length", uint64_t{1} << 40, ErrorCode::kDataLoss},
      {"llama.embedding_length", uint64_t{65537}, ErrorCode::kDataLoss},
      {"llama.embedding_length", uint64_t{257}, ErrorCode::kDataLoss},
      {"llama.feed_forward_length", uint64_t{1} << 21, ErrorCode::kDataLoss},
      {"llama.attention.head_count", uint64_t{0}, ErrorCode::kDataLoss},
      {"llama.attention.head_count", uint64_t{7}, ErrorCode::kDataLoss},
      {"llama.attention.head_count_kv", uint64_t{3}, ErrorCode::kDataLoss},
      {"llama.attention.key_length", uint64_t{20}, ErrorCode::kUnsupported},
      {"llama.attention.key_length", uint64_t{1024}, ErrorCode::kDataLoss},
      {"llama.attention.value_length", uint64_t{64}, ErrorCode::kUnsupported},
      {"llama.attention.key_length_swa", uint64_t{64}, ErrorCode::kUnsupported},
      {"llama.attention.layer_norm_rms_epsilon", std::nan(""), ErrorCode::kDataLoss},
      {"llama.attention.layer_norm_rms_epsilon", -1e-5, ErrorCode::kDataLoss},
      {"llama.attention.causal", false, ErrorCode::kUnsupported},
      {"llama.attention.sliding_window", int64_t{-4}, ErrorCode::kDataLoss},
      {"llama.rope.dimension_count", uint64_t{33}, ErrorCode::kDataLoss},
      {"llama.rope.dimension_count", uint64_t{31}, ErrorCode::kDataLoss},
      {"llama.rope.dimension_sections", std::vector<int64_t>{16, 24, 24, 0}, ErrorCode::kUnsupported},
      {"llama.rope.freq_base", 0.0, ErrorCode::kDataLoss},
      {"llama.rope.freq_base", std::numeric_limits<double>::infinity(), ErrorCode::kDataLoss},
      {"llama.rope.scaling.type", std::string_view("su"), ErrorCode::kUnsupported},
      {"llama.rope.scaling.factor", -2.0, ErrorCode::kDataLoss},
      {"llama.rope.scaling.yarn_log_multiplier", 0.1, ErrorCode::kUnsupported},
      {"llama.expert_count", uint64_t{4}, ErrorCode::kDataLoss},  // without expert_used_count
      {"llama.expert_count", uint64_t{5000}, ErrorCode::kDataLoss},
      {"llama.residual_scale", 0.5, ErrorCode::kUnsupported},
      {"llama.vocab_size", (uint64_t{1} << 24) + 1, ErrorCode::kDataLoss},
      {"firesteel.rope.neox", uint64_t{1}, ErrorCode::kDataLoss},
  };
  for (const Case& bad : cases) {
    Metadata m = base_metadata("llama");
    m.set(bad.key, bad.value);
    const auto config = read_config(m);
    ASSERT_FALSE(config.ok()) << bad.key;
    EXPECT_EQ(config.error().code, bad.code) << config.error().message;
    const std::string_view key = bad.key;
    const std::string_view last = key.substr(key.rfind('.') + 1);
    // A contradiction may be reported under its other half.
    const bool names_it = config.error().message.find(last) != std::string::npos || config.error().message.find("embedding_length") != std::string::npos ||
                          config.error().message.find("expert_") != std::string::npos;
    EXPECT_TRUE(names_it) << bad.key << ": " << config.error().message;
  }
}

TEST(Config, EveryRequiredKeyIsMissedByName) {
  for (const char* key : {"block_count", "context_length", "embedding_length", "feed_forward_length", "attention.head_count", "vocab_size"}) {
    Metadata m;
    const Metadata whole = base_metadata("llama");
    for (const auto& [name, value] : whole.items()) {
      if (name != std::string("llama.") + key) m.set(name, value);
    }
    const auto config = read_config(m);
    ASSERT_FALSE(config.ok()) << key;
    EXPECT_NE(config.error().message.find(key), std::string::npos) << config.error().message;
  }
  EXPECT_FALSE(read_config(Metadata()).ok());
}

TEST(Config, TheVocabularyMayBeCounted) {
  Metadata m;
  const Metadata whole = base_metadata("llama");
  for (const auto& [name, value] : whole.items()) {
    if (name != "llama.vocab_size") m.set(name, value);
  }
  m.set("tokenizer.ggml.tokens", std::vector<std::string_view>(77, "x"));
  EXPECT_EQ(read(m).n_vocab, 77);
}

}  // namespace
}  // namespace firesteel
