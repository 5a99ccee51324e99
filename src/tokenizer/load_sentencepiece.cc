// SentencePiece .model files: a protocol-buffer message (sentencepiece_model.proto), read by hand because five fields are all we
// need. Wire format: https://protobuf.dev/programming-guides/encoding
#include <cstring>

#include "tokenizer/vocabulary.h"

namespace firesteel {
namespace {

// Walks the fields of one message. Every length is checked against what is left.
class FieldReader {
 public:
  FieldReader(std::string_view bytes, size_t base) : bytes_(bytes), base_(base) {}

  // False at the end, and on damage (then error() says where).
  bool next() {
    if (at_ >= bytes_.size() || failed_) return false;
    uint64_t key = 0;
    if (!varint(&key)) return false;
    field_ = static_cast<uint32_t>(std::min<uint64_t>(key >> 3, UINT32_MAX));
    number_ = 0;
    data_ = {};
    switch (key & 7) {
      case 0: return varint(&number_);
      case 1: return fixed(8);
      case 2: {
        uint64_t n = 0;
        if (!varint(&n)) return false;
        return n <= bytes_.size() - at_ ? take(n) : fail("a length of " + std::to_string(n) + " bytes");
      }
      case 5: return fixed(4);
      default: return fail("wire type " + std::to_string(key & 7));
    }
  }

  uint32_t field() const { return field_; }
  uint64_t number() const { return number_; }
  bool flag() const { return number_ != 0; }
  float real() const {
    const auto bits = static_cast<uint32_t>(number_);
    float value = 0;
    std::memcpy(&value, &bits, sizeof(value));
    return value;
  }
  std::string_view data() const { return data_; }
  size_t data_offset() const { return base_ + at_ - data_.size(); }
  bool failed() const { return failed_; }
  const std::string& error() const { return error_; }

 private:
  bool fail(const std::string& what) {
    failed_ = true;
    error_ = "offset " + std::to_string(base_ + at_) + ": expected a field, found " + what;
    return false;
  }
  bool take(size_t n) {
    data_ = bytes_.substr(at_, n);
    at_ += n;
    return true;
  }
  bool fixed(size_t n) {
    if (bytes_.size() - at_ < n) return fail("the end of the message");
    uint64_t value = 0;
    for (size_t i = n; i-- > 0;) value = (value << 8) | static_cast<unsigned char>(bytes_[at_ + i]);
    at_ += n;
    number_ = value;
    return true;
  }
  bool varint(uint64_t* value) {
    uint64_t result = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (at_ >= bytes_.size()) return fail("the end of the message");
      const auto byte = static_cast<unsigned char>(bytes_[at_++]);
      result |= uint64_t{byte & 0x7Fu} << shift;
      if (byte < 0x80) {
        *value = result;
        return true;
      }
    }
    return fail("a number of more than ten bytes");
  }

  std::string_view bytes_;
  size_t base_;
  size_t at_ = 0;
  uint32_t field_ = 0;
  uint64_t number_ = 0;
  std::string_view data_;
  bool failed_ = false;
  std::string error_;
};

struct TrainerSpec {
  int64_t model_type = 1;  // unigram
  bool space_as_suffix = false;
  std::optional<int64_t> unknown;  // 0, 1 and 2 when the file does not say
  std::optional<int64_t> bos;
  std::optional<int64_t> eos;
};

Error damaged(const std::string& path, const std::string& what) { return Error{ErrorCode::kDataLoss, path + ": " + what}; }

Status read_trainer(std::string_view bytes, size_t base, const std::string& path, TrainerSpec* spec) {
  FieldReader reader(bytes, base);
  while (reader.next()) {
    const auto value = static_cast<int64_t>(reader.number());
    switch (reader.field()) {
      case 3: spec->model_type = value; break;
      case 24: spec->space_as_suffix = reader.flag(); break;
      case 40: spec->unknown = value; break;
      case 41: spec->bos = value; break;
      case 42: spec->eos = value; break;
      default: break;
    }
  }
  if (reader.failed()) return damaged(path, "trainer_spec: " + reader.error());
  return {};
}

Status read_normalizer(std::string_view bytes, size_t base, const std::string& path, Vocabulary* v) {
  FieldReader reader(bytes, base);
  std::string_view name;
  bool has_charsmap = false;
  while (reader.next()) {
    switch (reader.field()) {
      case 1: name = reader.data(); break;
      case 2: has_charsmap = !reader.data().empty(); break;
      case 3: v->space_prefix = reader.flag() ? SpacePrefix::kAlways : SpacePrefix::kNone; break;
      case 4: v->remove_extra_spaces = reader.flag(); break;
      case 5:
        if (!reader.flag()) return Error{ErrorCode::kUnsupported, path + ": normalizer without escape_whitespaces"};
        break;
      default: break;
    }
  }
  if (reader.failed()) return damaged(path, "normalizer_spec: " + reader.error());
  if (has_charsmap && name != "identity") {
    return Error{ErrorCode::kUnsupported, path + ": normalizer \"" + std::string(name.substr(0, 64)) + "\" with a character map"};
  }
  return {};
}

Status read_piece(std::string_view bytes, size_t base, const std::string& path, Vocabulary* v) {
  FieldReader reader(bytes, base);
  std::string_view text;
  float score = 0;
  uint64_t type = 1;
  while (reader.next()) {
    if (reader.field() == 1) text = reader.data();
    if (reader.field() == 2) score = reader.real();
    if (reader.field() == 3) type = reader.number();
  }
  const auto where = [&] { return "piece " + std::to_string(v->own_texts.size()); };
  if (reader.failed()) return damaged(path, where() + ": " + reader.error());
  static constexpr TokenType kTypes[] = {TokenType::kNormal,      TokenType::kNormal, TokenType::kUnknown, TokenType::kControl,
                                         TokenType::kUserDefined, TokenType::kUnused, TokenType::kByte};
  if (type == 0 || type > 6) return damaged(path, where() + ": type " + std::to_string(type) + ", expected 1 to 6");
  if (text.empty()) return damaged(path, where() + ": empty text at offset " + std::to_string(base));
  if (v->own_texts.size() >= kVocabularyMax) return damaged(path, "more than " + std::to_string(kVocabularyMax) + " pieces");
  v->own_texts.push_back(text);
  v->own_scores.push_back(score);
  v->types.push_back(kTypes[type]);
  return {};
}

}  // namespace

