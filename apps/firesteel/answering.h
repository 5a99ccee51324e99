// Asking a model in a conversation, with the tools that it may use: what ask and chat have in common.
#pragma once

#include <string>
#include <vector>

#include "agents/tool_loop.h"
#include "api/generator.h"
#include "command_line.h"
#include "generation.h"
#include "load_model.h"
#include "tool_options.h"

namespace firesteel {

struct ConversationAnswer {
  Answer answer;
  std::vector<ToolCall> calls;
};

// Streams the answer to stdout unless quiet; on a terminal its thinking too, dimmed. Each call is a dimmed line on stderr:
// "calculator: 54 - 28 = 26". on_stream: see ToolLoopHooks.
Result<ConversationAnswer> answer_conversation(Generator* generator, GenerateRequest request, const AgentTools& tools, bool quiet,
                                               const std::function<void(TokenStream*)>& on_stream = {});

// A person at the terminal decides about a call that acts. `call`: its name and arguments; `source`: whose text was read before, or empty.
bool can_ask_on_terminal();
ConfirmWord ask_on_terminal(const std::string& call, const std::string& source, bool may_always);

Json calls_json(const std::vector<ToolCall>& calls);  // for --json

}  // namespace firesteel
