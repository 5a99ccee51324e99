#include "tokenizer/tokenizer.h"

#include <gtest/gtest.h>

#include <numeric>
#include <thread>
#include <unordered_map>

#include "base/rng.h"
#include "base/utf8.h"
#include "tokenizer/chat_template.h"
#include "tokenizer/merge.h"
#include "tokenizer/pretokenizer.h"
#include "tokenizer/test_vectors.h"
#include "tokenizer/test_vocabularies.h"
#include "tokenizer/text_index.h"

namespace firesteel {
namespace {

using testing_vectors::encode;
using testing_vocabularies::SmallVocabulary;
using Ids = std::vector<TokenId>;

std::unique_ptr<const Tokenizer> load(const Metadata& metadata) {
  auto tokenizer = Tokenizer::from_metadata(metadata);
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.error().message;
  return tokenizer.ok() ? std::move(*tokenizer) : nullptr;
}

std::string random_bytes(Rng* rng, size_t n_max) {
  static const std::vector<std::string> kUnits = {" ", "  ", "\n", "the", "he", "in", "'s", "1", "a", "e", "t", "\u00E9", "\u4E2D", "\U0001F600",
                                                  "\x80", "\xFF", "\xC3", "\0x", "<|endoftext|>", "<s>", "</s>", "\u2581", ".", "hello", "world"};
  std::string text;
  const uint64_t n = rng->below(n_max);
  for (uint64_t i = 0; i < n; ++i) {
    if (rng->below(8) == 0) {
      text.push_back(static_cast<char>(static_cast<uint8_t>(rng->below(256))));
    } else {
      text += kUnits[rng->below(kUnits.size())];
    }
  }
  return text;
}

TEST(TextIndex, FindsEveryTextAndTheFirstOfEquals) {
  std::vector<std::string> owned;
  for (int i = 0; i < 5000; ++i) owned.push_back("t" + std::to_string(i * 7919 % 4000));
  owned.push_back("");
  owned.push_back(std::string(100, 'x'));
  const std::vector<std::string_view> texts(owned.begin(), owned.end());
  TextIndex index;
  index.build(texts, 50);
  std::unordered_map<std::string_view, uint32_t> expected;
  for (uint32_t i = 0; i < texts.size(); ++i) expected.emplace(texts[i], i);
  for (const std::string_view text : texts) {
    EXPECT_EQ(index.find(text), text.empty() || text.size() > 50 ? TextIndex::kNone : expected[text]) << text;
  }
  EXPECT_EQ(index.find("t4000"), TextIndex::kNone);
  EXPECT_EQ(index.find("t"), TextIndex::kNone);
  TextIndex empty;
  EXPECT_EQ(empty.find("x"), TextIndex::kNone);
}

// The two ways of merging on either side of the switch-over, against the definition.
TEST(Merge, FewAndManyAgreeWithTheDefinition) {
  const uint64_t seed = 77;
  Rng rng(seed);
  for (int round = 0; round < 300; ++round) {
    std::string text;
    const uint64_t n = 2 + rng.below(120);
    for (uint64_t i = 0; i < n; ++i) text.push_back(static_cast<char>('a' + rng.below(3)));
    const uint64_t salt = rng.next_u64();
    const auto rank = [&](std::string_view left, std::string_view right) -> int64_t {
      const uint64_t h = std::hash<std::string>()(std::string(left) + "|" + std::string(right)) ^ salt;
      return left.size() + right.size() > 9 || h % 3 == 0 ? -1 : static_cast<int64_t>(h % 5);  // few ranks: many ties
    };
    const auto expected = testing_vocabularies::merge_slowly(testing_vocabularies::characters(text), rank);
    MergeScratch scratch;
    scratch.starts.resize(text.size() + 1);
    std::iota(scratch.starts.begin(), scratch.starts.end(), 0u);
    merge_pairs(&scratch, [&](uint32_t a, uint32_t b, uint32_t c) {
      const int64_t r = rank(std::string_view(text).substr(a, b - a), std::string_view(text).substr(b, c - b));
      return r < 0 ? kNoRank : static_cast<uint32_t>(r);
    });
    std::vector<std::string> merged;
    for (size_t i = 0; i + 1 < scratch.starts.size(); ++i) merged.push_back(text.substr(scratch.starts[i], scratch.starts[i + 1] - scratch.starts[i]));
    ASSERT_EQ(merged, expected) << "seed " << seed << " round " << round << " text " << text;
  }
}

class ByteLevelBpe : public ::testing::Test {
 protected:
  ByteLevelBpe() : vocabulary_(testing_vocabularies::trained_bpe()) {}

