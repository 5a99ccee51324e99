#include "checkpoint/hf_reader.h"

#include <gtest/gtest.h>

#include <cmath>

#include "checkpoint/test_files.h"

namespace firesteel {
namespace {

constexpr const char* kSizes = R"("num_hidden_layers":1,"hidden_size":32,"intermediate_size":64,"num_attention_heads":2,"num_key_value_heads":1,
  "head_dim":16,"max_position_embeddings":128,"rms_norm_eps":1e-6,"rope_theta":10000,"vocab_size":8)";

std::string config_of(const std::string& model_type, const std::string& more = "") {
  return "{\"model_type\":\"" + model_type + "\"," + kSizes + (more.empty() ? "" : "," + more) + "}";
}

RawSafetensors attention(const std::string& prefix = "model.") {
  RawSafetensors file;
  const std::string layer = prefix + "layers.0.";
  file.f32(prefix + "embed_tokens.weight", {8, 32}).f32(prefix + "norm.weight", {32});
  file.f32(layer + "input_layernorm.weight", {32}).f32(layer + "post_attention_layernorm.weight", {32});
  file.f32(layer + "self_attn.q_proj.weight", {32, 32}).f32(layer + "self_attn.k_proj.weight", {16, 32});
  file.f32(layer + "self_attn.v_proj.weight", {16, 32}).f32(layer + "self_attn.o_proj.weight", {32, 32});
  return file;
}
RawSafetensors dense(const std::string& prefix = "model.") {
  RawSafetensors file = attention(prefix);
  const std::string layer = prefix + "layers.0.mlp.";
  file.f32(layer + "gate_proj.weight", {64, 32}).f32(layer + "up_proj.weight", {64, 32}).f32(layer + "down_proj.weight", {32, 64});
  return file;
}

class HfFolder : public testing::Test {
 protected:
  std::shared_ptr<const Checkpoint> open(const std::string& config, const RawSafetensors& tensors) {
    folder_.write("config.json", config);
    folder_.write("model.safetensors", tensors.bytes());
    auto checkpoint = Checkpoint::open(folder_.path());
    error_ = checkpoint.ok() ? "" : checkpoint.error().message;
    return checkpoint.ok() ? *checkpoint : nullptr;
  }
  std::string refusal(const std::string& config, const RawSafetensors& tensors) {
    return open(config, tensors) == nullptr ? error_ : "accepted";
  }
  static float value(const Checkpoint& checkpoint, const std::string& name, size_t index = 0) {
    const TensorInfo* tensor = checkpoint.find(name);
    float v = 0;
    if (tensor != nullptr) std::memcpy(&v, tensor->slices[0] + 4 * index, 4);
    return v;
  }
  TestFolder folder_;
  std::string error_;
};

#define EXPECT_SAYS(found, part) EXPECT_NE((found).find(part), std::string::npos) << (found)

TEST_F(HfFolder, LlamaBecomesGgufNamesAndKeys) {
  const auto checkpoint = open(config_of("llama", R"("tie_word_embeddings":false)"), dense().f32("lm_head.weight", {8, 32}));
  ASSERT_NE(checkpoint, nullptr) << error_;
  const Metadata& m = checkpoint->metadata();
  EXPECT_EQ(m.get_string("general.architecture").value(), "llama");
  EXPECT_EQ(m.get_int("llama.block_count").value(), 1);
  EXPECT_EQ(m.get_int("llama.vocab_size").value(), 8);
  EXPECT_EQ(m.get_int("llama.attention.key_length").value(), 16);
  EXPECT_EQ(m.get_bool("firesteel.rope.neox").value(), true);
  for (const char* name : {"token_embd.weight", "output.weight", "output_norm.weight", "blk.0.attn_norm.weight", "blk.0.ffn_norm.weight", "blk.0.attn_q.weight",
                           "blk.0.attn_k.weight", "blk.0.attn_v.weight", "blk.0.attn_output.weight", "blk.0.ffn_gate.weight", "blk.0.ffn_up.weight", "blk.0.ffn_down.weight"}) {
    EXPECT_NE(checkpoint->find(name), nullptr) << name;
  }
  EXPECT_EQ(checkpoint->tensors().size(), 12u);
  EXPECT_EQ(checkpoint->find("blk.0.attn_k.weight")->ne[0], 32);
  EXPECT_EQ(checkpoint->find("blk.0.attn_k.weight")->ne[1], 16);
}

TEST_F(HfFolder, TiedModelsHaveNoOutput) {
  const auto checkpoint = open(config_of("llama", R"("tie_word_embeddings":true)"), dense().f32("lm_head.weight", {8, 32}));
  ASSERT_NE(checkpoint, nullptr) << error_;
  EXPECT_EQ(checkpoint->find("output.weight"), nullptr);
  EXPECT_SAYS(refusal(config_of("llama"), dense()), "lm_head.weight");
}

TEST_F(HfFolder, Llama3ScalingBecomesFrequencyFactors) {
  const auto checkpoint = open(config_of("llama", R"("tie_word_embeddings":true,"rope_scaling":{"rope_type":"llama3","factor":8.0,"low_freq_factor":1.0,
      "high_freq_factor":4.0,"original_max_position_embeddings":128})"), dense());
  ASSERT_NE(checkpoint, nullptr) << error_;
  ASSERT_NE(checkpoint->find("rope_freqs.weight"), nullptr);
  EXPECT_EQ(checkpoint->find("rope_freqs.weight")->ne[0], 8);
  EXPECT_EQ(value(*checkpoint, "rope_freqs.weight", 0), 1.0f);
  EXPECT_EQ(value(*checkpoint, "rope_freqs.weight", 7), 8.0f);
  // Pair 2: wavelength 2 pi * 10000^(4/16) = 62.83; 128/62.83 = 2.0372 turns; smooth = 1.0372/3 = 0.34573.
  EXPECT_NEAR(value(*checkpoint, "rope_freqs.weight", 2), 1 / ((1 - 0.34573) / 8 + 0.34573), 1e-4);
}

TEST_F(HfFolder, Qwen2HasBiasesAndIgnoresItsUnusedWindow) {
  RawSafetensors tensors = dense();
  tensors.f32("model.layers.0.self_attn.q_proj.bias", {32});
  const auto checkpoint = open(config_of("qwen2", R"("tie_word_embeddings":true,"sliding_window":64,"use_sliding_window":false)"), tensors);
  ASSERT_NE(checkpoint, nullptr) << error_;
  EXPECT_NE(checkpoint->find("blk.0.attn_q.bias"), nullptr);
  EXPECT_FALSE(checkpoint->metadata().has("qwen2.attention.sliding_window"));
  EXPECT_FALSE(checkpoint->metadata().has("firesteel.rope.neox"));
}

TEST_F(HfFolder, YarnAndUnknownScaling) {
  const auto checkpoint = open(config_of("qwen2", R"("tie_word_embeddings":true,"rope_scaling":{"type":"yarn","factor":4.0,"original_max_position_embeddings":32})"), dense());
  ASSERT_NE(checkpoint, nullptr) << error_;
  EXPECT_EQ(checkpoint->metadata().get_string("qwen2.rope.scaling.type").value(), "yarn");
  EXPECT_EQ(checkpoint->metadata().get_int("qwen2.rope.scaling.original_context_length").value(), 32);
  EXPECT_SAYS(refusal(config_of("qwen2", R"("rope_scaling":{"type":"dynamic","factor":4.0})"), dense()), "\"dynamic\" is not supported");
  // A few bytes asked for a table of megabytes (one factor for each pair of a head).
  std::string config = config_of("llama", R"("rope_scaling":{"rope_type":"llama3","factor":8.0,"low_freq_factor":1.0,"high_freq_factor":4.0})");
  const size_t at = config.find("\"head_dim\":");
  ASSERT_NE(at, std::string::npos);
  config.insert(at + 11, "16777");
  EXPECT_SAYS(refusal(config, dense()), "a head of 1677716 numbers");
}

TEST_F(HfFolder, Qwen3MoeExpertsAreSlices) {
  RawSafetensors tensors = attention();
  const std::string layer = "model.layers.0.";
  tensors.f32(layer + "self_attn.q_norm.weight", {16}).f32(layer + "self_attn.k_norm.weight", {16}).f32(layer + "mlp.gate.weight", {2, 32});
  const RawSafetensors without_last = tensors;
  for (const std::string expert : {"1", "0"}) {
    tensors.f32(layer + "mlp.experts." + expert + ".gate_proj.weight", {48, 32}).f32(layer + "mlp.experts." + expert + ".up_proj.weight", {48, 32});
    tensors.f32(layer + "mlp.experts." + expert + ".down_proj.weight", {32, 48});
  }
  const std::string config = config_of("qwen3_moe", R"("tie_word_embeddings":true,"num_experts":2,"num_experts_per_tok":1,"moe_intermediate_size":48,"norm_topk_prob":true)");
  const auto checkpoint = open(config, tensors);
  ASSERT_NE(checkpoint, nullptr) << error_;
  const TensorInfo* gate = checkpoint->find("blk.0.ffn_gate_exps.weight");
  ASSERT_NE(gate, nullptr);
  EXPECT_EQ(gate->n_dims, 3);
  EXPECT_EQ(gate->ne[2], 2);
  EXPECT_EQ(gate->n_bytes, 2u * 48 * 32 * 4);
  ASSERT_EQ(gate->slices.size(), 2u);
  EXPECT_EQ(gate->slices[0] - gate->slices[1], 3 * 48 * 32 * 4);  // expert 1 was written first
  EXPECT_EQ(checkpoint->metadata().get_int("qwen3moe.expert_count").value(), 2);
  EXPECT_EQ(checkpoint->metadata().get_bool("qwen3moe.expert_weights_norm").value(), true);
  EXPECT_NE(checkpoint->find("blk.0.ffn_gate_inp.weight"), nullptr);
  RawSafetensors one = without_last;
  one.f32(layer + "mlp.experts.0.gate_proj.weight", {48, 32});
  EXPECT_SAYS(refusal(config, one), "expected 2 experts, found 1");
  one.f32(layer + "mlp.experts.1.gate_proj.weight", {47, 32});
  EXPECT_SAYS(refusal(config, one), "shape of the other experts");
  RawSafetensors third = without_last;
  EXPECT_SAYS(refusal(config, third.f32(layer + "mlp.experts.2.gate_proj.weight", {48, 32})), "experts below 2, found 2");
}

TEST_F(HfFolder, MixtralNames) {
  RawSafetensors tensors = attention();
  const std::string layer = "model.layers.0.block_sparse_moe.";
  tensors.f32(layer + "gate.weight", {1, 32}).f32(layer + "experts.0.w1.weight", {64, 32}).f32(layer + "experts.0.w2.weight", {32, 64});
  tensors.f32(layer + "experts.0.w3.weight", {64, 32});
  const auto checkpoint = open(config_of("mixtral", R"("tie_word_embeddings":true,"num_local_experts":1,"num_experts_per_tok":1)"), tensors);
  ASSERT_NE(checkpoint, nullptr) << error_;
  EXPECT_EQ(checkpoint->find("blk.0.ffn_down_exps.weight")->ne[0], 64);
  EXPECT_EQ(checkpoint->find("blk.0.ffn_up_exps.weight")->ne[0], 32);
}

TEST_F(HfFolder, Gemma3NormsIncludeTheOneAndLayersAlternate) {
  for (const bool multimodal : {false, true}) {
    const std::string prefix = multimodal ? "language_model.model." : "model.";
    RawSafetensors tensors = dense(prefix);
    tensors.f32(prefix + "layers.0.pre_feedforward_layernorm.weight", {32}, std::vector<float>(32, 0.25f));
    tensors.f32(prefix + "layers.0.post_feedforward_layernorm.weight", {32}).f32(prefix + "layers.0.self_attn.q_norm.weight", {16});
    if (multimodal) tensors.f32("vision_tower.something.weight", {4});
    const std::string text = config_of("gemma3_text", R"("sliding_window":64,"sliding_window_pattern":6,"rope_local_base_freq":10000,"query_pre_attn_scalar":16)");
    const auto checkpoint = open(multimodal ? R"({"model_type":"gemma3","text_config":)" + text + "}" : text, tensors);
    ASSERT_NE(checkpoint, nullptr) << error_;
    EXPECT_EQ(value(*checkpoint, "blk.0.ffn_norm.weight"), 1.25f);
    EXPECT_EQ(checkpoint->find("blk.0.ffn_norm.weight")->dtype, DType::kF32);
    for (const char* name : {"blk.0.post_attention_norm.weight", "blk.0.post_ffw_norm.weight", "blk.0.attn_q_norm.weight", "output_norm.weight"}) {
      EXPECT_NEAR(value(*checkpoint, name), 1.0f, 0.2f) << name;
    }
    EXPECT_EQ(*checkpoint->metadata().bools("gemma3.attention.sliding_window_pattern"), std::vector<bool>{true});
    EXPECT_EQ(checkpoint->metadata().get_float("gemma3.attention.scale").value(), 0.25);
    EXPECT_EQ(checkpoint->metadata().get_float("gemma3.rope.freq_base_swa").value(), 10000);
  }
}

TEST_F(HfFolder, NewConfigurationsKeepRopeTogether) {
  const std::string config = R"({"model_type":"gemma3_text","num_hidden_layers":2,"hidden_size":32,"intermediate_size":64,"num_attention_heads":2,"num_key_value_heads":1,"head_dim":16,
      "sliding_window":64,"layer_types":["sliding_attention","full_attention"],
      "rope_parameters":{"full_attention":{"rope_type":"linear","factor":8.0,"rope_theta":1000000.0},"sliding_attention":{"rope_type":"default","rope_theta":20000.0}}})";
  const auto checkpoint = open(config, dense());
  ASSERT_NE(checkpoint, nullptr) << error_;
  const Metadata& m = checkpoint->metadata();
  EXPECT_EQ(m.get_float("gemma3.rope.freq_base").value(), 1e6);
  EXPECT_EQ(m.get_float("gemma3.rope.freq_base_swa").value(), 20000);
  EXPECT_EQ(m.get_float("gemma3.rope.scaling.factor").value(), 8);
  EXPECT_EQ(*m.bools("gemma3.attention.sliding_window_pattern"), (std::vector<bool>{true, false}));
}

