// Tokenizers from files: which kind a file is, and the settings that lie beside it.
#include <algorithm>
#include <filesystem>

#include "base/json.h"
#include "tokenizer/vocabulary.h"

namespace firesteel {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kConfigBytesMax = 32u << 20;

// Absent: a null value. Anything but an object is damage.
Result<Json> read_config(const std::string& path) {
  auto text = read_file(path, kConfigBytesMax);
  if (!text.ok()) {
    if (text.error().code == ErrorCode::kNotFound) return Json();
    return std::move(text).error();
  }
  auto json = Json::parse(*text);
  if (!json.ok()) return Error{ErrorCode::kDataLoss, path + ": " + json.error().message};
  if (!json->is_object()) return Error{ErrorCode::kDataLoss, path + ": expected an object"};
  return std::move(*json);
}

std::optional<TokenId> find_text(const Vocabulary& v, std::string_view text) {
  for (size_t i = 0; i < v.texts.size(); ++i) {
    if (v.texts[i] == text) return static_cast<TokenId>(i);
  }
  return std::nullopt;
}

// "bos_token": "<s>" or {"content": "<s>", ...}.
std::string_view token_text(const Json* value) {
  if (value == nullptr) return {};
  if (value->is_string()) return value->as_string();
  const Json* content = value->find("content");
  return content != nullptr && content->is_string() ? std::string_view(content->as_string()) : std::string_view();
}

bool flag_at(const Json& json, std::string_view key) {
  const Json* value = json.find(key);
  return value != nullptr && value->is_bool() && value->as_bool();
}

// Tokens that were added to a vocabulary file after it was made: {"32000": {"content": "<|im_end|>", "special": true, ...}}.
Status add_tokens(const Json& decoder, const std::string& path, Vocabulary* v) {
  if (!decoder.is_object()) return {};
  const uint64_t id_end = std::min<uint64_t>(kVocabularyMax, v->texts.size() + decoder.as_object().size() * 2 + 65536);
  for (const auto& [key, token] : decoder.as_object()) {
    const std::string_view content = token_text(&token);
    uint64_t id = 0;
    for (const char c : key) {
      if (c < '0' || c > '9' || id >= id_end) {
        return Error{ErrorCode::kDataLoss, path + ": added_tokens_decoder: \"" + key.substr(0, 64) + "\" is no token id in range"};
      }
      id = id * 10 + static_cast<uint64_t>(c - '0');
    }
    if (key.empty() || id >= id_end || content.empty()) {
      return Error{ErrorCode::kDataLoss, path + ": added_tokens_decoder: \"" + key.substr(0, 64) + "\" is no token id in range"};
    }
    if (id < v->texts.size() && !v->texts[id].empty()) continue;
    if (v->own_texts.empty()) v->own_texts.assign(v->texts.begin(), v->texts.end());
    if (id >= v->own_texts.size()) {
      v->own_texts.resize(id + 1);
      v->types.resize(id + 1, TokenType::kUnused);
      if (v->ranking == Ranking::kScores) v->own_scores.resize(id + 1);
    }
    v->arenas.emplace_back(new char[content.size()]);
    std::copy(content.begin(), content.end(), v->arenas.back().get());
    v->own_texts[id] = {v->arenas.back().get(), content.size()};
    v->types[id] = flag_at(token, "special") ? TokenType::kControl : TokenType::kUserDefined;
    const SpecialFlags flags{.id = static_cast<TokenId>(id),
                             .strip_left = flag_at(token, "lstrip"),
                             .strip_right = flag_at(token, "rstrip"),
                             .single_word = flag_at(token, "single_word")};
    if (flags.strip_left || flags.strip_right || flags.single_word) v->special_flags.push_back(flags);
    v->texts = v->own_texts;
    v->scores = v->own_scores;
  }
  std::sort(v->special_flags.begin(), v->special_flags.end(), [](const SpecialFlags& a, const SpecialFlags& b) { return a.id < b.id; });
  return {};
}

// First bytes decide: names are free ("tokenizer.model" is SentencePiece for Llama 2 and tiktoken for Llama 3).
enum class FileKind { kTokenizerJson, kSentencePiece, kTiktoken };

FileKind sniff(const MappedFile& file) {
  const auto raw = file.bytes();
  const std::string_view head(reinterpret_cast<const char*>(raw.data()), std::min<size_t>(raw.size(), 256));
  const size_t text = head.find_first_not_of(" \t\r\n");
  if (text != std::string_view::npos && head[text] == '{') return FileKind::kTokenizerJson;
  const size_t space = head.find(' ');
  const bool is_ranks = space != std::string_view::npos && space > 0 && space + 1 < head.size() && head[space + 1] >= '0' &&
                        head[space + 1] <= '9' && head.substr(0, space).find_first_of(std::string_view("\n\0", 2)) == std::string_view::npos;
  return is_ranks ? FileKind::kTiktoken : FileKind::kSentencePiece;
}

Result<std::string> find_in_folder(const std::string& folder) {
  std::error_code error;
  for (const char* name : {"tokenizer.json", "tokenizer.model"}) {
    const fs::path path = fs::path(folder) / name;
    if (fs::is_regular_file(path, error)) return path.string();
  }
  std::vector<std::string> ranks;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (it->path().extension() == ".tiktoken") ranks.push_back(it->path().string());
  }
  if (ranks.empty()) return Error{ErrorCode::kNotFound, folder + ": no tokenizer.json, tokenizer.model or .tiktoken file"};
  return *std::min_element(ranks.begin(), ranks.end());
}

}  // namespace

