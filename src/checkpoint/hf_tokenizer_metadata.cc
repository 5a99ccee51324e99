#include "checkpoint/hf_tokenizer_metadata.h"

#include <fmt/format.h>

#include <optional>
#include <unordered_map>
#include <vector>

#include "base/json.h"
#include "base/mapped_file.h"

namespace firesteel {
namespace {

constexpr uint64_t kMaxTokenizerBytes = 256u << 20;
constexpr int64_t kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6;

const Json kNull;

const Json& member(const Json& json, std::string_view key) {
  const Json* value = json.find(key);
  return value == nullptr ? kNull : *value;
}
std::string_view text_of(const Json& json) { return json.is_string() ? std::string_view(json.as_string()) : std::string_view(); }
bool is_true(const Json& json) { return json.is_bool() && json.as_bool(); }

// The step itself, or the steps of a sequence.
std::vector<const Json*> steps(const Json& step, const char* list) {
  std::vector<const Json*> out;
  if (text_of(member(step, "type")) == "Sequence" && member(step, list).is_array()) {
    for (const Json& inner : member(step, list).as_array()) out.push_back(&inner);
  } else if (step.is_object()) {
    out.push_back(&step);
  }
  return out;
}

// Split patterns as their models write them, and the name that GGUF gives them. Facts of the published tokenizer.json files.
struct Pattern {
  std::string_view regex, pre;
};
constexpr Pattern kPatterns[] = {
    {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)", "llama-bpe"},
    {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)", "qwen2"},
    {R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     "tekken"},
    {R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     "gpt-4o"},
    {R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)", "gpt-2"},
};

// Name of a byte-level pre-tokenizer; empty when it is none that GGUF has a name for.
std::string_view recognise_pre(const Json& pre_tokenizer) {
  bool has_byte_level = false, uses_its_regex = false, splits_digits = false;
  std::string_view named;
  int n_splits = 0;
  for (const Json* step : steps(pre_tokenizer, "pretokenizers")) {
    const std::string_view type = text_of(member(*step, "type"));
    if (type == "ByteLevel") {
      has_byte_level = true;
      const Json& use_regex = member(*step, "use_regex");
      uses_its_regex = !use_regex.is_bool() || use_regex.as_bool();
    } else if (type == "Split") {
      ++n_splits;
      for (const Pattern& pattern : kPatterns) {
        if (pattern.regex == text_of(member(member(*step, "pattern"), "Regex"))) named = pattern.pre;
      }
    } else if (type == "Digits") {
      splits_digits = is_true(member(*step, "individual_digits"));
      if (!splits_digits) return {};
    } else {
      return {};
    }
  }
  if (!has_byte_level) return {};
  if (n_splits == 1 && !uses_its_regex && !splits_digits) return named;
  if (n_splits == 0 && uses_its_regex) return splits_digits ? "smollm" : "gpt-2";
  return {};
}

bool is_byte_token(std::string_view text) { return text.size() == 6 && text.starts_with("<0x") && text.ends_with(">"); }

class Translator {
 public:
  Translator(const std::string& path, Metadata* metadata, std::deque<std::string>* strings) : path_(path), metadata_(metadata), strings_(strings) {}

  Status run(const Json& json, const Json& config, int64_t n_vocab, const std::string& pre) {
    const Json& model = member(json, "model");
    const Json& vocab = member(model, "vocab");
    const std::string_view type = text_of(member(model, "type"));
    if (!vocab.is_object() || !(type.empty() || type == "BPE")) {
      return unsupported(fmt::format("model type \"{}\": expected BPE with a vocabulary", type.substr(0, 40)));
    }
    FS_TRY_VOID(read_vocab(vocab, member(json, "added_tokens"), text_of(member(model, "unk_token")), n_vocab));
    FS_TRY_VOID(read_merges(member(model, "merges")));
    // Byte fallback without byte-level pre-tokenisation is SentencePiece's algorithm under another name.
    bool byte_level = false;
    for (const Json* step : steps(member(json, "pre_tokenizer"), "pretokenizers")) byte_level = byte_level || text_of(member(*step, "type")) == "ByteLevel";
    if (is_true(member(model, "byte_fallback")) && !byte_level) {
      write_spm(json);
    } else {
      const std::string_view name = pre.empty() ? recognise_pre(member(json, "pre_tokenizer")) : std::string_view(pre);
      if (name.empty()) return unsupported("its pre-tokenizer's pattern is not recognised; name one (--pre)");
      write_bpe(name);
    }
    write_specials(config);
    return {};
  }

