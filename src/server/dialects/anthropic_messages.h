// Messages of Anthropic's API as templates take them.
#pragma once

#include "server/dialects/generation.h"
#include "server/dialects/parameters.h"

namespace firesteel {

enum class AnthropicVersion : uint8_t { k2023, k2026 };

// `system` and `messages` into out->messages: tool results become messages of their own.
void read_anthropic_messages(const BodyReader& body, AnthropicVersion version, Generation* out);
// `tools` and `tool_choice`.
void read_anthropic_tools(const BodyReader& body, Generation* out);

// Call ids are ours with this before them, as the clients expect; templates see ours.
constexpr std::string_view kToolUsePrefix = "toolu_";

}  // namespace firesteel
