#include "server/response_records.h"

#include <optional>
#include <string>
#include <utility>

#include "base/clock.h"
#include "store/stored_responses.h"

namespace firesteel {
namespace {

// put() and commit() come from the one thread that has the reply, so there is nothing to guard.
class ResponseRecords final : public ResponseStore {
 public:
  ResponseRecords(Store* store, Owner owner) : records_(*store), owner_(std::move(owner)) {}

  Result<Stored> find(const std::string& id) override {
    FS_TRY(const StoredResponse found, records_.get(owner_.tenant, id, wall_clock().now_us()));
    Stored stored;
    FS_TRY(stored.response, Json::parse(found.response));
    FS_TRY(stored.messages, Json::parse(found.messages));
    return stored;
  }
  void put(const std::string& id, Stored stored) override { pending_ = StoredResponse{id, stored.response.dump(), stored.messages.dump()}; }
  void commit(std::function<void(Status)> done) override {
    if (!pending_) return done({});
    records_.put_async(owner_, *std::exchange(pending_, std::nullopt), wall_clock().now_us(), std::move(done));
  }
  Status erase(const std::string& id) override { return records_.remove(owner_.tenant, id); }

 private:
  StoredResponses records_;
  const Owner owner_;
  std::optional<StoredResponse> pending_;
};

}  // namespace

std::shared_ptr<ResponseStore> make_response_records(Store* store, const Owner& owner) { return std::make_shared<ResponseRecords>(store, owner); }

}  // namespace firesteel
