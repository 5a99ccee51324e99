// Plans that need no model: a question whose own form says where its parts begin.
//
// Numbered or lettered parts ("1) ... 2) ...", "(a) ..."), bullets, "First, ... Then, ... Finally, ...", and question after question. What
// stands before the first part belongs to every part, unless it only announces them ("Answer these questions:"). "The answer to question 2"
// becomes the reference [2]; a part that leans on its neighbour in words ("how long does it take?", "what is that plus 5?") needs its answer.
// Rules for English, bounded; they cut the words that are there and write no others but references.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agents/plan.h"

namespace firesteel {

struct FormPlan {
  Plan plan;
  std::vector<std::string> labels;  // how the question names its parts: "1)", "b)"; one for each step
};

// nullopt: no such form, fewer than two parts, or more, or deeper, than the limits; then a model has to plan.
std::optional<FormPlan> plan_by_form(std::string_view question, const PlanLimits& limits = {});

}  // namespace firesteel
