// What agents say to the model: one function per form. Models that ship with this program are trained on exactly these.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/generator.h"
#include "base/json.h"

namespace firesteel {

struct KnownAnswer {
  int number = 0;  // from 1, as it is cited
  std::string question, answer;
};

std::string plan_prompt(std::string_view question);
std::string part_prompt(std::string_view whole, std::string_view part, const std::vector<KnownAnswer>& known);
std::string merge_prompt(std::string_view question, const std::vector<KnownAnswer>& known);
std::string distil_prompt(std::string_view question, const std::vector<std::string>& drafts);
std::string refine_prompt(std::string_view question, std::string_view notes);

// The text of the last user message; its text parts joined where it has several. Empty when there is none.
std::string question_of(const Json& messages);

// The same request with other words in the last user message (pictures in it stay), thinking or not, without a form for the answer.
// Requires a ChatPrompt.
GenerateRequest with_question(const GenerateRequest& base, std::string_view question, bool thinking, const ModelInfo& info);
// The same request, thinking or not.
GenerateRequest with_thinking(const GenerateRequest& base, bool thinking, const ModelInfo& info);

// At most `bytes_max` bytes of the text, whole characters, with "..." where it was cut.
std::string cut_text(std::string_view text, size_t bytes_max);

}  // namespace firesteel
