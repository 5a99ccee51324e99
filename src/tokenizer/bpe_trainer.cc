#include "tokenizer/bpe_trainer.h"

#include <algorithm>
#include <queue>
#include <utility>

#include "tokenizer/byte_alphabet.h"

namespace firesteel {
namespace {

using Symbol = uint32_t;

std::string stored_text(std::string_view bytes) {
  std::string stored;
  for (const char c : bytes) {
    const ByteLetter& letter = kByteLetters[static_cast<unsigned char>(c)];
    stored.append(letter.utf8, letter.n_bytes);
  }
  return stored;
}

struct Word {
  std::vector<Symbol> symbols;
  uint64_t count = 0;
};

uint64_t key_of(Symbol left, Symbol right) { return uint64_t{left} << 32 | right; }

struct Pair {
  uint64_t count = 0;
  std::vector<uint32_t> words;  // where it occurred; some more than once, some no longer
};

// Most frequent first, then the pair of lowest ids.
struct Candidate {
  uint64_t count;
  uint64_t key;
  bool operator<(const Candidate& other) const { return count != other.count ? count < other.count : key > other.key; }
};

// The words as symbols, and all pairs of them with their counts, kept up to date while pairs are joined.
class PairTable {
 public:
  explicit PairTable(std::vector<Word> words) : words_(std::move(words)) {
    for (uint32_t i = 0; i < words_.size(); ++i) {
      const std::vector<Symbol>& symbols = words_[i].symbols;
      for (size_t at = 0; at + 1 < symbols.size(); ++at) {
        Pair& pair = pairs_[key_of(symbols[at], symbols[at + 1])];
        pair.count += words_[i].count;
        if (pair.words.empty() || pair.words.back() != i) pair.words.push_back(i);
      }
    }
    std::vector<Candidate> all;
    all.reserve(pairs_.size());
    for (const auto& [key, pair] : pairs_) all.push_back({pair.count, key});
    heap_ = std::priority_queue<Candidate>(all.begin(), all.end());
  }

  // The pair to join next; false when none occurs twice.
  bool best(uint64_t* key) {
    while (!heap_.empty()) {
      const Candidate top = heap_.top();
      heap_.pop();
      const uint64_t now = pairs_[top.key].count;
      if (now == top.count && now >= 2) {
        *key = top.key;
        return true;
      }
      if (now >= 2 && now < top.count) heap_.push({now, top.key});  // it grew rarer; where it grew, it was pushed then
    }
    return false;
  }

  void join(uint64_t key, Symbol joined) {
    const auto left = static_cast<Symbol>(key >> 32);
    const auto right = static_cast<Symbol>(key);
    const std::vector<uint32_t> places = std::move(pairs_[key].words);
    grown_.clear();
    for (const uint32_t i : places) join_in_word(i, left, right, joined);
    pairs_.erase(key);
    std::sort(grown_.begin(), grown_.end());
    grown_.erase(std::unique(grown_.begin(), grown_.end()), grown_.end());
    for (const uint64_t changed : grown_) heap_.push({pairs_[changed].count, changed});
  }

 private:
  void join_in_word(uint32_t i, Symbol left, Symbol right, Symbol joined) {
    Word& word = words_[i];
    std::vector<Symbol>& symbols = word.symbols;
    for (size_t at = 0; at + 1 < symbols.size(); ++at) {
      if (symbols[at] != left || symbols[at + 1] != right) continue;
      if (at > 0) {
        pairs_[key_of(symbols[at - 1], left)].count -= word.count;
        grow(key_of(symbols[at - 1], joined), i);
      }
      if (at + 2 < symbols.size()) {
        pairs_[key_of(right, symbols[at + 2])].count -= word.count;
        grow(key_of(joined, symbols[at + 2]), i);
      }
      pairs_[key_of(left, right)].count -= word.count;
      symbols[at] = joined;
      symbols.erase(symbols.begin() + static_cast<ptrdiff_t>(at) + 1);
    }
  }

  void grow(uint64_t key, uint32_t i) {
    Pair& pair = pairs_[key];
    pair.count += words_[i].count;
    if (pair.words.empty() || pair.words.back() != i) pair.words.push_back(i);
    grown_.push_back(key);
  }

