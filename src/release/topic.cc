#include "release/topic.h"

#include <array>
#include <cstddef>
#include <cstdint>

namespace firesteel {
namespace {

constexpr size_t kTextBytes = 4096;
constexpr size_t kPlanes = 6;
static_assert(1 << kPlanes == kTopicBuckets);

}  // namespace

int topic_bucket(std::string_view text) {
  text = text.substr(0, kTextBytes);
  std::array<int, kPlanes> sums{};
  for (size_t i = 0; i < text.size();) {
    uint64_t hash = 0xcbf29ce484222325u;  // FNV-1a
    size_t n = 0;
    for (; i < text.size(); ++i, ++n) {
      const char c = text[i] >= 'A' && text[i] <= 'Z' ? static_cast<char>(text[i] - 'A' + 'a') : text[i];
      const bool letter = (c >= 'a' && c <= 'z') || static_cast<unsigned char>(c) >= 0x80;
      if (!letter) break;
      hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
    }
    if (n < 4) {  // short words are in every text
      if (n == 0) ++i;
      continue;
    }
    hash ^= hash >> 31;
    hash *= 0x9e3779b97f4a7c15u;
    for (size_t plane = 0; plane < kPlanes; ++plane) sums[plane] += (hash >> (40 + plane)) & 1 ? 1 : -1;
  }
  int bucket = 0;
  for (size_t plane = 0; plane < kPlanes; ++plane) bucket |= sums[plane] > 0 ? 1 << plane : 0;
  return bucket;
}

}  // namespace firesteel
