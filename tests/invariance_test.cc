// Invariant 1 on small random models of several families: at least 100 requests here, 1,000 in invariance_slow_test.cc.
#include <gtest/gtest.h>

#include <cmath>
#include <string>
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
  model->forward(&exec, *table, workspace.get(), layout, {rows, seqs, hidden.data()}, logits.data());
  blocks.release(*pool);
  std::vector<double> sum(dim, 0);
  for (size_t i = 0; i < hidden.size(); ++i) sum[i % dim] += double{hidden[i]};
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
