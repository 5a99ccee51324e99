// Calls of tools that wait for a person's word, by the id that the client was told. An id is as hard to guess as a key's, and is good for
// the caller whose request asks, and nobody else.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "api/agents.h"
#include "base/mutex.h"
#include "schema/ids.h"

namespace firesteel {

struct ConfirmationTag { static constexpr std::string_view kPrefix = "conf_"; };
using ConfirmationId = RecordId<ConfirmationTag>;

// Thread-safe.
class ConfirmDesk {
 public:
  struct Question {
    TenantId tenant = {};
    UserId user = {};
    std::function<bool(ConfirmWord)> answer = {};   // false: it waits no longer, or this is no answer to it. May be called on any thread
    std::function<void()> always = {};              // the word was kAlways and was taken; may be empty
  };
  ConfirmationId open(Question question) FS_EXCLUDES(mutex_);
  void close(const ConfirmationId& id) FS_EXCLUDES(mutex_);
  bool has(const TenantId& tenant, const UserId& user, const ConfirmationId& id) FS_EXCLUDES(mutex_);
  // False: there is no such question of this caller's, or it waits no longer.
  bool answer(const TenantId& tenant, const UserId& user, const ConfirmationId& id, ConfirmWord word) FS_EXCLUDES(mutex_);

 private:
  Mutex mutex_;
  std::map<ConfirmationId, Question> open_ FS_GUARDED_BY(mutex_);  // bounded by the calls of running requests: one for each lane
};

}  // namespace firesteel