 private:
  Error unsupported(const std::string& what) const { return Error{ErrorCode::kUnsupported, path_ + ": " + what}; }
  Error damaged(const std::string& what) const { return Error{ErrorCode::kDataLoss, path_ + ": " + what}; }
  std::string_view keep(std::string_view text) { return strings_->emplace_back(text); }

  Status put_token(int64_t id, std::string_view text, int64_t type, int64_t n_vocab) {
    if (id < 0 || id >= n_vocab) {
      return damaged(fmt::format("token \"{}\": expected an id below {} (rows of the embedding), found {}", text.substr(0, 40), n_vocab, id));
    }
    tokens_[static_cast<size_t>(id)] = keep(text);
    types_[static_cast<size_t>(id)] = type;
    ids_[tokens_[static_cast<size_t>(id)]] = id;
    return {};
  }

  Status read_vocab(const Json& vocab, const Json& added, std::string_view unknown, int64_t n_vocab) {
    tokens_.resize(static_cast<size_t>(n_vocab));
    types_.resize(static_cast<size_t>(n_vocab), kUnused);
    for (const auto& [text, id] : vocab.as_object()) {
      if (!id.is_int()) return damaged("vocabulary: expected integer ids, found another value");
      const int64_t type = text == unknown ? kUnknown : is_byte_token(text) ? kByte : kNormal;
      FS_TRY_VOID(put_token(id.as_int(), text, type, n_vocab));
    }
    if (added.is_array()) {
      for (const Json& token : added.as_array()) {
        const std::string_view text = text_of(member(token, "content"));
        const Json& id = member(token, "id");
        if (!id.is_int() || text.empty()) return damaged("added_tokens: expected id and content, found another value");
        const int64_t type = text == unknown ? kUnknown : is_true(member(token, "special")) ? kControl : kUserDefined;
        FS_TRY_VOID(put_token(id.as_int(), text, type, n_vocab));
      }
    }
    // Embeddings are padded to round sizes: each row needs a token with a text of its own.
    for (size_t i = 0; i < tokens_.size(); ++i) {
      if (tokens_[i].empty()) tokens_[i] = keep(fmt::format("[PAD{}]", i));
    }
    return {};
  }

  // "left right", or [left, right].
  Status read_merges(const Json& merges) {
    if (!merges.is_array()) return damaged("merges: expected a list, found another value");
    for (const Json& merge : merges.as_array()) {
      if (merge.is_string()) {
        merges_.push_back(keep(merge.as_string()));
      } else if (merge.is_array() && merge.as_array().size() == 2 && merge.as_array()[0].is_string() && merge.as_array()[1].is_string()) {
        merges_.push_back(keep(merge.as_array()[0].as_string() + " " + merge.as_array()[1].as_string()));
      } else {
        return damaged(fmt::format("merge {}: expected two pieces, found another value", merges_.size()));
      }
    }
    return {};
  }

  void write_bpe(std::string_view pre) {
    metadata_->set("tokenizer.ggml.model", std::string_view("gpt2"));
    metadata_->set("tokenizer.ggml.pre", keep(pre));
    write_tokens();
    metadata_->set("tokenizer.ggml.merges", std::move(merges_));
  }

