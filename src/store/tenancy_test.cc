#include <gtest/gtest.h>

#include <memory>

#include "store/sqlite_store.h"
#include "store/tenancy_checks.h"
#include "store/test_folder.h"

namespace firesteel {
namespace {

class TenancyTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto store = open_sqlite_store({.path = folder_.file("store.db")});
    ASSERT_TRUE(store.ok()) << store.error().message;
    store_ = std::move(*store);
  }
  TestFolder folder_;
  std::unique_ptr<Store> store_;
};

TEST_F(TenancyTest, NobodySeesRowsOfAnother) { nobody_sees_rows_of_another(*store_, 20261123, 250); }
TEST_F(TenancyTest, SearchFindsTitlesAndMessagesLiterally) { search_finds_literally(*store_); }

TEST_F(TenancyTest, StoringTheSameMessageAgainChangesNothing) {
  Conversations conversations(*store_);
  const Owner owner{TenantId::fresh(), {}};
  const auto conversation = conversations.create(owner, "t", "{}", 1);
  ASSERT_TRUE(conversation.ok());
  const Message message{.id = MessageId::fresh(), .conversation = conversation->id, .parent = {}, .role = "user", .content = "\"a\"", .model = {}, .usage = {}};
  EXPECT_TRUE(conversations.append(owner, message, 2).ok());
  EXPECT_TRUE(conversations.append(owner, message, 3).ok());
  EXPECT_EQ(conversations.messages(owner, conversation->id)->size(), 1u);
  // Another tenant cannot learn by the same id that it exists.
  const Owner other{TenantId::fresh(), {}};
  const auto theirs = conversations.create(other, "t", "{}", 1);
  EXPECT_EQ(conversations.message(other, message.id).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(conversations.messages(other, conversation->id).error().code, ErrorCode::kNotFound);
}

TEST_F(TenancyTest, LimitsAreNamed) {
  Conversations conversations(*store_);
  const Owner owner{TenantId::fresh(), {}};
  EXPECT_EQ(conversations.create(owner, std::string(513, 'a'), "{}", 1).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(conversations.create(owner, "\xff", "{}", 1).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(conversations.create(owner, std::string("a\0b", 3), "{}", 1).error().code, ErrorCode::kInvalidArgument);
  const auto conversation = conversations.create(owner, "t", "{}", 1);
  Message message{.id = {}, .conversation = conversation->id, .parent = {}, .role = "robot", .content = "", .model = {}, .usage = {}};
  EXPECT_EQ(conversations.append(owner, message, 1).error().code, ErrorCode::kInvalidArgument);
  message.role = "user";
  message.content.assign((16 << 20) + 1, 'a');
  EXPECT_EQ(conversations.append(owner, message, 1).error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace firesteel
