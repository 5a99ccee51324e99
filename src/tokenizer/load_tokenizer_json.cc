// tokenizer.json of Hugging Face's "tokenizers": byte-level BPE, and BPE with byte fallback (SentencePiece models converted).
// What the file asks for and we do not do is kUnsupported, by name, rather than ids that are nearly right.
#include <algorithm>

#include "base/json.h"
#include "tokenizer/json_cursor.h"
#include "tokenizer/vocabulary.h"

namespace firesteel {
namespace {

constexpr std::string_view kSpaceMark = "\xE2\x96\x81";
constexpr size_t kMembersMax = 256;  // of the file's two outer objects; real files have about ten

struct Entry {
  std::string_view text;
  uint64_t id;
};

struct RawModel {
  std::vector<Entry> vocab;
  std::vector<std::string_view> merges;
  char merge_separator = ' ';
  Json rest{Json::Object{}};  // members other than vocab and merges
  bool is_there = false;
};

struct RawFile {
  RawModel model;
  Json rest{Json::Object{}};  // members other than model
};

class Reader {
 public:
  Reader(std::string_view text, const std::string& path, char* arena) : cursor_(text, arena), path_(path) {}

  Result<RawFile> read() {
    RawFile file;
    bool first = true;
    std::string_view key;
    if (cursor_.expect('{')) {
      while (cursor_.next_member(&first, &key)) {
        if (key == "model") {
          if (file.model.is_there) return damaged("\"model\" is there twice");
          FS_TRY_VOID(read_model(&file.model));
        } else {
          FS_TRY_VOID(keep(key, &file.rest));
        }
      }
    }
    if (cursor_.failed()) return cursor_.error(path_);
    if (!file.model.is_there) return damaged("no \"model\"");
    return file;
  }

 private:
  Error damaged(const std::string& what) const { return {ErrorCode::kDataLoss, path_ + ": " + what}; }

  // Parses one member into *object.
  Status keep(std::string_view key, Json* object) {
    std::string_view raw;
    if (!cursor_.skip_value(&raw)) return cursor_.error(path_);
    if (object->as_object().size() >= kMembersMax) return damaged("more than " + std::to_string(kMembersMax) + " members");
    if (object->find(key) != nullptr) return damaged("\"" + std::string(key.substr(0, 64)) + "\" is there twice");
    auto value = Json::parse(raw);
    if (!value.ok()) return damaged("\"" + std::string(key.substr(0, 64)) + "\": " + value.error().message);
    object->set(key, std::move(*value));
    return {};
  }

  Status read_model(RawModel* model) {
    model->is_there = true;
    bool first = true;
    std::string_view key;
    if (!cursor_.expect('{')) return cursor_.error(path_);
    while (cursor_.next_member(&first, &key)) {
      if (key == "vocab" && cursor_.peek() == '{') {
        if (!model->vocab.empty()) return damaged("\"vocab\" is there twice");
        FS_TRY_VOID(read_vocab(&model->vocab));
      } else if (key == "merges" && cursor_.peek() == '[') {
        if (!model->merges.empty()) return damaged("\"merges\" is there twice");
        FS_TRY_VOID(read_merges(model));
      } else {
        FS_TRY_VOID(keep(key, &model->rest));
      }
    }
    if (cursor_.failed()) return cursor_.error(path_);
    return {};
  }

  Status read_vocab(std::vector<Entry>* vocab) {
    bool first = true;
    std::string_view text;
    cursor_.expect('{');
    while (cursor_.next_member(&first, &text)) {
      uint64_t id = 0;
      if (!cursor_.read_uint(&id)) break;
      if (vocab->size() >= kVocabularyMax) return damaged("more than " + std::to_string(kVocabularyMax) + " tokens");
      vocab->push_back({text, id});
    }
    if (cursor_.failed()) return cursor_.error(path_);
    return {};
  }

