#include "data/contamination.h"

#include <algorithm>

#include "data/wording.h"

namespace firesteel {
namespace {

std::vector<uint64_t> ngram_hashes(const std::vector<std::string>& words) {
  std::vector<uint64_t> hashes;
  const size_t n = std::min(kNgramWords, words.size());
  for (size_t i = 0; n > 0 && i + n <= words.size(); ++i) {
    std::string joined;
    for (size_t k = 0; k < n; ++k) joined += words[i + k] + ' ';
    hashes.push_back(stable_hash(joined));
  }
  return hashes;
}

uint64_t whole_hash(const std::vector<std::string>& words) {
  std::string joined;
  for (const std::string& word : words) joined += word + ' ';
  return stable_hash(joined);
}

void sort_unique(std::vector<uint64_t>* hashes) {
  std::sort(hashes->begin(), hashes->end());
  hashes->erase(std::unique(hashes->begin(), hashes->end()), hashes->end());
}

bool holds(const std::vector<uint64_t>& sorted, uint64_t hash) { return std::binary_search(sorted.begin(), sorted.end(), hash); }

}  // namespace

std::vector<std::string> normalised_words(std::string_view text, bool mask_numbers) {
  std::vector<std::string> words;
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  for (size_t i = 0; i < text.size();) {
    std::string word;
    if (is_digit(text[i])) {
      while (i < text.size() && (is_digit(text[i]) || ((text[i] == '.' || text[i] == ',') && i + 1 < text.size() && is_digit(text[i + 1])))) {
        if (text[i] != ',') word += text[i];
        ++i;
      }
      words.push_back(mask_numbers ? "#" : word);
      continue;
    }
    while (i < text.size()) {
      const char c = text[i];
      const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || static_cast<unsigned char>(c) >= 0x80;
      if (!letter) break;
      word += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
      ++i;
    }
    if (word.empty()) {
      ++i;
    } else {
      words.push_back(std::move(word));
    }
  }
  return words;
}

void ContaminationIndex::add(std::string_view text) {
  const std::vector<std::string> words = normalised_words(text);
  for (const uint64_t hash : ngram_hashes(words)) ngrams_.push_back(hash);
  whole_masked_.push_back(whole_hash(words));
  whole_.push_back(whole_hash(normalised_words(text, false)));
  // Sentences repeat: sorting now and then keeps the memory to what differs.
  if (ngrams_.size() > (size_t{1} << 22) && ngrams_.size() > 2 * ngrams_.capacity() / 3) sort_unique(&ngrams_);
}

void ContaminationIndex::finish() {
  sort_unique(&ngrams_);
  sort_unique(&whole_masked_);
  sort_unique(&whole_);
}

Overlap ContaminationIndex::overlap(std::string_view text) const {
  Overlap result;
  const std::vector<std::string> words = normalised_words(text);
  for (const uint64_t hash : ngram_hashes(words)) {
    ++result.n_ngrams;
    if (holds(ngrams_, hash)) ++result.n_shared;
  }
  result.whole_masked = holds(whole_masked_, whole_hash(words));
  result.whole = holds(whole_, whole_hash(normalised_words(text, false)));
  return result;
}

void ContaminationReport::add(const Overlap& overlap, std::string_view text) {
  const double share = overlap.n_ngrams == 0 ? 0 : static_cast<double>(overlap.n_shared) / static_cast<double>(overlap.n_ngrams);
  mean_share = (mean_share * static_cast<double>(n_items) + share) / static_cast<double>(n_items + 1);
  ++n_items;
  if (overlap.n_shared > 0) ++n_any;
  if (overlap.n_ngrams > 0 && overlap.n_shared == overlap.n_ngrams) ++n_all;
  if (overlap.whole_masked) ++n_whole_masked;
  if (!overlap.whole) return;
  ++n_whole;
  if (examples.size() < 5) examples.emplace_back(text);
}

}  // namespace firesteel
