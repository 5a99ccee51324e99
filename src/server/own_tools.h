// Which of the generator's own tools a request may use: the same rule for every dialect and for turns of the web app.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/generator.h"
#include "base/json.h"
#include "base/result.h"
#include "server/api_error.h"
#include "tenants/tenants.h"

namespace firesteel {

// The client's word about the server's tools. Absent: those that the model uses by itself, where the request has room for calls.
using OwnTools = std::optional<std::vector<std::string>>;

// "auto", "none", or a list of names. kInvalidArgument begins with what was expected; names are checked against info.tools.
Result<OwnTools> read_own_tools(const Json& value, const ModelInfo& info);

// Sets request->tools and declares them in the prompt. Tools of its own accord ("auto") are left out where they have no place: with
// tools of the client's, a form for the answer, logprobs, raw prompts, and without thinking for a model that can think, which was
// trained to call them when it does. kInvalidArgument when tools that were named have no place.
Status use_own_tools(const OwnTools& wanted, const ModelInfo& info, bool reports_calls, GenerateRequest* request);

// A refusal when the key lacks what one of the tools asks for.
std::optional<ApiError> check_tool_scopes(const ToolUse& use, const ModelInfo& info, const Principal& principal);

}  // namespace firesteel
