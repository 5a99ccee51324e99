#include "dataset/near_duplicates.h"

#include <algorithm>
#include <array>
#include <unordered_map>
#include <utility>

#include "data/contamination.h"
#include "dataset/parallel.h"

namespace firesteel {
namespace {

constexpr size_t kShingleWords = 3;
constexpr size_t kCandidatesMax = 64;  // of one band: a text that a thousand rows share is found through the first of them

uint64_t mix(uint64_t x) {  // SplitMix64's finaliser
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

uint64_t hash_text(std::string_view text) {  // FNV-1a; mixed afterwards
  uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return hash;
}

}  // namespace

std::vector<uint64_t> shingles_of(std::string_view text) {
  const std::vector<std::string> words = normalised_words(text, /*mask_numbers=*/false);
  std::vector<uint64_t> hashes, out;
  hashes.reserve(words.size());
  for (const std::string& word : words) hashes.push_back(hash_text(word));
  const size_t n = std::min(kShingleWords, hashes.size());
  for (size_t i = 0; n > 0 && i + n <= hashes.size(); ++i) {
    uint64_t hash = n;
    for (size_t k = 0; k < n; ++k) hash = mix(hash ^ hashes[i + k]);
    out.push_back(hash);
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

double jaccard(const std::vector<uint64_t>& a, const std::vector<uint64_t>& b) {
  if (a.empty() && b.empty()) return 1;
  size_t i = 0, k = 0, common = 0;
  while (i < a.size() && k < b.size()) {
    if (a[i] == b[k]) {
      ++common;
      ++i;
      ++k;
    } else if (a[i] < b[k]) {
      ++i;
    } else {
      ++k;
    }
  }
  return static_cast<double>(common) / static_cast<double>(a.size() + b.size() - common);
}

std::vector<uint32_t> min_hashes(const std::vector<uint64_t>& shingles) {
  std::vector<uint32_t> out(kMinHashes, UINT32_MAX);
  // One strong hash per shingle, then a multiply-shift hash each: cheap enough to vectorise.
  for (const uint64_t shingle : shingles) {
    const uint64_t strong = mix(shingle);
    for (size_t i = 0; i < kMinHashes; ++i) {
      const uint64_t factor = 0x9e3779b97f4a7c15u * (2 * i + 1) | 1u;
      const auto hash = static_cast<uint32_t>((strong * factor + 0xd1b54a32d192ed03u * i) >> 32);
      out[i] = std::min(out[i], hash);
    }
  }
  return out;
}

std::vector<NearDuplicate> find_near_duplicates(const std::vector<std::string>& texts, double threshold) {
  constexpr size_t kRows = kMinHashes / kMinHashBands;
  std::vector<NearDuplicate> out;
  std::vector<std::vector<uint64_t>> kept_shingles(texts.size());
  std::vector<std::unordered_map<uint64_t, std::vector<uint32_t>>> bands(kMinHashBands);
  std::vector<uint32_t> candidates;
  std::vector<std::vector<uint64_t>> all_shingles(texts.size());
  std::vector<std::array<uint64_t, kMinHashBands>> all_keys(texts.size());
  parallel_rows(texts.size(), [&](size_t begin, size_t end) {
    for (size_t row = begin; row < end; ++row) {
      all_shingles[row] = shingles_of(texts[row]);
      const std::vector<uint32_t> hashes = min_hashes(all_shingles[row]);
      for (size_t band = 0; band < kMinHashBands; ++band) {
        uint64_t key = band;
        for (size_t i = 0; i < kRows; ++i) key = mix(key ^ hashes[band * kRows + i]);
        all_keys[row][band] = key;
      }
    }
  });
  for (size_t row = 0; row < texts.size(); ++row) {
    std::vector<uint64_t> shingles = std::move(all_shingles[row]);
    const std::array<uint64_t, kMinHashBands>& keys = all_keys[row];
    candidates.clear();
    for (size_t band = 0; band < kMinHashBands; ++band) {
      const uint64_t key = keys[band];
      if (const auto found = bands[band].find(key); found != bands[band].end()) candidates.insert(candidates.end(), found->second.begin(), found->second.end());
    }
    std::sort(candidates.begin(), candidates.end());
    candidates.erase(std::unique(candidates.begin(), candidates.end()), candidates.end());
    NearDuplicate best{row, 0, -1};
    for (const uint32_t candidate : candidates) {
      const double similarity = jaccard(shingles, kept_shingles[candidate]);
      if (similarity > best.similarity) best = {row, candidate, similarity};
      if (similarity >= 1) break;
    }
    if (best.similarity >= threshold) {
      out.push_back(best);
      continue;
    }
    kept_shingles[row] = std::move(shingles);
    for (size_t band = 0; band < kMinHashBands; ++band) {
      std::vector<uint32_t>& list = bands[band][keys[band]];
      if (list.size() < kCandidatesMax) list.push_back(static_cast<uint32_t>(row));
    }
  }
  return out;
}

}  // namespace firesteel
