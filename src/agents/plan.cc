#include "agents/plan.h"

#include <algorithm>
#include <charconv>

#include "base/json.h"

namespace firesteel {
namespace {

Error wrong(std::string message) { return {ErrorCode::kInvalidArgument, "plan: " + std::move(message)}; }

std::string number(size_t i) { return std::to_string(i + 1); }

Status add_need(int64_t n, size_t step, size_t n_steps, std::vector<int>* needs) {
  if (n < 1 || n > static_cast<int64_t>(n_steps)) {
    return wrong("question " + number(step) + " needs [" + std::to_string(n) + "], there are " + std::to_string(n_steps));
  }
  if (n == static_cast<int64_t>(step) + 1) return wrong("question " + number(step) + " needs itself");
  needs->push_back(static_cast<int>(n - 1));
  return {};
}

// The numbers that a text names as [n].
std::vector<int64_t> references(std::string_view text) {
  std::vector<int64_t> out;
  for (size_t at = text.find('['); at != std::string_view::npos; at = text.find('[', at + 1)) {
    int64_t n = 0;
    const char* const begin = text.data() + at + 1;
    const auto [end, error] = std::from_chars(begin, text.data() + text.size(), n);
    if (error == std::errc() && end != text.data() + text.size() && *end == ']') out.push_back(n);
  }
  return out;
}

Status read_step(const Json& item, size_t index, size_t n_steps, const PlanLimits& limits, PlanStep* step) {
  const Json* question = item.is_string() ? &item : item.find("question");
  if (question == nullptr || !question->is_string()) return wrong("question " + number(index) + ": expected a text");
  step->question = question->as_string();
  const size_t first = step->question.find_first_not_of(" \t\r\n");
  if (first == std::string::npos) return wrong("question " + number(index) + " has no words");
  step->question = step->question.substr(first, step->question.find_last_not_of(" \t\r\n") + 1 - first);
  if (step->question.size() > limits.question_bytes_max) {
    return wrong("question " + number(index) + " has " + std::to_string(step->question.size()) + " bytes, at most " + std::to_string(limits.question_bytes_max));
  }
  for (const int64_t n : references(step->question)) {
    if (n != static_cast<int64_t>(index) + 1) FS_TRY_VOID(add_need(n, index, n_steps, &step->needs));  // its own number is only text
  }
  const Json* needs = item.is_object() ? item.find("needs") : nullptr;
  if (needs != nullptr && !needs->is_null()) {
    if (!needs->is_array() || needs->as_array().size() > static_cast<size_t>(limits.n_steps_max)) return wrong("question " + number(index) + ": needs: expected a list of numbers");
    for (const Json& n : needs->as_array()) {
      if (!n.is_int()) return wrong("question " + number(index) + ": needs: expected numbers");
      FS_TRY_VOID(add_need(n.as_int(), index, n_steps, &step->needs));
    }
  }
  std::sort(step->needs.begin(), step->needs.end());
  step->needs.erase(std::unique(step->needs.begin(), step->needs.end()), step->needs.end());
  return {};
}

// Levels by taking away, again and again, what needs nothing that is left.
Status set_levels(const PlanLimits& limits, Plan* plan) {
  std::vector<char> is_set(plan->steps.size(), 0);
  for (size_t n_left = plan->steps.size(); n_left > 0;) {
    const size_t before = n_left;
    const std::vector<char> was_set = is_set;
    for (size_t i = 0; i < plan->steps.size(); ++i) {
      PlanStep& step = plan->steps[i];
      const bool ready = std::all_of(step.needs.begin(), step.needs.end(), [&](int need) { return was_set[static_cast<size_t>(need)] != 0; });
      if (is_set[i] != 0 || !ready) continue;
      for (const int need : step.needs) step.level = std::max(step.level, plan->steps[static_cast<size_t>(need)].level + 1);
      if (step.level >= limits.n_levels_max) {
        return wrong("question " + number(i) + " is " + std::to_string(step.level + 1) + " levels deep, at most " + std::to_string(limits.n_levels_max));
      }
      is_set[i] = 1;
      --n_left;
    }
    if (n_left < before) continue;
    std::string waiting;
    for (size_t i = 0; i < is_set.size(); ++i) {
      if (is_set[i] == 0) waiting += (waiting.empty() ? "" : ", ") + number(i);
    }
    return wrong("cyclic: questions " + waiting + " wait for each other");
  }
  return {};
}

}  // namespace

Result<Plan> parse_plan(std::string_view text, const PlanLimits& limits) {
  if (text.size() > limits.text_bytes_max) return wrong("it has " + std::to_string(text.size()) + " bytes, at most " + std::to_string(limits.text_bytes_max));
  const size_t begin = text.find('{');
  const size_t end = text.rfind('}');
  if (begin == std::string_view::npos || end == std::string_view::npos || end < begin) return wrong("expected a JSON object");
  const Result<Json> json = Json::parse(text.substr(begin, end + 1 - begin), {.depth = 8, .values = 4096});
  if (!json.ok()) return wrong(json.error().message);
  const Json* questions = json->find("questions");
  if (questions == nullptr || !questions->is_array()) return wrong("expected a list of questions");
  const Json::Array& items = questions->as_array();
  if (items.empty()) return wrong("empty: it has no questions");
  if (items.size() > static_cast<size_t>(limits.n_steps_max)) {
    return wrong("too wide: " + std::to_string(items.size()) + " questions, at most " + std::to_string(limits.n_steps_max));
  }
  Plan plan;
  plan.steps.resize(items.size());
  for (size_t i = 0; i < items.size(); ++i) FS_TRY_VOID(read_step(items[i], i, items.size(), limits, &plan.steps[i]));
  FS_TRY_VOID(set_levels(limits, &plan));
  return plan;
}

std::string plan_schema(const PlanLimits& limits) {
  const Json text = Json::Object{{"type", "string"}, {"minLength", 1}, {"maxLength", static_cast<int64_t>(std::min<size_t>(limits.question_bytes_max, 400))}};
  const Json list = Json::Object{{"type", "array"}, {"items", text}, {"minItems", 1}, {"maxItems", limits.n_steps_max}};
  return Json(Json::Object{{"type", "object"}, {"properties", Json::Object{{"questions", list}}}, {"required", Json::Array{"questions"}}, {"additionalProperties", false}}).dump();
}

}  // namespace firesteel
