// Tokenizer files, well-formed and not: what they say is honoured, what they cannot mean is refused by name.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <fstream>

#include "base/rng.h"
#include "tokenizer/test_vectors.h"
#include "tokenizer/test_vocabularies.h"
#include "tokenizer/tokenizer.h"

namespace firesteel {
namespace {

using testing_vectors::encode;
using testing_vocabularies::SmallVocabulary;
using Ids = std::vector<TokenId>;

// A folder that goes away with the test.
class Folder {
 public:
  Folder() {
    char name[] = "/tmp/firesteel_tokenizer_XXXXXX";
    path_ = mkdtemp(name);
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string write(const std::string& name, std::string_view content) const {
    const std::string path = path_ + "/" + name;
    std::ofstream(path, std::ios::binary).write(content.data(), static_cast<std::streamsize>(content.size()));
    return path;
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

std::string base64(std::string_view bytes) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t bits = 0;
    for (size_t k = 0; k < 3; ++k) bits = (bits << 8) | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    for (size_t k = 0; k < 4; ++k) out.push_back(i + k <= bytes.size() ? kAlphabet[(bits >> (18 - 6 * k)) & 63] : '=');
  }
  return out;
}

// All bytes, then a few words.
std::string small_tiktoken() {
  std::string text;
  for (int byte = 0; byte < 256; ++byte) text += base64(std::string(1, static_cast<char>(byte))) + " " + std::to_string(byte) + "\n";
  int rank = 256;
  for (const char* word : {"th", "the", " the", "in", "ing", " a", "\u00E9"}) text += base64(word) + " " + std::to_string(rank++) + "\n";
  return text;
}

std::string varint(uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(static_cast<uint8_t>(value | 0x80)));
  out.push_back(static_cast<char>(static_cast<uint8_t>(value)));
  return out;
}
std::string field(uint32_t number, uint64_t value) { return varint(number << 3) + varint(value); }
std::string field(uint32_t number, std::string_view data) { return varint((number << 3) | 2) + varint(data.size()) + std::string(data); }
std::string field(uint32_t number, float value) {
  char bytes[4];
  std::memcpy(bytes, &value, 4);
  return varint((number << 3) | 5) + std::string(bytes, 4);
}

std::string small_model(std::string_view normalizer, uint64_t model_type = 2) {
  const SmallVocabulary v = testing_vocabularies::small_spm();
  std::string out;
  for (size_t i = 0; i < v.tokens.size(); ++i) {
    std::string piece = field(1, v.tokens[i]) + field(2, v.scores[i]);
    if (v.types[i] != 1) piece += field(3, static_cast<uint64_t>(v.types[i]));
    out += field(1, piece);
  }
  out += field(2, field(3, model_type) + field(40, uint64_t{0}) + field(41, uint64_t{1}) + field(42, uint64_t{2}));
  return out + field(3, normalizer);
}

const std::string kLlamaNormalizer = field(1, std::string_view("identity")) + field(3, uint64_t{1}) + field(4, uint64_t{0});

// vocab and merges of trained_bpe() in tokenizer.json, with whatever else the test puts around them.
std::string small_json(std::string_view members, std::string_view model_members = "", bool pairs = false) {
  const SmallVocabulary v = testing_vocabularies::trained_bpe();
  std::string out = "{\"model\": {\"type\": \"BPE\"" + std::string(model_members) + ", \"vocab\": {";
  for (size_t i = 0; i < v.tokens.size(); ++i) {
    if (i > 0) out += ", ";
    append_json_string(&out, v.tokens[i]);
    out += ": " + std::to_string(i);
  }
  out += "}, \"merges\": [";
  for (size_t i = 0; i < v.merges.size(); ++i) {
    if (i > 0) out += ",";
    if (pairs) {
      out += "[";
      append_json_string(&out, v.merges[i].first);
      out += ", ";
      append_json_string(&out, v.merges[i].second);
      out += "]";
    } else {
      append_json_string(&out, v.merges[i].first + " " + v.merges[i].second);
    }
  }
  return out + "]}, " + std::string(members) + "}";
}

const char* const kByteLevel =
    R"("added_tokens": [{"id": 0, "content": "<|endoftext|>", "special": true}, {"id": 500, "content": "<tool>", "special": false, "lstrip": true},
       {"id": 501, "content": "<word>", "special": false, "single_word": true}],
       "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true})";

Result<std::unique_ptr<const Tokenizer>> load(std::string_view content, std::string_view pre = {}) {
  const Folder folder;
  return Tokenizer::from_file(folder.write("tokenizer", content), pre);
}

std::optional<ErrorCode> code_of(std::string_view content, std::string_view pre = {}) {
  const auto t = load(content, pre);
  return t.ok() ? std::optional<ErrorCode>() : std::optional(t.error().code);
}

TEST(TokenizerJson, ByteLevelAgreesWithMetadata) {
  SmallVocabulary v = testing_vocabularies::trained_bpe();
  const Metadata metadata = v.metadata("gpt2", "gpt-2");
  const auto expected = Tokenizer::from_metadata(metadata);
  for (const bool pairs : {false, true}) {
    const auto t = load(small_json(kByteLevel, "", pairs));
    ASSERT_TRUE(t.ok()) << t.error().message;
    EXPECT_EQ((*t)->kind(), "bpe/gpt-2");
    EXPECT_EQ((*t)->n_vocab(), 502);
    for (const char* text : {"the thing in the inn", "caf\u00E9 \u4E2D\u6587\n\n  x", "it's \x80 \xFF"}) {
      EXPECT_EQ(encode(**t, text), encode(**expected, text));
    }
  }
}

TEST(TokenizerJson, AddedTokensKeepTheirFlags) {
  const auto t = load(small_json(kByteLevel));
  ASSERT_TRUE(t.ok()) << t.error().message;
  const auto plain = [&](std::string_view text) { return encode(**t, text); };
  Ids expected = plain("a");
  expected.push_back(500);
  EXPECT_EQ(plain("a  <tool>"), expected) << "lstrip takes the spaces in front";
  EXPECT_EQ(plain("<word>"), Ids{501});
  EXPECT_NE(plain("x<word>").back(), 501);
  EXPECT_NE(plain("<word>x").front(), 501);
  EXPECT_EQ(encode(**t, "<|endoftext|>", {.parse_special = true}), Ids{0});
  EXPECT_EQ((*t)->type(0), TokenType::kControl);
  EXPECT_EQ((*t)->type(500), TokenType::kUserDefined);
  EXPECT_TRUE((*t)->is_end_of_generation(0));
}

TEST(TokenizerJson, ConfigsBesideItDecideAboutBosAndEnds) {
  const Folder folder;
  const std::string path = folder.write("tokenizer.json", small_json(kByteLevel));
  folder.write("tokenizer_config.json", R"({"bos_token": {"content": "<|endoftext|>"}, "eos_token": "<tool>", "add_bos_token": true,
                                            "added_tokens_decoder": {"600": {"content": "<|extra|>", "special": true}}})");
  folder.write("generation_config.json", R"({"eos_token_id": [0, 600, 99999]})");
  for (const std::string& where : {path, folder.path()}) {
    const auto t = Tokenizer::from_file(where);
    ASSERT_TRUE(t.ok()) << t.error().message;
    EXPECT_EQ((*t)->bos(), 0);
    EXPECT_EQ((*t)->eos(), 500);
    EXPECT_TRUE((*t)->adds_bos());
    EXPECT_TRUE((*t)->is_end_of_generation(600));
    EXPECT_FALSE((*t)->is_end_of_generation(99999));
    EXPECT_EQ((*t)->find("<|extra|>"), 600);
    EXPECT_EQ(encode(**t, "<|extra|>", {.parse_special = true}), Ids{600});
    EXPECT_EQ((*t)->text(550), "");
  }
  folder.write("tokenizer_config.json", "[1]");
  EXPECT_EQ(Tokenizer::from_file(path).error().code, ErrorCode::kDataLoss);
  folder.write("tokenizer_config.json", R"({"added_tokens_decoder": {"16000000": {"content": "x"}}})");
  EXPECT_EQ(Tokenizer::from_file(path).error().code, ErrorCode::kDataLoss);
}

