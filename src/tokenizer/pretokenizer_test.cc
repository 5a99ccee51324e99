#include "tokenizer/pretokenizer.h"

#include <gtest/gtest.h>

#include "base/rng.h"
#include "tokenizer/char_class.h"
#include "tokenizer/test_regex.h"

namespace firesteel {
namespace {

using Pieces = std::vector<std::string>;

Pieces split(std::string_view name, std::string_view text) {
  Pieces pieces;
  split_pieces(pretokenizer_by_name(name), text, [&](std::string_view piece) { pieces.emplace_back(piece); });
  return pieces;
}

// Patterns as the models' files and reference/gguf.md 6.3 spell them.
const char* const kGpt2 = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
const char* const kLlama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
const char* const kQwen2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
const char* const kQwen35 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
const char* const kTekken =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+)"
    R"([\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
const char* const kGpt4o =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
    R"(\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
const char* const kDeepseek3Main =
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
const char* const kCjk = "[\u4E00-\u9FA5\u0800-\u4E00\uAC00-\uD7FF]+";
const char* const kDeepseekLlmPunct = "\\s?[!-/:-~\uFF01-\uFF0F\uFF1A-\uFF5E\u2018-\u201F\u3000-\u3002]+";

struct Family {
  const char* name;
  Pieces patterns;
};

const Family kFamilies[] = {
    {"gpt-2", {kGpt2}},
    {"llama-bpe", {kLlama3}},
    {"qwen2", {kQwen2}},
    {"qwen35", {kQwen35}},
    {"tekken", {kTekken}},
    {"gpt-4o", {kGpt4o}},
    {"smollm", {R"(\p{N})", kGpt2}},
    {"deepseek-coder", {"[\r\n]", R"(\s?\p{L}+)", R"(\s?\p{P}+)", kCjk, R"(\p{N})"}},
    {"deepseek-v3", {R"(\p{N}{1,3})", "[\u4E00-\u9FA5\u3040-\u309F\u30A0-\u30FF]+", kDeepseek3Main}},
    {"falcon", {R"([\p{P}\$\+<=>\^~\|`]+)", kGpt2, "[0-9][0-9][0-9]"}},
    {"default", {R"([\p{P}\$\+<=>\^~\|]+)", kGpt2, R"(\p{N}+)", "[0-9][0-9][0-9]"}},
    // The cased letters of deepseek-llm cut down to those that the random texts use.
    {"deepseek-llm", {"[\r\n]", "\\s?[A-Za-z\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u01BA\u01C4-\u0293\u1F5F-\u1F7D]+", kDeepseekLlmPunct, R"(\s+$)", kCjk, R"(\p{N}+)"}},
};

TEST(PreTokenizer, AgreesWithTheRegularExpressionsOnRandomText) {
  // Every class and every literal of the patterns, with neighbours that differ in one property; bytes that are not UTF-8.
  const std::vector<std::string> alphabet = {
      "'",      "s",      "S",      "t",      "'ll",    "'Re",    "l",      "e",     "v",     "d",        "m",      "A",    "B",
      "a",      "1",      "2",      "9",      " ",      " ",      "  ",     "\t",    "\n",    "\r",       "\r\n",   "\v",   "!",
      "$",      "`",      "|",      "/",      "_",      "-",      "<",      "\u017F", "\u00A0", "\u0085",  "\u2003", "\u00E9", "\u00C9",
      "\u01C5", "\u00AA", "\u02B0", "\u0301", "\u0903", "\u4E2D", "\u30FC", "\u3042", "\uAC00", "\u0661", "\u2167", "\u00B2", "\u3001",
      "\u3000", "\uFF01", "\u201C", "\u20AC", "\u1F7D", "\U0001F600", "\u200D", "\x01", "\x7F", "\x80", "\xC3", "\xF0\x9F"};
  const uint64_t seed = 20240607;
  Rng rng(seed);
  for (int i = 0; i < 400; ++i) {
    std::string text;
    const uint64_t n = rng.below(14);
    for (uint64_t k = 0; k < n; ++k) text += alphabet[rng.below(alphabet.size())];
    for (const Family& family : kFamilies) {
      ASSERT_EQ(split(family.name, text), testing_regex::split(family.patterns, text))
          << family.name << ", seed " << seed << ", case " << i << ": " << ::testing::PrintToString(text);
    }
  }
}

TEST(PreTokenizer, SplitsAsTheModelsDocument) {
  EXPECT_EQ(split("llama-bpe", "Hello world, it's 12345!"), (Pieces{"Hello", " world", ",", " it", "'s", " ", "123", "45", "!"}));
  EXPECT_EQ(split("qwen2", "IT'S 123"), (Pieces{"IT", "'S", " ", "1", "2", "3"}));
  EXPECT_EQ(split("gpt-2", "IT'S it's 123"), (Pieces{"IT", "'", "S", " it", "'s", " 123"}));
  EXPECT_EQ(split("gpt-2", "a   b\n\n c"), (Pieces{"a", "  ", " b", "\n\n", " c"}));
  EXPECT_EQ(split("llama-bpe", "a \n\n  b"), (Pieces{"a", " \n\n", " ", " b"}));
  EXPECT_EQ(split("tekken", "HelloWorld ABCdef"), (Pieces{"Hello", "World", " ABCdef"}));
  EXPECT_EQ(split("gpt-4o", "we'll JSON'S path/\n"), (Pieces{"we'll", " JSON'S", " path", "/\n"}));
  EXPECT_EQ(split("smollm", "x12"), (Pieces{"x", "1", "2"}));
  EXPECT_EQ(split("llama-bpe", ""), Pieces{});
}

// Each whitespace character of a run once looked as far as the end of the run.
TEST(PreTokenizer, LongRunsAreLinear) {
  for (const Family& family : kFamilies) {
    for (const char* unit : {" ", "\n", "a", "A", "1", "!", "\u0301", " \n", "'s", "\u3000", "\u0301A", "\x80"}) {
      std::string text;
      while (text.size() < 40'000) text += unit;
      text += "x";
      size_t n_bytes = 0;
      split_pieces(pretokenizer_by_name(family.name), text, [&](std::string_view piece) { n_bytes += piece.size(); });
      ASSERT_EQ(n_bytes, text.size()) << family.name;
    }
  }
}

TEST(PreTokenizer, UnknownNamesGetTheDefaultAndAWarning) {
  EXPECT_EQ(pretokenizer_by_name("llama-bpe").warning, "");
  EXPECT_NE(pretokenizer_by_name("no-such-model").warning, "");
  EXPECT_NE(pretokenizer_by_name("").warning, "");
  EXPECT_EQ(pretokenizer_by_name("no-such-model").stages, pretokenizer_by_name("default").stages);
  EXPECT_TRUE(is_known_pretokenizer("tekken"));
  EXPECT_FALSE(is_known_pretokenizer("tekke"));
  EXPECT_FALSE(is_known_pretokenizer(""));
}

TEST(PreTokenizer, RegularExpressionsAreRecognisedInTheirSpellings) {
  EXPECT_EQ(stage_by_regex(kGpt2), SplitStage::kGpt2);
  EXPECT_EQ(stage_by_regex(kLlama3), SplitStage::kLlama3);
  EXPECT_EQ(stage_by_regex(kQwen2), SplitStage::kQwen2);
  EXPECT_EQ(stage_by_regex(kQwen35), SplitStage::kQwen35);
  EXPECT_EQ(stage_by_regex(kTekken), SplitStage::kTekken);
  EXPECT_EQ(stage_by_regex(kGpt4o), SplitStage::kGpt4o);
  EXPECT_EQ(stage_by_regex(kDeepseek3Main), SplitStage::kDeepseek3Main);
  EXPECT_EQ(stage_by_regex(kCjk), SplitStage::kDeepseekCjk);
  EXPECT_EQ(stage_by_regex(R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+)"),
            SplitStage::kLlama3);
  EXPECT_EQ(stage_by_regex(R"('(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s+(?!\S)|\s)"), SplitStage::kGpt2);
  EXPECT_EQ(stage_by_regex("[\r\n]"), SplitStage::kLineBreak);
  EXPECT_EQ(stage_by_regex(R"(\p{L}+)"), std::nullopt);
  EXPECT_EQ(stage_by_regex(""), std::nullopt);
}

TEST(CharClass, KnowsOneOfEachCategory) {
  EXPECT_EQ(class_of('A'), kLetter | kUpperSet);
  EXPECT_EQ(class_of(0xE9), kLetter | kLowerSet);
  EXPECT_EQ(class_of(0x1C5), kLetter | kUpperSet);               // Lt
  EXPECT_EQ(class_of(0x2B0), kLetter | kUpperSet | kLowerSet);   // Lm
  EXPECT_EQ(class_of(0x4E2D), kLetter | kUpperSet | kLowerSet);  // Lo
  EXPECT_EQ(class_of(0x301), kMark | kUpperSet | kLowerSet);
  EXPECT_EQ(class_of(0x2167), kNumber);  // Nl
  EXPECT_EQ(class_of('_'), kPunct);
  EXPECT_EQ(class_of('+'), kSymbol);
  EXPECT_EQ(class_of(0xFFFD), kSymbol);
  EXPECT_EQ(class_of(0x3000), kSpace);
  EXPECT_EQ(class_of(0x85), kSpace);
  EXPECT_EQ(class_of('\n'), kSpace | kNewline);
  EXPECT_EQ(class_of(0), 0);
  EXPECT_EQ(class_of(0x200B), 0);  // Cf, no White_Space
  EXPECT_EQ(class_of(0x10FFFF), 0);
  // utf8proc agrees with the table that stands in for it.
  for (uint32_t c = 0; c < 0x80; ++c) EXPECT_EQ((kAsciiClass[c] & kSpace) != 0, c == 32 || (c >= 9 && c <= 13)) << c;
}

}  // namespace
}  // namespace firesteel
