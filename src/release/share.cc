#include "release/share.h"

#include <cstdint>
#include <string>

#include "tenants/crypto.h"

namespace firesteel {

double canary_draw(const ServerSecret::DerivedKey& key, std::string_view rollout, std::string_view user) {
  std::string text = std::to_string(rollout.size()) + ":";
  text.append(rollout).append(user);
  const std::string hash = keyed_hash(key, text);
  uint64_t bits = 0;
  for (int i = 0; i < 8; ++i) bits = bits << 8 | static_cast<uint8_t>(hash[static_cast<size_t>(i)]);
  return static_cast<double>(bits >> 11) * 0x1.0p-53;
}

}  // namespace firesteel