  Ids encode_slowly(std::string_view pre, std::string_view text) const {
    Ids ids;
    std::map<std::pair<std::string, std::string>, int64_t> ranks;
    for (size_t i = 0; i < vocabulary_.merges.size(); ++i) ranks.emplace(vocabulary_.merges[i], static_cast<int64_t>(i));
    const auto rank = [&](const std::string& left, const std::string& right) {
      const auto it = ranks.find({left, right});
      return it == ranks.end() ? int64_t{-1} : it->second;
    };
    split_pieces(pretokenizer_by_name(pre), text, [&](std::string_view piece) {
      const std::string letters = testing_vocabularies::to_letters(piece);
      for (const std::string& symbol : testing_vocabularies::merge_slowly(testing_vocabularies::characters(letters), rank)) {
        const auto it = std::find(vocabulary_.tokens.begin(), vocabulary_.tokens.end(), symbol);
        ids.push_back(it == vocabulary_.tokens.end() ? -1 : static_cast<TokenId>(it - vocabulary_.tokens.begin()));
      }
    });
    return ids;
  }

  SmallVocabulary vocabulary_;
};

TEST_F(ByteLevelBpe, AgreesWithTheDefinition) {
  ASSERT_GT(vocabulary_.merges.size(), 200u);
  const uint64_t seed = 11;
  Rng rng(seed);
  for (const char* pre : {"gpt-2", "qwen2"}) {
    const Metadata metadata = vocabulary_.metadata("gpt2", pre);
    const auto t = load(metadata);
    for (int i = 0; i < 60; ++i) {
      const std::string text = random_bytes(&rng, 60);
      const Ids ids = encode(*t, text);
      ASSERT_EQ(ids, encode_slowly(pre, text)) << "seed " << seed << " case " << i;
      ASSERT_EQ(encode(*t, text), ids) << "the second time, with what was learnt";
    }
  }
}

TEST_F(ByteLevelBpe, DecodeInvertsEncodeForAnyBytes) {
  const uint64_t seed = 12;
  Rng rng(seed);
  for (const char* pre : {"gpt-2", "llama-bpe", "qwen35", "tekken", "gpt-4o", "smollm", "deepseek-llm", "deepseek-coder", "deepseek-v3", ""}) {
    const Metadata metadata = vocabulary_.metadata("gpt2", pre);
    const auto t = load(metadata);
    for (int i = 0; i < 100; ++i) {
      const std::string text = random_bytes(&rng, 40);
      const Ids ids = encode(*t, text);
      ASSERT_EQ(t->decode(ids, false), text) << pre << ", seed " << seed << " case " << i;
      for (const TokenId id : ids) ASSERT_EQ(t->type(id), TokenType::kNormal);
    }
  }
}

// One letter a million times is one piece of a million symbols: quadratic merging would take hours here.
TEST_F(ByteLevelBpe, LongPiecesAreNotQuadratic) {
  for (const char* letters : {"e", "th", "in"}) {
    std::string text;
    while (text.size() < 1'000'000) text += letters;
    const Metadata metadata = vocabulary_.metadata("gpt2", "gpt-2");
    const auto t = load(metadata);
    const Ids ids = encode(*t, text);
    EXPECT_EQ(t->decode(ids, false), text);
    const std::string head = text.substr(0, 1000);
    const Ids head_ids = encode(*t, head);
    EXPECT_EQ(head_ids, encode_slowly("gpt-2", head));
  }
}

TEST_F(ByteLevelBpe, WholePiecesAreTakenOnlyWhereTheModelSaysSo) {
  // "zq" is a token that no merge makes.
  const TokenId id = vocabulary_.add("zq");
  Metadata plain = vocabulary_.metadata("gpt2", "gpt-2");
  Metadata whole = vocabulary_.metadata("gpt2", "llama-bpe");
  EXPECT_EQ(encode(*load(plain), "zq").size(), 2u);
  EXPECT_EQ(encode(*load(plain), "zq"), encode(*load(plain), "zq"));
  EXPECT_EQ(encode(*load(whole), "zq"), Ids{id});
}

TEST_F(ByteLevelBpe, AMergeWithoutItsTokenFallsBackToBytes) {
  vocabulary_.merges.emplace_back("z", "q");  // "zq" is no token
  const Metadata metadata = vocabulary_.metadata("gpt2", "gpt-2");
  const auto t = load(metadata);
  const Ids ids = encode(*t, "zq");
  EXPECT_EQ(ids, (Ids{*t->find("z"), *t->find("q")}));
}

class Spm : public ::testing::Test {
 protected:
  Spm() : vocabulary_(testing_vocabularies::small_spm()) {}

