// What every tokenizer file comes down to: the loaders fill a Vocabulary, text_tokenizer.cc works from it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/mapped_file.h"
#include "base/result.h"
#include "tokenizer/pretokenizer.h"
#include "tokenizer/text_index.h"
#include "tokenizer/tokenizer.h"

namespace firesteel {

// How texts are stored.
enum class Alphabet : uint8_t {
  kByteLevel,      // each byte as a printable character (byte_alphabet.h)
  kRawBytes,       // as they are (tiktoken)
  kSentencePiece,  // spaces as U+2581, bytes as "<0x0A>"
};

// Which adjacent pair merges first; ties go to the leftmost.
enum class Ranking : uint8_t {
  kMerges,  // place in the list of merges
  kScores,  // highest score of the concatenation (SentencePiece)
  kIds,     // lowest id of the concatenation (tiktoken)
};

enum class SpacePrefix : uint8_t { kNone, kFirst, kAlways };  // kAlways: at the start and behind every special token

// How a special token takes up its surroundings.
struct SpecialFlags {
  TokenId id = 0;
  bool strip_left = false;
  bool strip_right = false;
  bool single_word = false;
};

inline constexpr size_t kVocabularyMax = TextIndex::kCountMax;
// Longer tokens are kept for decoding, but no text becomes one: bounds the work for each pair.
inline constexpr size_t kTokenBytesMax = 1024;

struct Vocabulary {
  std::string kind;  // "bpe/llama-bpe", "spm"
  std::string warning;
  Alphabet alphabet = Alphabet::kByteLevel;
  Ranking ranking = Ranking::kMerges;
  PreTokenizer pre;
  bool ignore_merges = false;
  SpacePrefix space_prefix = SpacePrefix::kNone;
  bool prefix_unless_spaced = false;  // no prefix where the text begins with a space (Metaspace)
  bool split_at_spaces = false;       // each U+2581 begins a piece (Metaspace)
  bool remove_extra_spaces = false;
  bool user_defined_in_pieces = false;  // user-defined texts hold U+2581 for spaces (SentencePiece files)

  std::span<const std::string_view> texts;  // by id; empty where ids have gaps
  std::vector<TokenType> types;             // by id
  std::span<const float> scores;            // by id, for kScores
  std::span<const std::string_view> merges;  // "left" + merge_separator + "right", for kMerges
  char merge_separator = ' ';
  std::vector<SpecialFlags> special_flags;  // by id, ascending; only those with a flag set

  std::optional<TokenId> bos;
  std::optional<TokenId> eos;
  std::optional<TokenId> unknown;
  bool adds_bos = false;
  bool adds_eos = false;
  std::vector<TokenId> end_of_generation;

  // What the spans above point into, unless a checkpoint owns it.
  MappedFile file;
  std::vector<std::unique_ptr<char[]>> arenas;
  std::vector<std::string_view> own_texts;
  std::vector<std::string_view> own_merges;
  std::vector<float> own_scores;
};

// Fills in what follows from the texts: tokens that are known to end a generation become control tokens and members of
// end_of_generation (with eos), sorted.
void complete_end_of_generation(Vocabulary* vocabulary);

// Texts that mark whose turn it is ("<|im_start|>", "[INST]"). Some files declare them user-defined, which would match them in any
// text: those are recognised only where control tokens are, and still rendered.
bool is_chat_marker(std::string_view text);

std::unique_ptr<const Tokenizer> make_text_tokenizer(Vocabulary vocabulary);

// One for each kind of file. `file` is moved into the vocabulary on success.
Result<Vocabulary> vocabulary_from_metadata(const Metadata& metadata);
Result<Vocabulary> vocabulary_from_tokenizer_json(MappedFile file);
Result<Vocabulary> vocabulary_from_sentencepiece(MappedFile file);
// pre: name of the pre-tokenizer, or empty to guess from the file's name and size.
Result<Vocabulary> vocabulary_from_tiktoken(MappedFile file, std::string_view pre);
// Applies tokenizer_config.json and generation_config.json where they lie in `folder`.
Status apply_hf_configs(const std::string& folder, Vocabulary* vocabulary);

}  // namespace firesteel
