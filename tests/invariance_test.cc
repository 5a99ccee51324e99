// Invariant 1 on small random models of several families: at least 100 requests here, 1,000 in invariance_slow_test.cc.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "engine/engine.h"
#include "forward_runner.h"
#include "invariance_worlds.h"
#include "kernels/dispatch.h"
#include "kvcache/block_pool.h"
#include "kvcache/block_table.h"
#include "tiny_model.h"

namespace firesteel {
namespace {

class InvarianceTest : public ::testing::TestWithParam<const char*> {};

TEST_P(InvarianceTest, SameRequestSameBytes) {
  const std::string name = GetParam();
  const TinyModelFile file(tiny_spec(name));
  const auto model = load_model(file.path());
  InvarianceStats stats;
  const KvType kv_types[] = {KvType::kF32, KvType::kBF16, KvType::kInt8};
  for (uint64_t world = 0; world < 3; ++world) {
    check_world(model, name, kv_types[world], 1000 + world, 8, &stats);
    if (HasFailure()) return;
  }
  EXPECT_GT(stats.n_cached_tokens, 0u);
  EXPECT_GT(stats.n_forked, 0);
}

// The same with pictures in the prompts, some of which differ in one pixel.
TEST_P(InvarianceTest, SamePicturesSameBytes) {
  const std::string name = GetParam();
  const TinyModelFile file(tiny_spec(name));
  const auto model = load_model(file.path());
  const TinyModelFile vision_file(tiny_vision_gguf(static_cast<int>(model->config().dim), 4));
  const auto vision = VisionModel::load(Checkpoint::open(vision_file.path()).value()).value();
  InvarianceStats stats;
  const KvType kv_types[] = {KvType::kF32, KvType::kBF16, KvType::kInt8};
  for (uint64_t world = 0; world < 3; ++world) {
    check_world(model, name, kv_types[world], 5000 + world, 10, &stats, vision);
    if (HasFailure()) return;
  }
  EXPECT_GT(stats.n_cached_tokens, 0u);
}

// A picture, a picture that differs in one pixel and none: three answers; and what an engine cannot show is refused.
TEST(Pictures, AreSeenAndRefusedWithReasons) {
  const TinyModelFile file(tiny_spec("llama"));
  const auto model = load_model(file.path());
  const TinyModelFile vision_file(tiny_vision_gguf(64, 4));
  const auto vision = VisionModel::load(Checkpoint::open(vision_file.path()).value()).value();
  Engine::Options options{.n_threads = 1, .context_length = 200, .kv_bytes_max = 8 * model->kv_layout(model->default_kv_type()).block_bytes()};
  EXPECT_FALSE(Engine::create(model, nullptr, nullptr, options).value()->info().can_see);
  auto blind = Engine::create(model, nullptr, nullptr, options).value();
  options.vision = vision;
  EXPECT_EQ(Engine::create(model, nullptr, nullptr, options).error().code, ErrorCode::kFailedPrecondition);  // no picture token
  options.picture_token = 7;
  auto engine = Engine::create(model, nullptr, nullptr, options).value();
  EXPECT_TRUE(engine->info().can_see);

  RgbImage image{10, 10, std::vector<uint8_t>(300, 90)};
  const auto first = std::make_shared<const RgbImage>(image);
  image.pixels[5] = 91;
  const auto second = std::make_shared<const RgbImage>(image);
  const auto logprob = [&](std::vector<ImagePtr> images) {
    GenerateRequest request;
    request.prompt = TokenPrompt{{1, 2, 3, 7, 7, 7, 7, 4, 5, 6, 9, 10, 11}};
    request.sampling = {.temperature = 0, .n_top_logprobs = 0};
    request.stop.max_tokens = 1;
    request.images = std::move(images);
    return engine->submit(std::move(request)).value()->next()->logprob;
  };
  const float without = logprob({});
  EXPECT_NE(logprob({first}), without);
  EXPECT_NE(logprob({first}), logprob({second}));
  EXPECT_EQ(logprob({first}), logprob({std::make_shared<const RgbImage>(*first)}));
  EXPECT_EQ(logprob({}), without);

  const auto refusal = [&](Engine* who, std::vector<TokenId> ids, std::vector<ImagePtr> images) {
    GenerateRequest request;
    request.prompt = TokenPrompt{std::move(ids)};
    request.images = std::move(images);
    const auto stream = who->submit(std::move(request));
    EXPECT_FALSE(stream.ok());
    if (stream.ok()) return std::string();
    EXPECT_EQ(stream.error().code, ErrorCode::kInvalidArgument);
    return stream.error().message;
  };
  EXPECT_NE(refusal(blind.get(), {1, 7, 7, 7, 7}, {first}).find("cannot see"), std::string::npos);
  EXPECT_NE(refusal(engine.get(), {1, 7, 7, 7}, {first}).find("expected 4 picture tokens in the prompt, found 3"), std::string::npos);
  EXPECT_NE(refusal(engine.get(), {1, 7, 7, 2, 7, 7}, {first}).find("between the picture tokens"), std::string::npos);
  EXPECT_NE(refusal(engine.get(), {1, 7}, {nullptr}).find("images[0]"), std::string::npos);
  EXPECT_NE(refusal(engine.get(), {1, 7}, {std::make_shared<const RgbImage>(RgbImage{2, 2, {1}})}).find("images[0]"), std::string::npos);
  EXPECT_NE(refusal(engine.get(), {1, 7}, std::vector<ImagePtr>(17, first)).find("at most 16"), std::string::npos);
  EXPECT_NE(refusal(engine.get(), {model->config().n_vocab > 0 ? static_cast<TokenId>(model->config().n_vocab) : 0}, {}).find("prompt[0]"), std::string::npos);

  GenerateRequest request;
  request.prompt = TokenPrompt{{1, 7, 7, 7, 7}};
  request.images = {first};
  const auto context = engine->prefill(request).value();
  EXPECT_EQ(engine->save_context(context, ::testing::TempDir() + "firesteel_never").error().code, ErrorCode::kFailedPrecondition);
}

// The engine's embedding against the forward pass itself: all rows in one step, their hidden states summed in order.
TEST_P(InvarianceTest, EmbeddingsAreTheMeanOfHiddenStatesHoweverTheyAreCut) {
  const TinyModelFile file(tiny_spec(GetParam()));
  const auto model = load_model(file.path());
  const auto dim = static_cast<size_t>(model->config().dim);
  std::vector<TokenId> prompt;
  Rng rng(3);
  for (int i = 0; i < 150; ++i) prompt.push_back(static_cast<TokenId>(rng.below(static_cast<uint64_t>(model->config().n_vocab))));

  const KernelTable* table = default_kernel_table().value();
  Exec exec(1);
  const KvLayout layout = model->kv_layout(KvType::kF32);
  const auto pool = BlockPool::create(layout, 3).value();
  BlockTable blocks;
  ASSERT_TRUE(blocks.reserve(*pool, 150).ok());
  const auto workspace = model->new_workspace(150, 1, 256);
  std::vector<ForwardRow> rows;
  for (int32_t i = 0; i < 150; ++i) rows.push_back({prompt[static_cast<size_t>(i)], i, 0, i == 149, true});
  const std::vector<AttnSeq> seqs = {{blocks.addresses(), 3}};
  std::vector<float> hidden(150 * dim);
  std::vector<float> logits(static_cast<size_t>(model->config().n_vocab));
  model->forward(&exec, *table, workspace.get(), layout, {.rows = rows, .seqs = seqs, .hidden = hidden.data()}, logits.data());
  blocks.release(*pool);
  std::vector<double> sum(dim, 0);
  for (size_t i = 0; i < hidden.size(); ++i) sum[i % dim] += static_cast<double>(hidden[i]);
  double squares = 0;
  for (const double x : sum) squares += x * x;

  for (const int n_rows : {1, 13, 64, 512}) {
    Engine::Options options;
    options.n_threads = n_rows == 13 ? 2 : 1;
    options.context_length = 256;
    options.kv_type = KvType::kF32;
    options.kv_bytes_max = 8 * layout.block_bytes();
    options.max_batch_rows = n_rows;
    options.max_sequences = 1;
    options.prefill_chunk = 1;
    auto engine = Engine::create(model, nullptr, nullptr, options).value();
    const std::vector<float> found = engine->embed(TokenPrompt{prompt}).value();
    ASSERT_EQ(found.size(), dim);
    for (size_t i = 0; i < dim; ++i) ASSERT_EQ(found[i], static_cast<float>(sum[i] * (1 / std::sqrt(squares)))) << n_rows << " rows, " << i;
  }
}

// A context that went through a file answers with the bytes of a request that never left its engine.
TEST_P(InvarianceTest, SnapshotsAnswerWithTheSameBytes) {
  const TinyModelFile file(tiny_spec(GetParam()));
  const auto model = load_model(file.path());
  const std::string path = ::testing::TempDir() + "firesteel_invariance_snapshot_" + std::to_string(getpid()) + "_" + GetParam();
  std::vector<TokenId> prompt;
  Rng rng(9);
  for (int i = 0; i < 100; ++i) prompt.push_back(static_cast<TokenId>(rng.below(static_cast<uint64_t>(model->config().n_vocab))));
  const auto read = [](TokenStream* stream) {
    std::pair<std::vector<TokenId>, std::vector<float>> answer;
    while (auto event = stream->next()) {
      if (event->kind != GenerateEvent::Kind::kToken) continue;
      answer.first.push_back(event->token);
      answer.second.push_back(event->logprob);
    }
    return answer;
  };
  for (const KvType kv_type : {KvType::kF32, KvType::kBF16, KvType::kInt8}) {
    const auto make_engine = [&](KvType type) {
      Engine::Options options;
      options.n_threads = 1;
      options.context_length = 200;
      options.kv_type = type;
      options.kv_bytes_max = 12 * model->kv_layout(type).block_bytes();
      options.poison_free_blocks = true;
      return Engine::create(model, nullptr, nullptr, options).value();
    };
    GenerateRequest request;
    request.prompt = TokenPrompt{prompt};
    request.sampling = {.temperature = 0.9, .seed = 4, .n_top_logprobs = 0};
    request.stop.max_tokens = 30;
    const auto expected = read(make_engine(kv_type)->submit(request).value().get());
    {
      auto writer = make_engine(kv_type);
      GenerateRequest prefix = request;
      prefix.prompt = TokenPrompt{{prompt.begin(), prompt.begin() + 90}};
      const auto context = writer->prefill(prefix).value();
      ASSERT_TRUE(writer->save_context(context, path).ok());
    }
    auto reader = make_engine(kv_type);
    const auto context = reader->load_context(path, {}).value();
    const BranchRequest branch{TokenPrompt{{prompt.begin() + 90, prompt.end()}}, request.sampling, request.stop};
    const auto found = read(reader->fork(context, {branch}).value()[0].get());
    EXPECT_EQ(found.first, expected.first) << kv_type_name(kv_type);
    EXPECT_EQ(found.second, expected.second) << kv_type_name(kv_type);
    const KvType other = kv_type == KvType::kF32 ? KvType::kBF16 : KvType::kF32;
    EXPECT_EQ(make_engine(other)->load_context(path, {}).error().code, ErrorCode::kFailedPrecondition);
  }
  unlink(path.c_str());
}

INSTANTIATE_TEST_SUITE_P(Families, InvarianceTest, ::testing::Values("llama", "mistral-window", "qwen3", "llama-moe", "gemma3"),
                         [](const auto& family) {
                           std::string name = family.param;
                           for (char& c : name) {
                             if (c == '-') c = '_';
                           }
                           return name;
                         });

}  // namespace
}  // namespace firesteel
