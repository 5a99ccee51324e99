#include "store/conversations.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/utf8.h"

namespace firesteel {
namespace {

constexpr size_t kTitleBytes = 512;
constexpr size_t kSettingsBytes = 64 << 10;
constexpr size_t kContentBytes = 16 << 20;  // with pictures, as data URIs
constexpr size_t kUsageBytes = 16 << 10;
constexpr size_t kReasonBytes = 4 << 10;
constexpr size_t kCorrectionBytes = 256 << 10;
constexpr int64_t kConversationsMax = 10'000;
constexpr int64_t kMessagesMax = 10'000;
constexpr int64_t kListMax = 1'000;

Status check_text(const char* what, const std::string& text, size_t max_bytes) {
  if (text.size() > max_bytes) {
    return Error{ErrorCode::kInvalidArgument, fmt::format("{} has {} bytes, at most {} are allowed", what, text.size(), max_bytes)};
  }
  if (!is_valid_utf8(text) || text.find('\0') != std::string::npos) {
    return Error{ErrorCode::kInvalidArgument, fmt::format("{} is not UTF-8 text without null characters", what)};
  }
  return {};
}

Error not_found(const char* what) { return Error{ErrorCode::kNotFound, fmt::format("no such {}", what)}; }

// Ids come out of our own rows; one that is not well formed reads as empty.
template <typename Id>
Id id_of(const std::string& text) { return Id::parse(text).value_or(Id()); }

Conversation conversation_of(const Row& row) {
  return {.id = id_of<ConversationId>(row.text(0)), .tenant = id_of<TenantId>(row.text(1)), .user = id_of<UserId>(row.text(2)),
          .title = row.text(3), .pinned = row.integer(4) != 0, .settings = row.text(5), .created_us = row.integer(6), .updated_us = row.integer(7)};
}

Message message_of(const Row& row) {
  return {.id = id_of<MessageId>(row.text(0)), .conversation = id_of<ConversationId>(row.text(1)), .parent = id_of<MessageId>(row.text(2)),
          .role = row.text(3), .content = row.text(4), .model = row.text(5), .usage = row.text(6), .created_us = row.integer(7)};
}

Feedback feedback_of(const Row& row) {
  return {.id = id_of<FeedbackId>(row.text(0)), .tenant = id_of<TenantId>(row.text(1)), .user = id_of<UserId>(row.text(2)),
          .message = id_of<MessageId>(row.text(3)), .request_id = row.text(4), .thumb = static_cast<int>(row.integer(5)),
          .reason = row.text(6), .correction = row.text(7), .consent = row.integer(8) != 0, .created_us = row.integer(9)};
}

// "%" and friends of the text match themselves.
std::string like_pattern(const std::string& text) {
  std::string pattern = "%";
  for (const char c : text) {
    if (c == '%' || c == '_' || c == '\\') pattern += '\\';
    pattern += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return pattern + "%";
}

Result<Conversation> find(Reader& reader, const Owner& owner, const ConversationId& id) {
  FS_TRY(const std::optional<Row> row, reader.first(
      "SELECT id, tenant, user_id, title, pinned, settings, created_us, updated_us FROM conversations "
      "WHERE id = $1 AND tenant = $2 AND user_id = $3",
      {id.str(), owner.tenant.str(), owner.user.str()}));
  if (!row) return not_found("conversation");
  return conversation_of(*row);
}

Result<Message> find_message(Reader& reader, const Owner& owner, const MessageId& id) {
  FS_TRY(const std::optional<Row> row, reader.first(
      "SELECT m.id, m.conversation, m.parent, m.role, m.content, m.model, m.usage, m.created_us FROM messages m "
      "JOIN conversations c ON c.id = m.conversation AND c.tenant = m.tenant "
      "WHERE m.id = $1 AND m.tenant = $2 AND c.user_id = $3",
      {id.str(), owner.tenant.str(), owner.user.str()}));
  if (!row) return not_found("message");
  return message_of(*row);
}

Status check_message(const Message& message) {
  if (message.role != "system" && message.role != "user" && message.role != "assistant" && message.role != "tool") {
    return Error{ErrorCode::kInvalidArgument, "role must be system, user, assistant or tool"};
  }
  FS_TRY_VOID(check_text("content", message.content, kContentBytes));
  FS_TRY_VOID(check_text("model", message.model, kTitleBytes));
  return check_text("usage", message.usage, kUsageBytes);
}

Status insert_message(Transaction& transaction, const Owner& owner, const Message& message) {
  FS_TRY([[maybe_unused]] const Conversation conversation, find(transaction, owner, message.conversation));
  FS_TRY(const std::optional<Row> known, transaction.first("SELECT conversation FROM messages WHERE id = $1 AND tenant = $2",
                                                           {message.id.str(), owner.tenant.str()}));
  if (known) {  // the same one again
    if (known->text(0) == message.conversation.str()) return {};
    return Error{ErrorCode::kFailedPrecondition, "this message id is in use"};
  }
  if (!message.parent.empty()) {
    FS_TRY(const Message parent, find_message(transaction, owner, message.parent));
    if (parent.conversation != message.conversation) return not_found("parent message");
  }
  FS_TRY(const std::optional<Row> count, transaction.first("SELECT n_messages FROM conversations WHERE id = $1 AND tenant = $2",
                                                           {message.conversation.str(), owner.tenant.str()}));
  const int64_t seq = count->integer(0) + 1;
  if (seq > kMessagesMax) return Error{ErrorCode::kResourceExhausted, fmt::format("the conversation has {} messages, the most that are allowed", kMessagesMax)};
  FS_TRY_VOID(transaction.execute(
      "INSERT INTO messages(id, tenant, conversation, seq, parent, role, content, model, usage, created_us) "
      "VALUES($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
      {message.id.str(), owner.tenant.str(), message.conversation.str(), seq, message.parent.str(), message.role, message.content,
       message.model, message.usage, message.created_us}));
  FS_TRY_VOID(transaction.execute("UPDATE conversations SET n_messages = $1, updated_us = $2 WHERE id = $3 AND tenant = $4",
                                  {seq, message.created_us, message.conversation.str(), owner.tenant.str()}));
  return {};
}

}  // namespace

Result<Conversation> Conversations::create(const Owner& owner, const std::string& title, const std::string& settings, int64_t now_us) {
  FS_TRY_VOID(check_text("title", title, kTitleBytes));
  FS_TRY_VOID(check_text("settings", settings, kSettingsBytes));
  const Conversation made{.id = ConversationId::fresh(), .tenant = owner.tenant, .user = owner.user, .title = title, .pinned = false,
                          .settings = settings, .created_us = now_us, .updated_us = now_us};
  const Status status = store_.write([made](Transaction& transaction) -> Status {
    FS_TRY(const std::optional<Row> count, transaction.first("SELECT count(*) FROM conversations WHERE tenant = $1 AND user_id = $2",
                                                             {made.tenant.str(), made.user.str()}));
    if (count->integer(0) >= kConversationsMax) {
      return Error{ErrorCode::kResourceExhausted, fmt::format("there are {} conversations, the most that are allowed", kConversationsMax)};
    }
    FS_TRY_VOID(transaction.execute(
        "INSERT INTO conversations(id, tenant, user_id, title, pinned, settings, n_messages, created_us, updated_us) "
        "VALUES($1, $2, $3, $4, 0, $5, 0, $6, $6)",
        {made.id.str(), made.tenant.str(), made.user.str(), made.title, made.settings, made.created_us}));
    return {};
  });
  FS_TRY_VOID(status);
  return made;
}

Result<Conversation> Conversations::get(const Owner& owner, const ConversationId& id) {
  std::optional<Conversation> found;
  const Status status = store_.read([&](Reader& reader) -> Status {
    FS_TRY(found, find(reader, owner, id));
    return {};
  });
  FS_TRY_VOID(status);
  return *found;
}

Result<std::vector<Conversation>> Conversations::list(const Owner& owner, const std::string& text, int64_t limit, int64_t offset) {
  std::vector<Conversation> found;
  const std::string pattern = text.empty() ? "" : like_pattern(text);
  const Status status = store_.read([&](Reader& reader) {
    return reader.each(
        "SELECT id, tenant, user_id, title, pinned, settings, created_us, updated_us FROM conversations c "
        "WHERE tenant = $1 AND user_id = $2 AND ($3 = '' OR lower(title) LIKE $3 ESCAPE '\\' OR EXISTS("
        "SELECT 1 FROM messages m WHERE m.tenant = c.tenant AND m.conversation = c.id AND lower(m.content) LIKE $3 ESCAPE '\\')) "
        "ORDER BY pinned DESC, updated_us DESC, id LIMIT $4 OFFSET $5",
        {owner.tenant.str(), owner.user.str(), pattern, std::clamp<int64_t>(limit, 0, kListMax), std::max<int64_t>(offset, 0)},
        [&](const Row& row) {
          found.push_back(conversation_of(row));
          return true;
        });
  });
  FS_TRY_VOID(status);
  return found;
}

Result<Conversation> Conversations::change(const Owner& owner, const ConversationId& id, const Change& change, int64_t now_us) {
  if (change.title) FS_TRY_VOID(check_text("title", *change.title, kTitleBytes));
  if (change.settings) FS_TRY_VOID(check_text("settings", *change.settings, kSettingsBytes));
  Conversation changed;
  const Status status = store_.write([&](Transaction& transaction) -> Status {
    FS_TRY(changed, find(transaction, owner, id));
    if (change.title) changed.title = *change.title;
    if (change.pinned) changed.pinned = *change.pinned;
    if (change.settings) changed.settings = *change.settings;
    changed.updated_us = now_us;
    FS_TRY_VOID(transaction.execute(
        "UPDATE conversations SET title = $1, pinned = $2, settings = $3, updated_us = $4 WHERE id = $5 AND tenant = $6 AND user_id = $7",
        {changed.title, int64_t{changed.pinned}, changed.settings, now_us, id.str(), owner.tenant.str(), owner.user.str()}));
    return {};
  });
  FS_TRY_VOID(status);
  return changed;
}

Status Conversations::remove(const Owner& owner, const ConversationId& id) {
  return store_.write([&](Transaction& transaction) -> Status {
    FS_TRY([[maybe_unused]] const Conversation conversation, find(transaction, owner, id));
    FS_TRY_VOID(transaction.execute(
        "DELETE FROM feedback WHERE tenant = $1 AND message IN (SELECT id FROM messages WHERE tenant = $1 AND conversation = $2)",
        {owner.tenant.str(), id.str()}));
    FS_TRY_VOID(transaction.execute(
        "DELETE FROM answer_choices WHERE tenant = $1 AND (chosen IN (SELECT id FROM messages WHERE tenant = $1 AND conversation = $2) OR "
        "rejected IN (SELECT id FROM messages WHERE tenant = $1 AND conversation = $2))",
        {owner.tenant.str(), id.str()}));
    FS_TRY_VOID(transaction.execute(
        "DELETE FROM run_ledgers WHERE tenant = $1 AND message IN (SELECT id FROM messages WHERE tenant = $1 AND conversation = $2)",
        {owner.tenant.str(), id.str()}));
    FS_TRY_VOID(transaction.execute("DELETE FROM messages WHERE tenant = $1 AND conversation = $2", {owner.tenant.str(), id.str()}));
    FS_TRY_VOID(transaction.execute("DELETE FROM conversations WHERE tenant = $1 AND id = $2", {owner.tenant.str(), id.str()}));
    return {};
  });
}

Result<Message> Conversations::append(const Owner& owner, const Message& message, int64_t now_us) {
  FS_TRY_VOID(check_message(message));
  Message added = message;
  if (added.id.empty()) added.id = MessageId::fresh();
  added.created_us = now_us;
  FS_TRY_VOID(store_.write([&](Transaction& transaction) { return insert_message(transaction, owner, added); }));
  return added;
}

Result<std::vector<Message>> Conversations::messages(const Owner& owner, const ConversationId& id) {
  std::vector<Message> found;
  const Status status = store_.read([&](Reader& reader) -> Status {
    FS_TRY([[maybe_unused]] const Conversation conversation, find(reader, owner, id));
    return reader.each(
        "SELECT id, conversation, parent, role, content, model, usage, created_us FROM messages "
        "WHERE tenant = $1 AND conversation = $2 ORDER BY seq",
        {owner.tenant.str(), id.str()}, [&](const Row& row) {
          found.push_back(message_of(row));
          return true;
        });
  });
  FS_TRY_VOID(status);
  return found;
}

Result<Message> Conversations::message(const Owner& owner, const MessageId& id) {
  std::optional<Message> found;
  const Status status = store_.read([&](Reader& reader) -> Status {
    FS_TRY(found, find_message(reader, owner, id));
    return {};
  });
  FS_TRY_VOID(status);
  return *found;
}

Result<Feedback> Conversations::put_feedback(const Owner& owner, const Feedback& feedback, int64_t now_us) {
  if (feedback.message.empty() == feedback.request_id.empty()) {
    return Error{ErrorCode::kInvalidArgument, "feedback is about a message or a request, one of the two"};
  }
  if (feedback.thumb < -1 || feedback.thumb > 1) return Error{ErrorCode::kInvalidArgument, "thumb must be -1, 0 or 1"};
  FS_TRY_VOID(check_text("reason", feedback.reason, kReasonBytes));
  FS_TRY_VOID(check_text("correction", feedback.correction, kCorrectionBytes));
  FS_TRY_VOID(check_text("request id", feedback.request_id, 128));
  Feedback kept = feedback;
  kept.id = FeedbackId::fresh();
  kept.tenant = owner.tenant;
  kept.user = owner.user;
  kept.created_us = now_us;
  if (!kept.consent) {
    kept.reason.clear();
    kept.correction.clear();
  }
  const Status status = store_.write([&](Transaction& transaction) -> Status {
    if (!kept.message.empty()) {
      FS_TRY([[maybe_unused]] const Message about, find_message(transaction, owner, kept.message));
    } else {
      FS_TRY(const std::optional<Row> about, transaction.first("SELECT 1 FROM usage WHERE tenant = $1 AND request_id = $2 AND user_id = $3",
                                                               {owner.tenant.str(), kept.request_id, owner.user.str()}));
      if (!about) return not_found("request");
    }
    FS_TRY_VOID(transaction.execute(
        "INSERT INTO feedback(id, tenant, user_id, message, request_id, thumb, reason, correction, consent, created_us) "
        "VALUES($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT(tenant, user_id, message, request_id) DO UPDATE SET "
        "thumb = excluded.thumb, reason = excluded.reason, correction = excluded.correction, consent = excluded.consent, "
        "created_us = excluded.created_us",
        {kept.id.str(), kept.tenant.str(), kept.user.str(), kept.message.str(), kept.request_id, int64_t{kept.thumb}, kept.reason,
         kept.correction, int64_t{kept.consent}, now_us}));
    FS_TRY(const std::optional<Row> stored, transaction.first(
        "SELECT id FROM feedback WHERE tenant = $1 AND user_id = $2 AND message = $3 AND request_id = $4",
        {kept.tenant.str(), kept.user.str(), kept.message.str(), kept.request_id}));
    kept.id = id_of<FeedbackId>(stored->text(0));
    return {};
  });
  FS_TRY_VOID(status);
  return kept;
}

Result<AnswerChoice> Conversations::put_choice(const Owner& owner, const AnswerChoice& choice, int64_t now_us) {
  if (choice.chosen == choice.rejected) return Error{ErrorCode::kInvalidArgument, "a choice is between two answers, found one twice"};
  AnswerChoice kept = choice;
  kept.id = FeedbackId::fresh();
  kept.created_us = now_us;
  const Status status = store_.write([&](Transaction& transaction) -> Status {
    FS_TRY(const Message first, find_message(transaction, owner, kept.chosen));
    FS_TRY(const Message second, find_message(transaction, owner, kept.rejected));
    if (first.role != "assistant" || second.role != "assistant" || first.parent.empty() || first.parent != second.parent) {
      return Error{ErrorCode::kInvalidArgument, "a choice is between two answers to the same question"};
    }
    FS_TRY_VOID(transaction.execute("DELETE FROM answer_choices WHERE tenant = $1 AND user_id = $2 AND ((chosen = $3 AND rejected = $4) OR (chosen = $4 AND rejected = $3))",
                                    {owner.tenant.str(), owner.user.str(), kept.chosen.str(), kept.rejected.str()}));
    FS_TRY_VOID(transaction.execute("INSERT INTO answer_choices(id, tenant, user_id, chosen, rejected, tie, consent, created_us) VALUES($1, $2, $3, $4, $5, $6, $7, $8)",
                                    {kept.id.str(), owner.tenant.str(), owner.user.str(), kept.chosen.str(), kept.rejected.str(), int64_t{kept.tie}, int64_t{kept.consent}, now_us}));
    return {};
  });
  FS_TRY_VOID(status);
  return kept;
}

Result<std::vector<Feedback>> Conversations::feedback_of_conversation(const Owner& owner, const ConversationId& id) {
  std::vector<Feedback> found;
  const Status status = store_.read([&](Reader& reader) {
    return reader.each(
        "SELECT f.id, f.tenant, f.user_id, f.message, f.request_id, f.thumb, f.reason, f.correction, f.consent, f.created_us "
        "FROM messages m JOIN feedback f ON f.tenant = m.tenant AND f.user_id = $2 AND f.message = m.id AND f.request_id = '' "
        "WHERE m.tenant = $1 AND m.conversation = $3",
        {owner.tenant.str(), owner.user.str(), id.str()}, [&](const Row& row) {
          found.push_back(feedback_of(row));
          return true;
        });
  });
  FS_TRY_VOID(status);
  return found;
}

Result<std::vector<Feedback>> Conversations::list_feedback(const TenantId& tenant, int64_t limit, int64_t offset) {
  std::vector<Feedback> found;
  const Status status = store_.read([&](Reader& reader) {
    return reader.each(
        "SELECT id, tenant, user_id, message, request_id, thumb, reason, correction, consent, created_us FROM feedback "
        "WHERE tenant = $1 ORDER BY created_us DESC, id LIMIT $2 OFFSET $3",
        {tenant.str(), std::clamp<int64_t>(limit, 0, kListMax), std::max<int64_t>(offset, 0)}, [&](const Row& row) {
          found.push_back(feedback_of(row));
          return true;
        });
  });
  FS_TRY_VOID(status);
  return found;
}

}  // namespace firesteel
