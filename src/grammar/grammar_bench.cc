// What constrained decoding costs per token. Needs FS_SHARED for a vocabulary of 128k tokens. Texts are walks that take JSON's own
// bytes where they can, as models do; "cold" counts making the masks, "warm" finds them made.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "grammar/grammar.h"
#include "grammar/vocabulary.h"
#include "tokenizer/tokenizer.h"

namespace firesteel {
namespace {

struct Case {
  const char* schema;
  const char* text;
};
const Case kPerson = {R"({"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer","minimum":0,"maximum":150},"tags":{"type":"array",
  "items":{"type":"string"}},"address":{"type":"object","properties":{"street":{"type":"string"},"city":{"type":"string"},"zip":{"type":"string",
  "pattern":"^[0-9]{5}$"}},"required":["street","city","zip"]},"note":{"type":"string"}},"required":["name","age","tags","address","note"]})",
                      R"({"name": "Ada Lovelace", "age": 36, "tags": ["mathematics", "poetical science", "analytical engine"], "address": {"street": "12 St James's Square", "city": "London", "zip": "10115"}, "note": "She wrote what is often called the first program, in 1843; the machine was never built. \"The Analytical Engine weaves algebraical patterns.\""})"};
const Case kBounded = {R"({"type":"object","properties":{"a":{"type":"string","maxLength":300}},"required":["a"]})",
                       R"({"a": "The engine holds blocks of keys and values, forks share them, and what was computed once is not computed again for a while at least."})"};
const Case kShort = {R"({"type":"object","properties":{"a":{"type":"array","items":{"type":"string","minLength":1,"maxLength":20},"maxItems":50}},"required":["a"]})",
                     R"({"a": ["keys and values", "blocks", "shared by forks", "computed once", "never again", "a short string", "sixteen and more it", "end"]})"};
const Case kPattern = {R"({"type":"object","properties":{"a":{"type":"string","pattern":"^[A-Za-z0-9 ,.-]{1,200}$"}},"required":["a"]})",
                       R"({"a": "The engine holds blocks of keys and values, forks share them, and what was computed once is not computed again for a while."})"};
const Case kMail = {R"({"type":"object","properties":{"mail":{"type":"string","pattern":"^[a-z0-9._%+-]{1,64}@[a-z0-9.-]{1,60}[.][a-z]{2,10}$"},"day":{"type":"string","format":"date"},"words":{"type":"string",
  "pattern":"^[a-z]{2,12}( [a-z]{2,12}){2,9}$"}},"required":["mail","day","words"]})",
                    R"({"mail": "ada.lovelace@analytical-engine.example", "day": "1843-09-05", "words": "the engine weaves algebraic patterns"})"};
const Case kAny = {nullptr, R"({"a": {"b": [1, 2, {"c": "text with words, and more of them"}], "d": null}, "e": [true, false, "the end of it"], "f": 12.5})"};

std::string without_breaks(std::string text) {
  for (size_t at = text.find("\n  "); at != std::string::npos; at = text.find("\n  ")) text.erase(at, 3);
  return text;
}

struct World {
  std::unique_ptr<const Tokenizer> tokenizer;
  std::shared_ptr<const GrammarVocabulary> vocabulary;
};

const World* world(benchmark::State& state) {
  static World made = [] {
    World w;
    const char* shared = std::getenv("FS_SHARED");
    if (shared == nullptr) return w;
    auto tokenizer = Tokenizer::from_file(std::string(shared) + "/data/tokenizers/meta/llama3_tokenizer.model");
    if (!tokenizer.ok()) return w;
    w.tokenizer = std::move(*tokenizer);
    w.vocabulary = std::make_shared<const GrammarVocabulary>(*w.tokenizer);
    return w;
  }();
  if (made.vocabulary == nullptr) state.SkipWithError("FS_SHARED has no vocabulary");
  return made.vocabulary == nullptr ? nullptr : &made;
}

