#include "engine/speculation.h"

#include <algorithm>
#include <bit>

#include "base/check.h"

namespace firesteel {
namespace {

constexpr double kSmoothing = 0.1;
constexpr double kDebtMax = -1;
constexpr double kBalanceMax = 4;  // a stretch that came true pays for this many guesses that do not
constexpr int64_t kSilenceMax = 1024;
constexpr int64_t kDraftMax = 64;

uint64_t hash_of(std::span<const TokenId> gram) {
  uint64_t hash = 0;
  for (const TokenId id : gram) hash = (hash ^ static_cast<uint32_t>(id)) * 0x9E3779B97F4A7C15u;
  return hash ^ (hash >> 32);
}

}  // namespace

// The table holds positions only; whose run it is shows in the tokens themselves, so two runs of one hash replace each other.
size_t NgramIndex::slot_of(std::span<const TokenId> gram) const { return hash_of(gram) & (ends_.size() - 1); }

void NgramIndex::insert(std::span<const TokenId> tokens, size_t end) {
  ends_[slot_of(tokens.subspan(end - kGram, kGram))] = static_cast<uint32_t>(end);
}

void NgramIndex::extend(std::span<const TokenId> tokens) {
  DCHECK(tokens.size() >= n_indexed_ && tokens.size() < UINT32_MAX);
  if (tokens.size() < kGram) return;
  if (ends_.size() < 2 * tokens.size()) {
    ends_.assign(std::max<size_t>(64, std::bit_ceil(4 * tokens.size())), 0);
    n_indexed_ = 0;
  }
  // A run is worth finding when something follows it.
  for (size_t end = std::max(n_indexed_ + 1, kGram); end < tokens.size(); ++end) insert(tokens, end);
  n_indexed_ = tokens.size() - 1;
}

std::span<const TokenId> NgramIndex::after(std::span<const TokenId> gram, std::span<const TokenId> tokens, size_t n_max) const {
  DCHECK(gram.size() == kGram);
  if (ends_.empty()) return {};
  const size_t end = ends_[slot_of(gram)];
  if (end == 0 || !std::equal(gram.begin(), gram.end(), tokens.begin() + static_cast<ptrdiff_t>(end - kGram))) return {};
  return tokens.subspan(end, std::min(n_max, tokens.size() - end));
}

void SpeculationBudget::note(int64_t n_tokens, int64_t n_drafted, int64_t n_accepted, double row_cost) {
  length_ = n_accepted == n_drafted ? std::min(2 * length_, kDraftMax) : std::max<int64_t>(1, n_accepted + 1);
  balance_ = std::min(kBalanceMax, balance_ + static_cast<double>(n_accepted) - row_cost * static_cast<double>(n_drafted));
  if (n_accepted > 0 && balance_ > 0) silence_ = 32;
  if (balance_ > kDebtMax) return;
  silent_until_ = n_tokens + silence_;
  silence_ = std::min(2 * silence_, kSilenceMax);
  balance_ = kDebtMax / 2;  // less credit at the next try
  length_ = 1;
}

void RowCost::note_plain(int64_t n_decode, int64_t us) {
  double& plain = plain_us_[std::min(static_cast<size_t>(n_decode), kRows - 1)];
  plain = plain == 0 ? static_cast<double>(us) : plain + kSmoothing * (static_cast<double>(us) - plain);
}

void RowCost::note_drafted(int64_t n_decode, int64_t n_drafts, int64_t us) {
  const double plain = plain_us_[std::min(static_cast<size_t>(n_decode), kRows - 1)];
  if (plain <= 0) return;
  const double seen = (static_cast<double>(us) / plain - 1) * static_cast<double>(n_decode) / static_cast<double>(n_drafts);
  cost_ += kSmoothing * (std::clamp(seen, 0.0, 1.0) - cost_);
}

}  // namespace firesteel
