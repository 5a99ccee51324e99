// For tests: small vocabularies as metadata, and BPE as its definition says it, slowly.
#pragma once

#include <algorithm>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/metadata.h"
#include "base/utf8.h"
#include "tokenizer/byte_alphabet.h"
#include "tokenizer/test_vectors.h"

namespace firesteel::testing_vocabularies {

struct SmallVocabulary {
  std::deque<std::string> owned;  // what the metadata views
  std::vector<std::string> tokens;
  std::vector<std::pair<std::string, std::string>> merges;
  std::vector<int64_t> types;
  std::vector<float> scores;

  TokenId add(std::string_view text, int64_t type = 1, float score = 0) {
    tokens.emplace_back(text);
    types.push_back(type);
    scores.push_back(score);
    return static_cast<TokenId>(tokens.size() - 1);
  }

  Metadata metadata(std::string_view model, std::string_view pre) {
    Metadata m;
    m.add("tokenizer.ggml.model", keep(model));
    if (!pre.empty()) m.add("tokenizer.ggml.pre", keep(pre));
    std::vector<std::string_view> texts;
    for (const std::string& token : tokens) texts.push_back(keep(token));
    m.add("tokenizer.ggml.tokens", std::move(texts));
    m.add("tokenizer.ggml.token_type", types);
    if (model == "llama") m.add("tokenizer.ggml.scores", scores);
    if (model == "gpt2") {
      std::vector<std::string_view> lines;
      for (const auto& [left, right] : merges) lines.push_back(keep(left + " " + right));
      m.add("tokenizer.ggml.merges", std::move(lines));
    }
    return m;
  }

  std::string_view keep(std::string_view text) { return owned.emplace_back(text); }
};

// GPT-2's first 243 merges with all bytes, and "<|endoftext|>" as id 0: the reference of a BPE training exercise (SOURCE.md).
inline SmallVocabulary trained_bpe() {
  SmallVocabulary v;
  const std::string folder = testing_vectors::committed();
  const auto vocab = Json::parse(testing_vectors::read_text(folder + "/train-bpe-reference-vocab.json"));
  std::map<int64_t, std::string> by_id;
  for (const auto& [text, id] : vocab->as_object()) by_id[id.as_int()] = text;
  for (const auto& [id, text] : by_id) v.add(text, text == "<|endoftext|>" ? 3 : 1);
  const std::string merges = testing_vectors::read_text(folder + "/train-bpe-reference-merges.txt");
  for (size_t at = 0; at < merges.size();) {
    const size_t end = std::min(merges.find('\n', at), merges.size());
    const std::string line = merges.substr(at, end - at);
    at = end + 1;
    const size_t space = line.find(' ');
    if (space != std::string::npos) v.merges.emplace_back(line.substr(0, space), line.substr(space + 1));
  }
  return v;
}

// SentencePiece: bytes, letters, words; scores fall with the id as in real files.
inline SmallVocabulary small_spm() {
  SmallVocabulary v;
  v.add("<unk>", 2);
  v.add("<s>", 3);
  v.add("</s>", 3);
  for (unsigned byte = 0; byte < 256; ++byte) {
    constexpr std::string_view kHex = "0123456789ABCDEF";
    v.add(std::string("<0x") + kHex[byte >> 4] + kHex[byte & 15] + ">", 6);
  }
  float score = -1;
  for (const char* text : {"\u2581t", "he", "in", "er", "\u2581a", "ll", "\u2581the", "\u2581\u2581", "re", "on", "\u2581he", "\u2581hell", "\u2581hello",
                           "ing", "\u2581\u2581\u2581\u2581", "or", "wor", "world", "\u2581world", "\u00E9\u00E9", "aa", "aaaa", "aaaaaaaa"}) {
    v.add(text, 1, score);
    score -= 1;
  }
  for (char c = 'a'; c <= 'z'; ++c) {
    v.add(std::string(1, c), 1, score);
    score -= 1;
  }
  for (const char* text : {"\u2581", "\u00E9", "\u4E2D", ".", ",", "<", ">", "|", "_"}) {
    v.add(text, 1, score);
    score -= 1;
  }
  return v;
}

inline std::string to_letters(std::string_view bytes) {
  std::string letters;
  for (const char c : bytes) letters.append(kByteLetters[static_cast<unsigned char>(c)].utf8, kByteLetters[static_cast<unsigned char>(c)].n_bytes);
  return letters;
}

// Merges until nothing is left to merge: lowest rank first, leftmost among equals. rank: of a pair of symbols, or -1.
template <typename Rank>
std::vector<std::string> merge_slowly(std::vector<std::string> symbols, const Rank& rank) {
  for (;;) {
    int64_t best = -1;
    size_t best_at = 0;
    for (size_t i = 0; i + 1 < symbols.size(); ++i) {
      const int64_t r = rank(symbols[i], symbols[i + 1]);
      if (r >= 0 && (best < 0 || r < best)) {
        best = r;
        best_at = i;
      }
    }
    if (best < 0) return symbols;
    symbols[best_at] += symbols[best_at + 1];
    symbols.erase(symbols.begin() + static_cast<ptrdiff_t>(best_at) + 1);
  }
}

inline std::vector<std::string> characters(std::string_view text) {
  std::vector<std::string> result;
  for (size_t i = 0; i < text.size();) {
    const Utf8Char c = decode_utf8(text, i);
    result.emplace_back(text.substr(i, c.n_bytes));
    i += c.n_bytes;
  }
  return result;
}

}  // namespace firesteel::testing_vocabularies
