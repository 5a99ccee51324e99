// Byte-pair merging: repeatedly joins the adjacent pair of lowest rank, ties leftmost. Source: Sennrich et al. 2016, arXiv:1508.07909.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

namespace firesteel {

inline constexpr uint32_t kNoRank = UINT32_MAX;

// Buffers kept between pieces.
struct MergeScratch {
  std::vector<uint32_t> starts;  // where each symbol begins, and one more: the end of the text
  std::vector<uint32_t> next;
  std::vector<uint32_t> prev;
  std::vector<uint32_t> ranks;
  std::vector<uint64_t> heap;
};

namespace merge_detail {

inline constexpr size_t kFewSymbols = 48;

// For few symbols: look for the lowest rank again after each merge. Quadratic, and faster than a heap up to here.
template <typename RankOf>
void merge_few(std::vector<uint32_t>* starts, const RankOf& rank_of) {
  std::array<uint32_t, kFewSymbols + 1> at;
  std::array<uint32_t, kFewSymbols> ranks;
  size_t n = starts->size() - 1;
  std::copy(starts->begin(), starts->end(), at.begin());
  const auto pair_rank = [&](size_t i) { return i + 1 < n ? rank_of(at[i], at[i + 1], at[i + 2]) : kNoRank; };
  for (size_t i = 0; i < n; ++i) ranks[i] = pair_rank(i);
  while (n > 1) {
    const size_t best = static_cast<size_t>(std::min_element(ranks.begin(), ranks.begin() + static_cast<ptrdiff_t>(n - 1)) - ranks.begin());
    if (ranks[best] == kNoRank) break;
    std::copy(at.begin() + static_cast<ptrdiff_t>(best + 2), at.begin() + static_cast<ptrdiff_t>(n + 1),
              at.begin() + static_cast<ptrdiff_t>(best + 1));
    std::copy(ranks.begin() + static_cast<ptrdiff_t>(best + 2), ranks.begin() + static_cast<ptrdiff_t>(n),
              ranks.begin() + static_cast<ptrdiff_t>(best + 1));
    --n;
    ranks[best] = pair_rank(best);
    if (best > 0) ranks[best - 1] = pair_rank(best - 1);
  }
  starts->assign(at.begin(), at.begin() + static_cast<ptrdiff_t>(n + 1));
}

// For many: a heap of (rank, symbol). An entry is current when the symbol still has that rank. O(n log n).
template <typename RankOf>
void merge_many(MergeScratch* scratch, const RankOf& rank_of) {
  std::vector<uint32_t>& starts = scratch->starts;
  std::vector<uint32_t>& next = scratch->next;
  std::vector<uint32_t>& prev = scratch->prev;
  std::vector<uint32_t>& ranks = scratch->ranks;
  std::vector<uint64_t>& heap = scratch->heap;
  const uint32_t n = static_cast<uint32_t>(starts.size() - 1);
  next.resize(n);
  prev.resize(n);
  ranks.resize(n);
  heap.clear();
  const auto entry = [&](uint32_t i) { return (uint64_t{ranks[i]} << 32) | i; };
  const auto update = [&](uint32_t i) {
    const uint32_t right = next[i];
    ranks[i] = right < n ? rank_of(starts[i], starts[right], starts[next[right]]) : kNoRank;
  };
  for (uint32_t i = 0; i < n; ++i) {
    next[i] = i + 1;
    prev[i] = i - 1;  // of the first: beyond n
  }
  for (uint32_t i = 0; i < n; ++i) {
    update(i);
    if (ranks[i] != kNoRank) heap.push_back(entry(i));
  }
  std::make_heap(heap.begin(), heap.end(), std::greater<>());
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), std::greater<>());
    const uint64_t top = heap.back();
    heap.pop_back();
    const uint32_t i = static_cast<uint32_t>(top);
    if (ranks[i] != static_cast<uint32_t>(top >> 32)) continue;
    const uint32_t right = next[i];
    next[i] = next[right];
    if (next[i] < n) prev[next[i]] = i;
    ranks[right] = kNoRank;  // gone: its entries in the heap are stale
    for (const uint32_t changed : {i, prev[i]}) {
      if (changed >= n) continue;
      update(changed);
      if (ranks[changed] == kNoRank) continue;
      heap.push_back(entry(changed));
      std::push_heap(heap.begin(), heap.end(), std::greater<>());
    }
  }
  size_t n_left = 0;
  const uint32_t end = starts[n];
  for (uint32_t i = 0; i < n; i = next[i]) starts[n_left++] = starts[i];
  starts[n_left++] = end;
  starts.resize(n_left);
}

}  // namespace merge_detail

// scratch->starts holds the first symbols on entry and the merged ones on return. rank_of(begin, middle, end): rank of joining
// text[begin, middle) with text[middle, end), or kNoRank.
template <typename RankOf>
void merge_pairs(MergeScratch* scratch, const RankOf& rank_of) {
  if (scratch->starts.size() <= 2) return;
  if (scratch->starts.size() <= merge_detail::kFewSymbols + 1) {
    merge_detail::merge_few(&scratch->starts, rank_of);
  } else {
    merge_detail::merge_many(scratch, rank_of);
  }
}

}  // namespace firesteel
