#include "checkpoint/convert.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <limits>

#include "base/rng.h"
#include "checkpoint/gguf_reader.h"
#include "checkpoint/gguf_writer.h"
#include "checkpoint/hf_tokenizer_metadata.h"
#include "checkpoint/quantise_plan.h"
#include "checkpoint/test_files.h"
#include "checkpoint/verify.h"
#include "tensor/half.h"
#include "tensor/quantise.h"

namespace firesteel {
namespace {

#define EXPECT_SAYS(found, part) EXPECT_NE((found).find(part), std::string::npos) << (found)

struct Named {
  std::string name;
  std::vector<int64_t> ne;
};

class Files : public testing::Test {
 protected:
  static size_t count(const std::vector<int64_t>& ne) {
    size_t n = 1;
    for (const int64_t extent : ne) n *= static_cast<size_t>(extent);
    return n;
  }
  // A GGUF file of f32 tensors with random weights; `edit` may change them first.
  std::string write_model(const std::string& file, const std::vector<Named>& tensors, const std::function<void(const std::string&, std::vector<float>*)>& edit = {}) {
    auto writer = GgufWriter::create(folder_.path(file));
    EXPECT_TRUE(writer.ok());
    writer->add("general.architecture", std::string_view("llama"));
    writer->add("llama.block_count", int64_t{8});
    writer->add("llama.attention.head_count", int64_t{4});
    writer->add("llama.attention.head_count_kv", int64_t{2});
    for (const Named& tensor : tensors) writer->add_tensor(tensor.name, DType::kF32, tensor.ne);
    EXPECT_TRUE(writer->begin().ok());
    Rng rng(5);
    for (const Named& tensor : tensors) {
      std::vector<float> values(count(tensor.ne));
      for (float& v : values) v = static_cast<float>(0.02 * rng.normal());
      if (edit) edit(tensor.name, &values);
      EXPECT_TRUE(writer->write(std::as_bytes(std::span(values))).ok());
    }
    EXPECT_TRUE(writer->commit().ok());
    return folder_.path(file);
  }
  std::string run(const std::string& in, const std::string& out, ConvertOptions options) {
    const auto checkpoint = Checkpoint::open(in);
    if (!checkpoint.ok()) return checkpoint.error().message;
    const auto report = convert(**checkpoint, folder_.path(out), options);
    return report.ok() ? "ok" : report.error().message;
  }
  std::shared_ptr<const Checkpoint> open(const std::string& file) {
    auto checkpoint = Checkpoint::open(folder_.path(file));
    EXPECT_TRUE(checkpoint.ok()) << checkpoint.error().message;
    return checkpoint.ok() ? *checkpoint : nullptr;
  }
  static std::vector<float> values(const TensorInfo& tensor) {
    std::vector<float> all(static_cast<size_t>(tensor.n_elements()));
    const int64_t n = tensor.n_elements() / static_cast<int64_t>(tensor.slices.size());
    for (size_t s = 0; s < tensor.slices.size(); ++s) dequantise_row(tensor.dtype, tensor.slices[s], all.data() + static_cast<int64_t>(s) * n, n);
    return all;
  }
  TestFolder folder_;
};

const std::vector<Named> kModel = {{"token_embd.weight", {256, 64}}, {"blk.0.attn_norm.weight", {256}}, {"blk.0.attn_v.weight", {256, 32}},
                                   {"blk.3.ffn_down.weight", {512, 256}}, {"blk.3.ffn_gate_inp.weight", {256, 4}},
                                   {"blk.0.ffn_up_exps.weight", {256, 16, 3}}, {"blk.0.attn_k.weight", {96, 8}}, {"blk.0.odd.weight", {40, 2}}};

TEST_F(Files, AnAverageIsTheSumOfSharesOfEachWeight) {
  const std::string a = write_model("a.gguf", kModel);
  const std::string b = write_model("b.gguf", kModel, [](const std::string& name, std::vector<float>* values) {
    for (float& v : *values) v = name == "token_embd.weight" ? 3.0f : v + 1.0f;
  });
  const auto other = open("b.gguf");
  ConvertOptions options;
  options.own_share = 0.75f;
  options.mix = {{other.get(), 0.25f}};
  options.n_threads = 2;
  ASSERT_EQ(run(a, "mean.gguf", options), "ok");
  const auto first = open("a.gguf"), mean = open("mean.gguf");
  for (const TensorInfo& tensor : mean->tensors()) {
    const std::vector<float> x = values(*first->find(tensor.name)), y = values(*other->find(tensor.name)), z = values(tensor);
    for (size_t i = 0; i < z.size(); ++i) ASSERT_EQ(z[i], 0.75f * x[i] + 0.25f * y[i]) << tensor.name << " " << i;
  }
  // With itself: the same weights, also where their type has blocks.
  options.type = "Q8_0";
  options.own_share = options.mix[0].share = 0.5f;
  options.mix[0].model = first.get();
  ASSERT_EQ(run(a, "same.gguf", options), "ok");
  ASSERT_EQ(run(a, "quantised.gguf", {.type = "Q8_0"}), "ok");
  const auto same = open("same.gguf"), quantised = open("quantised.gguf");
  for (const TensorInfo& tensor : same->tensors()) EXPECT_EQ(values(tensor), values(*quantised->find(tensor.name))) << tensor.name;
}

TEST_F(Files, AnAverageOfOtherShapesIsRefused) {
  const std::string a = write_model("a.gguf", kModel);
  std::vector<Named> changed = kModel;
  changed[2].ne = {128, 64};
  write_model("b.gguf", changed);
  const auto other = open("b.gguf");
  ConvertOptions options;
  options.mix = {{other.get(), 0.5f}};
  EXPECT_SAYS(run(a, "mean.gguf", options), "tensor \"blk.0.attn_v.weight\": expected the first model's shape 256 x 32 x 1 x 1, found 128 x 64 x 1 x 1");
  changed.pop_back();
  write_model("c.gguf", changed);
  const auto fewer = open("c.gguf");
  options.mix = {{fewer.get(), 0.5f}};
  EXPECT_SAYS(run(a, "mean.gguf", options), "expected the first model's 8 tensors, found 7");
  EXPECT_FALSE(std::filesystem::exists(folder_.path("mean.gguf")));
}

TEST_F(Files, WriterAndReaderAgree) {
  auto writer = GgufWriter::create(folder_.path("m.gguf"));
  ASSERT_TRUE(writer.ok());
  const std::vector<std::pair<std::string, MetaValue>> items = {
      {"bool", true}, {"small", int64_t{7}}, {"negative", int64_t{-7}}, {"large", int64_t{1} << 40}, {"very negative", -(int64_t{1} << 40)},
      {"float", 0.5}, {"text", std::string_view("a\nb")}, {"bools", std::vector<bool>{true, false}}, {"ints", std::vector<int64_t>{-1, 2}},
      {"long ints", std::vector<int64_t>{int64_t{1} << 40}}, {"floats", std::vector<float>{1.5f}}, {"texts", std::vector<std::string_view>{"x", ""}},
      {"none", std::vector<int64_t>{}}};
  for (const auto& [key, value] : items) writer->add(key, value);
  const std::vector<int64_t> shape = {5, 2};
  writer->add_tensor("a", DType::kF32, shape);
  writer->add_tensor("b", DType::kF16, shape);
  ASSERT_TRUE(writer->begin().ok());
  const std::vector<float> a = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
  const std::vector<uint16_t> b(10, 0x3C00);
  ASSERT_TRUE(writer->write(std::as_bytes(std::span(a))).ok());
  ASSERT_TRUE(writer->write(std::as_bytes(std::span(b))).ok());
  EXPECT_FALSE(std::filesystem::exists(folder_.path("m.gguf"))) << "visible before commit";
  ASSERT_TRUE(writer->commit().ok());
  const auto in = open("m.gguf");
  ASSERT_NE(in, nullptr);
  ASSERT_EQ(in->metadata().items().size(), items.size());
  for (const auto& [key, value] : items) {
    const MetaValue* found = in->metadata().find(key);
    ASSERT_NE(found, nullptr) << key;
    if (key == "large") {
      EXPECT_EQ(std::get<uint64_t>(*found), uint64_t{1} << 40);
    } else {
      EXPECT_TRUE(*found == value) << key;
    }
  }
  EXPECT_EQ(values(*in->find("a")), a);
  EXPECT_EQ(values(*in->find("b")), std::vector<float>(10, 1.0f));
}

TEST_F(Files, QuantisesMatricesAndLeavesTheRest) {
  const std::string in = write_model("in.gguf", kModel);
  ASSERT_EQ(run(in, "out.gguf", {.type = "q4_k_m"}), "ok");
  const auto out = open("out.gguf");
  ASSERT_NE(out, nullptr);
  const auto type = [&](const char* name) { return std::string(dtype_info(out->find(name)->dtype).name); };
  EXPECT_EQ(type("token_embd.weight"), "Q6_K");        // tied: it is the output
  EXPECT_EQ(type("blk.0.attn_v.weight"), "Q6_K");      // first eighth
  EXPECT_EQ(type("blk.3.ffn_down.weight"), "Q6_K");    // every third
  EXPECT_EQ(type("blk.0.ffn_up_exps.weight"), "Q4_K");
  EXPECT_EQ(type("blk.0.attn_norm.weight"), "F32");
  EXPECT_EQ(type("blk.3.ffn_gate_inp.weight"), "F32");
  EXPECT_EQ(type("blk.0.attn_k.weight"), "Q5_0");      // rows of 96
  EXPECT_EQ(type("blk.0.odd.weight"), "F16");          // rows of 40
  EXPECT_EQ(out->metadata().get_int("general.file_type").value(), 15);
  const auto source = open("in.gguf");
  for (const TensorInfo& tensor : out->tensors()) {
    const std::vector<float> a = values(*source->find(tensor.name)), b = values(tensor);
    double error = 0, energy = 0;
    for (size_t i = 0; i < a.size(); ++i) {
      error += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
      energy += static_cast<double>(a[i]) * static_cast<double>(a[i]);
    }
    EXPECT_LT(std::sqrt(error / energy), 0.09) << tensor.name;
  }
  ASSERT_EQ(run(in, "pure.gguf", {.type = "Q4_K", .pure = true}), "ok");
  EXPECT_EQ(dtype_info(open("pure.gguf")->find("token_embd.weight")->dtype).name, std::string("Q4_K"));
}

TEST_F(Files, EveryPresetWritesAFileThatOpens) {
  const std::string in = write_model("in.gguf", kModel);
  for (const QuantisePreset& preset : quantise_presets()) {
    ASSERT_EQ(run(in, "out.gguf", {.type = preset.name, .n_threads = 2}), "ok") << preset.name;
    ASSERT_NE(open("out.gguf"), nullptr) << preset.name;
  }
}

TEST_F(Files, ThreadsDoNotChangeBytes) {
  const std::string in = write_model("in.gguf", {{"token_embd.weight", {256, 64}}, {"blk.0.ffn_up.weight", {32768 + 256, 70}}});
  for (const char* type : {"Q4_K_M", "Q8_0", "F16"}) {
    ASSERT_EQ(run(in, "one.gguf", {.type = type, .n_threads = 1}), "ok");
    ASSERT_EQ(run(in, "three.gguf", {.type = type, .n_threads = 3}), "ok");
    EXPECT_EQ(folder_.read("one.gguf"), folder_.read("three.gguf")) << type;
  }
}

TEST_F(Files, QuantisedRowsAreThoseOfQuantiseRow) {
  const std::string in = write_model("in.gguf", {{"blk.0.ffn_up.weight", {16384 * 2 + 512, 3}}});
  ASSERT_EQ(run(in, "out.gguf", {.type = "Q4_K", .pure = true, .n_threads = 2}), "ok");
  const auto source = open("in.gguf"), out = open("out.gguf");
  const TensorInfo &a = source->tensors()[0], &b = out->tensors()[0];
  std::vector<float> row(static_cast<size_t>(a.ne[0]));
  std::vector<std::byte> expected(b.row_bytes());
  for (size_t r = 0; r < 3; ++r) {
    dequantise_row(DType::kF32, a.slices[0] + r * a.row_bytes(), row.data(), a.ne[0]);
    quantise_row(b.dtype, row.data(), expected.data(), a.ne[0]);
    EXPECT_EQ(std::memcmp(b.slices[0] + r * b.row_bytes(), expected.data(), expected.size()), 0);
  }
}

TEST_F(Files, RequantisingIsCountedAndSameTypeIsACopy) {
  const std::string in = write_model("in.gguf", kModel);
  ASSERT_EQ(run(in, "q8.gguf", {.type = "Q8_0"}), "ok");
  const auto q8 = open("q8.gguf");
  const auto again = convert(*q8, folder_.path("again.gguf"), {.type = "Q8_0"});
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->n_requantised, 0);
  EXPECT_EQ(folder_.read("again.gguf"), folder_.read("q8.gguf"));
  const auto q4 = convert(*q8, folder_.path("q4.gguf"), {.type = "Q4_0"});
  ASSERT_TRUE(q4.ok());
  EXPECT_GT(q4->n_requantised, 0);
  ASSERT_EQ(run(folder_.path("q8.gguf"), "kept.gguf", {}), "ok");
  EXPECT_EQ(folder_.read("kept.gguf"), folder_.read("q8.gguf"));
}

TEST_F(Files, WeightsThatAreNotFiniteAreRefusedByPlace) {
  const auto bad = [](float value) {
    return [value](const std::string& name, std::vector<float>* values) {
      if (name == "blk.0.ffn_up_exps.weight") (*values)[20 * 256 + 3] = value;  // expert 1, row 4
    };
  };
  for (const float value : {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
    const std::string in = write_model("in.gguf", kModel, bad(value));
    EXPECT_SAYS(run(in, "out.gguf", {.type = "Q8_0", .n_threads = 2}), "tensor \"blk.0.ffn_up_exps.weight\": row 20, column 3: expected a finite weight");
    EXPECT_FALSE(std::filesystem::exists(folder_.path("out.gguf")));
    EXPECT_FALSE(std::filesystem::exists(folder_.path("out.gguf.tmp")));
  }
  const std::string in = write_model("in.gguf", kModel, bad(70000.0f));
  EXPECT_SAYS(run(in, "out.gguf", {.type = "F16"}), "within the range of F16 (choose BF16), found 70000");
  EXPECT_EQ(run(in, "out.gguf", {.type = "BF16"}), "ok");
}

TEST_F(Files, CancellingLeavesNothing) {
  const std::string in = write_model("in.gguf", kModel);
  int calls = 0;
  uint64_t last = 0;
  const auto stop_later = [&](const ConvertProgress& progress) {
    EXPECT_GE(progress.done_bytes, last);
    EXPECT_LE(progress.done_bytes, progress.total_bytes);
    last = progress.done_bytes;
    return ++calls < 5;
  };
  EXPECT_SAYS(run(in, "out.gguf", {.type = "Q8_0", .progress = stop_later}), "cancelled");
  EXPECT_FALSE(std::filesystem::exists(folder_.path("out.gguf")));
  EXPECT_FALSE(std::filesystem::exists(folder_.path("out.gguf.tmp")));
}

TEST_F(Files, UnknownTypesListTheKnownOnes) {
  const std::string in = write_model("in.gguf", kModel);
  const std::string message = run(in, "out.gguf", {.type = "Q7_X"});
  EXPECT_SAYS(message, "\"Q7_X\"");
  EXPECT_SAYS(message, "Q4_K_M");
  EXPECT_SAYS(run(in, "no/such/folder/out.gguf", {.type = "F16"}), "cannot create");
}

class HfConvert : public Files {
 protected:
  void write_folder(const std::string& tokenizer) {
    folder_.write("config.json", R"({"model_type":"llama","num_hidden_layers":1,"hidden_size":32,"intermediate_size":64,"num_attention_heads":2,"num_key_value_heads":1,
        "head_dim":16,"tie_word_embeddings":true,"bos_token_id":1})");
    RawSafetensors file;
    std::vector<float> q(32 * 32), k(16 * 32), bias(32);
    for (size_t i = 0; i < q.size(); ++i) q[i] = static_cast<float>(i / 32);  // each row holds its number
    for (size_t i = 0; i < k.size(); ++i) k[i] = static_cast<float>(i / 32);
    for (size_t i = 0; i < bias.size(); ++i) bias[i] = static_cast<float>(i);
    const std::string layer = "model.layers.0.";
    file.f32("model.embed_tokens.weight", {8, 32}).f32("model.norm.weight", {32}).f32(layer + "self_attn.q_proj.weight", {32, 32}, q);
    file.f32(layer + "self_attn.k_proj.weight", {16, 32}, k).f32(layer + "self_attn.q_proj.bias", {32}, bias);
    folder_.write("model.safetensors", file.bytes());
    if (!tokenizer.empty()) folder_.write("tokenizer.json", tokenizer);
  }
};

constexpr const char* kBpe = R"({"added_tokens":[{"id":5,"content":"<end>","special":true},{"id":6,"content":"<tool>","special":false}],
  "pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"}},
  {"type":"ByteLevel","use_regex":false}]},"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2,"c":3,"abc":4},"merges":["a b",["ab","c"]]}})";