  // "left right" or ["left", "right"]; the second form exists because tokens may contain spaces.
  Status read_merges(RawModel* model) {
    bool first = true;
    bool pairs = false;
    cursor_.expect('[');
    while (cursor_.next_element(&first)) {
      std::string_view merge;
      if (model->merges.empty()) {
        pairs = cursor_.peek() == '[';
        model->merge_separator = pairs ? '\xFF' : ' ';  // no token has the byte FF: JSON strings are UTF-8
      }
      if (model->merges.size() >= kVocabularyMax) return damaged("more than " + std::to_string(kVocabularyMax) + " merges");
      if (pairs) {
        std::string_view left;
        std::string_view right;
        bool ok = cursor_.expect('[') && cursor_.read_string(&left);
        ok = ok && cursor_.expect(',') && cursor_.read_string(&right) && cursor_.expect(']');
        if (!ok) break;
        char* at = cursor_.scratch();  // shorter than the two strings with quotes and brackets
        merge = {at, left.size() + right.size() + 1};
        at = std::copy(left.begin(), left.end(), at);
        *at++ = model->merge_separator;
        std::copy(right.begin(), right.end(), at);
        cursor_.claim(merge.size());
      } else if (!cursor_.read_string(&merge)) {
        break;
      }
      model->merges.push_back(merge);
    }
    if (cursor_.failed()) return cursor_.error(path_);
    return {};
  }

  JsonCursor cursor_;
  const std::string& path_;
};

std::string_view string_at(const Json& json, std::string_view key) {
  const Json* value = json.find(key);
  return value != nullptr && value->is_string() ? std::string_view(value->as_string()) : std::string_view();
}

bool bool_at(const Json& json, std::string_view key, bool absent) {
  const Json* value = json.find(key);
  return value != nullptr && value->is_bool() ? value->as_bool() : absent;
}

// Steps of a normalizer, pre_tokenizer or post_processor: itself, or the members of a Sequence.
std::vector<const Json*> steps_of(const Json* json, std::string_view list) {
  std::vector<const Json*> steps;
  if (json == nullptr || json->is_null()) return steps;
  const Json* members = string_at(*json, "type") == "Sequence" ? json->find(list) : nullptr;
  if (members == nullptr || !members->is_array()) {
    steps.push_back(json);
    return steps;
  }
  for (const Json& member : members->as_array()) {
    for (const Json* step : steps_of(&member, list)) steps.push_back(step);
  }
  return steps;
}

class Builder {
 public:
  Builder(RawFile raw, const std::string& path) : raw_(std::move(raw)), path_(path) {}

  Result<Vocabulary> build() {
    const Json& model = raw_.model.rest;
    const std::string_view type = string_at(model, "type");
    if (!type.empty() && type != "BPE") return unsupported("model type \"" + std::string(type) + "\"");
    for (const std::string_view key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
      if (!string_at(model, key).empty()) return unsupported(std::string(key) + " \"" + std::string(string_at(model, key)) + "\"");
    }
    byte_fallback_ = bool_at(model, "byte_fallback", false);
    v_.ranking = Ranking::kMerges;
    v_.ignore_merges = bool_at(model, "ignore_merges", false);
    v_.merges = {};
    FS_TRY_VOID(read_normalizer());
    FS_TRY_VOID(read_pre_tokenizer());
    v_.alphabet = byte_level_ ? Alphabet::kByteLevel : Alphabet::kSentencePiece;
    if (!byte_level_ && !spaces_marked_) return unsupported("a model without ByteLevel pre-tokenizer whose spaces stay spaces");
    FS_TRY_VOID(fill_texts());
    FS_TRY_VOID(check_merges());
    if (const std::string_view unknown = string_at(model, "unk_token"); !unknown.empty()) {
      v_.unknown = find_text(unknown);
      if (v_.unknown) v_.types[static_cast<size_t>(*v_.unknown)] = TokenType::kUnknown;
    }
    FS_TRY_VOID(read_post_processor());
    if (!v_.eos) {
      for (const std::string_view text : {"</s>", "<|endoftext|>", "<|end_of_text|>", "<eos>", "<|im_end|>"}) {
        if (!v_.eos) v_.eos = find_control(text);
      }
    }
    v_.kind = "bpe/" + (byte_level_ ? v_.pre.name : std::string("byte-fallback"));
    v_.texts = v_.own_texts;
    v_.merges = v_.own_merges;
    v_.merge_separator = raw_.model.merge_separator;
    complete_end_of_generation(&v_);
    return std::move(v_);
  }

 private:
  Error damaged(const std::string& what) const { return {ErrorCode::kDataLoss, path_ + ": " + what}; }
  Error unsupported(const std::string& what) const { return {ErrorCode::kUnsupported, path_ + ": " + what.substr(0, 1024)}; }