TEST_F(HfFolder, SideFilesGiveTokensSamplingAndTemplate) {
  folder_.write("generation_config.json", R"({"eos_token_id":[7,9],"temperature":0.6,"top_k":20})");
  folder_.write("tokenizer_config.json", R"({"add_bos_token":false,"eos_token":{"content":"<end>"},"added_tokens_decoder":{"9":{"content":"<end>"},"x":{}},
      "chat_template":[{"name":"default","template":"A"},{"name":"tool_use","template":"B"}]})");
  folder_.write("tokenizer.json", "{}");
  const auto checkpoint = open(config_of("llama", R"("tie_word_embeddings":true,"eos_token_id":5,"bos_token_id":1)"), dense());
  ASSERT_NE(checkpoint, nullptr) << error_;
  const Metadata& m = checkpoint->metadata();
  EXPECT_EQ(m.get_int("tokenizer.ggml.eos_token_id").value(), 9);
  EXPECT_EQ(*m.ints("tokenizer.ggml.eos_token_ids"), (std::vector<int64_t>{9, 7, 5}));
  EXPECT_EQ(m.get_int("tokenizer.ggml.bos_token_id").value(), 1);
  EXPECT_EQ(m.get_bool("tokenizer.ggml.add_bos_token").value(), false);
  EXPECT_EQ(m.get_string("tokenizer.chat_template").value(), "A");
  EXPECT_EQ(m.get_string("tokenizer.chat_template.tool_use").value(), "B");
  EXPECT_EQ(m.get_float("general.sampling.temp").value(), 0.6);
  EXPECT_EQ(m.get_string("firesteel.tokenizer.folder").value(), folder_.path());
  folder_.write("chat_template.jinja", "C");
  EXPECT_EQ(open(config_of("llama", R"("tie_word_embeddings":true)"), dense())->metadata().get_string("tokenizer.chat_template").value(), "C");
}