TEST_F(HfConvert, LlamaRowsAreInterleavedAndOurKeysLeftBehind) {
  write_folder(kBpe);
  ASSERT_EQ(run(folder_.path(), "out.gguf", {}), "ok");
  const auto out = open("out.gguf");
  ASSERT_NE(out, nullptr);
  const std::vector<float> q = values(*out->find("blk.0.attn_q.weight")), bias = values(*out->find("blk.0.attn_q.bias"));
  for (size_t head = 0; head < 2; ++head) {
    for (size_t i = 0; i < 8; ++i) {  // pair i: halves of the head side by side
      EXPECT_EQ(q[(16 * head + 2 * i) * 32], static_cast<float>(16 * head + i));
      EXPECT_EQ(q[(16 * head + 2 * i + 1) * 32], static_cast<float>(16 * head + 8 + i));
      EXPECT_EQ(bias[16 * head + 2 * i + 1], static_cast<float>(16 * head + 8 + i));
    }
  }
  EXPECT_FALSE(out->metadata().has("firesteel.rope.neox"));
  EXPECT_FALSE(out->metadata().has("firesteel.tokenizer.folder"));
  EXPECT_EQ(out->metadata().get_string("general.architecture").value(), "llama");
}

TEST_F(HfConvert, ByteLevelTokenizerIsEmbedded) {
  write_folder(kBpe);
  folder_.write("tokenizer_config.json", R"({"eos_token":"<end>"})");
  ASSERT_EQ(run(folder_.path(), "out.gguf", {}), "ok");
  const auto out = open("out.gguf");
  const Metadata& m = out->metadata();
  EXPECT_EQ(m.get_string("tokenizer.ggml.model").value(), "gpt2");
  EXPECT_EQ(m.get_string("tokenizer.ggml.pre").value(), "qwen2");
  EXPECT_EQ(*m.strings("tokenizer.ggml.tokens"), (std::vector<std::string_view>{"a", "b", "ab", "c", "abc", "<end>", "<tool>", "[PAD7]"}));
  EXPECT_EQ(*m.ints("tokenizer.ggml.token_type"), (std::vector<int64_t>{1, 1, 1, 1, 1, 3, 4, 5}));
  EXPECT_EQ(*m.strings("tokenizer.ggml.merges"), (std::vector<std::string_view>{"a b", "ab c"}));
  EXPECT_EQ(m.get_int("tokenizer.ggml.eos_token_id").value(), 5);
  EXPECT_EQ(m.get_int("tokenizer.ggml.bos_token_id").value(), 1);
}

