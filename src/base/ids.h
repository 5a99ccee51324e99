// Strong types where two integers could be swapped. Plain aggregates: compare and hash by value.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>

namespace firesteel {

using TokenId = int32_t;  // index into the vocabulary, >= 0; plain because it is arithmetic everywhere

template <typename Tag, typename Int>
struct StrongId {
  Int value{};
  auto operator<=>(const StrongId&) const = default;
};

using SeqId = StrongId<struct SeqTag, uint64_t>;          // one sequence in the engine
using RequestId = StrongId<struct RequestTag, uint64_t>;  // one accepted request
using KvBlockId = StrongId<struct KvBlockTag, uint32_t>;  // one block of the KV pool
using FlowId = StrongId<struct FlowTag, uint64_t>;        // fairness flow: a tenant's number, to the engine opaque

// Name of an isolated cache: 128 bits derived by the caller from the tenant's identity (keyed hash). The engine only compares.
struct CacheNamespace {
  uint64_t high = 0;
  uint64_t low = 0;
  auto operator<=>(const CacheNamespace&) const = default;
};

}  // namespace firesteel

template <typename Tag, typename Int>
struct std::hash<firesteel::StrongId<Tag, Int>> {
  size_t operator()(firesteel::StrongId<Tag, Int> id) const { return std::hash<Int>{}(id.value); }
};