TEST_F(HfFolder, ShardsComeFromTheIndex) {
  folder_.write("config.json", config_of("llama", R"("tie_word_embeddings":true)"));
  folder_.write("a.safetensors", attention().bytes());
  RawSafetensors rest;
  const std::string layer = "model.layers.0.mlp.";
  folder_.write("b.safetensors", rest.f32(layer + "gate_proj.weight", {64, 32}).f32(layer + "up_proj.weight", {64, 32}).f32(layer + "down_proj.weight", {32, 64}).bytes());
  const auto open_index = [&](const std::string& map) {
    folder_.write("model.safetensors.index.json", R"({"metadata":{},"weight_map":)" + map + "}");
    const auto checkpoint = Checkpoint::open(folder_.path());
    return checkpoint.ok() ? std::to_string((*checkpoint)->tensors().size()) : checkpoint.error().message;
  };
  EXPECT_EQ(open_index(R"({"model.norm.weight":"a.safetensors","model.layers.0.mlp.up_proj.weight":"b.safetensors"})"), "11");
  EXPECT_SAYS(open_index(R"({"model.norm.weight":"b.safetensors","x":"a.safetensors"})"), "expected it there by the index");
  EXPECT_SAYS(open_index(R"({"x":"../a.safetensors"})"), "name of a file in the folder");
  EXPECT_SAYS(open_index(R"({"x":"c.safetensors"})"), "c.safetensors: cannot open");
  EXPECT_SAYS(open_index(R"({"x":3})"), "name of a file");
  EXPECT_SAYS(open_index(R"([])"), "weight_map");
}