TEST(TokenizerJson, PostProcessorAddsBos) {
  const auto t = load(small_json(std::string(kByteLevel) + R"(, "post_processor": {"type": "Sequence", "processors": [{"type": "ByteLevel"},
      {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<|endoftext|>"}}, {"Sequence": {"id": "A"}}]}]})"));
  ASSERT_TRUE(t.ok()) << t.error().message;
  EXPECT_TRUE((*t)->adds_bos());
  EXPECT_EQ((*t)->bos(), 0);
}

TEST(TokenizerJson, KnownPatternsBecomeScanners) {
  const std::string split = R"("pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Split", "pattern": {"Regex": "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"}, "behavior": "Isolated", "invert": false}, {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}]})";
  const auto t = load(small_json(split + R"(, "normalizer": {"type": "NFC"})"));
  ASSERT_TRUE(t.ok()) << t.error().message;
  EXPECT_EQ((*t)->kind(), "bpe/qwen2");
}

TEST(TokenizerJson, WhatWeDoNotDoIsNamed) {
  const auto message = [](std::string_view members, std::string_view model = "") {
    const auto t = load(small_json(members, model));
    EXPECT_FALSE(t.ok());
    if (t.ok()) return std::string();
    EXPECT_EQ(t.error().code, ErrorCode::kUnsupported) << t.error().message;
    return t.error().message;
  };
  EXPECT_NE(message(R"("pre_tokenizer": {"type": "Split", "pattern": {"Regex": "\\w+"}, "behavior": "Isolated"})").find("\\w+"), std::string::npos);
  EXPECT_NE(message(R"("normalizer": {"type": "Lowercase"})").find("Lowercase"), std::string::npos);
  EXPECT_NE(message(R"("pre_tokenizer": {"type": "BertPreTokenizer"})").find("BertPreTokenizer"), std::string::npos);
  EXPECT_NE(message(R"("pre_tokenizer": null)").find("ByteLevel"), std::string::npos);
  EXPECT_NE(message(kByteLevel, R"(, "end_of_word_suffix": "</w>")").find("</w>"), std::string::npos);
  EXPECT_EQ(code_of(R"({"model": {"type": "WordPiece", "vocab": {"a": 0}}})"), ErrorCode::kUnsupported);
  EXPECT_EQ(code_of(R"({"model": {"type": "Unigram", "vocab": [["a", 0.5]]}})"), ErrorCode::kUnsupported);
}

TEST(TokenizerJson, WhatContradictsItselfIsDamage) {
  const auto bpe = [](std::string_view vocab, std::string_view merges, std::string_view added = "[]") {
    return "{\"model\": {\"type\": \"BPE\", \"vocab\": " + std::string(vocab) + ", \"merges\": " + std::string(merges) +
           "}, \"added_tokens\": " + std::string(added) + ", \"pre_tokenizer\": {\"type\": \"ByteLevel\", \"add_prefix_space\": false}}";
  };
  EXPECT_EQ(code_of(bpe(R"({"a": 0, "b": 1, "ab": 2})", R"(["a b"])")), std::nullopt);
  EXPECT_EQ(code_of(bpe(R"({"a": 0, "b": 1})", R"(["a b"])")), ErrorCode::kDataLoss) << "ab is no token";
  EXPECT_EQ(code_of(bpe(R"({"a": 0, "ab": 1})", R"(["a b"])")), ErrorCode::kDataLoss) << "b is no token";
  EXPECT_EQ(code_of(bpe(R"({"a": 0})", R"(["ab"])")), ErrorCode::kDataLoss);
  EXPECT_EQ(code_of(bpe(R"({"a": 0})", R"([""])")), ErrorCode::kDataLoss);
  EXPECT_EQ(code_of(bpe(R"({"a": 0})", R"([["a"]])")), ErrorCode::kDataLoss);
  EXPECT_EQ(code_of(bpe(R"({"a": 0})", R"([1])")), ErrorCode::kDataLoss);
  EXPECT_EQ(code_of(bpe(R"({"a": 0, "b": 0})", "[]")), ErrorCode::kDataLoss) << "one id, two tokens";
  EXPECT_EQ(code_of(bpe(R"({"a": 0, "a": 1})", "[]")), ErrorCode::kDataLoss) << "one token, two ids";
  EXPECT_EQ(code_of(bpe(R"({"a": 0, "": 1})", "[]")), ErrorCode::kDataLoss);
  EXPECT_EQ(code_of(bpe(R"({"a": -1})", "[]")), ErrorCode::kDataLoss);
  EXPECT_EQ(code_of(bpe(R"({"a": 16777215})", "[]")), ErrorCode::kDataLoss) << "a small file and a large table";
  EXPECT_EQ(code_of(bpe(R"({"a": 99999999999999999999})", "[]")), ErrorCode::kDataLoss);
  EXPECT_EQ(code_of(bpe("{}", "[]")), ErrorCode::kDataLoss);
  EXPECT_EQ(code_of(bpe(R"({"a": 0})", "[]", R"([{"id": 0, "content": "b"}])")), ErrorCode::kDataLoss);
  EXPECT_EQ(code_of(bpe(R"({"a": 0})", "[]", R"([{"content": "b"}])")), ErrorCode::kDataLoss);
  EXPECT_EQ(code_of(bpe(R"({"a": 0})", "[]", R"([{"id": 1, "content": ""}])")), ErrorCode::kDataLoss);
  EXPECT_EQ(code_of(bpe(R"({"a\ud800": 0})", "[]")), ErrorCode::kDataLoss);
  EXPECT_EQ(code_of(bpe(R"({"a\x": 0})", "[]")), ErrorCode::kDataLoss);
  EXPECT_EQ(code_of("{}"), ErrorCode::kDataLoss);
  EXPECT_EQ(code_of("{\"model\": {\"vocab\": {\"a\": 0}}, \"model\": {}}"), ErrorCode::kDataLoss);
  EXPECT_EQ(code_of("{\"x\": " + std::string(200'000, '[')), ErrorCode::kDataLoss);
}

// The fixture's merges are an empty object, its ids have gaps.
TEST(TokenizerJson, CutDownPhiFileLoads) {
  const auto t = Tokenizer::from_file(testing_vectors::committed() + "/added-tokens-tokenizer.json");
  ASSERT_TRUE(t.ok()) << t.error().message;
  EXPECT_EQ((*t)->n_vocab(), 32011);
  EXPECT_EQ((*t)->type(13), TokenType::kByte);
  EXPECT_EQ((*t)->find("<|end|>"), 32007);
  EXPECT_EQ((*t)->type(20000), TokenType::kUnused);
  EXPECT_EQ(encode(**t, "<|user|>\n<|end|>", {.parse_special = true}), (Ids{32010, 0, 13, 32007})) << "the space mark is unknown here";
}

TEST(SentencePiece, AgreesWithMetadata) {
  SmallVocabulary v = testing_vocabularies::small_spm();
  const Metadata metadata = v.metadata("llama", "");
  const auto expected = Tokenizer::from_metadata(metadata);
  const auto t = load(small_model(kLlamaNormalizer));
  ASSERT_TRUE(t.ok()) << t.error().message;
  EXPECT_EQ((*t)->kind(), "spm");
  EXPECT_EQ((*t)->bos(), 1);
  EXPECT_EQ((*t)->eos(), 2);
  EXPECT_TRUE((*t)->adds_bos());
  for (const char* text : {"hello world", "  the  inn \u00E9\u00E9", "\u4E2D\u6587", ""}) EXPECT_EQ(encode(**t, text), encode(**expected, text));
}

TEST(SentencePiece, NormalizerFlagsAreHonoured) {
  const auto without_prefix = load(small_model(field(3, uint64_t{0}) + field(4, uint64_t{0})));
  ASSERT_TRUE(without_prefix.ok());
  EXPECT_EQ((*without_prefix)->decode(encode(**without_prefix, "hello"), false), "hello");
  EXPECT_NE(encode(**without_prefix, "hello").front(), *(*without_prefix)->find("\u2581hello"));
  const auto collapsing = load(small_model(field(3, uint64_t{1}) + field(4, uint64_t{1})));
  ASSERT_TRUE(collapsing.ok());
  EXPECT_EQ(encode(**collapsing, "  hello   world "), encode(**collapsing, "hello world"));
  EXPECT_EQ(encode(**collapsing, "   "), Ids{});
}

TEST(SentencePiece, OtherModelsAndDamageAreRefused) {
  EXPECT_EQ(code_of(small_model(kLlamaNormalizer, 1)), ErrorCode::kUnsupported) << "unigram";
  EXPECT_EQ(code_of(small_model(field(1, std::string_view("nmt_nfkc")) + field(2, std::string_view("map")))), ErrorCode::kUnsupported);
  EXPECT_EQ(code_of(small_model(field(5, uint64_t{0}))), ErrorCode::kUnsupported);
  EXPECT_EQ(code_of(""), ErrorCode::kDataLoss);
  EXPECT_EQ(code_of(field(1, field(1, std::string_view("a")))), ErrorCode::kUnsupported) << "unigram is the format's default";
  const std::string bpe = field(2, field(3, uint64_t{2}));
  EXPECT_EQ(code_of(field(1, field(1, std::string_view("a"))) + bpe), std::nullopt);
  EXPECT_EQ(code_of(field(1, field(1, std::string_view("a"))) + field(1, field(1, std::string_view("a"))) + bpe), ErrorCode::kDataLoss);
  EXPECT_EQ(code_of(field(1, field(1, std::string_view(""))) + bpe), ErrorCode::kDataLoss);
  EXPECT_EQ(code_of(field(1, field(1, std::string_view("a")) + field(3, uint64_t{9})) + bpe), ErrorCode::kDataLoss);
  EXPECT_EQ(code_of(field(1, field(1, std::string_view("a"))) + field(2, field(3, uint64_t{2}) + field(41, uint64_t{7}))), ErrorCode::kDataLoss);
  EXPECT_EQ(code_of(varint((1 << 3) | 2) + varint(UINT64_MAX)), ErrorCode::kDataLoss);
  EXPECT_EQ(code_of(std::string("\x0B")), ErrorCode::kDataLoss);
  EXPECT_EQ(code_of(std::string(20, '\xFF')), ErrorCode::kDataLoss);
}

TEST(Tiktoken, RanksMergeLowestFirst) {
  const auto t = load(small_tiktoken(), "gpt-4o");
  ASSERT_TRUE(t.ok()) << t.error().message;
  EXPECT_EQ((*t)->kind(), "bpe/gpt-4o");
  EXPECT_EQ(encode(**t, "the thing"), (Ids{257, ' ', 256, 260}));
  EXPECT_EQ(encode(**t, "in the"), (Ids{259, 258}));
  EXPECT_EQ(encode(**t, "\u00E9\xC3"), (Ids{262, 0xC3}));
  EXPECT_EQ((*t)->n_vocab(), 200019);
  EXPECT_EQ((*t)->find("<|endoftext|>"), 199999);
  EXPECT_EQ((*t)->type(1000), TokenType::kUnused);
  EXPECT_EQ((*t)->decode(Ids{1000, 257}, true), "the");
  const uint64_t seed = 21;
  Rng rng(seed);
  for (int i = 0; i < 200; ++i) {
    std::string bytes;
    for (uint64_t k = rng.below(40); k > 0; --k) bytes.push_back(static_cast<char>(static_cast<uint8_t>(rng.below(256))));
    ASSERT_EQ((*t)->decode(encode(**t, bytes), false), bytes) << "seed " << seed << " case " << i;
  }
}

TEST(Tiktoken, DamageIsRefused) {
  EXPECT_EQ(code_of(small_tiktoken()), ErrorCode::kUnsupported) << "which pattern?";
  EXPECT_EQ(code_of(small_tiktoken(), "no-such-pattern"), ErrorCode::kUnsupported);
  EXPECT_EQ(code_of("IQ== 0\nIQ== 1\n", "gpt-2"), ErrorCode::kDataLoss) << "one token twice";
  EXPECT_EQ(code_of("IQ== 0\nIg== 0\n", "gpt-2"), ErrorCode::kDataLoss) << "one rank twice";
  EXPECT_EQ(code_of("IQ== 16777000\n", "gpt-2"), ErrorCode::kDataLoss);
  EXPECT_EQ(code_of("IQ== 1x\n", "gpt-2"), ErrorCode::kDataLoss);
  EXPECT_EQ(code_of("I!== 0\n", "gpt-2"), ErrorCode::kDataLoss);
  EXPECT_EQ(code_of("== 0\n", "gpt-2"), ErrorCode::kDataLoss);
  EXPECT_EQ(code_of("IQ== 0\nIg==\n", "gpt-2"), ErrorCode::kDataLoss);
}

TEST(TokenizerFiles, MissingOnesAreNotFound) {
  EXPECT_EQ(Tokenizer::from_file("/nonexistent/tokenizer.json").error().code, ErrorCode::kNotFound);
  const Folder folder;
  EXPECT_EQ(Tokenizer::from_file(folder.path()).error().code, ErrorCode::kNotFound);
}

// Cut anywhere or with bits turned: an error with a code, or a tokenizer that works.
TEST(TokenizerFiles, DamagedFilesNeverCrash) {
  struct Source {
    std::string content;
    const char* pre;
  };
  const Source sources[] = {{small_json(kByteLevel), ""},
                            {small_json(kByteLevel, "", true), ""},
                            {testing_vectors::read_text(testing_vectors::committed() + "/added-tokens-tokenizer.json"), ""},
                            {small_model(kLlamaNormalizer), ""},
                            {small_tiktoken(), "gpt-2"}};
  const uint64_t seed = 31;
  Rng rng(seed);
  const Folder folder;
  size_t n_loaded = 0;
  for (const Source& source : sources) {
    ASSERT_FALSE(source.content.empty());
    for (int i = 0; i < 60; ++i) {
      std::string content = source.content;
      if (i % 3 == 0) content.resize(rng.below(content.size()));
      if (i % 3 != 0) {
        for (uint64_t flips = 1 + rng.below(4); flips > 0; --flips) {
          char& byte = content[rng.below(content.size())];
          byte = static_cast<char>(static_cast<uint8_t>(byte) ^ (1u << rng.below(8)));
        }
      }
      const auto t = Tokenizer::from_file(folder.write("damaged", content), source.pre);
      if (!t.ok()) {
        EXPECT_TRUE(t.error().code == ErrorCode::kDataLoss || t.error().code == ErrorCode::kUnsupported) << t.error().message;
        EXPECT_FALSE(t.error().message.empty());
        continue;
      }
      ++n_loaded;
      const Ids ids = encode(**t, "the thing <|endoftext|> \u00E9\xFF<tool>", {.parse_special = true, .add_special = true});
      (void)(*t)->decode(ids, true);
    }
  }
  EXPECT_GT(n_loaded, 10u) << "some damage goes unnoticed; if none does, this test tries nothing";
}

}  // namespace
}  // namespace firesteel
