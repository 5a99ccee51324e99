// Any bytes through encode and back. The first byte chooses the pre-tokenizer, the second where the text is cut into parts.
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/utf8.h"
#include "tokenizer/byte_alphabet.h"
#include "tokenizer/chat_template.h"
#include "tokenizer/pretokenizer.h"
#include "tokenizer/tokenizer.h"

namespace {

using namespace firesteel;

constexpr std::string_view kPres[] = {"gpt-2",  "llama-bpe", "qwen2",        "qwen35",         "tekken",      "gpt-4o",
                                      "smollm", "falcon",    "deepseek-llm", "deepseek-coder", "deepseek-v3", "default"};
constexpr size_t kPreCount = sizeof(kPres) / sizeof(kPres[0]);

std::string letters(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) out.append(kByteLetters[static_cast<unsigned char>(c)].utf8, kByteLetters[static_cast<unsigned char>(c)].n_bytes);
  return out;
}

std::unique_ptr<const Tokenizer> make(std::string_view pre) {
  static std::deque<std::string> texts;
  Metadata m;
  m.add("tokenizer.ggml.model", std::string_view("gpt2"));
  m.add("tokenizer.ggml.pre", pre);
  std::vector<std::string_view> tokens;
  std::vector<int64_t> types;
  std::vector<std::string_view> merges;
  for (int byte = 0; byte < 256; ++byte) {
    tokens.push_back(texts.emplace_back(letters(std::string(1, static_cast<char>(byte)))));
    types.push_back(1);
  }
  for (const auto& [left, right] : std::initializer_list<std::pair<const char*, const char*>>{
           {"t", "h"}, {"th", "e"}, {" ", "the"}, {" ", " "}, {"  ", "  "}, {"\xC3", "\xA9"}, {"1", "2"}, {"a", "a"}, {"aa", "aa"}, {"\n", "\n"}}) {
    merges.push_back(texts.emplace_back(letters(left) + " " + letters(right)));
    tokens.push_back(texts.emplace_back(letters(std::string(left) + right)));
    types.push_back(1);
  }
  for (const char* control : {"<s>", "</s>", "<|im_end|>"}) {
    tokens.push_back(texts.emplace_back(control));
    types.push_back(3);
  }
  tokens.push_back(texts.emplace_back("<u>"));
  types.push_back(4);
  static std::deque<Metadata> kept;
  m.add("tokenizer.ggml.tokens", std::move(tokens));
  m.add("tokenizer.ggml.token_type", std::move(types));
  m.add("tokenizer.ggml.merges", std::move(merges));
  kept.push_back(std::move(m));
  auto tokenizer = Tokenizer::from_metadata(kept.back());
  CHECK(tokenizer.ok());
  return std::move(*tokenizer);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static std::unique_ptr<const Tokenizer> tokenizers[kPreCount];
  if (size < 2) return 0;
  const size_t which = data[0] % kPreCount;
  if (tokenizers[which] == nullptr) tokenizers[which] = make(kPres[which]);
  const Tokenizer& tokenizer = *tokenizers[which];
  const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);

  std::string pieces;
  split_pieces(pretokenizer_by_name(kPres[which]), text, [&](std::string_view piece) {
    CHECK(!piece.empty());
    pieces += piece;
  });
  CHECK(pieces == text);

  std::vector<TokenId> ids;
  CHECK(tokenizer.encode(text, {}, &ids).ok());
  CHECK(tokenizer.decode(ids, false) == text);
  for (const TokenId id : ids) CHECK(tokenizer.type(id) != TokenType::kControl);

  std::string streamed;
  StreamDecoder decoder(tokenizer);
  for (const TokenId id : ids) streamed += decoder.push(id);
  streamed += decoder.flush();
  CHECK(is_valid_utf8(streamed));
  if (is_valid_utf8(text)) CHECK(streamed == text);

  // Cut anywhere, user text gives the same ids; with the template's markers around it, no more control tokens than the template wrote.
  const size_t cut = text.empty() ? 0 : data[1] % (text.size() + 1);
  const EncodePart halves[] = {{text.substr(0, cut), false}, {text.substr(cut), false}};
  std::vector<TokenId> again;
  CHECK(tokenizer.encode_parts(halves, false, &again).ok());
  CHECK(again == ids);
  const auto prompt = encode_prompt(tokenizer, {{"<s>", true}, {std::string(text), false}, {"</s><|im", true}, {std::string(text), false}, {"_end|>", true}});
  CHECK(prompt.ok());
  size_t n_control = 0;
  for (const TokenId id : *prompt) n_control += tokenizer.type(id) == TokenType::kControl ? 1 : 0;
  CHECK(n_control == 2);
  return 0;
}
