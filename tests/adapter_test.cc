// Adapters beside the base: as good as merged weights, the same bytes whoever else is in the batch, and damaged files refused.
#include <gtest/gtest.h>

#include <filesystem>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "adapter_files.h"
#include "base/mapped_file.h"
#include "engine/engine.h"
#include "forward_runner.h"
#include "invariance_worlds.h"
#include "tiny_model.h"

namespace firesteel {
namespace {

std::string temporary(const std::string& name) { return ::testing::TempDir() + "firesteel_adapter_" + std::to_string(::getpid()) + "_" + name + ".gguf"; }

struct TemporaryFile {
  explicit TemporaryFile(const std::string& name) : path(temporary(name)) {}
  ~TemporaryFile() { std::filesystem::remove(path); }
  const std::string path;
};

// Logits of a prompt's rows by an engine of one request: log-probabilities of the best tokens, which is all an engine shows.
struct Top {
  std::vector<TokenId> ids;
  std::vector<float> logprobs;
};
Top first_token(Engine* engine, const std::string& adapter, const std::vector<TokenId>& prompt) {
  GenerateRequest request;
  request.prompt = TokenPrompt{prompt};
  request.adapter = adapter;
  request.sampling = {.temperature = 0, .n_top_logprobs = 20};
  request.stop.max_tokens = 1;
  auto stream = engine->submit(std::move(request));
  EXPECT_TRUE(stream.ok()) << (stream.ok() ? "" : stream.error().message);
  Top top;
  if (!stream.ok()) return top;
  const auto event = (*stream)->next();
  for (const TokenLogprob& one : event->top) {
    top.ids.push_back(one.id);
    top.logprobs.push_back(one.logprob);
  }
  return top;
}

std::unique_ptr<Engine> engine_of(const std::shared_ptr<const Model>& model, Engine::Options options = {}) {
  options.n_threads = 1;
  options.context_length = 200;
  options.kv_type = KvType::kF32;
  options.kv_bytes_max = 32 * model->kv_layout(KvType::kF32).block_bytes();
  return Engine::create(model, nullptr, nullptr, options).value();
}

const std::vector<TokenId> kPrompt = {5, 80, 33, 7, 120, 9, 61, 200, 14, 2, 90, 31};

class AdapterFamilies : public ::testing::TestWithParam<const char*> {};

// f32 weights and f32 keys: sums of a few hundred products in another order differ by some 1e-6 of their size; logits here are of size
// 1 to 10. Without the adapter they differ by far more than the tolerance.
TEST_P(AdapterFamilies, AnswersAsWeightsDoThatItWasMergedInto) {
  const TinyModelFile file(tiny_spec(GetParam()));
  const auto model = load_model(file.path(), Precision::kHigh);
  const TemporaryFile adapter_file("merge"), merged_file("merged");
  write_adapter_file(adapter_file.path, model->config(), {.rank = 5});
  const auto adapter = Adapter::load(adapter_file.path, model->config()).value();
  write_merged_file(merged_file.path, model->checkpoint(), model->config(), *adapter);
  const auto merged = load_model(merged_file.path, Precision::kHigh);

  auto engine = engine_of(model), merged_engine = engine_of(merged);
  const AdapterInfo info = engine->load_adapter(adapter_file.path).value();
  EXPECT_EQ(info.digest, adapter->digest());
  EXPECT_EQ(info.rank, 5);
  const Top beside = first_token(engine.get(), info.digest, kPrompt), inside = first_token(merged_engine.get(), "", kPrompt), without = first_token(engine.get(), "", kPrompt);
  ASSERT_EQ(beside.ids, inside.ids);
  float most = 0;
  for (size_t i = 0; i < beside.logprobs.size(); ++i) EXPECT_NEAR(beside.logprobs[i], inside.logprobs[i], 2e-4f) << i;
  for (size_t i = 0; i < beside.logprobs.size(); ++i) most = std::max(most, std::abs(beside.logprobs[i] - without.logprobs[i]));
  EXPECT_GT(most, 0.01f);
}

INSTANTIATE_TEST_SUITE_P(All, AdapterFamilies, ::testing::Values("llama", "qwen2", "qwen3", "gemma3", "mistral-window"));

// Random requests with one of three adapters or none, among each other, in random worlds: the bytes that they have alone.
TEST(Adapters, SameRequestSameBytesAmongOtherAdapters) {
  for (const char* name : {"llama", "gemma3"}) {
    const TinyModelFile file(tiny_spec(name));
    const auto model = load_model(file.path());
    std::vector<std::unique_ptr<TemporaryFile>> files;
    std::vector<std::string> paths;
    const int ranks[] = {1, 8, 13};
    for (uint64_t i = 0; i < 3; ++i) {
      files.push_back(std::make_unique<TemporaryFile>("mix" + std::to_string(i)));
      AdapterFileSpec spec{.rank = ranks[i], .seed = i + 1};
      if (i == 2) spec.activation = {5};  // activated: the first part of many prompts is the base's
      if (i == 1) spec.targets = {AdapterTarget::kQ, AdapterTarget::kV, AdapterTarget::kDown};
      write_adapter_file(files.back()->path, model->config(), spec);
      paths.push_back(files.back()->path);
    }
    InvarianceStats stats;
    for (uint64_t world = 0; world < 3; ++world) {
      check_world(model, name, KvType::kF32, 9000 + world, 12, &stats, nullptr, paths);
      if (HasFailure()) return;
    }
    EXPECT_GT(stats.n_cached_tokens, 0u);
    EXPECT_GT(stats.n_forked, 0);
  }
}

TEST(Adapters, PrefixesAreNotSharedBetweenAdapters) {
  const TinyModelFile file(tiny_spec("llama"));
  const auto model = load_model(file.path());
  const TemporaryFile adapter_file("prefix");
  write_adapter_file(adapter_file.path, model->config(), {});
  auto engine = engine_of(model);
  const std::string digest = engine->load_adapter(adapter_file.path).value().digest;
  const auto cached = [&](const std::string& adapter) {
    GenerateRequest request;
    request.prompt = TokenPrompt{std::vector<TokenId>(150, 3)};
    request.adapter = adapter;
    request.stop.max_tokens = 1;
    const auto stream = engine->submit(std::move(request)).value();
    for (;;) {
      const auto event = stream->next();
      if (event->kind == GenerateEvent::Kind::kDone) return event->usage.cached_tokens;
    }
  };
  EXPECT_EQ(cached(""), 0);
  EXPECT_EQ(cached(digest), 0);
  EXPECT_GT(cached(""), 100);
  EXPECT_GT(cached(digest), 100);
}

// Base and activated adapters share what is before the activation, both ways, and nothing of what follows; and whoever computed it first, the
// bytes are the same.
TEST(Adapters, AnActivatedAdapterSharesItsPrefixWithTheBase) {
  const TinyModelFile file(tiny_spec("llama"));
  const auto model = load_model(file.path());
  const TemporaryFile first_file("activated1"), second_file("activated2"), everywhere_file("everywhere");
  write_adapter_file(first_file.path, model->config(), {.activation = {7, 8}});
  write_adapter_file(second_file.path, model->config(), {.seed = 2, .activation = {7, 8}});
  write_adapter_file(everywhere_file.path, model->config(), {});
  std::vector<TokenId> prompt(160, 3);
  for (size_t i = 0; i < 130; ++i) prompt[i] = static_cast<TokenId>(20 + i);
  prompt[40] = prompt[130] = 7;  // twice: the last one counts
  prompt[41] = prompt[131] = 8;
  struct Answer {
    int64_t n_cached;
    std::vector<TokenId> ids;
    std::vector<float> logprobs;
  };
  const auto ask = [](Engine* engine, const std::string& adapter, const std::vector<TokenId>& tokens) {
    GenerateRequest request;
    request.prompt = TokenPrompt{tokens};
    request.adapter = adapter;
    request.sampling = {.temperature = 0, .n_top_logprobs = 3};
    request.stop.max_tokens = 6;
    const auto stream = engine->submit(std::move(request)).value();
    Answer answer{};
    for (;;) {
      const auto event = stream->next();
      for (const TokenLogprob& one : event->top) {
        answer.ids.push_back(one.id);
        answer.logprobs.push_back(one.logprob);
      }
      answer.n_cached = event->usage.cached_tokens;
      if (event->kind == GenerateEvent::Kind::kDone) return answer;
    }
  };
  const auto alone = [&](const std::string& path, const std::vector<TokenId>& tokens) {
    const auto engine = engine_of(model);
    return ask(engine.get(), path.empty() ? "" : engine->load_adapter(path).value().digest, tokens);
  };
  const Answer of_base = alone("", prompt), of_first = alone(first_file.path, prompt), of_second = alone(second_file.path, prompt);
  EXPECT_NE(of_base.logprobs, of_first.logprobs);
  EXPECT_NE(of_second.logprobs, of_first.logprobs);
  EXPECT_NE(alone(everywhere_file.path, prompt).logprobs, of_first.logprobs);

  for (const bool base_first : {true, false}) {
    const auto engine = engine_of(model);
    const std::string first = engine->load_adapter(first_file.path).value().digest, second = engine->load_adapter(second_file.path).value().digest;
    std::vector<std::pair<std::string, const Answer*>> order = {{"", &of_base}, {first, &of_first}, {second, &of_second}};
    if (!base_first) std::rotate(order.begin(), order.begin() + 1, order.end());
    for (int round = 0; round < 2; ++round) {
      for (size_t i = 0; i < order.size(); ++i) {
        const Answer found = ask(engine.get(), order[i].first, prompt);
        const int64_t n_shared = round > 0 ? 159 : i > 0 ? 128 : 0;  // two whole blocks; two tokens more are not worth a copy
        EXPECT_EQ(found.n_cached, n_shared) << base_first << " " << round << " " << i;
        EXPECT_EQ(found.ids, order[i].second->ids);
        EXPECT_EQ(found.logprobs, order[i].second->logprobs);
      }
    }
  }
  // Where it never begins it is the base; where it begins at once it is what it would be without the key.
  const std::vector<TokenId> without(prompt.begin() + 45, prompt.begin() + 125), at_once(prompt.begin() + 130, prompt.end());
  EXPECT_EQ(alone(first_file.path, without).logprobs, alone("", without).logprobs);
  EXPECT_EQ(alone(first_file.path, at_once).logprobs, alone(everywhere_file.path, at_once).logprobs);
}

// A context keeps its adapter, in memory and as a file; a file is for the adapter it was made with.
TEST(Adapters, ContextsBelongToTheirAdapter) {
  const TinyModelFile file(tiny_spec("llama"));
  const auto model = load_model(file.path());
  const TemporaryFile adapter_file("context"), snapshot("snapshot");
  write_adapter_file(adapter_file.path, model->config(), {});
  auto engine = engine_of(model);
  const std::string digest = engine->load_adapter(adapter_file.path).value().digest;
  GenerateRequest request;
  request.prompt = TokenPrompt{kPrompt};
  request.adapter = digest;
  auto context = engine->prefill(request).value();
  ASSERT_TRUE(engine->save_context(context, snapshot.path).ok());
  EXPECT_EQ(engine->load_context(snapshot.path, {}).error().code, ErrorCode::kFailedPrecondition);
  const auto again = engine->load_context(snapshot.path, {}, digest);
  ASSERT_TRUE(again.ok()) << again.error().message;
  const auto branch = [&](const std::shared_ptr<Context>& from) {
    return engine->fork(from, {BranchRequest{TokenPrompt{{17}}, {.temperature = 0, .n_top_logprobs = 0}, {.max_tokens = 1}}}).value()[0]->next()->logprob;
  };
  std::vector<TokenId> longer = kPrompt;
  longer.push_back(17);
  EXPECT_EQ(branch(context), first_token(engine.get(), digest, longer).logprobs[0]);
  EXPECT_EQ(branch(*again), branch(context));
}

TEST(Adapters, ComeAndGoWhileOthersAnswer) {
  const TinyModelFile file(tiny_spec("llama"));
  const auto model = load_model(file.path());
  const TemporaryFile one("one"), two("two");
  write_adapter_file(one.path, model->config(), {.seed = 1});
  write_adapter_file(two.path, model->config(), {.seed = 2});
  auto engine = engine_of(model, {.max_adapters = 1});
  EXPECT_TRUE(engine->adapters().empty());
  const std::string digest = engine->load_adapter(one.path).value().digest;
  EXPECT_EQ(engine->load_adapter(one.path).value().digest, digest);  // the same content is one adapter
  EXPECT_EQ(engine->load_adapter(two.path).error().code, ErrorCode::kResourceExhausted);
  const Top before = first_token(engine.get(), digest, kPrompt);

  GenerateRequest request;
  request.prompt = TokenPrompt{kPrompt};
  request.adapter = digest;
  request.stop.max_tokens = 100;
  const auto running = engine->submit(request).value();
  ASSERT_TRUE(running->next().has_value());
  ASSERT_TRUE(engine->unload_adapter(digest).ok());
  EXPECT_EQ(engine->unload_adapter(digest).error().code, ErrorCode::kNotFound);
  const auto refused = engine->submit(request);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kNotFound);
  const std::string other = engine->load_adapter(two.path).value().digest;  // there is room again
  EXPECT_NE(other, digest);
  int64_t n = 1;
  while (const auto event = running->next()) {  // it goes on with what it began with
    if (event->kind == GenerateEvent::Kind::kDone) {
      EXPECT_NE(event->reason, FinishReason::kError);
      break;
    }
    ++n;
  }
  EXPECT_EQ(n, 100);
  ASSERT_TRUE(engine->unload_adapter(other).ok());
  EXPECT_EQ(engine->load_adapter(one.path).value().digest, digest);
  EXPECT_EQ(first_token(engine.get(), digest, kPrompt).logprobs, before.logprobs);
}

TEST(Adapters, WhatDoesNotFitIsRefusedByName) {
  const TinyModelFile file(tiny_spec("llama")), wide_file(TinySpec{.name = "wide", .dim = 128}), moe_file(tiny_spec("llama-moe"));
  const ModelConfig config = load_model(file.path())->config(), wide = load_model(wide_file.path())->config(), moe = load_model(moe_file.path())->config();
  const TemporaryFile temp("bad");
  const auto refusal = [&](const AdapterFileSpec& spec, const ModelConfig& for_model) {
    write_adapter_file(temp.path, for_model, spec);
    const auto loaded = Adapter::load(temp.path, config);
    EXPECT_FALSE(loaded.ok());
    return loaded.ok() ? Error{} : loaded.error();
  };
  const auto contains = [](const Error& error, ErrorCode code, const std::string& text) {
    EXPECT_EQ(error.code, code) << error.message;
    EXPECT_NE(error.message.find(text), std::string::npos) << error.message;
  };
  contains(refusal({.architecture = "qwen3"}, config), ErrorCode::kFailedPrecondition, "architecture \"qwen3\"");
  contains(refusal({}, wide), ErrorCode::kDataLoss, "expected 4 x 64 for this model, found 4 x 128");
  contains(refusal({.rank = 40}, config), ErrorCode::kDataLoss, "rank 1 to 32");  // k and v have 32 rows
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), 1e5f}) {
    contains(refusal({.spoil = [bad](const std::string& name, std::vector<float>* values) {
                       if (name == "blk.1.attn_o.weight.lora_a" || name == "blk.1.ffn_up.weight.lora_b") values->back() = bad;
                     }}, config), ErrorCode::kDataLoss, "blk.1.ffn_up.weight.lora_b");
  }
  write_adapter_file(temp.path, moe, {.targets = {AdapterTarget::kUp}});
  contains(Adapter::load(temp.path, moe).error(), ErrorCode::kUnsupported, "experts");
  contains(Adapter::load(file.path(), config).error(), ErrorCode::kUnsupported, "not a LoRA adapter");
  contains(Adapter::load(temp.path + ".nothing", config).error(), ErrorCode::kNotFound, "nothing");

  // Cut anywhere, it is refused.
  write_adapter_file(temp.path, config, {.rank = 2, .targets = {AdapterTarget::kQ}});
  const std::string whole = read_file(temp.path, 1 << 20).value();
  for (size_t n = 0; n < whole.size(); n += 37) {
    const auto part = Adapter::parse(std::as_bytes(std::span(whole.data(), n)), "part", config);
    EXPECT_FALSE(part.ok()) << n;
  }
}

}  // namespace
}  // namespace firesteel
