// Conversations as docs/api.md shows them, from records and back. Shared by the routes of conversations and of turns.
//
// A stored message's content is an array of parts: {"type": "text"}, {"type": "image"} and, of assistants, first {"type": "thinking"},
// which the API shows as a field of its own. Its usage holds the counts and "finish_reason", "mode", "why".
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "schema/conversation.h"
#include "server/router.h"
#include "store/conversations.h"

namespace firesteel {

Owner owner_of(const Call& call);
std::string system_of(const Conversation& conversation);  // of its settings
// Tools that a person has allowed to act in it without being asked again.
inline constexpr size_t kAllowedToolsMax = 64;
std::vector<std::string> allowed_tools_of(const Conversation& conversation);
std::string with_allowed_tools(const std::string& settings, const std::vector<std::string>& tools);

Json conversation_json(const Conversation& conversation);
Json feedback_json(const Feedback* feedback);              // null without one
Json message_json(const Message& message, const Feedback* feedback);

// Parts of a user's message, checked: types, sizes, at least one. kInvalidArgument names the part.
Result<Json> read_content(const Json& content);
std::string text_of_content(const Json& content);          // text parts, joined
std::vector<std::string_view> image_uris(const Json& content);  // of its image parts; views into it

// Stored content of an assistant's message.
std::string assistant_content(const std::string& text, const std::string& thinking);
// Beginning of the question, at most 60 characters, at a word's end.
std::string title_from(const std::string& question);

}  // namespace firesteel
