// A plan: questions that can be answered alone, and which answers each of them needs. Models write it, so it is hostile.
//
//   {"questions": ["How long does the train take?", "How long does the bus take?", "Which of [1] and [2] is shorter?"]}
//   {"questions": [{"question": "...", "needs": [1, 2]}, ...]}
// Questions are numbered from 1. What a question needs is what it names as [n], and its list.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace firesteel {

struct PlanStep {
  std::string question;
  std::vector<int> needs;  // indices from 0, ascending, without repetition
  int level = 0;           // 0: needs nothing; else one more than the deepest that it needs
};

struct PlanLimits {
  int n_steps_max = 16;
  int n_levels_max = 4;
  size_t question_bytes_max = 2000;
  size_t text_bytes_max = 65536;
};

struct Plan {
  std::vector<PlanStep> steps;
};

// kInvalidArgument, beginning with "plan: ": not JSON or another form, empty, too wide, too deep, cyclic, a question without words or
// too long, a need that does not exist. White space and text around the object are allowed (small models add them).
Result<Plan> parse_plan(std::string_view text, const PlanLimits& limits = {});

// The JSON schema that a planner's answer is constrained to.
std::string plan_schema(const PlanLimits& limits = {});

}  // namespace firesteel