  std::vector<Word> words_;
  std::unordered_map<uint64_t, Pair> pairs_;
  std::priority_queue<Candidate> heap_;
  std::vector<uint64_t> grown_;
};

}  // namespace

Result<BpeTrainer> BpeTrainer::create(std::string_view pre, std::vector<SpecialToken> specials) {
  BpeTrainer trainer;
  trainer.pre_ = pretokenizer_by_name(pre);
  if (trainer.pre_.name != pre || !trainer.pre_.warning.empty()) return Error{ErrorCode::kInvalidArgument, "pre-tokenizer \"" + std::string(pre) + "\" is not known"};
  for (size_t i = 0; i < specials.size(); ++i) {
    if (specials[i].text.empty()) return Error{ErrorCode::kInvalidArgument, "a special token is empty"};
    for (size_t j = 0; j < i; ++j) {
      if (specials[j].text == specials[i].text) {
        return Error{ErrorCode::kInvalidArgument, "special token \"" + specials[i].text + "\" is there twice"};
      }
    }
  }
  trainer.specials_ = std::move(specials);
  return trainer;
}

void BpeTrainer::add(std::string_view text, uint64_t weight) {
  size_t begin = 0;
  for (size_t at = 0; at < text.size();) {
    size_t n_special = 0;
    for (const SpecialToken& special : specials_) {
      if (special.text[0] == text[at] && special.text.size() > n_special && text.substr(at).starts_with(special.text)) {
        n_special = special.text.size();
      }
    }
    if (n_special == 0) {
      ++at;
      continue;
    }
    add_words(text.substr(begin, at - begin), weight);
    begin = at += n_special;
  }
  add_words(text.substr(begin), weight);
}

void BpeTrainer::add_words(std::string_view text, uint64_t weight) {
  std::string word;
  split_pieces(pre_, text, [&](std::string_view piece) {
    word.assign(piece);
    words_[word] += weight;
    n_pieces_ += weight;
  });
}

Result<TrainedVocabulary> BpeTrainer::train(size_t n_tokens) const {
  const size_t n_least = 256 + specials_.size();
  if (n_tokens < n_least || n_tokens > (1u << 24)) {
    return Error{ErrorCode::kInvalidArgument, "vocabulary: expected at least " + std::to_string(n_least) +
                                                  " tokens (bytes and special tokens), found " + std::to_string(n_tokens)};
  }
  std::vector<std::pair<std::string_view, uint64_t>> sorted(words_.begin(), words_.end());
  std::sort(sorted.begin(), sorted.end());
  std::vector<Word> words;
  words.reserve(sorted.size());
  for (const auto& [text, count] : sorted) {
    if (text.size() < 2 || count == 0) continue;
    Word& word = words.emplace_back();
    word.count = count;
    for (const char c : text) word.symbols.push_back(static_cast<unsigned char>(c));
  }

  TrainedVocabulary vocabulary;
  vocabulary.pre = pre_.name;
  for (unsigned byte = 0; byte < 256; ++byte) {
    const char raw = static_cast<char>(byte);
    vocabulary.tokens.push_back(stored_text({&raw, 1}));
  }
  PairTable pairs(std::move(words));
  std::unordered_map<std::string, Symbol> known;  // a text may come about in several ways, but is one token
  uint64_t key = 0;
  while (vocabulary.tokens.size() + specials_.size() < n_tokens && pairs.best(&key)) {
    const std::string& left = vocabulary.tokens[key >> 32];
    const std::string& right = vocabulary.tokens[static_cast<Symbol>(key)];
    vocabulary.merges.push_back(left + " " + right);
    const auto [place, is_new] = known.emplace(left + right, static_cast<Symbol>(vocabulary.tokens.size()));
    if (is_new) vocabulary.tokens.push_back(place->first);
    pairs.join(key, place->second);
  }
  vocabulary.types.assign(vocabulary.tokens.size(), TokenType::kNormal);
  for (const SpecialToken& special : specials_) {
    vocabulary.tokens.push_back(special.text);
    vocabulary.types.push_back(special.type);
  }
  return vocabulary;
}

Metadata TrainedVocabulary::metadata() const {
  Metadata metadata;
  metadata.add("tokenizer.ggml.model", std::string_view("gpt2"));
  metadata.add("tokenizer.ggml.pre", std::string_view(pre));
  metadata.add("tokenizer.ggml.tokens", std::vector<std::string_view>(tokens.begin(), tokens.end()));
  std::vector<int64_t> numbers;
  for (const TokenType type : types) {
    numbers.push_back(type == TokenType::kControl ? 3 : type == TokenType::kUserDefined ? 4 : 1);  // GGUF's numbers
  }
  metadata.add("tokenizer.ggml.token_type", std::move(numbers));
  metadata.add("tokenizer.ggml.merges", std::vector<std::string_view>(merges.begin(), merges.end()));
  const std::pair<const char*, const std::string*> named[] = {
      {"tokenizer.ggml.bos_token_id", &begin}, {"tokenizer.ggml.eos_token_id", &end}, {"tokenizer.ggml.padding_token_id", &padding}};
  for (const auto& [name, text] : named) {
    const auto at = std::find(tokens.begin(), tokens.end(), *text);
    if (!text->empty() && at != tokens.end()) metadata.add(name, int64_t{at - tokens.begin()});
  }
  metadata.add("tokenizer.ggml.add_bos_token", false);
  metadata.add("tokenizer.ggml.add_eos_token", false);
  return metadata;
}

}  // namespace firesteel
