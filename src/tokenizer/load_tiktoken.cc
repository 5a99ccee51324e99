// .tiktoken files: lines "BASE64 RANK"; the rank is the id. Special tokens are not in the file: they belong to the family.
#include <algorithm>
#include <array>
#include <charconv>

#include "tokenizer/vocabulary.h"

namespace firesteel {
namespace {

struct Special {
  TokenId id;
  std::string_view text;
};

struct Family {
  std::string_view name;       // as `pre`, or as part of the file's name
  std::string_view also;       // another name
  size_t n_ranks;              // in the file as published
  std::string_view pre;        // pretokenizer.h
  std::string_view bos;
  std::string_view eos;
};

// Ids from OpenAI's tiktoken, Meta's llama3 and Qwen's releases.
constexpr std::array<Family, 6> kFamilies = {{
    {"r50k", "gpt-2", 50256, "gpt-2", "", "<|endoftext|>"},
    {"p50k", "p50k", 50280, "gpt-2", "", "<|endoftext|>"},
    {"cl100k", "gpt-4-", 100256, "cl100k", "", "<|endoftext|>"},
    {"o200k", "gpt-4o", 199998, "gpt-4o", "", "<|endoftext|>"},
    {"llama3", "llama-bpe", 128000, "llama-bpe", "<|begin_of_text|>", "<|end_of_text|>"},
    {"qwen", "qwen2", 151643, "qwen2", "", "<|endoftext|>"},
}};

constexpr std::array<Special, 25> kSpecials[] = {
    {{{50256, "<|endoftext|>"}}},
    {{{50256, "<|endoftext|>"}}},
    {{{100257, "<|endoftext|>"},
      {100258, "<|fim_prefix|>"},
      {100259, "<|fim_middle|>"},
      {100260, "<|fim_suffix|>"},
      {100276, "<|endofprompt|>"}}},
    {{{199999, "<|endoftext|>"}, {200018, "<|endofprompt|>"}}},
    {{{128000, "<|begin_of_text|>"},
      {128001, "<|end_of_text|>"},
      {128002, "<|reserved_special_token_0|>"},
      {128003, "<|reserved_special_token_1|>"},
      {128004, "<|finetune_right_pad_id|>"},
      {128005, "<|reserved_special_token_2|>"},
      {128006, "<|start_header_id|>"},
      {128007, "<|end_header_id|>"},
      {128008, "<|eom_id|>"},
      {128009, "<|eot_id|>"},
      {128010, "<|python_tag|>"}}},
    {{{151643, "<|endoftext|>"}, {151644, "<|im_start|>"}, {151645, "<|im_end|>"}}},
};
// Llama 3 counts on: <|reserved_special_token_3|> is 128011 and the last, 244, is 128255... up to this many ids.
constexpr TokenId kLlama3Reserved = 128011;
constexpr TokenId kLlama3End = 128256;

std::optional<size_t> find_family(std::string_view pre, const std::string& path, size_t n_ranks) {
  for (size_t i = 0; i < kFamilies.size(); ++i) {
    const Family& family = kFamilies[i];
    if (pre.empty() ? family.n_ranks == n_ranks : pre == family.name || pre == family.also || pre == family.pre) return i;
  }
  if (!pre.empty()) return std::nullopt;
  const std::string name = path.substr(path.find_last_of('/') + 1);
  for (size_t i = 0; i < kFamilies.size(); ++i) {
    if (name.find(kFamilies[i].name) != std::string::npos || name.find(kFamilies[i].also) != std::string::npos) return i;
  }
  return std::nullopt;
}

int base64_value(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+') return 62;
  if (c == '/') return 63;
  return -1;
}

// Decodes into out (room for three bytes per four characters); number of bytes, or -1.
int64_t decode_base64(std::string_view text, char* out) {
  while (text.ends_with('=')) text.remove_suffix(1);
  if (text.size() % 4 == 1) return -1;
  uint32_t bits = 0;
  int n_bits = 0;
  int64_t n = 0;
  for (const char c : text) {
    const int value = base64_value(c);
    if (value < 0) return -1;
    bits = (bits << 6) | static_cast<uint32_t>(value);
    n_bits += 6;
    if (n_bits >= 8) {
      n_bits -= 8;
      out[n++] = static_cast<char>(static_cast<uint8_t>(bits >> n_bits));
    }
  }
  return n;
}

}  // namespace

Result<Vocabulary> vocabulary_from_tiktoken(MappedFile file, std::string_view pre) {
  const std::string path = file.path();
  const auto raw = file.bytes();
  std::string_view rest(reinterpret_cast<const char*>(raw.data()), raw.size());
  size_t line = 0;
  const auto damaged = [&](const std::string& what) { return Error{ErrorCode::kDataLoss, path + ": line " + std::to_string(line) + ": " + what}; };

  Vocabulary v;
  std::unique_ptr<char[]> arena(new char[rest.size() + 1]);
  char* out = arena.get();
  size_t n_ranks = 0;
  // A rank far beyond the number of lines would make a table out of nothing.
  const size_t rank_max = std::min<size_t>(kVocabularyMax - 65536, rest.size() / 4 + 1024);
  while (!rest.empty()) {
    ++line;
    const size_t n = std::min(rest.find('\n'), rest.size());
    std::string_view text = rest.substr(0, n);
    rest.remove_prefix(std::min(n + 1, rest.size()));
    if (text.ends_with('\r')) text.remove_suffix(1);
    if (text.empty()) continue;
    const size_t space = text.find(' ');
    if (space == std::string_view::npos) return damaged("expected \"BASE64 RANK\"");
    const int64_t n_bytes = decode_base64(text.substr(0, space), out);
    if (n_bytes <= 0) return damaged("the token is not base64");
    size_t rank = 0;
    const char* end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data() + space + 1, end, rank);
    if (parsed.ec != std::errc() || parsed.ptr != end) return damaged("the rank is not a number");
    if (rank >= rank_max) return damaged("rank " + std::to_string(rank) + " is out of range for a file of this size");
    if (rank >= v.own_texts.size()) v.own_texts.resize(rank + 1);
    if (!v.own_texts[rank].empty()) return damaged("rank " + std::to_string(rank) + " is there twice");
    v.own_texts[rank] = {out, static_cast<size_t>(n_bytes)};
    out += n_bytes;
    ++n_ranks;
  }
  if (n_ranks == 0) return damaged("no tokens");
  TextIndex index;
  index.build(v.own_texts, SIZE_MAX);
  for (size_t i = 0; i < v.own_texts.size(); ++i) {
    if (v.own_texts[i].empty()) continue;
    const uint32_t first = index.find(v.own_texts[i]);
    if (first != i) {
      return Error{ErrorCode::kDataLoss, path + ": ranks " + std::to_string(first) + " and " + std::to_string(i) + " are the same token"};
    }
  }

