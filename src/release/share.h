// Who is in the canary: decided by a keyed hash, so that it is the same in every process, at every request, and nobody outside can choose.
#pragma once

#include <string_view>

#include "tenants/server_secret.h"

namespace firesteel {

// Uniform in [0, 1) for (rollout, user). Each rollout draws anew, so the same people are not always first. `user` is whatever stays the
// same for one person: tenant and user id, a key, the "user" field of a request.
double canary_draw(const ServerSecret::DerivedKey& key, std::string_view rollout, std::string_view user);

// Sticky, and monotone: who is in at a small share stays in when it grows.
inline bool in_canary(const ServerSecret::DerivedKey& key, std::string_view rollout, std::string_view user, double share) {
  return canary_draw(key, rollout, user) < share;
}

}  // namespace firesteel
