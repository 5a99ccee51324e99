// Messages of /v1/chat/completions as templates take them.
#pragma once

#include "server/dialects/generation.h"
#include "server/dialects/parameters.h"

namespace firesteel {

// Reads `messages` (at least one) into out->messages. developer becomes system: templates know no other name for it.
void read_openai_messages(const BodyReader& body, Generation* out);

// Content of one message: a string, or an array of parts of which each has a type of `text_types` and a "text", or is a picture
// (image_url, input_image) where `images` is not null; it becomes {"type": "image"}. What else there may be fails with its place. Absent
// gives an empty string when optional, and fails otherwise.
Json read_message_content(const BodyReader& message, std::initializer_list<std::string_view> text_types, bool optional, RequestImages* images = nullptr);

// The name of the tool that a call id belongs to, looked up in the messages so far; empty when it is none.
std::string tool_name_of(const Json::Array& messages, const std::string& call_id);

extern const ParameterTable kMessageTable;

}  // namespace firesteel