TEST_F(HfConvert, SentencePieceTokenizerGetsScores) {
  write_folder(R"({"added_tokens":[{"id":0,"content":"<unk>","special":true}],"normalizer":{"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"▁"}]},
      "model":{"type":"BPE","unk_token":"<unk>","byte_fallback":true,"vocab":{"<unk>":0,"<0x0A>":1,"a":2,"b":3,"ab":4,"ba":5},"merges":["b a","a b"]}})");
  ASSERT_EQ(run(folder_.path(), "out.gguf", {}), "ok");
  const auto out = open("out.gguf");
  const Metadata& m = out->metadata();
  EXPECT_EQ(m.get_string("tokenizer.ggml.model").value(), "llama");
  EXPECT_EQ(*m.ints("tokenizer.ggml.token_type"), (std::vector<int64_t>{2, 6, 1, 1, 1, 1, 5, 5}));
  EXPECT_GT((*m.floats("tokenizer.ggml.scores"))[5], (*m.floats("tokenizer.ggml.scores"))[4]);
  EXPECT_GT((*m.floats("tokenizer.ggml.scores"))[4], (*m.floats("tokenizer.ggml.scores"))[2]);
  EXPECT_EQ(m.get_bool("tokenizer.ggml.add_space_prefix").value(), true);
}