  std::optional<TokenId> find_text(std::string_view text) const {
    const uint32_t found = index_.find(text);
    if (found == TextIndex::kNone) return std::nullopt;
    return static_cast<TokenId>(found);
  }
  std::optional<TokenId> find_control(std::string_view text) const {
    const std::optional<TokenId> id = find_text(text);
    return id && v_.types[static_cast<size_t>(*id)] == TokenType::kControl ? id : std::nullopt;
  }

  Status read_normalizer() {
    for (const Json* step : steps_of(raw_.rest.find("normalizer"), "normalizers")) {
      const std::string_view type = string_at(*step, "type");
      if (type == "Prepend" && string_at(*step, "prepend") == kSpaceMark) {
        v_.space_prefix = SpacePrefix::kAlways;
      } else if (type == "Replace" && is_string_pattern(*step, " ") && string_at(*step, "content") == kSpaceMark) {
        spaces_marked_ = true;
      } else if (type != "NFC") {
        // NFC changes nothing in text that is composed already, as nearly all is; left out, byte-level decoding stays exact and
        // the same model gives the same ids from a GGUF file, which does not record it.
        return unsupported("normalizer " + step->dump());
      }
    }
    return {};
  }

  static bool is_string_pattern(const Json& step, std::string_view text) {
    const Json* pattern = step.find("pattern");
    return pattern != nullptr && string_at(*pattern, "String") == text;
  }

  Status read_pre_tokenizer() {
    std::vector<SplitStage>& stages = v_.pre.stages;
    for (const Json* step : steps_of(raw_.rest.find("pre_tokenizer"), "pretokenizers")) {
      const std::string_view type = string_at(*step, "type");
      if (type == "ByteLevel") {
        if (bool_at(*step, "add_prefix_space", true)) return unsupported("pre-tokenizer ByteLevel with add_prefix_space");
        byte_level_ = true;
        if (bool_at(*step, "use_regex", true)) stages.push_back(SplitStage::kGpt2);
      } else if (type == "Digits") {
        stages.push_back(bool_at(*step, "individual_digits", false) ? SplitStage::kDigit : SplitStage::kDigits);
      } else if (type == "Metaspace") {
        FS_TRY_VOID(read_metaspace(*step));
      } else if (type == "Split") {
        // Gemma splits at spaces that its normalizer has replaced by then.
        if (spaces_marked_ && is_string_pattern(*step, " ")) continue;
        FS_TRY(const SplitStage stage, read_split(*step));
        stages.push_back(stage);
      } else {
        return unsupported("pre-tokenizer " + step->dump());
      }
    }
    if (!byte_level_ && !stages.empty()) return unsupported("a pre-tokenizer that splits before SentencePiece merges");
    v_.pre.name = name_pretokenizer(stages);
    return {};
  }

  Result<SplitStage> read_split(const Json& step) {
    const Json* pattern = step.find("pattern");
    const std::string_view regex = pattern == nullptr ? std::string_view() : string_at(*pattern, "Regex");
    const std::string_view behavior = string_at(step, "behavior");
    // "Removed" and inverted removes what lies between matches, and nothing does: these patterns match everything.
    const bool inverted = bool_at(step, "invert", false);
    if (regex.empty() || !((behavior == "Isolated" && !inverted) || (behavior == "Removed" && inverted))) {
      return unsupported("pre-tokenizer " + step.dump());
    }
    const std::optional<SplitStage> stage = stage_by_regex(regex);
    if (!stage) return unsupported("pre-tokenizer pattern " + std::string(regex));
    return *stage;
  }

  Status read_metaspace(const Json& step) {
    const std::string_view replacement = string_at(step, "replacement");
    if (!replacement.empty() && replacement != kSpaceMark) return unsupported("pre-tokenizer " + step.dump());
    const std::string_view scheme = string_at(step, "prepend_scheme");
    const bool prefix = scheme.empty() ? bool_at(step, "add_prefix_space", true) : scheme != "never";
    v_.space_prefix = !prefix ? SpacePrefix::kNone : scheme == "first" ? SpacePrefix::kFirst : SpacePrefix::kAlways;
    v_.prefix_unless_spaced = true;
    v_.split_at_spaces = bool_at(step, "split", true);
    spaces_marked_ = true;
    return {};
  }

