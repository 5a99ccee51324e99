// Conversations of the web assistant: a tree of messages, so that edits and regenerations are branches.
#pragma once

#include <cstdint>
#include <string>

#include "schema/ids.h"

namespace firesteel {

struct Conversation {
  ConversationId id = {};
  TenantId tenant = {};
  UserId user = {};               // empty: of the tenant
  std::string title = {};
  bool pinned = false;
  std::string settings = {};      // JSON object of the page: system prompt, model, mode, current leaf
  int64_t created_us = 0;
  int64_t updated_us = 0;
};

struct Message {
  MessageId id = {};
  ConversationId conversation = {};
  MessageId parent = {};          // empty: a root
  std::string role = {};          // "system", "user", "assistant", "tool"
  std::string content = {};       // JSON, as the API's message content
  std::string model = {};         // assistant messages
  std::string usage = {};         // JSON object or empty
  int64_t created_us = 0;
};

// Of two answers to the same question, the one that its reader took.
struct AnswerChoice {
  FeedbackId id = {};
  MessageId chosen = {}, rejected = {};
  bool tie = false;          // about the same: neither is better
  bool consent = false;      // as with feedback: without it nothing is made of it
  int64_t created_us = 0;
};

struct Feedback {
  FeedbackId id = {};
  TenantId tenant = {};
  UserId user = {};
  MessageId message = {};         // what it is about; or request_id for API answers that were not stored
  std::string request_id = {};
  int thumb = 0;             // -1, 0, +1
  std::string reason = {};
  std::string correction = {};
  bool consent = false;      // the key's flag at that moment; without it only the thumb is kept
  int64_t created_us = 0;
};

}  // namespace firesteel
