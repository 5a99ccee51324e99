// What models write for agents: plans, answers, citations, ledgers. A plan that is accepted keeps its limits.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "agents/answer_key.h"
#include "agents/contemplate.h"
#include "agents/ledger.h"
#include "agents/plan.h"
#include "agents/plan_form.h"
#include "base/check.h"
#include "base/json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace firesteel;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const PlanLimits limits{.n_steps_max = 6, .n_levels_max = 3, .question_bytes_max = 64};
  const Result<Plan> plan = parse_plan(text, limits);
  if (plan.ok()) {
    CHECK(!plan->steps.empty() && plan->steps.size() <= 6);
    for (size_t i = 0; i < plan->steps.size(); ++i) {
      const PlanStep& step = plan->steps[i];
      CHECK(!step.question.empty() && step.question.size() <= 64 && step.level >= 0 && step.level < 3);
      for (const int need : step.needs) CHECK(need >= 0 && need < static_cast<int>(plan->steps.size()) && plan->steps[static_cast<size_t>(need)].level < step.level);
    }
  }
  if (const auto form = plan_by_form(text, {.n_steps_max = 6, .n_levels_max = 3})) {
    CHECK(form->plan.steps.size() >= 2 && form->plan.steps.size() <= 6 && form->labels.size() == form->plan.steps.size());
  }
  const AnswerKey key = answer_key(text);
  CHECK((key.kind == AnswerKey::Kind::kNone) == key.key.empty());
  int n_left = 0;
  const std::string cited = checked_citations(std::string(text), {1, 3}, &n_left);
  CHECK(cited.size() <= text.size() && n_left >= 0);
  if (const Result<Json> json = Json::parse(text, {.depth = 16, .values = 4096}); json.ok()) (void)lane_pins(*json).ok();
  (void)question_shape(text);
  return 0;
}