TEST_F(HfFolder, RefusesWhatItCannotRunByName) {
  EXPECT_SAYS(refusal(config_of("bert"), dense()), "model_type \"bert\" is not supported");
  EXPECT_SAYS(refusal("[]", dense()), "expected a JSON object");
  EXPECT_SAYS(refusal("{", dense()), "config.json: ");
  EXPECT_SAYS(refusal(config_of("llama", R"("quantization_config":{"bits":4})"), dense()), "quantization_config");
  EXPECT_SAYS(refusal(config_of("llama", R"("hidden_act":"relu")"), dense()), "activation \"relu\"");
  EXPECT_SAYS(refusal(config_of("llama", R"("tie_word_embeddings":1)"), dense()), "true or false, found 1");
  EXPECT_SAYS(refusal(R"({"model_type":"llama","num_hidden_layers":-4})", dense()), "\"num_hidden_layers\": expected an integer of 1 to 1024, found -4");
  EXPECT_SAYS(refusal(R"({"model_type":"llama","num_hidden_layers":1})", dense()), "\"hidden_size\": expected an integer of 1 to 16777216, found nothing");
  const std::string tied = config_of("llama", R"("tie_word_embeddings":true)");
  EXPECT_SAYS(refusal(tied, dense().f32("model.layers.0.mlp.magic.weight", {4})), "magic.weight\": is not part of a llama model");
  EXPECT_SAYS(refusal(tied, dense().f32("model.layers.1.mlp.up_proj.weight", {4, 4})), "layers below 1 (num_hidden_layers), found 1");
  EXPECT_SAYS(refusal(tied, dense().add("model.layers.0.self_attn.q_proj.bias", "I8", {4}, "abcd")), "type I8 is not supported");
  EXPECT_SAYS(refusal(tied, dense().f32("model.layers.0.self_attn.q_proj.bias", {1, 1, 4})), "one or two dimensions");
  EXPECT_EQ(refusal(tied, dense().f32("model.layers.0.self_attn.rotary_emb.inv_freq", {4})), "accepted");
}

TEST_F(HfFolder, UnalignedTensorsAreCopied) {
  std::string bytes = dense().bytes();
  uint64_t n = 0;
  std::memcpy(&n, bytes.data(), sizeof n);
  bytes.insert(8 + n, " ");  // data now begins at an odd address
  n += 1;
  std::memcpy(bytes.data(), &n, sizeof n);
  folder_.write("config.json", config_of("llama", R"("tie_word_embeddings":true)"));
  folder_.write("model.safetensors", bytes);
  const auto checkpoint = Checkpoint::open(folder_.path());
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().message;
  for (const TensorInfo& tensor : (*checkpoint)->tensors()) EXPECT_EQ(reinterpret_cast<uintptr_t>(tensor.slices[0]) % 4, 0u) << tensor.name;
}

TEST(HfReader, TrainedModelLoads) {
  const std::string folder = shared_folder() + "/data/models/tinystories-656k";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "no shared test data";
  const auto checkpoint = Checkpoint::open(folder);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().message;
  EXPECT_EQ((*checkpoint)->tensors().size(), 20u);
  EXPECT_EQ((*checkpoint)->find("token_embd.weight")->ne[1], 2048);  // stored as lm_head, tied
}

}  // namespace
}  // namespace firesteel
