#include "engine/engine.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "base/mapped_file.h"
#include "base/rng.h"
#include "engine/engine_fixture.h"
#include "kvcache/prefix_tree.h"

namespace firesteel {
namespace {

std::string letters(int64_t n, uint64_t seed) {
  Rng rng(seed);
  std::string text;
  for (int64_t i = 0; i < n; ++i) text.push_back(static_cast<char>('a' + rng.below(26)));
  return text;
}

TEST_F(EngineTest, AnswersAndEndsOnce) {
  model_->script("2+2=", "4 of course");
  start();
  const Answer a = answer(ask("2+2="));
  EXPECT_EQ(a.text, "4 of course");
  EXPECT_EQ(a.n_done, 1);
  EXPECT_EQ(a.done.reason, FinishReason::kStop);
  EXPECT_EQ(a.done.usage.prompt_tokens, 4);
  EXPECT_EQ(a.done.usage.generated_tokens, 11);
  EXPECT_LE(a.done.usage.queued_us, a.done.usage.first_token_us);
  EXPECT_LE(a.done.usage.first_token_us, a.done.usage.total_us);
  const EngineStats stats = engine_->engine_stats();
  EXPECT_EQ(stats.n_finished, 1u);
  EXPECT_EQ(stats.n_free_blocks + stats.n_cached_blocks, stats.n_blocks);
}

TEST_F(EngineTest, TextIsAlwaysWholeCharacters) {
  model_->script("euro:", "\xE2\x82\xAC!");
  start();
  auto stream = engine_->submit(ask("euro:")).value();
  std::vector<std::string> texts;
  while (auto event = stream->next()) texts.push_back(event->text);
  EXPECT_EQ(texts, (std::vector<std::string>{"", "", "\xE2\x82\xAC", "!", ""}));
  // Cut off in the middle of it.
  EXPECT_EQ(answer(ask("euro:", 2)).text, "\xEF\xBF\xBD");
}

TEST_F(EngineTest, BosIsAddedToTextOnly) {
  tokenizer_->with_bos = true;
  start();
  EXPECT_EQ(engine_->encode(RawPrompt{"a"}).value(), (std::vector<TokenId>{kFakeBos, 'a'}));
  EXPECT_EQ(engine_->encode(TokenPrompt{{1}}).value(), (std::vector<TokenId>{1}));
  EXPECT_EQ(engine_->encode(RawPrompt{"<think>"}).value().size(), 8u);
  EXPECT_EQ(engine_->encode(RawPrompt{"<think>", true}).value(), (std::vector<TokenId>{kFakeBos, kFakeThink}));
}

TEST_F(EngineTest, TokensAndTheirTexts) {
  start();
  EXPECT_EQ(engine_->tokenize(RawPrompt{"abc"}).value(), (std::vector<TokenId>{'a', 'b', 'c'}));
  EXPECT_EQ(engine_->count_tokens(RawPrompt{"abc"}).value(), 3);
  EXPECT_EQ(engine_->count_tokens(TokenPrompt{{kFakeVocab}}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(engine_->detokenize(std::vector<TokenId>{'a', 0xE2, 'b', kFakeEos}).value(), "a\xEF\xBF\xBD" "b");
  EXPECT_EQ(engine_->detokenize(std::vector<TokenId>{-1}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(engine_->token_text(0xE2), "\xE2");  // bytes as they are
  EXPECT_EQ(engine_->token_text(kFakeEos), "<eos>");
  EXPECT_EQ(engine_->token_text(-1) + engine_->token_text(kFakeVocab), "");
}

TEST_F(EngineTest, TellsWhatItServesAndHowMuch) {
  Engine::Options options;
  options.info.name = "fake-1";
  options.info.n_parameters = 7;
  start(options, 8);
  const ModelInfo info = engine_->info();
  EXPECT_EQ(info.name, "fake-1");
  EXPECT_EQ(info.n_parameters, 7);
  EXPECT_EQ(info.architecture, "fake");
  EXPECT_EQ(info.context_length, 512);
  EXPECT_EQ(info.n_vocab, kFakeVocab);
  EXPECT_EQ(info.digest, "fake");
  EXPECT_TRUE(info.can_think);
  EXPECT_FALSE(info.has_chat_template);
  answer(ask(letters(100, 1), 5));
  answer(ask(letters(100, 1), 5));
  const GeneratorStats stats = engine_->stats();
  EXPECT_EQ(stats.n_requests, 2u);
  EXPECT_EQ(stats.prompt_tokens, 200u);
  EXPECT_EQ(stats.cached_tokens, 99u);
  EXPECT_EQ(stats.generated_tokens, 10u);
  EXPECT_EQ(stats.prefix_queries, 2u);
  EXPECT_EQ(stats.prefix_hits, 1u);
  EXPECT_EQ(stats.kv_bytes_used, 2u * 8192);
  EXPECT_EQ(stats.kv_bytes_max, 8u * 8192);
}

// The waker's owner may sleep until it is called: whenever try_next has something it did not have, there was a call.
TEST_F(EngineTest, WakesWhoeverDoesNotWait) {
  for (const bool sets_late : {false, true}) {
    Gate& gate = gate_;
    model_->before_forward = [&](const ForwardBatch&) { gate.pass(); };
    start();
    auto stream = engine_->submit(ask("x", 5)).value();
    if (sets_late) {
      gate.allow(3);
      gate.wait_stopped();
    }
    Mutex mutex;
    CondVar changed;
    int n_wakes = 0;
    stream->set_waker([&] {
      MutexLock lock(mutex);
      ++n_wakes;
      changed.notify_all();
    });
    gate.allow(sets_late ? 2 : 5);
    int n_events = 0;
    int n_seen = 0;
    while (!stream->done()) {
      {
        MutexLock lock(mutex);
        while (n_wakes == n_seen) changed.wait(mutex);
        n_seen = n_wakes;
      }
      while (stream->try_next()) ++n_events;
    }
    EXPECT_EQ(n_events, 6);
    EXPECT_FALSE(stream->try_next().has_value());
    EXPECT_FALSE(stream->next().has_value());
    stream->set_waker({});
  }
}

// However the prompt is cut, whoever computes beside it, also when it was preempted and began anew.
TEST_F(EngineTest, EmbeddingsAreTheMeanOfAllHiddenStates) {
  const std::string text = letters(300, 8);
  std::vector<double> sum(16, 0);
  uint64_t hash = 1;
  for (const char c : text) {
    hash = FakeModel::mix(hash, static_cast<uint64_t>(static_cast<unsigned char>(c)));
    for (int64_t i = 0; i < 16; ++i) sum[static_cast<size_t>(i)] += static_cast<double>(FakeModel::hidden_value(hash, i));
  }
  double squares = 0;
  for (const double x : sum) squares += x * x;
  std::vector<float> expected;
  for (const double x : sum) expected.push_back(static_cast<float>(x / std::sqrt(squares)));
  for (const int rows : {1, 7, 64, 512}) {
    Engine::Options options;
    options.max_batch_rows = rows;
    options.max_sequences = std::min(rows, 4);
    options.prefill_chunk = std::min(rows, 16);
    start(options, 7);
    std::vector<std::unique_ptr<TokenStream>> neighbours;
    for (int i = 0; i < 3; ++i) neighbours.push_back(engine_->submit(ask(letters(50, 1) + std::to_string(i), 60)).value());
    answer(ask(text, 1));  // what the cache holds is of no use here
    const auto found = engine_->embed(RawPrompt{text});
    ASSERT_TRUE(found.ok()) << found.error().message;
    ASSERT_EQ(found->size(), expected.size());
    for (size_t i = 0; i < expected.size(); ++i) EXPECT_FLOAT_EQ((*found)[i], expected[i]) << "rows " << rows;
    EXPECT_EQ(*found, engine_->embed(RawPrompt{text}).value());
  }
  EXPECT_EQ(engine_->embed(RawPrompt{""}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(engine_->embed(RawPrompt{std::string(3000, 'x')}).error().code, ErrorCode::kInvalidArgument);
}

// ---- Where answers end ----------------------------------------------------------------------------------------------

TEST_F(EngineTest, MaxTokensAndFullContextEndWithLength) {
  start({}, 2);  // 128 tokens of context
  EXPECT_EQ(engine_->context_length(), 128);
  const Answer a = answer(ask("abc", 5));
  EXPECT_EQ(a.ids.size(), 5u);
  EXPECT_EQ(a.done.reason, FinishReason::kLength);
  const Answer b = answer(ask("abc"));
  EXPECT_EQ(b.ids.size(), 125u);
  EXPECT_EQ(b.done.reason, FinishReason::kLength);
  EXPECT_EQ(answer(ask(std::string(127, 'x'), 100)).ids.size(), 1u);
}

TEST_F(EngineTest, TooLongIsRefusedWithBothCounts) {
  start({}, 2);
  const Error error = refusal(ask(std::string(128, 'x')));
  EXPECT_EQ(error.code, ErrorCode::kInvalidArgument);
  EXPECT_NE(error.message.find("128 tokens"), std::string::npos) << error.message;
  EXPECT_NE(error.message.find("holds 128"), std::string::npos) << error.message;
  EXPECT_EQ(refusal(ask("")).code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(engine_->prefill(ask(std::string(129, 'x'))).error().code, ErrorCode::kInvalidArgument);
}

TEST_F(EngineTest, StopStringsAreCutOutAndHeldBack) {
  model_->script("q:", "hello STOP world");
  start();
  auto request = ask("q:");
  request.stop.strings = {"zzz", "STOP"};
  auto stream = engine_->submit(request).value();
  std::string shown;
  while (auto event = stream->next()) {
    shown += event->text;
    EXPECT_EQ(shown.find('S'), std::string::npos);
    if (event->kind != GenerateEvent::Kind::kDone) continue;
    EXPECT_EQ(event->reason, FinishReason::kStop);
    EXPECT_EQ(event->stop_string, "STOP");
    EXPECT_EQ(event->usage.generated_tokens, 10);
  }
  EXPECT_EQ(shown, "hello ");
  // What was held back comes out when it does not become a stop string.
  request.stop.strings = {"STOPPED", " worlds"};
  const Answer a = answer(request);
  EXPECT_EQ(a.text, "hello STOP world");
  EXPECT_EQ(a.done.stop_string, "");
}

TEST_F(EngineTest, StopIdsEndBeforeTheirToken) {
  model_->script("q:", "abc");
  start();
  auto request = ask("q:");
  request.stop.token_ids = {'c'};
  const Answer a = answer(request);
  EXPECT_EQ(a.text, "ab");
  EXPECT_EQ(a.done.reason, FinishReason::kStop);
  request.stop.token_ids = {};
  request.stop.ignore_end_of_generation = true;
  request.stop.max_tokens = 10;
  EXPECT_EQ(answer(request).done.reason, FinishReason::kLength);
}

TEST_F(EngineTest, ThinkingIsMarkedAndItsBudgetEnforced) {
  model_->script_ids("q:", {kFakeThink, 'h', 'm', 'm', kFakeEndThink, '4', '2'});
  // After a forced end the model goes on from another history.
  model_->script_ids("hm", {kFakeEndThink, '7'});
  model_->script_ids("h", {kFakeEndThink, '8'});
  start();
  auto request = ask("q:");
  Answer a = answer(request);
  EXPECT_EQ(a.thinking, "hmm");
  EXPECT_EQ(a.text, "42");
  request.stop.thinking_budget = 3;
  EXPECT_EQ(answer(request).text, "42");
  request.stop.thinking_budget = 1;
  a = answer(request);
  EXPECT_EQ(a.thinking, "h");
  EXPECT_EQ(a.ids, (std::vector<TokenId>{kFakeThink, 'h', kFakeEndThink, '8'}));
  request.stop.thinking_budget = 0;
  request.stop.max_tokens = 3;
  a = answer(request);
  EXPECT_EQ(a.ids[1], kFakeEndThink);
  // The forced token has the probability the model gave it.
  request.sampling.n_top_logprobs = 0;
  a = answer(request);
  EXPECT_LT(a.logprobs[1], -10);
}

TEST_F(EngineTest, APromptMayBeginTheThinking) {
  model_->script_ids("\n", {'x', 'y', kFakeEndThink, 'z'});
  start();
  auto request = ask_ids({'q', kFakeThink, '\n'}, -1);
  EXPECT_EQ(answer(request).thinking, "xy");
  request.stop.thinking_budget = 0;
  request.stop.max_tokens = 1;
  EXPECT_EQ(answer(request).ids[0], kFakeEndThink);
}

TEST_F(EngineTest, MarkersMayBeSpelledInSeveralTokens) {
  tokenizer_->markers_in_vocabulary = false;
  model_->script("q:", "<think>abcdefgh</think>yes");
  model_->script("ab</think>", "no");
  start();
  auto request = ask("q:");
  EXPECT_EQ(answer(request).text, "<thinkyes");  // all but the last character came before the marker was one
  request.stop.thinking_budget = 2;
  const Answer a = answer(request);
  EXPECT_EQ(a.thinking, ">ab</think>");
  EXPECT_EQ(a.text, "<thinkno");
}

TEST_F(EngineTest, StopStringsDoNotEndTheThinking) {
  model_->script_ids("q:", {kFakeThink, 'S', 'T', kFakeEndThink, 'a', 'S', 'T', 'b'});
  start();
  auto request = ask("q:");
  request.stop.strings = {"ST"};
  const Answer a = answer(request);
  EXPECT_EQ(a.thinking, "ST");
  EXPECT_EQ(a.text, "a");
}

// ---- Refusals -------------------------------------------------------------------------------------------------------

TEST_F(EngineTest, ParametersOutOfRangeAreNamed) {
  start();
  const auto refused = [&](auto change, const std::string& name) {
    auto request = ask("x");
    change(request);
    const Error error = refusal(request);
    EXPECT_EQ(error.code, ErrorCode::kInvalidArgument);
    EXPECT_NE(error.message.find(name), std::string::npos) << error.message;
  };
  refused([](auto& r) { r.sampling.temperature = -1; }, "temperature");
  refused([](auto& r) { r.stop.max_tokens = 0; }, "max_tokens");
  refused([](auto& r) { r.stop.max_tokens = -2; }, "max_tokens");
  refused([](auto& r) { r.stop.thinking_budget = -2; }, "thinking_budget");
  refused([](auto& r) { r.stop.strings = {""}; }, "stop strings");
  refused([](auto& r) { r.stop.strings.assign(17, "a"); }, "stop strings");
  refused([](auto& r) { r.stop.strings = {std::string(2000, 'a')}; }, "stop strings");
  refused([](auto& r) { r.stop.token_ids = {kFakeVocab}; }, "stop token ids");
  refused([](auto& r) { r.prompt = TokenPrompt{{5, -1}}; }, "prompt[1]");
  refused([](auto& r) { r.prompt = TokenPrompt{{kFakeVocab}}; }, "prompt[0]");
  auto chat = ask("x");
  chat.prompt = ChatPrompt{Json::Array{}, {}, {}};
  EXPECT_EQ(refusal(chat).code, ErrorCode::kFailedPrecondition);
}

TEST_F(EngineTest, OptionsOutOfRangeAreNamed) {
  const auto refused = [&](auto change) {
    Engine::Options options;
    options.kv_bytes_max = 1 << 20;
    change(options);
    const auto engine = Engine::create(model_, tokenizer_, nullptr, options);
    EXPECT_FALSE(engine.ok());
    return engine.ok() ? ErrorCode::kInternal : engine.error().code;
  };
  EXPECT_EQ(refused([](auto& o) { o.n_threads = -1; }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(refused([](auto& o) { o.max_sequences = 1000; }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(refused([](auto& o) { o.context_length = 4096; }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(refused([](auto& o) { o.kv_bytes_max = 8191; }), ErrorCode::kResourceExhausted);
  EXPECT_EQ(refused([](auto& o) { o.kv_bytes_max = 8192, o.context_length = 65; }), ErrorCode::kResourceExhausted);
}

TEST_F(EngineTest, WorksWithoutATokenizer) {
  tokenizer_ = nullptr;
  start();
  EXPECT_EQ(answer(ask_ids({1, 2, 3}, 4)).ids.size(), 4u);
  EXPECT_EQ(refusal(ask("text")).code, ErrorCode::kFailedPrecondition);
}

// ---- Cancel, deadline, overload -------------------------------------------------------------------------------------

TEST_F(EngineTest, CancelFreesBlocksWithinOneStep) {
  Gate& gate = gate_;
  model_->before_forward = [&](const ForwardBatch&) { gate.pass(); };
  start();
  auto request = ask(std::string(300, 'x'));
  request.use_prefix_cache = false;
  auto stream = engine_->submit(request).value();
  gate.allow(3);
  gate.wait_stopped();
  stream->cancel();
  gate.allow(1);
  const Answer a = read_answer(stream.get());
  EXPECT_EQ(a.done.reason, FinishReason::kCancelled);
  EXPECT_LE(a.ids.size(), 4u);
  EXPECT_EQ(engine_->engine_stats().n_free_blocks, 256u);
  gate.open();
}

TEST_F(EngineTest, DroppingTheStreamCancels) {
  Gate& gate = gate_;
  model_->before_forward = [&](const ForwardBatch&) { gate.pass(); };
  start();
  auto stream = engine_->submit(ask("x")).value();
  gate.allow(2);
  gate.wait_stopped();
  stream.reset();
  gate.open();
  EXPECT_EQ(answer(ask("y", 3)).ids.size(), 3u);
  EXPECT_EQ(engine_->engine_stats().n_running, 0);
  EXPECT_EQ(engine_->engine_stats().n_finished, 2u);
}

TEST_F(EngineTest, DeadlineEndsRunningAndWaitingRequests) {
  Gate& gate = gate_;
  AtomicClock& clock = clock_;
  model_->before_forward = [&](const ForwardBatch&) { gate.pass(); };
  Engine::Options options;
  options.clock = &clock;
  options.max_sequences = 1;
  start(options);
  auto request = ask("x");
  request.deadline_us = clock.now_us() + 500;
  auto running = engine_->submit(request).value();
  gate.allow(3);
  gate.wait_stopped();
  auto waiting = engine_->submit(request).value();
  clock.advance_us(1000);
  gate.allow(1);
  EXPECT_EQ(read_answer(waiting.get()).done.reason, FinishReason::kDeadline);
  const Answer a = read_answer(running.get());
  EXPECT_EQ(a.done.reason, FinishReason::kDeadline);
  EXPECT_EQ(a.ids.size(), 4u);
  request.deadline_us = 1;  // passed before it came
  EXPECT_EQ(answer(request).done.reason, FinishReason::kDeadline);
  gate.open();
}

TEST_F(EngineTest, AFullQueueRefuses) {
  Gate& gate = gate_;
  model_->before_forward = [&](const ForwardBatch&) { gate.pass(); };
  Engine::Options options;
  options.max_sequences = 1;
  options.max_queue = 2;
  start(options);
  std::vector<std::unique_ptr<TokenStream>> streams;
  for (int i = 0; i < 3; ++i) streams.push_back(engine_->submit(ask("x", 2)).value());
  EXPECT_EQ(refusal(ask("x", 2)).code, ErrorCode::kResourceExhausted);
  gate.open();
  for (auto& stream : streams) EXPECT_EQ(read_answer(stream.get()).done.reason, FinishReason::kLength);
  EXPECT_EQ(answer(ask("x", 2)).ids.size(), 2u);  // who saw the end may come again
}

TEST_F(EngineTest, TheEndOfTheEngineEndsEveryRequest) {
  Gate& gate = gate_;
  model_->before_forward = [&](const ForwardBatch&) { gate.pass(); };
  Engine::Options options;
  options.max_sequences = 1;
  start(options);
  auto running = engine_->submit(ask("x")).value();
  auto waiting = engine_->submit(ask("y")).value();
  gate.wait_stopped();
  gate.open();
  engine_.reset();
  EXPECT_EQ(read_answer(running.get()).done.reason, FinishReason::kCancelled);
  EXPECT_EQ(read_answer(waiting.get()).n_done, 1);
  running->cancel();
}

TEST_F(EngineTest, BrokenLogitsEndOnlyTheirRequest) {
  model_->breaks_on = 'X';
  start();
  auto good = engine_->submit(ask("good", 40)).value();
  auto bad = engine_->submit(ask("baX", 40)).value();
  auto good2 = engine_->submit(ask("more", 40)).value();
  const Answer b = read_answer(bad.get());
  EXPECT_EQ(b.done.reason, FinishReason::kError);
  EXPECT_EQ(b.done.error.code, ErrorCode::kInternal);
  EXPECT_EQ(read_answer(good.get()).ids.size(), 40u);
  EXPECT_EQ(read_answer(good2.get()).ids.size(), 40u);
}

// ---- Contexts and forks ---------------------------------------------------------------------------------------------

TEST_F(EngineTest, AForkAnswersAsSeparateRequestsDo) {
  for (const int64_t n_context : {1, 63, 64, 65, 200}) {
    start();
    const std::string prefix = letters(n_context, 5);
    auto context = engine_->prefill(ask(prefix)).value();
    EXPECT_EQ(context->n_tokens(), n_context);
    std::vector<BranchRequest> branches;
    std::vector<GenerateRequest> separate;
    for (uint64_t i = 0; i < 6; ++i) {
      auto request = ask(prefix + letters(static_cast<int64_t>(i * 3), i), 70);
      request.sampling.temperature = 1;
      request.sampling.seed = i;
      request.sampling.repetition_penalty = 1.2;
      request.sampling.n_top_logprobs = 3;
      branches.push_back({RawPrompt{letters(static_cast<int64_t>(i * 3), i)}, request.sampling, request.stop});
      separate.push_back(request);
    }
    auto streams = engine_->fork(context, branches).value();
    std::vector<Answer> forked;
    for (auto& stream : streams) forked.push_back(read_answer(stream.get()));
    EXPECT_GE(forked[1].done.usage.cached_tokens, n_context);
    EXPECT_EQ(forked[0].done.usage.cached_tokens, n_context - 1);  // the last one is needed for its logits
    start();
    for (size_t i = 0; i < separate.size(); ++i) {
      const Answer alone = answer(separate[i]);
      EXPECT_EQ(alone.ids, forked[i].ids);
      EXPECT_EQ(alone.logprobs, forked[i].logprobs);
    }
  }
}

TEST_F(EngineTest, AForkTakesReferencesAndOneBlockPerBranch) {
  Gate& gate = gate_;
  model_->before_forward = [&](const ForwardBatch&) { gate.pass(); };
  start();
  auto request = ask(letters(200, 1));
  request.use_prefix_cache = false;
  gate.allow(1);
  auto context = engine_->prefill(request).value();
  EXPECT_EQ(engine_->engine_stats().n_free_blocks, 252u);
  auto streams = engine_->fork(context, std::vector<BranchRequest>(5, {RawPrompt{"?"}, {}, {.max_tokens = 2}})).value();
  gate.allow(1);
  gate.wait_stopped();
  EXPECT_EQ(engine_->engine_stats().n_free_blocks, 247u);
  EXPECT_EQ(engine_->engine_stats().n_running, 5);  // all in one batch
  gate.open();
  for (auto& stream : streams) read_answer(stream.get());
  EXPECT_EQ(engine_->engine_stats().n_free_blocks, 252u);
  context.reset();
  answer(ask("sync", 1));
  EXPECT_EQ(engine_->engine_stats().n_contexts, 0);
}

TEST_F(EngineTest, ContextsGiveWayAndComeBack) {
  start({}, 8);
  auto request = ask(letters(300, 2));
  request.use_prefix_cache = false;
  auto context = engine_->prefill(request).value();
  const auto fork_once = [&] {
    auto streams = engine_->fork(context, {{RawPrompt{"abc"}, {.temperature = 0}, {.max_tokens = 5}}}).value();
    return read_answer(streams[0].get());
  };
  const Answer before = fork_once();
  EXPECT_EQ(before.done.usage.cached_tokens, 300);
  EXPECT_EQ(answer(ask(letters(500, 3), 3)).ids.size(), 3u);  // needs all blocks
  const Answer after = fork_once();
  EXPECT_EQ(after.done.usage.cached_tokens, 0);
  EXPECT_EQ(after.ids, before.ids);
  EXPECT_EQ(fork_once().done.usage.cached_tokens, 300);
}

TEST_F(EngineTest, ForksAreRefusedWithTheBranchNamed) {
  start({}, 4);
  auto context = engine_->prefill(ask(letters(200, 2))).value();
  const auto refused = [&](BranchRequest branch) {
    const auto streams = engine_->fork(context, {{RawPrompt{"x"}, {}, {}}, std::move(branch)});
    EXPECT_FALSE(streams.ok());
    EXPECT_NE(streams.error().message.find("branch 1"), std::string::npos) << streams.error().message;
    return streams.error().code;
  };
  EXPECT_EQ(refused({RawPrompt{letters(60, 1)}, {}, {}}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(refused({RawPrompt{"x"}, {.temperature = -1}, {}}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(refused({ChatPrompt{}, {}, {}}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(engine_->fork(nullptr, {}).error().code, ErrorCode::kInvalidArgument);
  auto old = std::move(engine_);
  start();
  EXPECT_EQ(engine_->fork(context, {}).error().code, ErrorCode::kInvalidArgument);
}

TEST_F(EngineTest, ContextsAreBounded) {
  Engine::Options options;
  options.max_contexts = 2;
  start(options);
  auto a = engine_->prefill(ask("a")).value();
  auto b = engine_->prefill(ask("b")).value();
  EXPECT_EQ(engine_->prefill(ask("c")).error().code, ErrorCode::kResourceExhausted);
  a.reset();
  EXPECT_TRUE(engine_->prefill(ask("c")).ok());
  auto request = ask("d");
  request.deadline_us = 1;
  EXPECT_EQ(engine_->prefill(request).error().code, ErrorCode::kDeadlineExceeded);
  engine_.reset();
  b.reset();  // may outlive the engine
}

TEST_F(EngineTest, SnapshotsComeBackInAnotherEngine) {
  const std::string path = ::testing::TempDir() + "firesteel_engine_snapshot_" + std::to_string(getpid());
  start({}, 8);
  auto request = ask(letters(150, 9));
  request.use_prefix_cache = false;
  auto context = engine_->prefill(request).value();
  const std::vector<BranchRequest> branch = {{RawPrompt{"go"}, {.temperature = 0}, {.max_tokens = 20}}};
  const Answer before = read_answer(engine_->fork(context, branch).value()[0].get());
  // Also when its blocks were taken back meanwhile.
  answer(ask(letters(500, 3), 1));
  const auto saved = engine_->save_context(context, path);
  ASSERT_TRUE(saved.ok()) << saved.error().message;
  start();
  auto loaded = engine_->load_context(path, {});
  ASSERT_TRUE(loaded.ok()) << loaded.error().message;
  EXPECT_EQ((*loaded)->n_tokens(), 150);
  const int64_t n_rows = model_->n_rows.load();
  const Answer after = read_answer(engine_->fork(*loaded, branch).value()[0].get());
  EXPECT_EQ(after.ids, before.ids);
  EXPECT_EQ(model_->n_rows.load() - n_rows, 2 + 19);  // the prefix was not computed
  // Not another model's, not a broken file's.
  std::string bytes = read_file(path, 1u << 30).value();
  bytes[bytes.size() - 8192 * 2] ^= 1;
  ASSERT_TRUE(write_file_atomic(path, bytes).ok());
  EXPECT_EQ(engine_->load_context(path, {}).error().code, ErrorCode::kDataLoss);
  EXPECT_EQ(engine_->load_context(path + "x", {}).error().code, ErrorCode::kNotFound);
  model_->set_identity("other");
  EXPECT_EQ(engine_->load_context(path, {}).error().code, ErrorCode::kFailedPrecondition);
  unlink(path.c_str());
}

// ---- Prefix cache ---------------------------------------------------------------------------------------------------

GenerateRequest ask_in(GenerateRequest request, std::string prompt) {
  request.prompt = RawPrompt{std::move(prompt)};
  return request;
}

TEST_F(EngineTest, PrefixesAreReusedInsideANamespaceOnly) {
  start();
  auto request = ask(letters(210, 4), 3);
  request.cache_namespace = {1, 1};
  EXPECT_EQ(answer(request).done.usage.cached_tokens, 0);
  EXPECT_EQ(answer(request).done.usage.cached_tokens, 209);  // the last one is needed for its logits
  // Three blocks and 7 tokens: a part of fewer than kMinPartialTokens is not worth its copy.
  EXPECT_EQ(answer(ask_in(request, letters(210, 4).substr(0, 200))).done.usage.cached_tokens, 192);
  request.cache_namespace = {1, 2};
  EXPECT_EQ(answer(request).done.usage.cached_tokens, 0);
  request.use_prefix_cache = false;
  EXPECT_EQ(answer(request).done.usage.cached_tokens, 0);
}

TEST_F(EngineTest, WhatIsPublishedIsFoundFromEveryNamespaceAndNothingElse) {
  start();
  auto published = ask(letters(210, 4), 1);
  published.cache_namespace = kPublishedNamespace;
  const Result<std::shared_ptr<Context>> kept = engine_->prefill(published);
  ASSERT_TRUE(kept.ok()) << kept.error().message;
  const std::string question = letters(210, 4) + letters(40, 9);
  auto request = ask(question, 3);
  request.cache_namespace = {1, 1};
  const Answer shared = answer(request);
  EXPECT_EQ(shared.done.usage.cached_tokens, 210);
  request.cache_namespace = {1, 2};  // what tenant 1 put behind it is not there
  EXPECT_EQ(answer(request).done.usage.cached_tokens, 210);
  EXPECT_EQ(answer(request).done.usage.cached_tokens, 249);  // the own one is longer
  request.use_prefix_cache = false;
  const Answer alone = answer(request);
  EXPECT_EQ(alone.done.usage.cached_tokens, 0);
  EXPECT_EQ(alone.text, shared.text);
}

TEST_F(EngineTest, AConversationContinuesFromItsLastAnswer) {
  start();
  auto first = ask_ids({1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, 150);
  const Answer a = answer(first);
  std::vector<TokenId> all = std::get<TokenPrompt>(first.prompt).ids;
  all.insert(all.end(), a.ids.begin(), a.ids.end());
  all.push_back(77);
  EXPECT_EQ(answer(ask_ids(all, 1)).done.usage.cached_tokens, 159);
}

}  // namespace
}  // namespace firesteel