  // SentencePiece merges the pair whose result has the best score: minus the rank of the first merge with that result.
  void write_spm(const Json& json) {
    constexpr float kNoMerge = -1e6f;  // single characters: never the result of a merge
    std::vector<float> scores(tokens_.size(), kNoMerge);
    for (size_t rank = 0; rank < merges_.size(); ++rank) {
      const size_t space = merges_[rank].find(' ', 1);
      if (space == std::string_view::npos) continue;
      const std::string whole = std::string(merges_[rank].substr(0, space)) + std::string(merges_[rank].substr(space + 1));
      const auto it = ids_.find(whole);
      if (it != ids_.end() && scores[static_cast<size_t>(it->second)] == kNoMerge) scores[static_cast<size_t>(it->second)] = -static_cast<float>(rank);
    }
    for (size_t i = 0; i < scores.size(); ++i) {
      if (types_[i] != kNormal) scores[i] = 0;
    }
    bool prefix = false;
    for (const Json* step : steps(member(json, "normalizer"), "normalizers")) prefix = prefix || text_of(member(*step, "type")) == "Prepend";
    for (const Json* step : steps(member(json, "pre_tokenizer"), "pretokenizers")) {
      if (text_of(member(*step, "type")) != "Metaspace") continue;
      const std::string_view scheme = text_of(member(*step, "prepend_scheme"));
      prefix = scheme.empty() ? !member(*step, "add_prefix_space").is_bool() || is_true(member(*step, "add_prefix_space")) : scheme != "never";
    }
    metadata_->set("tokenizer.ggml.model", std::string_view("llama"));
    metadata_->set("tokenizer.ggml.pre", std::string_view("default"));
    write_tokens();
    metadata_->set("tokenizer.ggml.scores", std::move(scores));
    metadata_->set("tokenizer.ggml.add_space_prefix", prefix);
  }

  void write_tokens() {
    metadata_->set("tokenizer.ggml.tokens", tokens_);
    metadata_->set("tokenizer.ggml.token_type", types_);
  }

  // Ids that config.json did not give, by the texts of tokenizer_config.json.
  void write_specials(const Json& config) {
    const struct { const char* name; const char* key; } kSpecials[] = {
        {"bos_token", "tokenizer.ggml.bos_token_id"}, {"eos_token", "tokenizer.ggml.eos_token_id"},
        {"pad_token", "tokenizer.ggml.padding_token_id"}, {"unk_token", "tokenizer.ggml.unknown_token_id"}};
    for (const auto& special : kSpecials) {
      const Json& value = member(config, special.name);
      const std::string_view text = value.is_object() ? text_of(member(value, "content")) : text_of(value);
      const auto it = ids_.find(text);
      if (!metadata_->has(special.key) && it != ids_.end() && !text.empty()) metadata_->set(special.key, it->second);
    }
  }

  const std::string& path_;
  Metadata* metadata_;
  std::deque<std::string>* strings_;
  std::vector<std::string_view> tokens_, merges_;
  std::vector<int64_t> types_;
  std::unordered_map<std::string_view, int64_t> ids_;
};

Result<Json> read_json(const std::string& path) {
  FS_TRY(const std::string text, read_file(path, kMaxTokenizerBytes));
  auto json = Json::parse(text);
  if (!json.ok()) return Error{ErrorCode::kDataLoss, path + ": " + json.error().message};
  return std::move(json).value();
}

}  // namespace

Status add_hf_tokenizer(const std::string& folder, int64_t n_vocab, const std::string& pre, Metadata* metadata, std::deque<std::string>* strings) {
  const std::string path = folder + "/tokenizer.json";
  auto json = read_json(path);
  if (!json.ok()) {
    if (json.error().code != ErrorCode::kNotFound) return json.error();
    return Error{ErrorCode::kUnsupported, path + ": expected tokenizer.json to embed the tokenizer, found none"};
  }
  auto config = read_json(folder + "/tokenizer_config.json");
  if (!config.ok() && config.error().code != ErrorCode::kNotFound) return config.error();
  return Translator(path, metadata, strings).run(*json, config.ok() ? *config : kNull, n_vocab, pre);
}

}  // namespace firesteel
