// Encoding and decoding for every kind of vocabulary (vocabulary.h): cut at special tokens, cut into pieces, merge, look up.
#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstring>
#include <mutex>

#include "base/utf8.h"
#include "tokenizer/byte_alphabet.h"
#include "tokenizer/char_class.h"
#include "tokenizer/merge.h"
#include "tokenizer/special_index.h"
#include "tokenizer/text_index.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/vocabulary.h"

namespace firesteel {
namespace {

constexpr std::string_view kSpaceMark = "\xE2\x96\x81";  // U+2581, SentencePiece's visible space
constexpr size_t kTextBytesMax = 64u << 20;
constexpr TokenId kNoToken = -1;

// Order-preserving map of scores to ranks: the highest score is the lowest rank. NaN goes last.
uint32_t rank_of_score(float score) {
  if (!(score == score)) return kNoRank - 1;
  const uint32_t bits = std::bit_cast<uint32_t>(score == 0.0f ? 0.0f : score);  // -0 and 0 are equal
  const uint32_t ascending = (bits >> 31) != 0 ? ~bits : bits | 0x80000000u;
  return std::min(~ascending, kNoRank - 1);
}

// Value of "<0x0A>", -1 when the text is something else.
int byte_of_text(std::string_view text) {
  if (text.size() != 6 || !text.starts_with("<0x") || text[5] != '>') return -1;
  int value = 0;
  for (const char c : text.substr(3, 2)) {
    const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

bool is_ascii_space(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x80 && (kAsciiClass[byte] & kSpace) != 0;
}

// What one encode() call works with.
struct Work {
  std::vector<TokenId>* ids = nullptr;
  MergeScratch merge;
  std::string normalised;
  std::vector<char> letters;
  bool last_was_unknown = false;  // a run of unknown characters is one unknown token
};

class TextTokenizer final : public Tokenizer {
 public:
  explicit TextTokenizer(Vocabulary vocabulary) : v_(std::move(vocabulary)) {}

  Status encode(std::string_view text, const EncodeOptions& options, std::vector<TokenId>* ids) const override {
    const EncodePart part{text, options.parse_special};
    return encode_parts({&part, 1}, options.add_special, ids);
  }
  Status encode_parts(std::span<const EncodePart> parts, bool add_special, std::vector<TokenId>* ids) const override;
  void prepare() const override {
    (void)vocab();
    if (v_.ranking == Ranking::kMerges) (void)merges();
    (void)specials();
  }

  void append_piece(TokenId id, bool render_special, std::string* out) const override;
  std::string decode(std::span<const TokenId> ids, bool render_special) const override;

  int64_t n_vocab() const override { return static_cast<int64_t>(v_.texts.size()); }
  TokenType type(TokenId id) const override { return in_range(id) ? v_.types[static_cast<size_t>(id)] : TokenType::kUnused; }
  std::string_view text(TokenId id) const override { return in_range(id) ? v_.texts[static_cast<size_t>(id)] : std::string_view(); }
  std::optional<TokenId> find(std::string_view stored_text) const override;

  std::optional<TokenId> bos() const override { return v_.bos; }
  std::optional<TokenId> eos() const override { return v_.eos; }
  bool adds_bos() const override { return v_.adds_bos && v_.bos.has_value(); }
  bool is_end_of_generation(TokenId id) const override {
    return std::binary_search(v_.end_of_generation.begin(), v_.end_of_generation.end(), id);
  }
  std::string_view kind() const override { return v_.kind; }
  std::string_view warning() const override { return v_.warning; }

 private:
  struct VocabTables {
    TextIndex index;
    std::array<TokenId, 256> byte_ids;  // kNoToken where there is none
    // What is known of the token's own text: 0 nothing, 1 it merges to this token alone, 2 it does not.
    std::unique_ptr<std::atomic<uint8_t>[]> merges_to_itself;
    bool words_are_separate = false;  // SentencePiece: no token has a space behind something else, so merges stay inside words
  };

  bool in_range(TokenId id) const { return id >= 0 && static_cast<size_t>(id) < v_.texts.size(); }
  bool is_text_token(TokenId id) const {
    const TokenType t = v_.types[static_cast<size_t>(id)];
    return t == TokenType::kNormal || (t == TokenType::kUserDefined && !is_chat_marker(v_.texts[static_cast<size_t>(id)]));
  }
  // The token that user text may become, kNoToken when there is none.
  TokenId look_up(const VocabTables& tables, std::string_view stored) const {
    const uint32_t found = tables.index.find(stored);
    if (found == TextIndex::kNone) return kNoToken;
    const auto id = static_cast<TokenId>(found);
    return is_text_token(id) ? id : kNoToken;
  }

  const VocabTables& vocab() const;
  const TextIndex& merges() const;
  const SpecialIndex& specials() const;

  void encode_fragment(std::string_view text, bool prefix, Work* work) const;
  void encode_piece(const VocabTables& tables, std::string_view stored, Work* work) const;
  void merge(const VocabTables& tables, std::string_view stored, MergeScratch* scratch) const;
  void append_unmatched(const VocabTables& tables, std::string_view stored, Work* work) const;

  Vocabulary v_;
  mutable std::once_flag vocab_once_;
  mutable std::once_flag merges_once_;
  mutable std::once_flag specials_once_;
  mutable VocabTables vocab_;
  mutable TextIndex merges_;
  mutable SpecialIndex specials_;
};

const TextTokenizer::VocabTables& TextTokenizer::vocab() const {
  std::call_once(vocab_once_, [this] {
    vocab_.index.build(v_.texts, kTokenBytesMax);
    for (unsigned byte = 0; byte < 256; ++byte) {
      TokenId id = kNoToken;
      if (v_.alphabet == Alphabet::kSentencePiece) {
        constexpr std::string_view kHex = "0123456789ABCDEF";
        const char text[] = {'<', '0', 'x', kHex[byte >> 4], kHex[byte & 15], '>'};
        const uint32_t found = vocab_.index.find({text, sizeof(text)});
        if (found != TextIndex::kNone && v_.types[found] == TokenType::kByte) id = static_cast<TokenId>(found);
      } else if (v_.alphabet == Alphabet::kByteLevel) {
        id = look_up(vocab_, {kByteLetters[byte].utf8, kByteLetters[byte].n_bytes});
      } else {
        const char raw = static_cast<char>(byte);
        id = look_up(vocab_, {&raw, 1});
      }
      vocab_.byte_ids[byte] = id;
    }
    vocab_.merges_to_itself.reset(new std::atomic<uint8_t>[v_.texts.size()]());
    if (v_.alphabet == Alphabet::kSentencePiece) {
      vocab_.words_are_separate = true;
      for (size_t i = 0; i < v_.texts.size() && vocab_.words_are_separate; ++i) {
        if (!is_text_token(static_cast<TokenId>(i))) continue;
        std::string_view text = v_.texts[i];
        while (text.starts_with(kSpaceMark)) text.remove_prefix(kSpaceMark.size());
        vocab_.words_are_separate = text.find(kSpaceMark) == std::string_view::npos;
      }
    }
  });
  return vocab_;
}

const TextIndex& TextTokenizer::merges() const {
  std::call_once(merges_once_, [this] { merges_.build(v_.merges, kTokenBytesMax + 1); });
  return merges_;
}

const SpecialIndex& TextTokenizer::specials() const {
  std::call_once(specials_once_, [this] { specials_.build(v_); });
  return specials_;
}

std::optional<TokenId> TextTokenizer::find(std::string_view stored_text) const {
  // Special tokens are what is asked for at start-up; they have a small index of their own.
  if (const auto id = specials().find_exact(stored_text); id && text(*id) == stored_text) return id;
  const uint32_t found = vocab().index.find(stored_text);
  if (found == TextIndex::kNone) return std::nullopt;
  return static_cast<TokenId>(found);
}

Status TextTokenizer::encode_parts(std::span<const EncodePart> parts, bool add_special, std::vector<TokenId>* ids) const {
  struct Run {
    size_t end;
    bool parse_special;
  };
  std::string joined;
  std::vector<Run> runs;
  size_t n_bytes = 0;
  for (const EncodePart& part : parts) {
    n_bytes += part.text.size();
    if (n_bytes > kTextBytesMax) {
      return Error{ErrorCode::kResourceExhausted, "text to tokenise is longer than " + std::to_string(kTextBytesMax) + " bytes"};
    }
    if (!runs.empty() && runs.back().parse_special == part.parse_special) {
      runs.back().end = n_bytes;
    } else {
      runs.push_back({n_bytes, part.parse_special});
    }
  }
  std::string_view text;
  if (parts.size() == 1) {
    text = parts[0].text;
  } else {
    joined.reserve(n_bytes);
    for (const EncodePart& part : parts) joined += part.text;
    text = joined;
  }

  const size_t n_ids_before = ids->size();
  if (add_special && adds_bos()) ids->push_back(*v_.bos);
  Work work;
  work.ids = ids;
  const SpecialIndex& special = specials();
  size_t fragment = 0;  // where the text since the last special token begins
  size_t at = 0;
  const auto flush = [&](size_t end) {
    if (end <= fragment) return;
    const bool prefix = v_.space_prefix == SpacePrefix::kAlways || (v_.space_prefix == SpacePrefix::kFirst && fragment == 0);
    encode_fragment(text.substr(fragment, end - fragment), prefix, &work);
  };
  for (const Run& run : runs) {
    while (at < run.end) {
      const auto match = special.find(text, at, run.end, run.parse_special ? run.end : 0);
      if (!match) break;
      size_t end = match->begin;
      const SpecialFlags& flags = match->entry->flags;
      if (flags.strip_left) {
        while (end > fragment && is_ascii_space(text[end - 1])) --end;
      }
      flush(end);
      // A text that spells BOS itself needs no second one.
      if (!(add_special && adds_bos() && ids->size() == n_ids_before + 1 && flags.id == *v_.bos)) ids->push_back(flags.id);
      work.last_was_unknown = false;
      at = match->end;
      if (flags.strip_right) {
        while (at < text.size() && is_ascii_space(text[at])) ++at;
      }
      fragment = at;
    }
    at = std::max(at, run.end);
  }
  flush(text.size());
  if (add_special && v_.adds_eos && v_.eos) ids->push_back(*v_.eos);
  return {};
}

void TextTokenizer::encode_fragment(std::string_view text, bool prefix, Work* work) const {
  const VocabTables& tables = vocab();
  work->last_was_unknown = false;
  if (v_.alphabet == Alphabet::kRawBytes) {
    split_pieces(v_.pre, text, [&](std::string_view piece) { encode_piece(tables, piece, work); });
    return;
  }
  if (v_.alphabet == Alphabet::kByteLevel) {
    split_pieces(v_.pre, text, [&](std::string_view piece) {
      if (work->letters.size() < piece.size() * 2) work->letters.resize(piece.size() * 2);
      char* out = work->letters.data();
      for (const char c : piece) {
        const ByteLetter& letter = kByteLetters[static_cast<unsigned char>(c)];
        std::memcpy(out, letter.utf8, 2);  // room for two even where one counts
        out += letter.n_bytes;
      }
      encode_piece(tables, {work->letters.data(), static_cast<size_t>(out - work->letters.data())}, work);
    });
    return;
  }

  std::string& normal = work->normalised;
  normal.clear();
  if (v_.remove_extra_spaces) {
    while (text.starts_with(' ')) text.remove_prefix(1);
    while (text.ends_with(' ')) text.remove_suffix(1);
    if (text.empty()) return;
  }
  if (prefix && !(v_.prefix_unless_spaced && (text.starts_with(' ') || text.starts_with(kSpaceMark)))) normal += kSpaceMark;
  for (size_t i = 0; i < text.size();) {
    if (text[i] == ' ') {
      if (!(v_.remove_extra_spaces && text[i - 1] == ' ')) normal += kSpaceMark;
      ++i;
      continue;
    }
    const size_t stop = std::min(text.find(' ', i), text.size());
    normal.append(text, i, stop - i);
    i = stop;
  }
  if (!tables.words_are_separate && !v_.split_at_spaces) {
    encode_piece(tables, normal, work);
    return;
  }
  std::string_view rest = normal;
  while (!rest.empty()) {
    size_t end = 0;
    while (rest.substr(end).starts_with(kSpaceMark)) {
      end += kSpaceMark.size();
      if (v_.split_at_spaces) break;
    }
    end = std::min(rest.find(kSpaceMark, end), rest.size());
    encode_piece(tables, rest.substr(0, end), work);
    rest.remove_prefix(end);
  }
}

void TextTokenizer::encode_piece(const VocabTables& tables, std::string_view stored, Work* work) const {
  const TokenId whole = look_up(tables, stored);
  std::atomic<uint8_t>* known = nullptr;
  if (whole != kNoToken) {
    known = &tables.merges_to_itself[static_cast<size_t>(whole)];
    if (v_.ignore_merges || known->load(std::memory_order_relaxed) == 1) {
      work->ids->push_back(whole);
      work->last_was_unknown = false;
      return;
    }
  }
  std::vector<uint32_t>& starts = work->merge.starts;
  merge(tables, stored, &work->merge);
  // Nearly every token that is in use merges to itself. Knowing which makes common words a single look-up.
  if (known != nullptr && known->load(std::memory_order_relaxed) == 0) {
    known->store(starts.size() == 2 ? 1 : 2, std::memory_order_relaxed);
  }
  for (size_t i = 0; i + 1 < starts.size(); ++i) {
    const std::string_view symbol = stored.substr(starts[i], starts[i + 1] - starts[i]);
    const TokenId id = look_up(tables, symbol);
    if (id == kNoToken) {
      append_unmatched(tables, symbol, work);
    } else {
      work->ids->push_back(id);
      work->last_was_unknown = false;
    }
  }
}

void TextTokenizer::merge(const VocabTables& tables, std::string_view stored, MergeScratch* scratch) const {
  std::vector<uint32_t>& starts = scratch->starts;
  starts.clear();
  const char* end = stored.data() + stored.size();
  for (size_t i = 0; i < stored.size();) {
    starts.push_back(static_cast<uint32_t>(i));
    const bool one_byte = v_.alphabet == Alphabet::kRawBytes || static_cast<unsigned char>(stored[i]) < 0x80;
    i += one_byte ? 1 : decode_utf8({stored.data() + i, static_cast<size_t>(end - stored.data()) - i}, 0).n_bytes;
  }
  starts.push_back(static_cast<uint32_t>(stored.size()));

  const char* text = stored.data();
  switch (v_.ranking) {
    case Ranking::kMerges: {
      const TextIndex& index = merges();
      const size_t longest = index.longest();
      char key[kTokenBytesMax + 1];
      merge_pairs(scratch, [&](uint32_t a, uint32_t b, uint32_t c) {
        const size_t n = c - a + 1;
        if (n > longest) return kNoRank;
        std::memcpy(key, text + a, b - a);
        key[b - a] = v_.merge_separator;
        std::memcpy(key + (b - a) + 1, text + b, c - b);
        return index.find({key, n});  // kNone is kNoRank
      });
      static_assert(TextIndex::kNone == kNoRank);
      return;
    }
    case Ranking::kScores:
      merge_pairs(scratch, [&](uint32_t a, uint32_t, uint32_t c) {
        const TokenId id = look_up(tables, {text + a, c - a});
        return id == kNoToken ? kNoRank : rank_of_score(v_.scores[static_cast<size_t>(id)]);
      });
      return;
    case Ranking::kIds:
      merge_pairs(scratch, [&](uint32_t a, uint32_t, uint32_t c) {
        const TokenId id = look_up(tables, {text + a, c - a});
        return id == kNoToken ? kNoRank : static_cast<uint32_t>(id);
      });
      return;
  }
}

// Bytes of a symbol that is no token; a byte without a token of its own is unknown.
void TextTokenizer::append_unmatched(const VocabTables& tables, std::string_view stored, Work* work) const {
  const auto append = [&](unsigned char byte) {
    const TokenId id = tables.byte_ids[byte];
    if (id != kNoToken) {
      work->ids->push_back(id);
      work->last_was_unknown = false;
    } else if (v_.unknown && !work->last_was_unknown) {
      work->ids->push_back(*v_.unknown);
      work->last_was_unknown = true;
    }
  };
  if (v_.alphabet != Alphabet::kByteLevel) {
    for (const char c : stored) append(static_cast<unsigned char>(c));
    return;
  }
  for (size_t i = 0; i < stored.size();) {
    const Utf8Char c = decode_utf8(stored, i);  // always a letter of the alphabet: encode_fragment wrote it
    append(static_cast<unsigned char>(kLetterBytes[c.code_point]));
    i += c.n_bytes;
  }
}

void TextTokenizer::append_piece(TokenId id, bool render_special, std::string* out) const {
  if (!in_range(id)) return;
  const std::string_view text = v_.texts[static_cast<size_t>(id)];
  switch (v_.types[static_cast<size_t>(id)]) {
    case TokenType::kUnknown:
    case TokenType::kControl:
      if (render_special) *out += text;
      return;
    case TokenType::kByte:
      if (const int byte = byte_of_text(text); byte >= 0) out->push_back(static_cast<char>(byte));
      return;
    case TokenType::kUserDefined:
      if (v_.alphabet != Alphabet::kSentencePiece) {
        *out += text;
        return;
      }
      break;
    case TokenType::kNormal:
    case TokenType::kUnused: break;
  }
  if (v_.alphabet == Alphabet::kRawBytes) {
    *out += text;
    return;
  }
  for (size_t i = 0; i < text.size();) {
    if (v_.alphabet == Alphabet::kSentencePiece) {
      const size_t mark = std::min(text.find(kSpaceMark, i), text.size());
      out->append(text, i, mark - i);
      if (mark < text.size()) out->push_back(' ');
      i = mark + kSpaceMark.size();
      continue;
    }
    const Utf8Char c = decode_utf8(text, i);
    const int byte = c.valid && c.code_point < kLetterBytes.size() ? kLetterBytes[c.code_point] : -1;
    if (byte >= 0) {
      out->push_back(static_cast<char>(byte));
    } else {
      out->append(text, i, c.n_bytes);  // not of the alphabet: some files store added tokens as they are
    }
    i += c.n_bytes;
  }
}

std::string TextTokenizer::decode(std::span<const TokenId> ids, bool render_special) const {
  std::string out;
  bool at_start = v_.space_prefix != SpacePrefix::kNone;
  for (const TokenId id : ids) {
    const size_t before = out.size();
    append_piece(id, render_special, &out);
    const TokenType t = type(id);
    if (!at_start || out.size() == before || t == TokenType::kControl || t == TokenType::kUnknown) continue;
    if (out[before] == ' ') out.erase(before, 1);
    at_start = false;
  }
  return out;
}

}  // namespace

std::unique_ptr<const Tokenizer> make_text_tokenizer(Vocabulary vocabulary) {
  // Unknown characters become the unknown token, in user text too, so it must not mean anything else. Some files name EOS here.
  if (std::optional<TokenId>& unknown = vocabulary.unknown) {
    const std::vector<TokenId>& ends = vocabulary.end_of_generation;
    if (unknown == vocabulary.bos || unknown == vocabulary.eos || std::binary_search(ends.begin(), ends.end(), *unknown)) {
      unknown.reset();
    } else {
      vocabulary.types[static_cast<size_t>(*unknown)] = TokenType::kUnknown;
    }
  }
  return std::make_unique<TextTokenizer>(std::move(vocabulary));
}

}  // namespace firesteel