void bm_walk(benchmark::State& state, const Case& c, bool cold, bool needs_masks) {
  const World* w = world(state);
  if (w == nullptr) return;
  std::vector<TokenId> ids;
  if (!w->tokenizer->encode(without_breaks(c.text), {}, &ids).ok()) return state.SkipWithError("encode failed");
  const auto grammar = c.schema == nullptr ? Grammar::any_json_object().value() : Grammar::from_json_schema(Json::parse(c.schema).value()).value();
  auto masks = std::make_shared<GrammarMasks>(grammar, w->vocabulary);
  const auto walk = [&] {
    GrammarMatcher matcher(masks);
    for (size_t i = 0; i < ids.size(); ++i) {
      if (needs_masks && !matcher.next().ok()) return i;
      if (!matcher.accept(ids[i])) return i;
    }
    return ids.size();
  };
  if (const size_t n = walk(); n < ids.size()) {
    return state.SkipWithError(("token " + std::to_string(n) + " does not fit the grammar: " + w->tokenizer->decode({&ids[n], 1}, true)).c_str());
  }
  for (auto _ : state) {
    if (cold) {
      state.PauseTiming();
      masks = std::make_shared<GrammarMasks>(grammar, w->vocabulary);
      state.ResumeTiming();
    }
    walk();
  }
  state.SetItemsProcessed(static_cast<int64_t>(ids.size()) * state.iterations());
  state.counters["masks"] = static_cast<double>(masks->n_masks());
  state.counters["states"] = static_cast<double>(masks->automaton().n_states());
}

// walk: every token that the model draws first is allowed. masks: none is, so that every state's mask is needed.
BENCHMARK_CAPTURE(bm_walk, person_walk_cold, kPerson, true, false)->Name("grammar/person/walk/cold");
BENCHMARK_CAPTURE(bm_walk, person_walk_warm, kPerson, false, false)->Name("grammar/person/walk/warm");
BENCHMARK_CAPTURE(bm_walk, person_masks_cold, kPerson, true, true)->Name("grammar/person/masks/cold");
BENCHMARK_CAPTURE(bm_walk, person_masks_warm, kPerson, false, true)->Name("grammar/person/masks/warm");
BENCHMARK_CAPTURE(bm_walk, any_masks_cold, kAny, true, true)->Name("grammar/any_object/masks/cold");
BENCHMARK_CAPTURE(bm_walk, bounded_walk_cold, kBounded, true, false)->Name("grammar/bounded_string/walk/cold");
BENCHMARK_CAPTURE(bm_walk, bounded_masks_cold, kBounded, true, true)->Name("grammar/bounded_string/masks/cold");
BENCHMARK_CAPTURE(bm_walk, short_masks_cold, kShort, true, true)->Name("grammar/short_strings/masks/cold");
BENCHMARK_CAPTURE(bm_walk, pattern_walk_cold, kPattern, true, false)->Name("grammar/pattern/walk/cold");
BENCHMARK_CAPTURE(bm_walk, pattern_masks_cold, kPattern, true, true)->Name("grammar/pattern/masks/cold");
BENCHMARK_CAPTURE(bm_walk, mail_masks_cold, kMail, true, true)->Name("grammar/mail_day_words/masks/cold");

void bm_vocabulary(benchmark::State& state) {
  const World* w = world(state);
  if (w == nullptr) return;
  for (auto _ : state) {
    GrammarVocabulary vocabulary(*w->tokenizer);
    benchmark::DoNotOptimize(vocabulary.level(0).nodes.data());
  }
  state.counters["nodes_after_1"] = static_cast<double>(w->vocabulary->after_text(1).nodes.size());
  state.counters["nodes_long"] = static_cast<double>(w->vocabulary->level(1).nodes.size() + w->vocabulary->level(2).nodes.size());
  state.counters["nodes_kinds"] = static_cast<double>(w->vocabulary->kinds().nodes.size());
  state.counters["nodes_broken"] = static_cast<double>(w->vocabulary->broken().nodes.size());
  state.counters["nodes"] = static_cast<double>(w->vocabulary->level(0).nodes.size());
}
BENCHMARK(bm_vocabulary)->Name("grammar/vocabulary/128k")->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace firesteel
