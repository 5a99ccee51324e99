// Checks of conversations that every database must pass.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "base/rng.h"
#include "store/conversations.h"
#include "store/store.h"

namespace firesteel {

// Random operations of two tenants (and two users of one) against a model in memory: nobody ever sees, changes or removes a row of
// somebody else, whatever id is used.
inline void nobody_sees_rows_of_another(Store& store, uint64_t seed, int64_t n_steps) {
  struct Model {
    Owner owner;
    std::map<std::string, Conversation> conversations;
    std::map<std::string, std::vector<Message>> messages;
  };
  Rng rng(seed);
  SCOPED_TRACE(seed);
  Conversations conversations(store);
  const TenantId a = TenantId::fresh();
  const TenantId b = TenantId::fresh();
  const UserId user = UserId::fresh();
  std::vector<Model> models = {{.owner = {a, {}}, .conversations = {}, .messages = {}},
                               {.owner = {a, user}, .conversations = {}, .messages = {}},
                               {.owner = {b, user}, .conversations = {}, .messages = {}}};  // the same user id elsewhere is somebody else
  std::vector<ConversationId> ids;
  std::vector<MessageId> message_ids;
  const auto any = [&](const auto& list) { return list[rng.below(list.size())]; };
  for (int64_t step = 1; step <= n_steps; ++step) {
    Model& model = models[rng.below(models.size())];
    const uint64_t action = ids.empty() ? 0 : rng.below(8);
    if (action <= 1) {
      const auto made = conversations.create(model.owner, "title " + std::to_string(step), "{}", step);
      ASSERT_TRUE(made.ok()) << made.error().message;
      model.conversations[made->id.str()] = *made;
      ids.push_back(made->id);
      continue;
    }
    const ConversationId id = any(ids);
    const bool own = model.conversations.contains(id.str());
    const auto expect = [&](const auto& result) {
      EXPECT_EQ(result.ok(), own);
      if (!result.ok()) {
        EXPECT_EQ(result.error().code, ErrorCode::kNotFound) << result.error().message;
      }
    };
    if (action <= 3) {
      Message message;
      message.conversation = id;
      message.role = "user";
      message.content = "\"text " + std::to_string(step) + "\"";
      // A parent of any conversation: only one of the same may be taken.
      if (!message_ids.empty() && rng.below(2) == 0) message.parent = any(message_ids);
      const auto& siblings = model.messages[id.str()];
      const bool parent_fits = message.parent.empty() || std::any_of(siblings.begin(), siblings.end(), [&](const Message& m) { return m.id == message.parent; });
      const auto added = conversations.append(model.owner, message, step);
      ASSERT_EQ(added.ok(), own && parent_fits);
      if (!added.ok()) {
        EXPECT_EQ(added.error().code, ErrorCode::kNotFound);
        continue;
      }
      model.messages[id.str()].push_back(*added);
      model.conversations[id.str()].updated_us = step;
      message_ids.push_back(added->id);
    } else if (action == 4) {
      const auto changed = conversations.change(model.owner, id, {.title = "renamed", .pinned = true}, step);
      expect(changed);
      if (changed.ok()) model.conversations[id.str()] = *changed;
    } else if (action == 5 && rng.below(4) == 0) {
      const auto removed = conversations.remove(model.owner, id);
      expect(removed);
      if (removed.ok()) {
        model.conversations.erase(id.str());
        model.messages.erase(id.str());
      }
    } else if (action == 6 && !message_ids.empty()) {
      const MessageId about = any(message_ids);
      const auto given = conversations.put_feedback(model.owner, {.id = {}, .tenant = {}, .user = {}, .message = about, .request_id = {},
                                                                  .thumb = 1, .reason = "r", .correction = "c", .consent = false}, step);
      bool mine = false;
      for (const auto& [conversation, list] : model.messages) {
        mine = mine || std::any_of(list.begin(), list.end(), [&](const Message& m) { return m.id == about; });
      }
      EXPECT_EQ(given.ok(), mine);
      if (given.ok()) {
        EXPECT_TRUE(given->reason.empty() && given->correction.empty());  // no consent
      }
      EXPECT_EQ(conversations.message(model.owner, about).ok(), mine);
    } else {
      expect(conversations.get(model.owner, id));
      const auto messages = conversations.messages(model.owner, id);
      expect(messages);
      if (messages.ok()) {
        const auto& expected = model.messages[id.str()];
        ASSERT_EQ(messages->size(), expected.size());
        for (size_t i = 0; i < expected.size(); ++i) EXPECT_EQ((*messages)[i].content, expected[i].content);
      }
    }
  }
  for (const Model& model : models) {
    const auto listed = conversations.list(model.owner, "", 1000, 0);
    ASSERT_TRUE(listed.ok());
    EXPECT_EQ(listed->size(), model.conversations.size());
    for (const Conversation& conversation : *listed) {
      const auto expected = model.conversations.find(conversation.id.str());
      ASSERT_NE(expected, model.conversations.end());
      EXPECT_EQ(conversation.title, expected->second.title);
      EXPECT_EQ(conversation.updated_us, expected->second.updated_us);
    }
    EXPECT_TRUE(std::is_sorted(listed->begin(), listed->end(), [](const Conversation& x, const Conversation& y) {
      return x.pinned != y.pinned ? x.pinned : x.updated_us > y.updated_us;
    }));
    const auto feedback = conversations.list_feedback(model.owner.tenant, 1000, 0);
    ASSERT_TRUE(feedback.ok());
    for (const Feedback& one : *feedback) EXPECT_EQ(one.tenant, model.owner.tenant);
  }
}

inline void search_finds_literally(Store& store) {
  Conversations conversations(store);
  const Owner owner{TenantId::fresh(), {}};
  const auto first = conversations.create(owner, "Kupfer 100%", "{}", 1);
  const auto second = conversations.create(owner, "Blei", "{}", 2);
  ASSERT_TRUE(first.ok() && second.ok());
  ASSERT_TRUE(conversations.append(owner, {.id = {}, .conversation = second->id, .parent = {}, .role = "user", .content = "\"Zinn und_Zink\"", .model = {}, .usage = {}}, 3).ok());
  const auto titles = [&](const std::string& text) {
    std::vector<std::string> found;
    const auto listed = conversations.list(owner, text, 10, 0);
    for (const Conversation& one : *listed) found.push_back(one.title);
    return found;
  };
  EXPECT_EQ(titles("KUPFER"), std::vector<std::string>{"Kupfer 100%"});
  EXPECT_EQ(titles("zinn"), std::vector<std::string>{"Blei"});
  EXPECT_EQ(titles("%"), std::vector<std::string>{"Kupfer 100%"});
  EXPECT_EQ(titles("_"), std::vector<std::string>{"Blei"});
  EXPECT_EQ(titles("' OR 1=1 --"), std::vector<std::string>{});
  EXPECT_EQ(titles("").size(), 2u);
}

}  // namespace firesteel