TEST_F(HfConvert, TokenizersItCannotExpressAreRefused) {
  write_folder(R"({"pre_tokenizer":{"type":"Whitespace"},"model":{"type":"BPE","vocab":{"a":0},"merges":[]}})");
  EXPECT_SAYS(run(folder_.path(), "out.gguf", {}), "pattern is not recognised");
  EXPECT_EQ(run(folder_.path(), "out.gguf", {.pre_tokenizer = "qwen2"}), "ok");
  write_folder(R"({"model":{"type":"WordPiece","vocab":{"a":0}}})");
  EXPECT_SAYS(run(folder_.path(), "out.gguf", {}), "\"WordPiece\"");
  write_folder(R"({"model":{"type":"BPE","vocab":{"a":8},"merges":[]}})");
  EXPECT_SAYS(run(folder_.path(), "out.gguf", {}), "expected an id below 8 (rows of the embedding), found 8");
  write_folder(R"({"model":{"type":"BPE","vocab":{"a":0},"merges":[3]}})");
  EXPECT_SAYS(run(folder_.path(), "out.gguf", {}), "expected two pieces");
  write_folder("{");
  EXPECT_SAYS(run(folder_.path(), "out.gguf", {}), "tokenizer.json: ");
}

TEST_F(HfConvert, TrainedModelConvertsToItsPublishedGguf) {
  const std::string folder = shared_folder() + "/data/models/tinystories-656k";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "no shared test data";
  for (const char* type : {"f32", "f16", "q8_0", "q4_0"}) {
    ASSERT_EQ(run(folder, "out.gguf", {.type = type, .pure = true}), "ok");
    const auto out = open("out.gguf");
    const auto published = Checkpoint::open(folder + "/tinystories-656k-" + type + ".gguf");
    ASSERT_TRUE(published.ok());
    for (const TensorInfo& theirs : (*published)->tensors()) {
      const TensorInfo* ours = out->find(theirs.name);
      ASSERT_NE(ours, nullptr) << theirs.name;
      if (ours->dtype == theirs.dtype) {
        EXPECT_EQ(std::memcmp(ours->slices[0], theirs.slices[0], ours->n_bytes), 0) << type << " " << theirs.name;
      }
    }
    EXPECT_EQ(*out->metadata().strings("tokenizer.ggml.tokens"), *(*published)->metadata().strings("tokenizer.ggml.tokens"));
  }
}

