// Tokenizer files of every kind: the first byte chooses the reader, the rest is the file. Whatever loads must encode and decode.
#include <sanitizer/asan_interface.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/mapped_file.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/vocabulary.h"

namespace {

using namespace firesteel;

// The readers map files; one in memory, rewritten for each input, keeps the disk out of it. A mapping ends with its page: what lies behind
// the file's bytes is poisoned, so that reading it is found.
class Rest {
 public:
  explicit Rest(const MappedFile& file) : begin_(file.bytes().data() + file.bytes().size()), n_(-file.bytes().size() % 4096) {
    __asan_poison_memory_region(begin_, n_);
  }
  ~Rest() { __asan_unpoison_memory_region(begin_, n_); }
  Rest(const Rest&) = delete;
  Rest& operator=(const Rest&) = delete;

 private:
  const std::byte* begin_;
  size_t n_;
};

MappedFile map_bytes(const uint8_t* data, size_t size) {
  static const int fd = memfd_create("tokenizer", 0);
  static const std::string path = "/proc/self/fd/" + std::to_string(fd);
  CHECK(fd >= 0 && ftruncate(fd, static_cast<off_t>(size)) == 0);
  CHECK(pwrite(fd, data, size, 0) == static_cast<ssize_t>(size));
  auto file = MappedFile::open(path);
  CHECK(file.ok());
  return std::move(*file);
}

// Tokens, types, scores and merges cut out of the bytes, as a GGUF file would give them.
Metadata make_metadata(std::string_view bytes) {
  Metadata m;
  const auto take = [&]() -> uint8_t {
    if (bytes.empty()) return 0;
    const auto byte = static_cast<uint8_t>(bytes[0]);
    bytes.remove_prefix(1);
    return byte;
  };
  const uint8_t flags = take();
  m.add("tokenizer.ggml.model", std::string_view((flags & 1) != 0 ? "llama" : "gpt2"));
  static constexpr std::string_view kPres[] = {"gpt-2", "llama-bpe", "qwen2", "tekken", "gpt-4o", "deepseek-llm", "deepseek-v3", "?"};
  m.add("tokenizer.ggml.pre", kPres[(flags >> 1) & 7]);
  if ((flags & 16) != 0) m.add("tokenizer.ggml.add_bos_token", true);
  if ((flags & 32) != 0) m.add("tokenizer.ggml.add_space_prefix", false);
  if ((flags & 64) != 0) m.add("general.name", std::string_view("phi-3"));
  m.add("tokenizer.ggml.bos_token_id", int64_t{take()});
  m.add("tokenizer.ggml.eos_token_id", int64_t{take()} - 1);
  std::vector<std::string_view> tokens;
  std::vector<std::string_view> merges;
  std::vector<int64_t> types;
  std::vector<float> scores;
  for (size_t n_merges = take(); !bytes.empty();) {
    const uint8_t shape = take();
    const size_t n = std::min<size_t>(shape >> 3, bytes.size());
    (merges.size() < n_merges && (shape & 7) == 7 ? merges : tokens).push_back(bytes.substr(0, n));
    bytes.remove_prefix(n);
    if (types.size() == tokens.size()) continue;
    types.push_back(shape & 7);
    scores.push_back(static_cast<float>(n) - 3);
  }
  m.add("tokenizer.ggml.tokens", std::move(tokens));
  m.add("tokenizer.ggml.token_type", std::move(types));
  m.add("tokenizer.ggml.scores", std::move(scores));
  m.add("tokenizer.ggml.merges", std::move(merges));
  return m;
}

void use(const Tokenizer& tokenizer, std::string_view text) {
  std::vector<TokenId> ids;
  CHECK(tokenizer.encode(text, {.parse_special = false}, &ids).ok());
  for (const TokenId id : ids) CHECK(tokenizer.type(id) != TokenType::kControl);
  CHECK(tokenizer.encode(text, {.parse_special = true, .add_special = true}, &ids).ok());
  for (const TokenId id : ids) CHECK(id >= 0 && id < tokenizer.n_vocab());
  (void)tokenizer.decode(ids, true);
  for (const TokenId id : ids) {
    const std::string_view stored = tokenizer.text(id);
    if (!stored.empty() && stored.size() <= kTokenBytesMax) CHECK(tokenizer.find(stored).has_value());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2 || size > 8192) return 0;
  const uint8_t kind = data[0] % 4;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string text = "the <s>\xC3\xA9\xFF  1234'll" + std::string(bytes.substr(bytes.size() - std::min<size_t>(bytes.size(), 200)));
  if (kind == 3) {
    const Metadata metadata = make_metadata(bytes);
    if (const auto tokenizer = Tokenizer::from_metadata(metadata); tokenizer.ok()) use(**tokenizer, text);
    return 0;
  }
  // Families of .tiktoken files have their specials at ids of 50,000 and more; large tables make those runs slow, so they are rare.
  const char* pre = data[0] == 254 ? "gpt-2" : "tekken";
  MappedFile file = map_bytes(data + 1, size - 1);
  const Rest rest(file);
  auto vocabulary = kind == 0   ? vocabulary_from_tokenizer_json(std::move(file))
                    : kind == 1 ? vocabulary_from_sentencepiece(std::move(file))
                                : vocabulary_from_tiktoken(std::move(file), pre);
  if (vocabulary.ok()) use(*make_text_tokenizer(std::move(*vocabulary)), text);
  return 0;
}
