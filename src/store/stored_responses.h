// Finished answers of /v1/responses and the conversations that later requests go on from. Every operation takes the tenant: a foreign
// id is not found, exactly as an unknown one. Which person asked is kept with it, so that it can be erased.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/result.h"
#include "schema/ids.h"
#include "store/conversations.h"
#include "store/store.h"

namespace firesteel {

struct StoredResponse {
  std::string id = {};        // "resp_..."
  std::string response = {};  // JSON, as it was answered
  std::string messages = {};  // JSON, the conversation up to and with this answer
};

// Limits: 64 MiB each; of a tenant the newest 10,000 and 1 GiB stay; after 30 days they are not found, and removed with the next one.
class StoredResponses {
 public:
  static constexpr int64_t kKeptUs = int64_t{30} * 24 * 3600 * 1'000'000;

  explicit StoredResponses(Store& store) : store_(store) {}

  // `done` is called once, from any thread, when it is durable or could not be stored.
  void put_async(const Owner& owner, StoredResponse response, int64_t now_us, std::function<void(Status)> done);
  Result<StoredResponse> get(const TenantId& tenant, const std::string& id, int64_t now_us);
  Status remove(const TenantId& tenant, const std::string& id);

 private:
  Store& store_;
};

}  // namespace firesteel