TEST_F(Files, VerifyFindsBadBlocksAndDigestsAreOfContent) {
  const std::string in = write_model("in.gguf", kModel);
  ASSERT_EQ(run(in, "good.gguf", {.type = "Q8_0"}), "ok");
  const auto good = open("good.gguf");
  const auto report = verify(*good, {.n_threads = 2});
  ASSERT_TRUE(report.ok());
  EXPECT_TRUE(report->ok());
  EXPECT_EQ(report->tensors.size(), kModel.size());
  EXPECT_EQ(verify(*good, {})->digest, report->digest);

  std::string bytes = folder_.read("good.gguf");
  const TensorInfo* tensor = good->find("blk.3.ffn_down.weight");
  std::string needle(reinterpret_cast<const char*>(tensor->slices[0] + 34 * 5), 34);
  const size_t at = bytes.find(needle);
  ASSERT_NE(at, std::string::npos);
  bytes[at] = '\0';
  bytes[at + 1] = '\x7C';  // the scale of block 5 becomes infinite
  folder_.write("bad.gguf", bytes);
  const auto damaged = verify(*open("bad.gguf"), {});
  ASSERT_TRUE(damaged.ok());
  EXPECT_FALSE(damaged->ok());
  EXPECT_EQ(damaged->n_bad_tensors, 1u);
  EXPECT_NE(damaged->digest, report->digest);
  for (size_t i = 0; i < kModel.size(); ++i) {
    const bool hit = kModel[i].name == "blk.3.ffn_down.weight";
    EXPECT_EQ(damaged->tensors[i].n_bad_blocks, hit ? 1u : 0u);
    EXPECT_EQ(damaged->tensors[i].first_bad, hit ? 160 : -1);
    EXPECT_EQ(damaged->tensors[i].digest == report->tensors[i].digest, !hit) << kModel[i].name;
  }
  const auto cancelled = verify(*good, {.progress = [](uint64_t, uint64_t) { return false; }});
  ASSERT_FALSE(cancelled.ok());
  EXPECT_EQ(cancelled.error().code, ErrorCode::kCancelled);
}

}  // namespace
}  // namespace firesteel
