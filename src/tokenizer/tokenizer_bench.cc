// Encoding and decoding speed, and the time until a first prompt is encoded. Needs FS_SHARED for vocabularies and text.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <string>

#include "base/mapped_file.h"
#include "tokenizer/tokenizer.h"

namespace firesteel {
namespace {

struct Loaded {
  std::string path;
  std::string text;
  std::unique_ptr<const Tokenizer> tokenizer;
};

// False, and the benchmark skipped, when there is no data.
bool load(benchmark::State& state, const char* vocabulary, Loaded* loaded) {
  const char* shared = std::getenv("FS_SHARED");
  if (shared == nullptr) {
    state.SkipWithError("FS_SHARED is not set");
    return false;
  }
  loaded->path = std::string(shared) + "/data/tokenizers/" + vocabulary;
  auto text = read_file(std::string(shared) + "/data/text/wikitext2-raw-test.txt", 64u << 20);
  auto tokenizer = Tokenizer::from_file(loaded->path);
  if (!text.ok() || !tokenizer.ok()) {
    state.SkipWithError((text.ok() ? tokenizer.error().message : text.error().message).c_str());
    return false;
  }
  loaded->text = std::move(*text);
  loaded->tokenizer = std::move(*tokenizer);
  return true;
}

void bm_encode(benchmark::State& state, const char* vocabulary) {
  Loaded loaded;
  if (!load(state, vocabulary, &loaded)) return;
  std::vector<TokenId> ids;
  for (auto _ : state) {
    ids.clear();
    if (!loaded.tokenizer->encode(loaded.text, {}, &ids).ok()) state.SkipWithError("encode failed");
    benchmark::DoNotOptimize(ids.data());
  }
  state.SetBytesProcessed(static_cast<int64_t>(loaded.text.size()) * static_cast<int64_t>(state.iterations()));
}

void bm_decode(benchmark::State& state, const char* vocabulary) {
  Loaded loaded;
  if (!load(state, vocabulary, &loaded)) return;
  std::vector<TokenId> ids;
  if (!loaded.tokenizer->encode(loaded.text, {}, &ids).ok()) state.SkipWithError("encode failed");
  for (auto _ : state) benchmark::DoNotOptimize(loaded.tokenizer->decode(ids, false).data());
  state.SetBytesProcessed(static_cast<int64_t>(loaded.text.size()) * static_cast<int64_t>(state.iterations()));
}

void bm_load_and_first_prompt(benchmark::State& state, const char* vocabulary) {
  Loaded loaded;
  if (!load(state, vocabulary, &loaded)) return;
  const std::string prompt = loaded.text.substr(0, 2048);
  for (auto _ : state) {
    const auto tokenizer = Tokenizer::from_file(loaded.path);
    std::vector<TokenId> ids;
    if (!tokenizer.ok() || !(*tokenizer)->encode(prompt, {}, &ids).ok()) state.SkipWithError("load failed");
    benchmark::DoNotOptimize(ids.data());
  }
}

BENCHMARK_CAPTURE(bm_encode, llama3, "meta/llama3_tokenizer.model");
BENCHMARK_CAPTURE(bm_encode, qwen2, "qwen/qwen.tiktoken");
BENCHMARK_CAPTURE(bm_encode, o200k, "openai/o200k_base.tiktoken");
BENCHMARK_CAPTURE(bm_encode, llama2_spm, "meta/llama2_tokenizer.model");
BENCHMARK_CAPTURE(bm_encode, llama2_json, "hf/llama2-tokenizer.json");
BENCHMARK_CAPTURE(bm_decode, llama3, "meta/llama3_tokenizer.model");
BENCHMARK_CAPTURE(bm_decode, llama2_spm, "meta/llama2_tokenizer.model");
BENCHMARK_CAPTURE(bm_load_and_first_prompt, llama3, "meta/llama3_tokenizer.model");
BENCHMARK_CAPTURE(bm_load_and_first_prompt, llama2_json, "hf/llama2-tokenizer.json");

}  // namespace
}  // namespace firesteel
