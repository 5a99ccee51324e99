// Conversations, their messages and feedback. Every operation takes the tenant (and for people's own conversations the user), and
// every statement compares it: a foreign id is not found, exactly as an unknown one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "schema/conversation.h"
#include "schema/ids.h"
#include "store/store.h"

namespace firesteel {

// Whose rows. With an empty user: those of the tenant itself (keys that belong to no user); never "all users".
struct Owner {
  TenantId tenant = {};
  UserId user = {};
};

// Limits: title 512 bytes, settings 64 KiB, content 16 MiB, usage 16 KiB, reason 4 KiB, correction 256 KiB; 10,000 conversations per
// owner; 10,000 messages per conversation: kInvalidArgument, kResourceExhausted.
// Stateless beyond the store, so cheap to make; thread-safe. `now_us`: Unix microseconds.
class Conversations {
 public:
  explicit Conversations(Store& store) : store_(store) {}

  Result<Conversation> create(const Owner& owner, const std::string& title, const std::string& settings, int64_t now_us);
  Result<Conversation> get(const Owner& owner, const ConversationId& id);
  // Pinned ones first, then by last change; `text` (may be empty) is looked for in titles and messages, without case for ASCII.
  Result<std::vector<Conversation>> list(const Owner& owner, const std::string& text, int64_t limit, int64_t offset);
  struct Change {
    std::optional<std::string> title = {};
    std::optional<bool> pinned = {};
    std::optional<std::string> settings = {};
  };
  Result<Conversation> change(const Owner& owner, const ConversationId& id, const Change& change, int64_t now_us);
  Status remove(const Owner& owner, const ConversationId& id);  // with its messages and their feedback

  // `message.id` may be given (then storing the same one again changes nothing) or empty; created_us is set.
  // kNotFound also for a parent that is not in this conversation.
  Result<Message> append(const Owner& owner, const Message& message, int64_t now_us);
  Result<std::vector<Message>> messages(const Owner& owner, const ConversationId& id);  // in the order of creation
  Result<Message> message(const Owner& owner, const MessageId& id);

  // About a message of the owner (kNotFound otherwise), or a request id of the same tenant's usage. One per message and owner:
  // a later one replaces. Without consent reason and correction are not kept.
  Result<Feedback> put_feedback(const Owner& owner, const Feedback& feedback, int64_t now_us);
  // Two answers of the owner to one question (kNotFound, kInvalidArgument otherwise). A later choice between the same two replaces.
  Result<AnswerChoice> put_choice(const Owner& owner, const AnswerChoice& choice, int64_t now_us);
  // About the messages of one conversation.
  Result<std::vector<Feedback>> feedback_of_conversation(const Owner& owner, const ConversationId& id);
  // Of the whole tenant, newest first; the caller checks the scope.
  Result<std::vector<Feedback>> list_feedback(const TenantId& tenant, int64_t limit, int64_t offset);

 private:
  Store& store_;
};

}  // namespace firesteel