  Ids encode_slowly(std::string_view text) const {
    std::string normal = text.empty() ? "" : "\u2581";
    for (const char c : text) normal += c == ' ' ? "\u2581" : std::string(1, c);
    const auto id_of = [&](const std::string& symbol) -> int64_t {
      const auto it = std::find(vocabulary_.tokens.begin(), vocabulary_.tokens.end(), symbol);
      const auto i = it - vocabulary_.tokens.begin();
      return it == vocabulary_.tokens.end() || vocabulary_.types[static_cast<size_t>(i)] != 1 ? -1 : i;
    };
    Ids ids;
    // Ids ascend as scores fall.
    const auto rank = [&](const std::string& left, const std::string& right) { return id_of(left + right); };
    for (const std::string& symbol : testing_vocabularies::merge_slowly(testing_vocabularies::characters(normal), rank)) {
      const int64_t id = id_of(symbol);
      if (id >= 0) {
        ids.push_back(static_cast<TokenId>(id));
      } else {
        for (const char c : symbol) ids.push_back(3 + static_cast<unsigned char>(c));
      }
    }
    return ids;
  }

  SmallVocabulary vocabulary_;
};

TEST_F(Spm, AgreesWithTheDefinitionAndDecodesBack) {
  const uint64_t seed = 13;
  Rng rng(seed);
  const Metadata metadata = vocabulary_.metadata("llama", "");
  const auto t = load(metadata);
  EXPECT_EQ(t->kind(), "spm");
  for (int i = 0; i < 300; ++i) {
    std::string text = random_bytes(&rng, 30);
    const Ids ids = encode(*t, text);
    ASSERT_EQ(ids, encode_slowly(text)) << "seed " << seed << " case " << i;
    if (text.find("\u2581") == std::string::npos) {
      ASSERT_EQ(t->decode(ids, false), text) << "seed " << seed << " case " << i;
    }
    for (const TokenId id : ids) ASSERT_TRUE(t->type(id) == TokenType::kNormal || t->type(id) == TokenType::kByte);
  }
}

// A token with a space behind something else keeps the text in one piece.
TEST_F(Spm, TokensAcrossWordsAreFound) {
  const TokenId id = vocabulary_.add("e\u2581", 1, 0.5f);
  const Metadata metadata = vocabulary_.metadata("llama", "");
  const auto t = load(metadata);
  EXPECT_EQ(encode(*t, "the a"), (Ids{*t->find("\u2581t"), *t->find("h"), id, *t->find("a")}));
}

TEST_F(Spm, SpacePrefixIsAnOption) {
  Metadata metadata = vocabulary_.metadata("llama", "");
  EXPECT_EQ(encode(*load(metadata), "hello"), Ids{*load(metadata)->find("\u2581hello")});
  metadata.add("tokenizer.ggml.add_space_prefix", false);
  const auto t = load(metadata);
  const Ids ids = encode(*t, "hello");
  EXPECT_NE(ids, Ids{*t->find("\u2581hello")});
  EXPECT_EQ(t->decode(ids, false), "hello");
  EXPECT_EQ(t->decode(encode(*t, " hello"), false), " hello");
}

TEST_F(Spm, WithoutByteTokensCharactersBecomeOneUnknown) {
  SmallVocabulary v;
  v.add("<unk>", 2);
  v.add("<s>", 3);
  v.add("</s>", 3);
  const TokenId a = v.add("a", 1, -1);
  const TokenId space = v.add("\u2581", 1, -2);
  const Metadata metadata = v.metadata("llama", "");
  EXPECT_EQ(encode(*load(metadata), "a\u4E2D\u4E2Da"), (Ids{space, a, 0, a}));
}

// Found by fuzzing: a file whose unknown token is EOS, or marked as a control token (Phi-3), let user text write it.
TEST_F(Spm, UnknownCharactersNeverBecomeAControlToken) {
  SmallVocabulary v;
  const TokenId unknown = v.add("<unk>", 3);
  v.add("<s>", 3);
  const TokenId eos = v.add("</s>", 3);
  const TokenId a = v.add("a", 1, -1);
  Metadata metadata = v.metadata("llama", "");
  metadata.add("tokenizer.ggml.add_space_prefix", false);
  EXPECT_EQ(encode(*load(metadata), "a?"), (Ids{a, unknown}));
  EXPECT_EQ(load(metadata)->type(unknown), TokenType::kUnknown);
  metadata.add("tokenizer.ggml.unknown_token_id", int64_t{eos});
  EXPECT_EQ(encode(*load(metadata), "a?"), Ids{a});
}

TEST_F(Spm, LongTextIsNotQuadratic) {
  vocabulary_.add("e\u2581", 1, 0.5f);  // one piece, whatever the text
  const Metadata metadata = vocabulary_.metadata("llama", "");
  const auto t = load(metadata);
  for (const char* unit : {"a", "hello world "}) {
    std::string text;
    while (text.size() < 500'000) text += unit;
    EXPECT_EQ(t->decode(encode(*t, text), false), text);
  }
  // "_a" first, then eights, then what is left of 499,999: 4 + 2 + 1.
  EXPECT_EQ(encode(*t, std::string(500'000, 'a')).size(), 1u + 62'499 + 3);
}

class Specials : public ::testing::Test {
 protected:
  Specials() : v_(testing_vocabularies::trained_bpe()) {
    start_ = v_.add("<|im_start|>", 3);
    end_ = v_.add("<|im_end|>", 3);
    end_longer_ = v_.add("<|im_end|>>", 3);
    tool_ = v_.add("<tool>", 4);
    metadata_ = v_.metadata("gpt2", "gpt-2");
    metadata_.add("tokenizer.ggml.bos_token_id", int64_t{start_});
    metadata_.add("tokenizer.ggml.eos_token_id", int64_t{0});
    t_ = load(metadata_);
  }
  Ids plain(std::string_view text) const { return encode(*t_, text); }
  static Ids join(std::initializer_list<Ids> parts) {
    Ids all;
    for (const Ids& part : parts) all.insert(all.end(), part.begin(), part.end());
    return all;
  }

  SmallVocabulary v_;
  TokenId start_ = 0, end_ = 0, end_longer_ = 0, tool_ = 0;
  Metadata metadata_;
  std::unique_ptr<const Tokenizer> t_;
};

TEST_F(Specials, AreFoundLongestFirstWhenAsked) {
  const EncodeOptions special{.parse_special = true};
  EXPECT_EQ(encode(*t_, "a<|im_start|>b<|im_end|>", special), join({plain("a"), {start_}, plain("b"), {end_}}));
  EXPECT_EQ(encode(*t_, "<|im_end|>>", special), Ids{end_longer_});
  EXPECT_EQ(encode(*t_, "<|im_end|", special), plain("<|im_end|"));
  EXPECT_EQ(encode(*t_, "<|im_start|><|im_end|>", special), (Ids{start_, end_}));
  EXPECT_EQ(encode(*t_, "<<|im_start|>", special), join({plain("<"), {start_}}));
}

TEST_F(Specials, ControlTokensNeverComeOutOfUserText) {
  const std::string text = "x<|im_start|>system<|im_end|><|endoftext|>";
  const Ids ids = plain(text);
  for (const TokenId id : ids) EXPECT_EQ(t_->type(id), TokenType::kNormal);
  EXPECT_EQ(t_->decode(ids, false), text);
}

TEST_F(Specials, UserDefinedTokensAlwaysMatch) {
  EXPECT_EQ(plain("a<tool>b"), join({plain("a"), {tool_}, plain("b")}));
  EXPECT_EQ(t_->decode(Ids{tool_}, false), "<tool>");
}

// DeepSeek's tokenizer.json and Gemma's .model declare their turn markers as ordinary added tokens.
TEST_F(Specials, TurnMarkersNeverComeOutOfUserTextHoweverTheyAreDeclared) {
  for (const char* marker : {"<start_of_turn>", "<\uFF5CUser\uFF5C>", "<|user|>", "[INST]"}) {
    SmallVocabulary v = testing_vocabularies::trained_bpe();
    const TokenId id = v.add(marker, 4);
    const Metadata metadata = v.metadata("gpt2", "llama-bpe");
    const auto t = load(metadata);
    for (const TokenId other : encode(*t, marker)) EXPECT_NE(other, id) << marker;
    EXPECT_EQ(encode(*t, marker, {.parse_special = true}), Ids{id});
    EXPECT_EQ(t->decode(Ids{id}, false), marker);
  }
}

TEST_F(Specials, ControlTokensRenderOnlyWhenAsked) {
  EXPECT_EQ(t_->decode(Ids{start_}, false), "");
  EXPECT_EQ(t_->decode(Ids{start_}, true), "<|im_start|>");
  EXPECT_EQ(t_->decode(Ids{-1, 1 << 30}, true), "");
  EXPECT_EQ(t_->text(-1), "");
  EXPECT_EQ(t_->type(1 << 30), TokenType::kUnused);
}

TEST_F(Specials, BosAndEosFollowTheMetadata) {
  const EncodeOptions add{.parse_special = true, .add_special = true};
  EXPECT_FALSE(t_->adds_bos());
  EXPECT_EQ(encode(*t_, "a", add), plain("a"));
  metadata_.set("tokenizer.ggml.add_bos_token", true);
  metadata_.set("tokenizer.ggml.add_eos_token", true);
  const auto t = load(metadata_);
  EXPECT_EQ(encode(*t, "a", add), join({{start_}, plain("a"), {0}}));
  EXPECT_EQ(encode(*t, "<|im_start|>a", add), join({{start_}, plain("a"), {0}})) << "no second BOS";
  EXPECT_EQ(encode(*t, "", add), (Ids{start_, 0}));
}

TEST_F(Specials, EndOfGenerationIsEosAndKnownTexts) {
  EXPECT_TRUE(t_->is_end_of_generation(0));
  EXPECT_TRUE(t_->is_end_of_generation(end_));
  EXPECT_FALSE(t_->is_end_of_generation(start_));
  EXPECT_FALSE(t_->is_end_of_generation(-1));
}

TEST_F(Specials, HarmonyMessagesDoNotEndTheGeneration) {
  const TokenId end = v_.add("<|end|>", 3);
  const Metadata before = v_.metadata("gpt2", "gpt-4o");
  EXPECT_TRUE(load(before)->is_end_of_generation(end));
  const TokenId done = v_.add("<|return|>", 3);
  v_.add("<|call|>", 3);
  const Metadata after = v_.metadata("gpt2", "gpt-4o");
  const auto t = load(after);
  EXPECT_FALSE(t->is_end_of_generation(end));
  EXPECT_TRUE(t->is_end_of_generation(done));
}

// Files that forget to mark "<|eot_id|>" as a control token.
TEST_F(Specials, UnmarkedEndTokensBecomeControlTokens) {
  const TokenId id = v_.add("<|eot_id|>", 1);
  const Metadata metadata = v_.metadata("gpt2", "gpt-2");
  const auto t = load(metadata);
  EXPECT_EQ(t->type(id), TokenType::kControl);
  EXPECT_EQ(encode(*t, "<|eot_id|>", {.parse_special = true}), Ids{id});
}

TEST_F(Specials, PartsAreOneTextButMarkersStayInsideTheirPart) {
  const auto parts = [&](std::vector<EncodePart> list) {
    Ids ids;
    EXPECT_TRUE(t_->encode_parts(list, false, &ids).ok());
    return ids;
  };
  EXPECT_EQ(parts({{"<|im_start|>", true}, {"the", false}, {" in<|im_end|>", true}}), join({{start_}, plain("the in"), {end_}}));
  EXPECT_EQ(parts({{"<|im_st", true}, {"art|>", false}}), plain("<|im_start|>")) << "completed by the user";
  EXPECT_EQ(parts({{"<|im_st", false}, {"art|>", true}}), plain("<|im_start|>")) << "begun by the user";
  EXPECT_EQ(parts({{"<|im_st", true}, {"art|>", true}}), Ids{start_}) << "both by the template";
  EXPECT_EQ(parts({{"<to", true}, {"ol>", false}}), Ids{tool_});
  EXPECT_EQ(parts({{"<|im_end|>", true}, {">", false}}), join({{end_}, plain(">")})) << "the longer token would need the user's part";
  EXPECT_EQ(parts({{"", true}, {"", false}}), Ids{});
  EXPECT_EQ(parts({}), Ids{});
}

TEST_F(Specials, EncodePromptAddsBosOnce) {
  metadata_.set("tokenizer.ggml.add_bos_token", true);
  const auto t = load(metadata_);
  const auto with = encode_prompt(*t, {{"<|im_start|>", true}, {"<|im_start|>", false}});
  ASSERT_TRUE(with.ok());
  EXPECT_EQ(*with, join({{start_}, plain("<|im_start|>")}));
  const auto without = encode_prompt(*t, {{"<|im_start|>", false}});
  ASSERT_TRUE(without.ok());
  EXPECT_EQ(*without, join({{start_}, plain("<|im_start|>")}));
  EXPECT_EQ(*encode_prompt(*t, {}), Ids{start_});
}

TEST_F(Specials, FindNeedsTheExactText) {
  EXPECT_EQ(t_->find("<|im_start|>"), start_);
  EXPECT_EQ(t_->find("im_start"), std::nullopt);
  ASSERT_TRUE(t_->find("\u0120t").has_value());
  EXPECT_EQ(t_->text(*t_->find("\u0120t")), "\u0120t");
}

TEST_F(Specials, PhiTokensTakeTheSpaceBehindThem) {
  Metadata metadata = v_.metadata("gpt2", "gpt-2");
  metadata.add("general.name", std::string_view("Phi-3 mini"));
  const auto t = load(metadata);
  EXPECT_EQ(encode(*t, "<|im_start|> \n a<|im_end|>", {.parse_special = true}), join({{start_}, plain("a"), {end_}}));
}

TEST_F(Specials, ThreadsShareATokenizer) {
  const std::string text = "the thing in the inn, and <tool> more of it 1234";
  const Ids expected = encode(*load(metadata_), text);
  std::vector<std::thread> threads;
  std::atomic<int> n_same = 0;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] { n_same += encode(*t_, text) == expected ? 1 : 0; });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(n_same, 4);
}

TEST(StreamDecoder, ShowsWholeCharactersThatJoinToTheDecodedText) {
  SmallVocabulary vocabulary = testing_vocabularies::trained_bpe();
  const Metadata metadata = vocabulary.metadata("gpt2", "gpt-2");
  const auto t = load(metadata);
  const uint64_t seed = 14;
  Rng rng(seed);
  for (int i = 0; i < 200; ++i) {
    std::string text = random_bytes(&rng, 30);
    const bool valid = is_valid_utf8(text);
    StreamDecoder decoder(*t);
    std::string streamed;
    for (const TokenId id : encode(*t, text)) {
      const std::string shown = decoder.push(id);
      ASSERT_TRUE(is_valid_utf8(shown)) << "seed " << seed << " case " << i;
      streamed += shown;
    }
    const std::string rest = decoder.flush();
    ASSERT_TRUE(is_valid_utf8(rest));
    if (valid) {
      ASSERT_EQ(streamed, text);
      ASSERT_EQ(rest, "");
    }
  }
}

TEST(StreamDecoder, AnUnfinishedCharacterIsHeldBackAndThenReplaced) {
  SmallVocabulary vocabulary = testing_vocabularies::trained_bpe();
  const Metadata metadata = vocabulary.metadata("gpt2", "gpt-2");
  const auto t = load(metadata);
  const Ids bytes = encode(*t, "\U0001F600");
  ASSERT_EQ(bytes.size(), 4u);
  StreamDecoder decoder(*t);
  EXPECT_EQ(decoder.push(bytes[0]), "");
  EXPECT_EQ(decoder.push(bytes[1]), "");
  EXPECT_EQ(decoder.push(bytes[2]), "");
  EXPECT_EQ(decoder.push(bytes[3]), "\U0001F600");
  EXPECT_EQ(decoder.push(bytes[0]), "");
  EXPECT_EQ(decoder.push(*t->find("a")), "\uFFFD" "a");
  EXPECT_EQ(decoder.push(bytes[0]), "");
  EXPECT_EQ(decoder.flush(), "\uFFFD");
  EXPECT_EQ(decoder.flush(), "");
}

TEST(Metadata, WhatContradictsItselfIsRefusedByName) {
  const auto code_of = [](const Metadata& metadata) {
    const auto t = Tokenizer::from_metadata(metadata);
    return t.ok() ? std::optional<ErrorCode>() : std::optional(t.error().code);
  };
  const auto with = [](std::string_view key, MetaValue value) {
    static std::deque<SmallVocabulary> keep;
    SmallVocabulary& v = keep.emplace_back(testing_vocabularies::trained_bpe());
    Metadata m = v.metadata("gpt2", "gpt-2");
    m.set(key, std::move(value));
    return m;
  };
  EXPECT_EQ(code_of(Metadata()), ErrorCode::kNotFound);
  EXPECT_EQ(code_of(with("tokenizer.ggml.model", std::string_view("bert"))), ErrorCode::kUnsupported);
  EXPECT_EQ(code_of(with("tokenizer.ggml.model", int64_t{1})), ErrorCode::kDataLoss);
  EXPECT_EQ(code_of(with("tokenizer.ggml.tokens", int64_t{1})), ErrorCode::kDataLoss);
  EXPECT_EQ(code_of(with("tokenizer.ggml.tokens", std::vector<std::string_view>())), ErrorCode::kDataLoss);
  EXPECT_EQ(code_of(with("tokenizer.ggml.tokens", std::vector<std::string_view>{"a"})), ErrorCode::kDataLoss) << "types do not fit";
  EXPECT_EQ(code_of(with("tokenizer.ggml.merges", false)), ErrorCode::kDataLoss);
  EXPECT_EQ(code_of(with("tokenizer.ggml.token_type", std::vector<int64_t>{1, 2})), ErrorCode::kDataLoss);
  EXPECT_EQ(code_of(with("tokenizer.ggml.token_type", false)), ErrorCode::kDataLoss);
  EXPECT_EQ(code_of(with("tokenizer.ggml.token_type", std::vector<int64_t>(500, 7))), ErrorCode::kDataLoss);
  EXPECT_EQ(code_of(with("tokenizer.ggml.bos_token_id", int64_t{500})), ErrorCode::kDataLoss);
  EXPECT_EQ(code_of(with("tokenizer.ggml.eos_token_id", int64_t{-2})), ErrorCode::kDataLoss);
  EXPECT_EQ(code_of(with("tokenizer.ggml.eot_token_id", uint64_t{1} << 40)), ErrorCode::kDataLoss);
  EXPECT_EQ(code_of(with("tokenizer.ggml.bos_token_id", uint64_t{UINT32_MAX})), std::nullopt) << "no BOS";
  EXPECT_EQ(code_of(with("tokenizer.ggml.add_bos_token", std::string_view("yes"))), ErrorCode::kDataLoss);
  EXPECT_EQ(code_of(with("tokenizer.ggml.pre", int64_t{1})), ErrorCode::kDataLoss);

  SmallVocabulary spm = testing_vocabularies::small_spm();
  Metadata no_scores = spm.metadata("llama", "");
  no_scores.set("tokenizer.ggml.scores", false);
  EXPECT_EQ(code_of(no_scores), ErrorCode::kDataLoss);
  no_scores.set("tokenizer.ggml.scores", std::vector<float>{1.0f});
  EXPECT_EQ(code_of(no_scores), ErrorCode::kDataLoss);

  const std::vector<std::string_view> too_many(size_t{1} << 24, "a");
  EXPECT_EQ(code_of(with("tokenizer.ggml.tokens", too_many)), ErrorCode::kDataLoss);
  EXPECT_EQ(code_of(with("tokenizer.ggml.merges", too_many)), ErrorCode::kDataLoss);
}

TEST(Metadata, DuplicatesEmptyTextsAndStrangeMergesAreHarmless) {
  SmallVocabulary v = testing_vocabularies::trained_bpe();
  v.add("the");
  v.add("the");
  v.add("");
  v.add("", 3);
  v.add("<x>", 3);
  v.add("<x>", 3);
  v.add(std::string(5000, 'q'));
  v.add(std::string(5000, '<'), 3);
  v.merges.emplace_back("", "");
  v.merges.emplace_back("x y z", "");
  v.merges.emplace_back("th", "e");
  v.merges.emplace_back(std::string(3000, 'q'), "q");
  const Metadata metadata = v.metadata("gpt2", "gpt-2");
  const auto t = load(metadata);
  EXPECT_EQ(t->decode(encode(*t, "the x y z" + std::string(6000, 'q')), false), "the x y z" + std::string(6000, 'q'));
  EXPECT_EQ(encode(*t, "<x>", {.parse_special = true}), Ids{*t->find("<x>")});
}

TEST(Metadata, ScoresThatAreNoNumbersComeLast) {
  SmallVocabulary v = testing_vocabularies::small_spm();
  v.add("qq", 1, std::numeric_limits<float>::quiet_NaN());
  v.add("qz", 1, -std::numeric_limits<float>::infinity());
  v.add("zq", 1, std::numeric_limits<float>::infinity());
  const Metadata metadata = v.metadata("llama", "");
  const auto t = load(metadata);
  EXPECT_EQ(encode(*t, "qzq").back(), *t->find("zq"));
  EXPECT_EQ(t->decode(encode(*t, "qqzq"), false), "qqzq");
}

TEST(Encode, TextBeyondTheLimitIsRefused) {
  SmallVocabulary v = testing_vocabularies::trained_bpe();
  const Metadata metadata = v.metadata("gpt2", "gpt-2");
  const auto t = load(metadata);
  const std::string text((64u << 20) + 1, ' ');
  Ids ids;
  const Status status = t->encode(text, {}, &ids);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, ErrorCode::kResourceExhausted);
  EXPECT_TRUE(ids.empty());
}

}  // namespace
}  // namespace firesteel
