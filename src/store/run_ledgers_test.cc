#include "store/run_ledgers.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "store/sqlite_store.h"
#include "store/test_folder.h"

namespace firesteel {
namespace {

TEST(RunLedgers, BelongToTheirMessageAndItsOwner) {
  const TestFolder folder;
  auto store = open_sqlite_store({.path = folder.path() + "/store.db"});
  ASSERT_TRUE(store.ok()) << store.error().message;
  Conversations conversations(**store);
  RunLedgers ledgers(**store);
  const Owner owner{TenantId::fresh(), {}}, other{TenantId::fresh(), {}};
  const Conversation conversation = conversations.create(owner, "x", "", 1).value();
  Message message;
  message.conversation = conversation.id;
  message.role = "assistant";
  message.content = "[]";
  const MessageId id = conversations.append(owner, message, 2).value().id;
  EXPECT_EQ(ledgers.get(owner, id).error().code, ErrorCode::kNotFound);
  ASSERT_TRUE(ledgers.put(owner, id, "{\"a\": 1}", 3).ok());
  ASSERT_TRUE(ledgers.put(owner, id, "{\"a\": 2}", 4).ok());
  EXPECT_EQ(ledgers.get(owner, id).value(), "{\"a\": 2}");
  EXPECT_EQ(ledgers.get_any(id).value(), "{\"a\": 2}");
  EXPECT_EQ(ledgers.get(other, id).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(ledgers.put(other, id, "{}", 5).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(ledgers.put(owner, id, std::string(9u << 20, ' '), 5).error().code, ErrorCode::kInvalidArgument);
  ASSERT_TRUE(conversations.remove(owner, conversation.id).ok());
  EXPECT_EQ(ledgers.get_any(id).error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace firesteel