Status apply_hf_configs(const std::string& folder, Vocabulary* v) {
  const std::string config_path = (fs::path(folder) / "tokenizer_config.json").string();
  FS_TRY(const Json config, read_config(config_path));
  if (const Json* decoder = config.find("added_tokens_decoder")) FS_TRY_VOID(add_tokens(*decoder, config_path, v));
  const auto set = [&](const char* key, std::optional<TokenId>* id) {
    const std::string_view text = token_text(config.find(key));
    if (!text.empty()) *id = find_text(*v, text);
  };
  set("bos_token", &v->bos);
  set("eos_token", &v->eos);
  const auto set_flag = [&](const char* key, bool* flag) {
    const Json* value = config.find(key);
    if (value != nullptr && value->is_bool()) *flag = value->as_bool();
  };
  set_flag("add_bos_token", &v->adds_bos);
  set_flag("add_eos_token", &v->adds_eos);

  const std::string generation_path = (fs::path(folder) / "generation_config.json").string();
  FS_TRY(const Json generation, read_config(generation_path));
  if (const Json* eos = generation.find("eos_token_id")) {
    const Json::Array one = eos->is_int() ? Json::Array{*eos} : Json::Array{};
    for (const Json& id : eos->is_array() ? eos->as_array() : one) {
      // A model may have more ids than its tokenizer.
      if (id.is_int() && id.as_int() >= 0 && id.as_int() < static_cast<int64_t>(v->texts.size())) {
        v->end_of_generation.push_back(static_cast<TokenId>(id.as_int()));
      }
    }
  }
  complete_end_of_generation(v);
  return {};
}

Result<std::unique_ptr<const Tokenizer>> Tokenizer::from_file(const std::string& path, std::string_view pre) {
  std::error_code ignored;
  std::string file_path = path;
  if (fs::is_directory(path, ignored)) {
    FS_TRY(file_path, find_in_folder(path));
  }
  FS_TRY(MappedFile file, MappedFile::open(file_path));
  const FileKind kind = sniff(file);
  FS_TRY(Vocabulary vocabulary, kind == FileKind::kTokenizerJson   ? vocabulary_from_tokenizer_json(std::move(file))
                                : kind == FileKind::kSentencePiece ? vocabulary_from_sentencepiece(std::move(file))
                                                                   : vocabulary_from_tiktoken(std::move(file), pre));
  FS_TRY_VOID(apply_hf_configs(fs::path(file_path).parent_path().string(), &vocabulary));
  return make_text_tokenizer(std::move(vocabulary));
}

}  // namespace firesteel
