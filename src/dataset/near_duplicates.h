// Rows that say nearly the same: MinHash finds candidates, exact Jaccard decides.
//
// Source: Broder 1997, "On the resemblance and containment of documents"; banding as in Leskovec, Rajaraman, Ullman, "Mining of Massive Datasets", chapter 3.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace firesteel {

inline constexpr size_t kMinHashes = 128;
inline constexpr size_t kMinHashBands = 32;  // of 4 hashes each: a pair at Jaccard 0.7 is missed with probability (1 - 0.7^4)^32, about 0.00014

// Hashes of the runs of three words (normalised: lower case, no punctuation), sorted, without repeats; a shorter text is one run.
std::vector<uint64_t> shingles_of(std::string_view text);

// Size of the common part over size of all; 1 for two empty sets. Both sorted.
double jaccard(const std::vector<uint64_t>& a, const std::vector<uint64_t>& b);

std::vector<uint32_t> min_hashes(const std::vector<uint64_t>& shingles);  // kMinHashes of them

struct NearDuplicate {
  size_t row = 0;        // to be dropped
  size_t kept = 0;       // the earlier row that it repeats
  double similarity = 0; // exact
};

// Goes through the texts in order and keeps each unless its exact Jaccard similarity with one that was kept is at least `threshold` (0.3..1).
// For every dropped row the answer is exact; a near-duplicate is missed only where no band of the two agrees. Memory: about 8 bytes a word.
std::vector<NearDuplicate> find_near_duplicates(const std::vector<std::string>& texts, double threshold);

}  // namespace firesteel
