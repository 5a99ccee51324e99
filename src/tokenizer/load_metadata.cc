// Vocabulary of a GGUF file: keys "tokenizer.ggml.*" (GGUF specification).
#include <algorithm>
#include <cctype>

#include "tokenizer/vocabulary.h"

namespace firesteel {
namespace {

Error damaged(std::string_view key, const std::string& what) {
  return Error{ErrorCode::kDataLoss, "metadata \"" + std::string(key) + "\": " + what};
}

// A token id, or nothing when the key is absent or says "none" (-1, also as an unsigned number).
Result<std::optional<TokenId>> read_token_id(const Metadata& metadata, std::string_view key, size_t n_vocab) {
  FS_TRY(const std::optional<int64_t> value, metadata.get_int(key));
  if (!value || *value == -1 || *value == int64_t{UINT32_MAX}) return std::optional<TokenId>();
  if (*value < 0 || *value >= static_cast<int64_t>(n_vocab)) {
    return damaged(key, "token " + std::to_string(*value) + " is not in the vocabulary of " + std::to_string(n_vocab));
  }
  return std::optional(static_cast<TokenId>(*value));
}

Status read_types(const Metadata& metadata, Vocabulary* v) {
  constexpr std::string_view kKey = "tokenizer.ggml.token_type";
  const size_t n = v->texts.size();
  const std::vector<int64_t>* types = metadata.ints(kKey);
  if (types == nullptr) {
    if (metadata.has(kKey)) return damaged(kKey, "expected an array of integers, found another type");
    v->types.assign(n, TokenType::kNormal);
    if (v->alphabet != Alphabet::kSentencePiece) return {};
    for (size_t i = 0; i < n; ++i) {
      const std::string_view text = v->texts[i];
      if (text.size() == 6 && text.starts_with("<0x") && text[5] == '>') v->types[i] = TokenType::kByte;
    }
    return {};
  }
  if (types->size() != n) {
    return damaged(kKey, "expected " + std::to_string(n) + " entries as in tokenizer.ggml.tokens, found " + std::to_string(types->size()));
  }
  static constexpr TokenType kTypes[] = {TokenType::kNormal,      TokenType::kNormal, TokenType::kUnknown, TokenType::kControl,
                                         TokenType::kUserDefined, TokenType::kUnused, TokenType::kByte};
  v->types.resize(n);
  for (size_t i = 0; i < n; ++i) {
    const int64_t type = (*types)[i];
    if (type < 0 || type > 6) return damaged(kKey, "token " + std::to_string(i) + " has type " + std::to_string(type) + ", expected 0 to 6");
    v->types[i] = kTypes[type];
  }
  return {};
}

// Attributes that GGUF has no key for; the rules are by name, as in llama.cpp.
void set_strip_flags(std::string model_name, Vocabulary* v) {
  for (char& c : model_name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  const bool is_phi3 = model_name.find("phi-3") != std::string::npos || model_name.find("phi3") != std::string::npos;
  const bool is_jina = v->pre.name.starts_with("jina-v2-");
  if (!is_phi3 && !is_jina) return;
  for (size_t i = 0; i < v->texts.size(); ++i) {
    const std::string_view text = v->texts[i];
    const auto id = static_cast<TokenId>(i);
    if (is_jina) {
      if (text == "<mask>") v->special_flags.push_back({.id = id, .strip_left = true});
      continue;
    }
    const TokenType type = v->types[i];
    const bool is_special = type == TokenType::kControl || type == TokenType::kUserDefined || type == TokenType::kUnknown;
    if (is_special && text != "<unk>" && text != "<s>" && text != "<|endoftext|>") {
      v->special_flags.push_back({.id = id, .strip_right = true});
    }
  }
}

Status read_bpe(const Metadata& metadata, Vocabulary* v) {
  FS_TRY(const std::optional<std::string_view> pre, metadata.get_string("tokenizer.ggml.pre"));
  v->alphabet = Alphabet::kByteLevel;
  v->ranking = Ranking::kMerges;
  v->pre = pretokenizer_by_name(pre.value_or(""));
  v->warning = v->pre.warning;
  v->kind = "bpe/" + v->pre.name;
  v->ignore_merges = v->pre.ignore_merges;
  v->adds_bos = v->pre.adds_bos;
  v->adds_eos = v->pre.name == "roberta-bpe";
  const std::vector<std::string_view>* merges = metadata.strings("tokenizer.ggml.merges");
  if (merges == nullptr) return damaged("tokenizer.ggml.merges", "expected an array of strings, found none");
  if (merges->size() > kVocabularyMax) return damaged("tokenizer.ggml.merges", "more than " + std::to_string(kVocabularyMax) + " merges");
  v->merges = *merges;
  return {};
}

Status read_spm(const Metadata& metadata, Vocabulary* v) {
  v->alphabet = Alphabet::kSentencePiece;
  v->ranking = Ranking::kScores;
  v->kind = "spm";
  v->adds_bos = true;
  FS_TRY(const std::optional<bool> prefix, metadata.get_bool("tokenizer.ggml.add_space_prefix"));
  FS_TRY(const std::optional<bool> remove, metadata.get_bool("tokenizer.ggml.remove_extra_whitespaces"));
  v->space_prefix = prefix.value_or(true) ? SpacePrefix::kAlways : SpacePrefix::kNone;
  v->remove_extra_spaces = remove.value_or(false);
  v->user_defined_in_pieces = true;
  const std::vector<float>* scores = metadata.floats("tokenizer.ggml.scores");
  if (scores == nullptr) return damaged("tokenizer.ggml.scores", "expected an array of floats, found none");
  if (scores->size() != v->texts.size()) {
    return damaged("tokenizer.ggml.scores", "expected " + std::to_string(v->texts.size()) + " entries as in tokenizer.ggml.tokens, found " +
                                                std::to_string(scores->size()));
  }
  v->scores = *scores;
  return {};
}

}  // namespace

Result<Vocabulary> vocabulary_from_metadata(const Metadata& metadata) {
  FS_TRY(const std::optional<std::string_view> model, metadata.get_string("tokenizer.ggml.model"));
  if (!model) return Error{ErrorCode::kNotFound, "the metadata has no tokenizer (tokenizer.ggml.model)"};
  if (*model != "gpt2" && *model != "llama") {
    return Error{ErrorCode::kUnsupported, "tokenizer.ggml.model \"" + std::string(model->substr(0, 64)) + "\": supported are gpt2 and llama"};
  }
  const std::vector<std::string_view>* tokens = metadata.strings("tokenizer.ggml.tokens");
  if (tokens == nullptr || tokens->empty()) return damaged("tokenizer.ggml.tokens", "expected an array of strings, found none");
  if (tokens->size() > kVocabularyMax) return damaged("tokenizer.ggml.tokens", "more than " + std::to_string(kVocabularyMax) + " tokens");

  Vocabulary v;
  v.texts = *tokens;
  FS_TRY_VOID(*model == "gpt2" ? read_bpe(metadata, &v) : read_spm(metadata, &v));
  FS_TRY_VOID(read_types(metadata, &v));
  const size_t n = tokens->size();
  FS_TRY(v.bos, read_token_id(metadata, "tokenizer.ggml.bos_token_id", n));
  FS_TRY(v.eos, read_token_id(metadata, "tokenizer.ggml.eos_token_id", n));
  FS_TRY(v.unknown, read_token_id(metadata, "tokenizer.ggml.unknown_token_id", n));
  if (*model == "llama" && n > 2) {  // what SentencePiece numbers them when a file does not say
    if (!metadata.has("tokenizer.ggml.bos_token_id")) v.bos = 1;
    if (!metadata.has("tokenizer.ggml.eos_token_id")) v.eos = 2;
    if (!metadata.has("tokenizer.ggml.unknown_token_id")) v.unknown = 0;
  }
  for (const std::string_view key : {"tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"}) {
    FS_TRY(const std::optional<TokenId> id, read_token_id(metadata, key, n));
    if (id) v.end_of_generation.push_back(*id);
  }
  FS_TRY(const std::optional<bool> adds_bos, metadata.get_bool("tokenizer.ggml.add_bos_token"));
  FS_TRY(const std::optional<bool> adds_eos, metadata.get_bool("tokenizer.ggml.add_eos_token"));
  v.adds_bos = adds_bos.value_or(v.adds_bos);
  v.adds_eos = adds_eos.value_or(v.adds_eos);
  FS_TRY(const std::optional<std::string_view> name, metadata.get_string("general.name"));
  set_strip_flags(std::string(name.value_or("")), &v);
  complete_end_of_generation(&v);
  return v;
}

Result<std::unique_ptr<const Tokenizer>> Tokenizer::from_metadata(const Metadata& metadata) {
  FS_TRY(Vocabulary vocabulary, vocabulary_from_metadata(metadata));
  return make_text_tokenizer(std::move(vocabulary));
}

}  // namespace firesteel
