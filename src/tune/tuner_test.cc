#include "tune/tuner.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/mapped_file.h"
#include "tune/merge.h"
#include "tune/peft.h"
#include "tune/test_tune.h"

namespace firesteel {
namespace {

using namespace test_tune;  // NOLINT: what the tests are made of

TEST(Tuner, LearnsAndGivesTheSameBytesWithAnyThreads) {
  const SmallBase small;
  const std::string base_bytes = bytes_of(small.model);
  const BaseModel base = small.open();
  const TuneData data = read_tune_data(small.write("rows.jsonl", additions(24)), base, {.n_tokens_max = 128}).value();
  EXPECT_EQ(data.samples.size(), 24u);
  std::string expected;
  for (const int n_threads : {1, 2}) {
    TuneOptions options = options_for(small, "run" + std::to_string(n_threads));
    options.n_threads = n_threads;
    options.settings.epochs = 8;
    options.settings.rate = 2e-2;
    double first = 0, last = 0;
    options.progress = [&](const TuneProgress& p) {
      if (p.step == 1) first = p.loss;
      last = p.loss;
    };
    const Result<TuneResult> result = tune(options, base, data);
    ASSERT_TRUE(result.ok()) << result.error().message;
    EXPECT_TRUE(result->finished);
    EXPECT_EQ(result->step, 48);
    EXPECT_LT(last, 0.95 * first);  // embeddings and norms are frozen as they began, so the logits of this model stay small
    const std::string found = bytes_of(result->adapter) + bytes_of(options.folder + "/checkpoint.bin");
    if (n_threads == 1) expected = found;
    EXPECT_TRUE(found == expected);
  }
  EXPECT_TRUE(bytes_of(small.model) == base_bytes);  // the base is only read
}

TEST(Tuner, AResumedRunHasTheBytesOfAnUninterruptedOne) {
  const SmallBase small;
  const BaseModel base = small.open();
  const TuneData data = read_tune_data(small.write("pairs.jsonl", preferences(10)), base, {.kind = TuneKind::kPreference, .n_tokens_max = 128}).value();
  for (const TuneMethod method : {TuneMethod::kDpo, TuneMethod::kOrpo}) {
    TuneOptions whole = options_for(small, std::string("whole") + tune_method_name(method));
    whole.settings.method = method;
    whole.name = "same";
    ASSERT_TRUE(tune(whole, base, data).ok());
    TuneOptions parts = whole;
    parts.folder = small.folder.path(std::string("parts") + tune_method_name(method));
    std::atomic<bool> stop = false;
    parts.stop = &stop;
    parts.progress = [&](const TuneProgress& p) { stop = p.step % 2 == 1; };  // after every other step
    for (int part = 0; part < 10; ++part) {
      stop = false;
      const Result<TuneResult> result = tune(parts, base, data);
      ASSERT_TRUE(result.ok()) << result.error().message;
      parts.resume = true;
      if (result->finished) break;
    }
    for (const char* file : {"/adapter.gguf", "/checkpoint.bin"}) EXPECT_TRUE(bytes_of(whole.folder + file) == bytes_of(parts.folder + file)) << file;
    // Under other settings the checkpoint does not count; and a run is not begun on top of another.
    parts.settings.rate *= 2;
    EXPECT_EQ(tune(parts, base, data).error().code, ErrorCode::kFailedPrecondition);
    parts.resume = false;
    EXPECT_EQ(tune(parts, base, data).error().code, ErrorCode::kFailedPrecondition);
  }
}

TEST(Tuner, DpoBeginsAtTheReferenceAndPrefersWhatIsPreferred) {
  const SmallBase small;
  const BaseModel base = small.open();
  const TuneData data = read_tune_data(small.write("pairs.jsonl", preferences(12)), base, {.kind = TuneKind::kPreference, .n_tokens_max = 128}).value();
  TuneOptions options = options_for(small, "dpo");
  options.settings.method = TuneMethod::kDpo;
  options.settings.epochs = 6;
  options.settings.warmup = 0;
  double first = 0;
  options.progress = [&](const TuneProgress& p) {
    if (p.step == 1) first = p.loss;
  };
  const Result<TuneResult> result = tune(options, base, data);
  ASSERT_TRUE(result.ok()) << result.error().message;
  EXPECT_NEAR(first, std::log(2), 1e-9);  // the model is its own reference, to the byte
  EXPECT_LT(result->loss, 0.6);
  EXPECT_GT(result->accuracy, 0.5);  // a running mean from zero
}

// The base scores 64 answers at a time, a step of one pair has two: passes were planned for the step alone (found by `loop demo --tune`).
TEST(Tuner, ManyShortPairsAndASmallBatchFitTheirPasses) {
  const SmallBase small;
  const BaseModel base = small.open();
  const TuneData data = read_tune_data(small.write("many.jsonl", preferences(40)), base, {.kind = TuneKind::kPreference, .n_tokens_max = 128}).value();
  TuneOptions options = options_for(small, "many");
  options.settings.method = TuneMethod::kDpo;
  options.settings.batch = 1;
  options.settings.epochs = 1;
  options.settings.shard_tokens = 4096;
  const Result<TuneResult> result = tune(options, base, data);
  ASSERT_TRUE(result.ok()) << result.error().message;
}

TEST(Tuner, StopsAtANumberThatIsNotFiniteAndKeepsTheCheckpoint) {
  const SmallBase small;
  BaseModel base = small.open();
  const TuneData data = read_tune_data(small.write("rows.jsonl", additions(8)), base, {.n_tokens_max = 128}).value();
  TuneOptions options = options_for(small, "run");
  options.save_every_steps = 1;
  ASSERT_TRUE(tune(options, base, data).ok());
  const std::string kept = bytes_of(options.folder + "/checkpoint.bin");
  std::vector<float> broken_norm(static_cast<size_t>(base.config.dim), std::numeric_limits<float>::quiet_NaN());
  base.weights.layers[1].ffn_norm = broken_norm.data();
  options.folder = small.folder.path("broken");
  const Result<TuneResult> broken = tune(options, base, data);
  ASSERT_FALSE(broken.ok());
  EXPECT_EQ(broken.error().code, ErrorCode::kDataLoss);
  EXPECT_NE(broken.error().message.find("not finite"), std::string::npos);
  // A checkpoint with a flipped bit is refused.
  options.folder = small.folder.path("run");
  std::string damaged = kept;
  damaged[damaged.size() / 2] ^= 1;
  ASSERT_TRUE(write_file_atomic(options.folder + "/checkpoint.bin", damaged).ok());
  options.resume = true;
  EXPECT_EQ(tune(options, small.open(), data).error().code, ErrorCode::kDataLoss);
}

// The same ids as training and serving have, and only the answer is learnt.
TEST(TuneDataset, EncodesAsServingDoes) {
  const SmallBase small;
  const BaseModel base = small.open();
  const auto encoder = SampleEncoder::open(small.model).value();
  std::vector<EncodedSample> found;
  ASSERT_TRUE(encode_row(R"({"messages": [{"role": "system", "content": "Be short."}, {"role": "user", "content": "Add 3 and 4."},
                         {"role": "assistant", "content": "7"}, {"role": "user", "content": "And 5"}, {"role": "assistant", "content": "It is <|n0|>"}]})",
                         base, {.n_tokens_max = 200}, "", &found).ok());
  ASSERT_EQ(found.size(), 2u);
  const Sample sample{.kind = "x", .messages = {{"system", "Be short."}, {"user", "Add 3 and 4."}, {"assistant", "7"}, {"user", "And 5"}}, .target = "It is <|n0|>"};
  const EncodedSample expected = encoder->encode(sample, true, nullptr).value();
  EXPECT_EQ(found[1].ids, expected.ids);
  EXPECT_EQ(found[1].n_prompt, expected.n_prompt);
  EXPECT_LT(found[0].n_prompt, found[1].n_prompt);
}

