#include "agents/confirmations.h"

#include <algorithm>
#include <chrono>

#include "base/clock.h"

namespace firesteel {
namespace {

constexpr int64_t kLookUs = 50'000;  // at a cancel, which rings no bell

Json about(const char* type, int64_t number, int lane) {
  Json out = Json::Object{{"type", type}, {"confirm", number}};
  if (lane >= 0) out.set("lane", lane);
  return out;
}

}  // namespace

Consent Confirmations::ask(const ConsentQuestion& question, const std::function<void(Json)>& tell) {
  int64_t number = 0;
  {
    MutexLock lock(mutex_);
    if (closed_) return Consent::kTimedOut;
    number = ++last_number_;
    waiting_[number] = {.may_always = question.may_always};
  }
  Json event = about("confirm", number, question.lane);
  event.set("call", Json::Object{{"name", question.call.name}, {"arguments", question.call.arguments.dump()}});
  if (!question.tainted_by.empty()) event.set("tainted_by", question.tainted_by);
  event.set("may_always", question.may_always);
  event.set("timeout_ms", timeout_ms_);
  tell(std::move(event));

  Consent outcome = Consent::kTimedOut;
  // The machine's clock, whatever the run counts on: it is a person who is waited for.
  const int64_t deadline_us = system_clock().now_us() + timeout_ms_ * 1000;
  {
    MutexLock lock(mutex_);
    for (;;) {
      const Waiting& here = waiting_.at(number);
      if (here.word) {
        outcome = *here.word == ConfirmWord::kDeny ? Consent::kDenied : *here.word == ConfirmWord::kAlways ? Consent::kAllowedAlways : Consent::kAllowed;
        break;
      }
      const int64_t left_us = deadline_us - system_clock().now_us();
      if (closed_ || left_us <= 0 || (question.cancelled && question.cancelled())) break;
      static_cast<void>(came_.wait_for(mutex_, std::chrono::microseconds(std::min(left_us, kLookUs))));
    }
    waiting_.erase(number);
  }
  event = about("confirmed", number, question.lane);
  event.set("outcome", consent_name(outcome));
  tell(std::move(event));
  return outcome;
}

bool Confirmations::answer(int64_t number, ConfirmWord word) {
  {
    MutexLock lock(mutex_);
    const auto found = waiting_.find(number);
    if (found == waiting_.end() || found->second.word || (word == ConfirmWord::kAlways && !found->second.may_always)) return false;
    found->second.word = word;
  }
  came_.notify_all();
  return true;
}

void Confirmations::close() {
  {
    MutexLock lock(mutex_);
    closed_ = true;
  }
  came_.notify_all();
}

}  // namespace firesteel