  static std::string name_pretokenizer(const std::vector<SplitStage>& stages) {
    for (const std::string_view name : {"gpt-2", "llama-bpe", "qwen2", "qwen35", "smollm", "tekken", "gpt-4o", "deepseek-llm",
                                        "deepseek-coder", "deepseek-v3", "default"}) {
      if (pretokenizer_by_name(name).stages == stages) return std::string(name);
    }
    return "custom";
  }

  // Vocabulary and added tokens by id.
  Status fill_texts() {
    const Json* added = raw_.rest.find("added_tokens");
    const size_t n_added = added != nullptr && added->is_array() ? added->as_array().size() : 0;
    const size_t n_entries = raw_.model.vocab.size() + n_added;
    if (n_entries == 0) return damaged("the vocabulary is empty");
    // Ids may have gaps, but a small file must not ask for a large table.
    const uint64_t id_end = std::min<uint64_t>(kVocabularyMax, uint64_t{n_entries} * 2 + 65536);
    const auto place = [&](uint64_t id, std::string_view text) -> Status {
      if (id >= id_end) return damaged("token id " + std::to_string(id) + " is out of range for " + std::to_string(n_entries) + " tokens");
      if (text.empty()) return damaged("token " + std::to_string(id) + " is empty");
      if (id >= v_.own_texts.size()) v_.own_texts.resize(id + 1);
      if (!v_.own_texts[id].empty()) return damaged("token id " + std::to_string(id) + " is there twice");
      v_.own_texts[id] = text;
      return {};
    };
    v_.own_texts.reserve(n_entries);
    for (const Entry& entry : raw_.model.vocab) FS_TRY_VOID(place(entry.id, entry.text));
    if (n_added > 0) FS_TRY_VOID(place_added(added->as_array(), place));
    index_.build(v_.own_texts, SIZE_MAX);
    v_.types.resize(v_.own_texts.size(), TokenType::kNormal);
    for (size_t i = 0; i < v_.own_texts.size(); ++i) {
      const std::string_view text = v_.own_texts[i];
      if (text.empty()) {
        v_.types[i] = TokenType::kUnused;
        continue;
      }
      if (const uint32_t first = index_.find(text); first != i) {
        return damaged("tokens " + std::to_string(first) + " and " + std::to_string(i) + " have the same text");
      }
      const bool is_byte = byte_fallback_ && text.size() == 6 && text.starts_with("<0x") && text[5] == '>';
      if (is_byte) v_.types[i] = TokenType::kByte;
    }
    for (const auto& [flags, special] : added_) {
      v_.types[static_cast<size_t>(flags.id)] = special ? TokenType::kControl : TokenType::kUserDefined;
      if (flags.strip_left || flags.strip_right || flags.single_word) v_.special_flags.push_back(flags);
    }
    std::sort(v_.special_flags.begin(), v_.special_flags.end(), [](const SpecialFlags& a, const SpecialFlags& b) { return a.id < b.id; });
    return {};
  }

  template <typename Place>
  Status place_added(const Json::Array& added, const Place& place) {
    size_t n_bytes = 0;
    for (const Json& token : added) n_bytes += string_at(token, "content").size();
    v_.arenas.emplace_back(new char[n_bytes + 1]);
    char* out = v_.arenas.back().get();
    for (const Json& token : added) {
      const std::string_view content = string_at(token, "content");
      const Json* id = token.find("id");
      if (content.empty() || id == nullptr || !id->is_int() || id->as_int() < 0) {
        return damaged("added token " + token.dump().substr(0, 256) + ": expected id and content");
      }
      const auto i = static_cast<uint64_t>(id->as_int());
      const std::string_view there = i < v_.own_texts.size() ? v_.own_texts[i] : std::string_view();
      if (there.empty()) {
        const std::string_view text(out, content.size());
        out = std::copy(content.begin(), content.end(), out);
        FS_TRY_VOID(place(i, text));
      } else if (there != content) {
        return damaged("added token " + std::to_string(i) + " is \"" + std::string(content.substr(0, 64)) + "\" and also \"" +
                       std::string(there.substr(0, 64)) + "\"");
      }
      added_.push_back({{.id = static_cast<TokenId>(i),
                         .strip_left = bool_at(token, "lstrip", false),
                         .strip_right = bool_at(token, "rstrip", false),
                         .single_word = bool_at(token, "single_word", false)},
                        bool_at(token, "special", false)});
    }
    return {};
  }