Result<Vocabulary> vocabulary_from_sentencepiece(MappedFile file) {
  const std::string path = file.path();
  const auto raw = file.bytes();
  const std::string_view bytes(reinterpret_cast<const char*>(raw.data()), raw.size());
  Vocabulary v;
  v.alphabet = Alphabet::kSentencePiece;
  v.ranking = Ranking::kScores;
  v.kind = "spm";
  v.adds_bos = true;
  v.space_prefix = SpacePrefix::kAlways;
  v.remove_extra_spaces = true;  // the format's default; Llama's and Mistral's files say no
  v.user_defined_in_pieces = true;
  TrainerSpec trainer;
  FieldReader reader(bytes, 0);
  while (reader.next()) {
    const size_t base = reader.data_offset();
    if (reader.field() == 1) FS_TRY_VOID(read_piece(reader.data(), base, path, &v));
    if (reader.field() == 2) FS_TRY_VOID(read_trainer(reader.data(), base, path, &trainer));
    if (reader.field() == 3) FS_TRY_VOID(read_normalizer(reader.data(), base, path, &v));
  }
  if (reader.failed()) return damaged(path, reader.error());
  if (v.own_texts.empty()) return damaged(path, "no pieces");
  if (trainer.model_type != 2) {
    return Error{ErrorCode::kUnsupported, path + ": SentencePiece model type " + std::to_string(trainer.model_type) + ", supported is BPE (2)"};
  }
  if (trainer.space_as_suffix) return Error{ErrorCode::kUnsupported, path + ": treat_whitespace_as_suffix"};

  TextIndex index;
  index.build(v.own_texts, SIZE_MAX);
  for (size_t i = 0; i < v.own_texts.size(); ++i) {
    const uint32_t first = index.find(v.own_texts[i]);
    if (first != i) return damaged(path, "pieces " + std::to_string(first) + " and " + std::to_string(i) + " have the same text");
  }
  const auto id_of = [&](std::optional<int64_t> given, int64_t usual, TokenType type,
                         const char* what) -> Result<std::optional<TokenId>> {
    const int64_t id = given.value_or(usual);
    if (id < 0) return std::optional<TokenId>();
    if (id >= static_cast<int64_t>(v.own_texts.size())) {
      if (!given) return std::optional<TokenId>();
      return damaged(path, std::string(what) + " " + std::to_string(id) + " is not among the " + std::to_string(v.own_texts.size()) + " pieces");
    }
    // Numbered by default even where the model has none.
    if (v.types[static_cast<size_t>(id)] != type) return std::optional<TokenId>();
    return std::optional(static_cast<TokenId>(id));
  };
  FS_TRY(v.unknown, id_of(trainer.unknown, 0, TokenType::kUnknown, "unk_id"));
  FS_TRY(v.bos, id_of(trainer.bos, 1, TokenType::kControl, "bos_id"));
  FS_TRY(v.eos, id_of(trainer.eos, 2, TokenType::kControl, "eos_id"));
  v.file = std::move(file);  // the mapping does not move with it
  v.texts = v.own_texts;
  v.scores = v.own_scores;
  complete_end_of_generation(&v);
  return v;
}

}  // namespace firesteel
