// How much of a test has been seen in training: n-grams over normalised text.
//
// Normalised: lower case, numbers masked as '#', everything else that is not a letter is a gap. Synthetic problems share sentences by
// construction (only one sentence of a problem need be held out), so the shares say how near the test is, not that it was copied; what
// must be zero is the number of whole texts that were seen with their numbers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace firesteel {

constexpr size_t kNgramWords = 8;

std::vector<std::string> normalised_words(std::string_view text, bool mask_numbers = true);

struct Overlap {
  size_t n_ngrams = 0;     // of the item; a text of fewer words is one n-gram
  size_t n_shared = 0;
  bool whole_masked = false;  // the whole text was seen, numbers masked
  bool whole = false;         // with its numbers
};

class ContaminationIndex {
 public:
  void add(std::string_view text);
  void finish();  // before overlap()
  Overlap overlap(std::string_view text) const;
  size_t n_texts() const { return whole_.size(); }

 private:
  std::vector<uint64_t> ngrams_, whole_masked_, whole_;  // sorted after finish()
};

struct ContaminationReport {
  size_t n_items = 0;
  size_t n_any = 0;           // items with a shared n-gram
  size_t n_all = 0;           // items all of whose n-grams are shared
  size_t n_whole_masked = 0;
  size_t n_whole = 0;
  double mean_share = 0;      // of an item's n-grams, averaged over items
  std::vector<std::string> examples;  // texts seen whole with their numbers, at most 5

  void add(const Overlap& overlap, std::string_view text);
};

}  // namespace firesteel