TEST(TuneDataset, RowsThatCannotBeUsedAreNamedAndPassedOver) {
  const SmallBase small;
  const BaseModel base = small.open();
  std::string rows = additions(60);
  rows += "{\"messages\": [}\n\n{\"messages\": [{\"role\": \"user\", \"content\": \"no answer\"}]}\n";
  rows += "{\"messages\": [{\"role\": \"user\", \"content\": \"" + std::string(400, 'a') + "\"}, {\"role\": \"assistant\", \"content\": \"b\"}]}\n";
  const TuneData data = read_tune_data(small.write("rows.jsonl", rows), base, {.n_tokens_max = 128}).value();
  EXPECT_EQ(data.samples.size(), 60u);
  EXPECT_EQ(data.n_refused, 3);
  ASSERT_EQ(data.refusals.size(), 3u);
  EXPECT_NE(data.refusals[0].find("row 61: "), std::string::npos);
  EXPECT_NE(data.refusals[1].find("nothing to learn"), std::string::npos);
  EXPECT_NE(data.refusals[2].find("at most 128"), std::string::npos);
  // More than a tenth: it is the wrong file.
  EXPECT_EQ(read_tune_data(small.write("wrong.jsonl", preferences(9)), base, {.n_tokens_max = 128}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(read_tune_data(small.write("empty.jsonl", "\n"), base, {}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(read_tune_data(small.folder.path("nothing"), base, {}).error().code, ErrorCode::kNotFound);
  std::vector<EncodedSample> samples;
  for (const char* bad : {"[]", "{}", R"({"prompt": 3, "chosen": "a", "rejected": "b"})", R"({"prompt": "x", "chosen": "a", "rejected": "a"})",
                          R"({"prompt": [{"role": "god", "content": "x"}], "chosen": "a", "rejected": "b"})", R"({"prompt": "x", "chosen": "a"})"}) {
    EXPECT_FALSE(encode_row(bad, base, {.kind = TuneKind::kPreference}, "", &samples).ok()) << bad;
  }
  EXPECT_TRUE(samples.empty());
}

TEST(Tuner, WhatDoesNotFitIsRefusedWithTheNumbers) {
  const SmallBase small;
  const BaseModel base = small.open();
  const TuneData data = read_tune_data(small.write("rows.jsonl", additions(8)), base, {.n_tokens_max = 128}).value();
  TuneOptions options = options_for(small, "run");
  options.memory_max = 1 << 20;
  const Result<TuneResult> refused = tune(options, base, data);
  EXPECT_EQ(refused.error().code, ErrorCode::kResourceExhausted);
  EXPECT_NE(refused.error().message.find("--memory-mib"), std::string::npos);
}

// The marker's tokens in the file, and where the adapter begins in each example.
TEST(Tuner, AnActivatedAdapterSaysWhereItBegins) {
  const SmallBase small;
  const BaseModel base = small.open();
  std::vector<TokenId> marker;
  ASSERT_TRUE(base.tokenizer->encode("<|im_start|>assistant", {.parse_special = true}, &marker).ok());
  const TuneDataOptions data_options{.n_tokens_max = 128, .activation = marker};
  const TuneData data = read_tune_data(small.write("rows.jsonl", additions(8)), base, data_options).value();
  for (const EncodedSample& sample : data.samples) {
    EXPECT_GT(sample.adapter_from, 5);
    EXPECT_EQ(sample.ids[static_cast<size_t>(sample.adapter_from)], marker[0]);
    EXPECT_LT(sample.adapter_from, sample.n_prompt);
  }
  TuneOptions options = options_for(small, "run");
  options.settings.activation = marker;
  const Result<TuneResult> result = tune(options, base, data);
  ASSERT_TRUE(result.ok()) << result.error().message;
  const auto adapter = Adapter::load(result->adapter, base.config).value();
  EXPECT_EQ(adapter->activation(), marker);
  EXPECT_EQ(merge_adapter(*base.checkpoint, base.config, *adapter, {}, "merged", small.folder.path("merged.gguf")).error().code, ErrorCode::kUnsupported);
  const TuneDataOptions nowhere{.n_tokens_max = 128, .activation = {1, 2, 3}};
  EXPECT_NE(read_tune_data(small.folder.path("rows.jsonl"), base, nowhere).error().message.find("--activate-at"), std::string::npos);
}

TEST(Peft, ThereAndBackIsTheSameAdapter) {
  const SmallBase small;
  const BaseModel base = small.open();
  const ModelConfig& config = base.config;
  const LoraSet set = LoraSet::plan(config, {.rank = 3, .alpha = 5}).value();
  std::vector<float> flat(static_cast<size_t>(set.n()));
  Rng rng(8);
  for (float& value : flat) value = static_cast<float>(rng.normal());
  const std::string path = small.folder.path("adapter.gguf"), folder = small.folder.path("peft"), back = small.folder.path("back.gguf");
  const std::vector<int32_t> activation = {3, 4};
  for (const bool activated : {false, true}) {
    ASSERT_TRUE(set.write(path, flat, "llama", "x", {{"firesteel.adapter.base", "b"}, {"firesteel.adapter.steps", "7"}}, activated ? activation : std::vector<int32_t>()).ok());
    ASSERT_TRUE(export_peft(path, config, "base", folder).ok());
    const Status imported = import_peft(folder, config, back);
    ASSERT_TRUE(imported.ok()) << imported.error().message;
    EXPECT_TRUE(bytes_of(path) == bytes_of(back));
  }

  const std::string config_file = folder + "/adapter_config.json", good = bytes_of(config_file);
  for (const char* bad : {R"({"peft_type": "IA3"})", R"({"peft_type": "LORA", "r": 3, "lora_alpha": 1, "use_dora": true})", R"({"peft_type": "LORA", "r": 3, "lora_alpha": 1, "bias": "all"})",
                          R"({"peft_type": "LORA", "r": 100000, "lora_alpha": 1})", R"({"peft_type": "LORA", "r": 3, "lora_alpha": 1, "alora_invocation_tokens": [-1]})", R"({"peft_type": "LORA", "r": 4, "lora_alpha": 1})", "{", "[]"}) {
    ASSERT_TRUE(write_file_atomic(config_file, bad).ok());
    EXPECT_FALSE(import_peft(folder, config, back).ok()) << bad;
  }
  ASSERT_TRUE(write_file_atomic(config_file, good).ok());
  const std::string tensors = bytes_of(folder + "/adapter_model.safetensors");
  for (size_t n = 0; n < tensors.size(); n += tensors.size() / 20) {
    ASSERT_TRUE(write_file_atomic(folder + "/adapter_model.safetensors", std::string_view(tensors).substr(0, n)).ok());
    EXPECT_FALSE(import_peft(folder, config, back).ok()) << n;
  }
}

// The merged file holds W + scale B A, in the type that was asked for; what is not changed is copied.
TEST(Merge, AddsTheAdapterIntoTheWeights) {
  const SmallBase small(DType::kF32);
  const BaseModel base = small.open();
  const ModelConfig& config = base.config;
  const LoraSet set = LoraSet::plan(config, {.rank = 2, .alpha = 3, .targets = {AdapterTarget::kUp}}).value();
  std::vector<float> flat(static_cast<size_t>(set.n()));
  Rng rng(8);
  for (float& value : flat) value = static_cast<float>(rng.normal());
  const std::string path = small.folder.path("adapter.gguf"), merged = small.folder.path("merged.gguf");
  ASSERT_TRUE(set.write(path, flat, "llama", "x", {}).ok());
  const auto adapter = Adapter::load(path, config).value();
  ASSERT_TRUE(merge_adapter(*base.checkpoint, config, *adapter, {}, "merged", merged).ok());
  const std::shared_ptr<const Checkpoint> found = Checkpoint::open(merged).value();
  for (int layer = 0; layer < config.n_layers; ++layer) {
    const std::string up = "blk." + std::to_string(layer) + ".ffn_up.weight", down = "blk." + std::to_string(layer) + ".ffn_down.weight";
    const auto values = [](const Checkpoint& file, const std::string& name) { return reinterpret_cast<const float*>(file.find(name)->slices[0]); };
    const LoraSet::Place& place = set.places()[static_cast<size_t>(layer)];
    for (int64_t i = 0; i < place.n_rows * place.k; ++i) {
      double sum = static_cast<double>(values(*base.checkpoint, up)[i]);
      for (int64_t r = 0; r < 2; ++r) sum += 1.5 * static_cast<double>(flat[static_cast<size_t>(place.b + i / place.k * 2 + r)]) * static_cast<double>(flat[static_cast<size_t>(place.a + r * place.k + i % place.k)]);
      ASSERT_NEAR(static_cast<double>(values(*found, up)[i]), sum, 1e-5) << i;
      ASSERT_EQ(values(*found, down)[i], values(*base.checkpoint, down)[i]);
    }
  }
  EXPECT_EQ(Checkpoint::open(merged).value()->metadata().get_string("general.name").value(), "merged");
  ASSERT_TRUE(merge_adapter(*base.checkpoint, config, *adapter, DType::kQ8_0, "merged", merged).ok());
  EXPECT_EQ(Checkpoint::open(merged).value()->find("blk.0.ffn_up.weight")->dtype, DType::kQ8_0);
  EXPECT_EQ(Checkpoint::open(merged).value()->find("blk.0.ffn_down.weight")->dtype, DType::kF32);
}

}  // namespace
}  // namespace firesteel
