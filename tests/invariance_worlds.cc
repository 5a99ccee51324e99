#include "invariance_worlds.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "engine/engine.h"

namespace firesteel {
namespace {

struct Case {
  GenerateRequest request;
  std::vector<TokenId> prompt;
  size_t pictures_end = 0;  // behind the last patch
};

constexpr TokenId kPictureToken = 7;

// What must be the same to the byte.
struct Trace {
  std::vector<TokenId> ids;
  std::vector<float> numbers;  // log-probabilities of the tokens and of the alternatives
  std::vector<TokenId> alternatives;
  FinishReason reason = FinishReason::kError;
  std::string error;
};

Trace read_trace(TokenStream* stream) {
  Trace trace;
  while (auto event = stream->next()) {
    if (event->kind == GenerateEvent::Kind::kDone) {
      trace.reason = event->reason;
      trace.error = event->error.message;
      continue;
    }
    trace.ids.push_back(event->token);
    trace.numbers.push_back(event->logprob);
    for (const TokenLogprob& top : event->top) {
      trace.numbers.push_back(top.logprob);
      trace.alternatives.push_back(top.id);
    }
  }
  return trace;
}

bool same_bytes(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}

void expect_same(const Trace& alone, const Trace& other, const std::string& what) {
  EXPECT_NE(other.reason, FinishReason::kError) << what << ": " << other.error;
  EXPECT_EQ(alone.reason, other.reason) << what;
  EXPECT_EQ(alone.ids, other.ids) << what;
  EXPECT_EQ(alone.alternatives, other.alternatives) << what;
  EXPECT_TRUE(same_bytes(alone.numbers, other.numbers)) << what << ": log-probabilities differ";
}

// Prompts share beginnings of all lengths, so that caches and copies have work.
std::vector<Case> random_cases(Rng& rng, int n, int64_t n_vocab) {
  std::vector<std::vector<TokenId>> stems(3);
  for (auto& stem : stems) {
    for (int i = 0; i < 260; ++i) stem.push_back(static_cast<TokenId>(rng.below(static_cast<uint64_t>(n_vocab))));
  }
  std::vector<Case> cases(static_cast<size_t>(n));
  for (Case& c : cases) {
    const auto& stem = stems[rng.below(stems.size())];
    c.prompt.assign(stem.begin(), stem.begin() + rng.between(0, 180));
    for (int64_t left = rng.between(1, 20); left > 0; --left) {
      c.prompt.push_back(static_cast<TokenId>(rng.below(static_cast<uint64_t>(n_vocab))));
    }
    GenerateRequest& request = c.request;
    request.prompt = TokenPrompt{c.prompt};
    request.flow = FlowId{rng.below(3)};
    request.priority = rng.below(4) == 0 ? Priority::kBatch : Priority::kInteractive;
    request.stop.max_tokens = rng.between(1, 30);
    SamplingParams& sampling = request.sampling;
    sampling.temperature = rng.below(4) == 0 ? 0 : 0.2 + rng.uniform();
    if (rng.below(3) == 0) sampling.top_k = static_cast<int>(rng.between(2, 60));
    if (rng.below(3) == 0) sampling.top_p = 0.5 + rng.uniform() / 2;
    if (rng.below(4) == 0) sampling.min_p = rng.uniform() * 0.2;
    if (rng.below(3) == 0) sampling.repetition_penalty = 1.1;
    if (rng.below(4) == 0) sampling.frequency_penalty = 0.3;
    sampling.seed = rng.next_u64();
    sampling.n_top_logprobs = static_cast<int>(rng.between(0, 4));
  }
  return cases;
}

// Puts up to three pictures into the prompts, at places that other prompts use as well: same places, other pictures, some of which
// differ in one pixel only.
void add_pictures(Rng& rng, const VisionModel& vision, std::vector<Case>* cases) {
  std::vector<ImagePtr> gallery;
  for (int i = 0; i < 4; ++i) {
    RgbImage image{static_cast<int32_t>(rng.between(1, 40)), static_cast<int32_t>(rng.between(1, 40)), {}};
    image.pixels.assign(image.offset(0, image.height), 0);
    for (uint8_t& value : image.pixels) value = static_cast<uint8_t>(rng.below(256));
    gallery.push_back(std::make_shared<const RgbImage>(image));
    image.pixels[rng.below(image.pixels.size())] ^= 0x80;
    gallery.push_back(std::make_shared<const RgbImage>(image));
  }
  for (Case& c : *cases) {
    for (TokenId& id : c.prompt) id = id == kPictureToken ? 8 : id;
    size_t at = 0;
    for (uint64_t n = rng.below(4); n > 0; --n) {
      at += rng.below(3) * 20;
      if (at > c.prompt.size()) break;
      const ImagePtr& image = gallery[rng.below(gallery.size())];
      const auto n_patches = static_cast<size_t>(vision.plan(*image).n());
      if (c.prompt.size() + n_patches > 205) break;
      c.prompt.insert(c.prompt.begin() + static_cast<ptrdiff_t>(at), n_patches, kPictureToken);
      at += n_patches;
      c.request.images.push_back(image);
      c.pictures_end = at;
    }
    c.request.prompt = TokenPrompt{c.prompt};
  }
}

std::unique_ptr<Engine> make_engine(const std::shared_ptr<const Model>& model, KvType kv_type, int n_threads, int64_t n_blocks,
                                    Engine::Options options) {
  options.n_threads = n_threads;
  options.kv_type = kv_type;
  options.kv_bytes_max = static_cast<uint64_t>(n_blocks) * model->kv_layout(kv_type).block_bytes();
  options.poison_free_blocks = true;
  auto engine = Engine::create(model, nullptr, nullptr, options);
  EXPECT_TRUE(engine.ok()) << engine.error().message;
  return std::move(engine).value();
}

}  // namespace

void check_world(const std::shared_ptr<const Model>& model, const std::string& model_name, KvType kv_type, uint64_t seed, int n_requests,
                 InvarianceStats* stats, const std::shared_ptr<const VisionModel>& vision, const std::vector<std::string>& adapters) {
  Rng rng(seed);
  auto cases = random_cases(rng, n_requests, model->config().n_vocab);
  if (vision != nullptr) add_pictures(rng, *vision, &cases);
  constexpr int64_t kContext = 240;
  const auto load_adapters = [&adapters](Engine* engine) {
    std::vector<std::string> digests;
    for (const std::string& path : adapters) digests.push_back(engine->load_adapter(path).value().digest);
    return digests;
  };

  // Alone: one thread, no cache, the prompt in one piece.
  std::vector<Trace> alone;
  {
    auto engine = make_engine(model, kv_type, 1, 8, {.context_length = kContext, .vision = vision, .picture_token = kPictureToken});
    const std::vector<std::string> digests = load_adapters(engine.get());
    for (Case& c : cases) {
      const size_t which = adapters.empty() ? 0 : rng.below(adapters.size() + 1);
      if (which > 0) c.request.adapter = digests[which - 1];
      GenerateRequest request = c.request;
      request.use_prefix_cache = false;
      alone.push_back(read_trace(engine->submit(std::move(request)).value().get()));
      EXPECT_NE(alone.back().reason, FinishReason::kError) << model_name << ": " << alone.back().error;
    }
  }

  Engine::Options options;
  options.context_length = kContext;
  options.vision = vision;
  options.picture_token = kPictureToken;
  options.max_sequences = static_cast<int>(rng.between(1, 16));
  options.max_batch_rows = static_cast<int>(rng.between(options.max_sequences, 80));
  options.prefill_chunk = static_cast<int>(rng.between(1, std::min(64, options.max_batch_rows)));
  options.batch_ageing_us = rng.between(1, 1'000'000);
  options.max_draft = rng.below(2) == 0 ? 0 : static_cast<int>(rng.between(1, 8));
  const int n_threads = static_cast<int>(rng.between(1, 2));
  const int64_t n_blocks = rng.below(2) == 0 ? rng.between(4, 12) : 200;  // half of the worlds are cramped: sequences are preempted
  auto engine = make_engine(model, kv_type, n_threads, n_blocks, options);
  load_adapters(engine.get());
  const std::string world = model_name + " kv " + kv_type_name(kv_type) + " seed " + std::to_string(seed) + " threads " +
                            std::to_string(n_threads) + " sequences " + std::to_string(options.max_sequences) + " rows " +
                            std::to_string(options.max_batch_rows) + " chunk " + std::to_string(options.prefill_chunk) + " blocks " +
                            std::to_string(n_blocks) + " draft " + std::to_string(options.max_draft);

  struct Open {
    size_t index;
    std::unique_ptr<TokenStream> stream;
    const char* how;
  };
  std::vector<Open> open;
  std::vector<std::shared_ptr<Context>> contexts;
  for (size_t i = 0; i < cases.size(); ++i) {
    const Case& c = cases[i];
    GenerateRequest request = c.request;
    request.use_prefix_cache = rng.below(4) != 0;
    // Some neighbours come and go on their way.
    if (rng.below(4) == 0) {
      auto neighbour = engine->submit(cases[rng.below(cases.size())].request);
      if (neighbour.ok() && rng.below(2) == 0) read_trace(neighbour->get());
    }
    if (c.prompt.size() > 1 && rng.below(3) == 0) {
      const int64_t n_shared = rng.between(std::max<int64_t>(1, static_cast<int64_t>(c.pictures_end)), static_cast<int64_t>(c.prompt.size()));
      request.prompt = TokenPrompt{{c.prompt.begin(), c.prompt.begin() + n_shared}};
      auto context = engine->prefill(request).value();
      const int n_twins = static_cast<int>(rng.between(1, 3));
      const BranchRequest branch{TokenPrompt{{c.prompt.begin() + n_shared, c.prompt.end()}}, request.sampling, request.stop};
      auto streams = engine->fork(context, std::vector<BranchRequest>(static_cast<size_t>(n_twins), branch)).value();
      for (auto& stream : streams) open.push_back({i, std::move(stream), "forked"});
      if (rng.below(2) == 0) contexts.push_back(std::move(context));
      ++stats->n_forked;
    } else {
      open.push_back({i, engine->submit(std::move(request)).value(), "submitted"});
    }
    // Read some now, so that later requests find other batches and the cache's contents.
    while (!open.empty() && rng.below(8) == 0) {
      expect_same(alone[open.front().index], read_trace(open.front().stream.get()), world + " request " + std::to_string(open.front().index) + " " + open.front().how);
      open.erase(open.begin());
    }
  }
  for (Open& o : open) {
    expect_same(alone[o.index], read_trace(o.stream.get()), world + " request " + std::to_string(o.index) + " " + o.how);
  }
  const EngineStats engine_stats = engine->engine_stats();
  stats->n_requests += n_requests;
  stats->n_preempted += engine_stats.n_preempted;
  stats->n_accepted_tokens += engine_stats.n_accepted_tokens;
  stats->n_cached_tokens += engine_stats.n_cached_tokens;
}

}  // namespace firesteel