  // Both tokens of every merge and what they make must be in the vocabulary. Of a merge that is written as one string, tokens with
  // spaces in them make more than one division possible (converted Llama 2 files have three): any that fits will do, because
  // spaces never reach the merging in either alphabet.
  Status check_merges() {
    std::string joined;
    const char separator = raw_.model.merge_separator;
    const std::vector<std::string_view>& merges = raw_.model.merges;
    for (size_t i = 0; i < merges.size(); ++i) {
      const std::string_view merge = merges[i];
      std::string_view missing = merge;
      bool fits = false;
      for (size_t middle = merge.find(separator); middle < merge.size() && !fits; middle = merge.find(separator, middle + 1)) {
        joined.assign(merge, 0, middle);
        joined.append(merge, middle + 1);
        fits = true;
        for (const std::string_view part : {merge.substr(0, middle), merge.substr(middle + 1), std::string_view(joined)}) {
          if (index_.find(part) != TextIndex::kNone) continue;
          fits = false;
          missing = part;
        }
        if (merge.size() > kTokenBytesMax) break;  // bounds the work for hostile files
      }
      if (!fits) {
        return damaged("merge " + std::to_string(i) + ": expected two tokens, \"" + std::string(missing.substr(0, 64)) +
                       "\" is not in the vocabulary");
      }
    }
    v_.own_merges = std::move(raw_.model.merges);
    return {};
  }

  // What is put around a text: BOS in front, EOS behind. More than that is for chat templates, which have their own way.
  Status read_post_processor() {
    for (const Json* step : steps_of(raw_.rest.find("post_processor"), "processors")) {
      const std::string_view type = string_at(*step, "type");
      if (type == "TemplateProcessing") {
        const Json* single = step->find("single");
        if (single == nullptr || !single->is_array()) return damaged("post_processor without \"single\"");
        bool behind = false;
        for (const Json& piece : single->as_array()) {
          if (piece.find("Sequence") != nullptr) behind = true;
          const Json* special = piece.find("SpecialToken");
          if (special == nullptr) continue;
          FS_TRY_VOID(set_around(string_at(*special, "id"), behind));
        }
      } else if (type == "RobertaProcessing" || type == "BertProcessing") {
        for (const std::string_view key : {"cls", "sep"}) {
          const Json* pair = step->find(key);
          if (pair == nullptr || !pair->is_array() || pair->as_array().empty() || !pair->as_array()[0].is_string()) {
            return damaged("post_processor without \"" + std::string(key) + "\"");
          }
          FS_TRY_VOID(set_around(pair->as_array()[0].as_string(), key == "sep"));
        }
      } else if (type != "ByteLevel") {
        return unsupported("post-processor " + step->dump());
      }
    }
    return {};
  }

  Status set_around(std::string_view text, bool behind) {
    const std::optional<TokenId> id = find_text(text);
    if (!id) return damaged("post_processor: \"" + std::string(text.substr(0, 64)) + "\" is not in the vocabulary");
    (behind ? v_.eos : v_.bos) = id;
    (behind ? v_.adds_eos : v_.adds_bos) = true;
    return {};
  }

  RawFile raw_;
  const std::string& path_;
  Vocabulary v_;
  TextIndex index_;
  std::vector<std::pair<SpecialFlags, bool>> added_;  // and whether it is special
  bool byte_fallback_ = false;
  bool byte_level_ = false;
  bool spaces_marked_ = false;
};

}  // namespace

Result<Vocabulary> vocabulary_from_tokenizer_json(MappedFile file) {
  const std::string path = file.path();
  const auto raw = file.bytes();
  const std::string_view text(reinterpret_cast<const char*>(raw.data()), raw.size());
  std::unique_ptr<char[]> arena(new char[text.size() + 1]);  // pages that stay untouched cost nothing
  FS_TRY(RawFile contents, Reader(text, path, arena.get()).read());
  FS_TRY(Vocabulary v, Builder(std::move(contents), path).build());
  v.file = std::move(file);
  v.arenas.push_back(std::move(arena));
  return v;
}

}  // namespace firesteel
