#include "server/confirm_desk.h"

#include <utility>

namespace firesteel {

ConfirmationId ConfirmDesk::open(Question question) {
  const ConfirmationId id = ConfirmationId::fresh();
  MutexLock lock(mutex_);
  open_.emplace(id, std::move(question));
  return id;
}

void ConfirmDesk::close(const ConfirmationId& id) {
  MutexLock lock(mutex_);
  open_.erase(id);
}

bool ConfirmDesk::has(const TenantId& tenant, const UserId& user, const ConfirmationId& id) {
  MutexLock lock(mutex_);
  const auto found = open_.find(id);
  return found != open_.end() && found->second.tenant == tenant && found->second.user == user;
}

bool ConfirmDesk::answer(const TenantId& tenant, const UserId& user, const ConfirmationId& id, ConfirmWord word) {
  Question question;
  {
    MutexLock lock(mutex_);
    const auto found = open_.find(id);
    if (found == open_.end() || found->second.tenant != tenant || found->second.user != user) return false;
    question = found->second;
  }
  if (!question.answer(word)) return false;
  if (word == ConfirmWord::kAlways && question.always) question.always();
  return true;
}

}  // namespace firesteel