  const std::optional<size_t> family_idx = find_family(pre, path, n_ranks);
  if (!family_idx && (pre.empty() || !is_known_pretokenizer(pre))) {
    std::string known;
    for (const Family& family : kFamilies) known += " " + std::string(family.name);
    return Error{ErrorCode::kUnsupported, path + ": which pre-tokenizer? \"" + std::string(pre) + "\" and the file's name say none of" + known};
  }
  v.types.resize(v.own_texts.size(), TokenType::kNormal);
  for (size_t i = 0; i < v.own_texts.size(); ++i) {
    if (v.own_texts[i].empty()) v.types[i] = TokenType::kUnused;
  }
  v.pre = pretokenizer_by_name(family_idx ? kFamilies[*family_idx].pre : pre);
  if (family_idx) {
    const Family& family = kFamilies[*family_idx];
    const auto add = [&](TokenId id, std::string_view text) {
      const auto i = static_cast<size_t>(id);
      if (i >= v.own_texts.size()) {
        v.own_texts.resize(i + 1);
        v.types.resize(i + 1, TokenType::kUnused);
      }
      if (!v.own_texts[i].empty()) return;  // a smaller or larger file than the published one: its own tokens come first
      v.own_texts[i] = text;
      v.types[i] = TokenType::kControl;
      if (text == family.bos) v.bos = id;
      if (text == family.eos) v.eos = id;
    };
    for (const Special& special : kSpecials[*family_idx]) {
      if (!special.text.empty()) add(special.id, special.text);
    }
    if (family.name == "llama3") {
      const auto n_reserved = static_cast<size_t>(kLlama3End - kLlama3Reserved);
      std::unique_ptr<char[]> names(new char[n_reserved * 32]);
      char* at = names.get();
      for (TokenId id = kLlama3Reserved; id < kLlama3End; ++id) {
        const std::string name = "<|reserved_special_token_" + std::to_string(id - kLlama3Reserved + 3) + "|>";
        std::copy(name.begin(), name.end(), at);
        add(id, {at, name.size()});
        at += name.size();
      }
      v.arenas.push_back(std::move(names));
    }
  }
  v.alphabet = Alphabet::kRawBytes;
  v.ranking = Ranking::kIds;
  v.ignore_merges = true;  // tiktoken looks a piece up before it merges
  v.adds_bos = v.pre.adds_bos && v.bos.has_value();
  v.kind = "bpe/" + v.pre.name;
  v.warning = v.pre.warning;
  v.arenas.push_back(std::move(arena));
  v.texts = v.own_texts;
  complete_end_of_generation(&v);
  return v;
}

}  // namespace firesteel
