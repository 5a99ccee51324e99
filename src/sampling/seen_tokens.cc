#include "sampling/seen_tokens.h"

namespace firesteel {
namespace {

size_t slot_of(TokenId id, size_t n_slots) {
  const uint64_t hash = uint64_t{static_cast<uint32_t>(id)} * 0x9E3779B97F4A7C15u;
  return (hash >> 32) & (n_slots - 1);
}

}  // namespace

size_t SeenTokens::find_or_add(TokenId id) {
  if (2 * (entries_.size() + 1) > slots_.size()) grow();
  size_t slot = slot_of(id, slots_.size());
  while (slots_[slot] != 0) {
    const size_t index = slots_[slot] - 1;
    if (entries_[index].id == id) return index;
    slot = (slot + 1) & (slots_.size() - 1);
  }
  entries_.push_back({id, 0});
  slots_[slot] = static_cast<uint32_t>(entries_.size());
  return entries_.size() - 1;
}

void SeenTokens::grow() {
  const size_t n_slots = slots_.empty() ? 64 : slots_.size() * 2;
  slots_.assign(n_slots, 0);
  for (size_t i = 0; i < entries_.size(); ++i) {
    size_t slot = slot_of(entries_[i].id, n_slots);
    while (slots_[slot] != 0) slot = (slot + 1) & (n_slots - 1);
    slots_[slot] = static_cast<uint32_t>(i + 1);
  }
}

}  // namespace firesteel
