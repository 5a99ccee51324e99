#include "tune/lora.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <vector>

#include "tune/test_model.h"

namespace firesteel {
namespace {

TEST(Lora, WhatIsWrittenTheEngineReads) {
  const test_model::SmallModel model(test_network::small_shape());
  const LoraSet set = LoraSet::plan(model.config, {.rank = 3, .alpha = 6, .targets = parse_targets("v,gate").value()}).value();
  const std::vector<float> flat = test_model::random_flat(set, 2);
  const std::string path = ::testing::TempDir() + "firesteel_lora_test.gguf";
  const std::vector<int32_t> activation = {7, 9};
  ASSERT_TRUE(set.write(path, flat, "llama", "a name", {{"firesteel.adapter.base", "x"}}, activation).ok());
  const auto adapter = Adapter::load(path, model.config);
  ASSERT_TRUE(adapter.ok()) << adapter.error().message;
  EXPECT_EQ((*adapter)->name(), "a name");
  EXPECT_EQ((*adapter)->activation(), activation);
  EXPECT_EQ((*adapter)->find(0, AdapterTarget::kQ), nullptr);
  const LoraSet::Place& place = set.places()[1];
  const LoraPair* pair = (*adapter)->find(0, AdapterTarget::kGate);
  ASSERT_NE(pair, nullptr);
  EXPECT_EQ(pair->a[7], flat[static_cast<size_t>(place.a + 7)]);
  EXPECT_EQ(pair->b[7], flat[static_cast<size_t>(place.b + 7)] * 2);
  std::filesystem::remove(path);
}

TEST(Lora, BadSettingsAreNamed) {
  const test_model::SmallModel model(test_network::small_shape());
  EXPECT_NE(LoraSet::plan(model.config, {.rank = 0}).error().message.find("rank"), std::string::npos);
  EXPECT_NE(LoraSet::plan(model.config, {.rank = 17}).error().message.find("1 to 16"), std::string::npos);  // k and v have 16 rows
  EXPECT_NE(LoraSet::plan(model.config, {.alpha = -1}).error().message.find("alpha"), std::string::npos);
  EXPECT_NE(parse_targets("q,x").error().message.find("\"x\""), std::string::npos);
  EXPECT_EQ(targets_text(parse_targets("ffn,q").value()), "q,gate,up,down");
  EXPECT_EQ(parse_targets("all").value().size(), 7u);
}

TEST(Lora, BeginsWhereItsActivationStandsLast) {
  const std::vector<int32_t> tokens = {5, 1, 2, 7, 1, 2, 9};
  const auto start = [&](std::vector<int32_t> activation) { return adapter_start(tokens, activation); };
  EXPECT_EQ(start({}), 0);
  EXPECT_EQ(start({1, 2}), 4);
  EXPECT_EQ(start({5}), 0);
  EXPECT_EQ(start({2, 1}), 7);  // nowhere
}

}  // namespace
}  // namespace firesteel
