// Encoding and decoding speed, and the time until a first prompt is encoded. Needs FS_SHARED for vocabularies and text.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <deque>
#include <string>
#include <vector>

#include "base/mapped_file.h"
#include "tokenizer/byte_alphabet.h"
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
  state.SetBytesProcessed(static_cast<int64_t>(loaded.text.size()) * state.iterations());
}

void bm_decode(benchmark::State& state, const char* vocabulary) {
  Loaded loaded;
  if (!load(state, vocabulary, &loaded)) return;
  std::vector<TokenId> ids;
  if (!loaded.tokenizer->encode(loaded.text, {}, &ids).ok()) state.SkipWithError("encode failed");
  for (auto _ : state) benchmark::DoNotOptimize(loaded.tokenizer->decode(ids, false).data());
  state.SetBytesProcessed(static_cast<int64_t>(loaded.text.size()) * state.iterations());
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

// As a GGUF file of Llama 3 has it: tokens in the byte alphabet, and as merges every cut of a token into two tokens, in the order of ids.
struct GgufVocabulary {
  std::deque<std::string> strings;
  Metadata metadata;
};

std::string letters(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) out.append(kByteLetters[static_cast<unsigned char>(c)].utf8, kByteLetters[static_cast<unsigned char>(c)].n_bytes);
  return out;
}

void make_metadata(const Tokenizer& from, GgufVocabulary* out) {
  std::vector<std::string_view> tokens, merges;
  std::vector<int64_t> types;
  for (TokenId id = 0; id < from.n_vocab(); ++id) {
    const bool is_text = from.type(id) == TokenType::kNormal;
    const std::string bytes(from.text(id));
    tokens.push_back(out->strings.emplace_back(is_text ? letters(bytes) : bytes));
    types.push_back(is_text ? 1 : 3);
    for (size_t cut = 1; is_text && cut < bytes.size(); ++cut) {
      if (!from.find(std::string_view(bytes).substr(0, cut)) || !from.find(std::string_view(bytes).substr(cut))) continue;
      merges.push_back(out->strings.emplace_back(letters(bytes.substr(0, cut)) + " " + letters(bytes.substr(cut))));
    }
  }
  out->metadata.add("tokenizer.ggml.model", std::string_view("gpt2"));
  out->metadata.add("tokenizer.ggml.pre", std::string_view("llama-bpe"));
  out->metadata.add("tokenizer.ggml.tokens", std::move(tokens));
  out->metadata.add("tokenizer.ggml.token_type", std::move(types));
  out->metadata.add("tokenizer.ggml.merges", std::move(merges));
}

void bm_load_gguf_and_first_prompt(benchmark::State& state, const char* vocabulary) {
  Loaded loaded;
  if (!load(state, vocabulary, &loaded)) return;
  GgufVocabulary gguf;
  make_metadata(*loaded.tokenizer, &gguf);
  const std::string prompt = loaded.text.substr(0, 2048);
  for (auto _ : state) {
    const auto tokenizer = Tokenizer::from_metadata(gguf.metadata);
    std::vector<TokenId> ids;
    if (!tokenizer.ok() || !(*tokenizer)->encode(prompt, {}, &ids).ok()) state.SkipWithError("load failed");
    benchmark::DoNotOptimize(ids.data());
  }
  state.counters["merges"] = static_cast<double>(gguf.metadata.strings("tokenizer.ggml.merges")->size());
}

void bm_encode_gguf(benchmark::State& state, const char* vocabulary) {
  Loaded loaded;
  if (!load(state, vocabulary, &loaded)) return;
  GgufVocabulary gguf;
  make_metadata(*loaded.tokenizer, &gguf);
  const auto tokenizer = Tokenizer::from_metadata(gguf.metadata);
  std::vector<TokenId> ids;
  for (auto _ : state) {
    ids.clear();
    if (!tokenizer.ok() || !(*tokenizer)->encode(loaded.text, {}, &ids).ok()) state.SkipWithError("encode failed");
    benchmark::DoNotOptimize(ids.data());
  }
  state.SetBytesProcessed(static_cast<int64_t>(loaded.text.size()) * state.iterations());
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
BENCHMARK_CAPTURE(bm_encode_gguf, llama3, "meta/llama3_tokenizer.model");
BENCHMARK_CAPTURE(bm_load_gguf_and_first_prompt, llama3, "meta/llama3_tokenizer.model");

}  // namespace
}  // namespace firesteel
