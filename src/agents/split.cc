// split: a plan of questions, those that are ready at once, and an answer that cites them.
#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "agents/answer_key.h"
#include "agents/contemplate.h"
#include "agents/plan.h"
#include "agents/plan_form.h"
#include "agents/prompts.h"
#include "agents/words.h"
#include "base/number_literals.h"

namespace firesteel {
namespace {

constexpr int64_t kPlanTokens = 512;
constexpr size_t kAnswerBytes = 1200;  // of a part's answer, in later prompts
constexpr uint64_t kRetrySeed = 0x5EED;

struct Part {
  PlanStep step;
  int lane = -1;         // the latest
  int n_attempts = 0;
  bool over = false;
  bool answered = false;
  std::string answer = {}, failure = {};
};

// What later prompts are told of an answer: the words after "Answer:" where it has them, else all of it.
std::string short_answer(const std::string& text) {
  const size_t at = text.rfind("Answer:");
  if (at == std::string::npos) return cut_text(text, kAnswerBytes);
  const AnswerKey key = answer_key(text);
  return cut_text(key.shown.empty() ? text : key.shown, kAnswerBytes);
}

std::vector<KnownAnswer> known_of(const std::vector<Part>& parts, const std::vector<int>* only) {
  std::vector<KnownAnswer> known;
  for (size_t i = 0; i < parts.size(); ++i) {
    const bool wanted = only == nullptr || std::find(only->begin(), only->end(), static_cast<int>(i)) != only->end();
    if (wanted && parts[i].answered) known.push_back({static_cast<int>(i) + 1, parts[i].step.question, parts[i].answer});
  }
  return known;
}

Json parts_json(const std::vector<Part>& parts) {
  Json::Array list;
  for (const Part& part : parts) {
    Json::Array needs;
    needs.reserve(part.step.needs.size());
    for (const int need : part.step.needs) needs.emplace_back(need + 1);
    Json one;
    one.set("question", part.step.question);
    one.set("needs", std::move(needs));
    if (part.lane >= 0) one.set("lane", part.lane);
    if (part.answered) {
      const AnswerKey key = answer_key(part.answer);
      one.set("type", answer_kind_name(key.kind));
      one.set("answer", part.answer);
    } else {
      one.set("failure", part.failure);
    }
    list.push_back(std::move(one));
  }
  return list;
}

void set_detail(AgentRun* run, const char* name, Json value) {
  if (run->ledger().details.is_null()) run->ledger().details = Json::Object{};
  run->ledger().details.set(name, std::move(value));
}

bool holds_number(std::string_view text, std::string_view value) {
  const std::vector<NumberLiteral> literals = find_number_literals(text);
  return std::any_of(literals.begin(), literals.end(), [&](const NumberLiteral& one) { return one.value == value; });
}

// A number of the joined text that neither the question nor an answer has; empty when there is none. Citations do not count.
std::string foreign_number(const std::string& joined, const std::string& source) {
  for (const NumberLiteral& one : find_number_literals(joined)) {
    const bool cites = one.offset > 0 && joined[one.offset - 1] == '[';
    if (!cites && !holds_number(source, one.value)) return one.value;
  }
  return {};
}

// A plan that both lacks a number of the question and has one that the question lacks has copied wrongly; either alone may be sense ("a
// dozen" is 12, a year says nothing). Empty when it has not.
std::string miscopied_number(const Plan& plan, const std::string& question) {
  std::string all, foreign, lost;
  for (const PlanStep& step : plan.steps) {
    all += step.question + "\n";
    if (foreign.empty()) foreign = foreign_number(step.question, question);
  }
  for (const NumberLiteral& one : find_number_literals(question)) {
    if (lost.empty() && !holds_number(all, one.value)) lost = one.value;
  }
  return foreign.empty() || lost.empty() ? std::string() : "it says " + foreign + " and leaves out " + lost;
}

// A planned question that shares neither a word nor a number with what was asked, nor refers to another, was made up. 0 when there is none.
size_t made_up(const Plan& plan, const std::string& question) {
  const std::vector<std::string> asked = content_words(question);
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    const PlanStep& step = plan.steps[i];
    const std::vector<std::string> words = content_words(step.question);
    // Other scripts do not set words apart by blanks, so nothing is said of them.
    const bool other_script = std::any_of(step.question.begin(), step.question.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
    if (!step.needs.empty() || words.empty() || asked.empty() || other_script) continue;
    // The same beginning will do: "weighs" and "weight".
    const bool shares = std::any_of(words.begin(), words.end(), [&](const std::string& word) {
      return std::any_of(asked.begin(), asked.end(), [&](const std::string& other) { return word.compare(0, 4, other, 0, 4) == 0; });
    });
    const std::vector<NumberLiteral> numbers = find_number_literals(step.question);
    const bool counts = std::any_of(numbers.begin(), numbers.end(), [&](const NumberLiteral& one) { return holds_number(question, one.value); });
    if (!shares && !counts) return i + 1;
  }
  return 0;
}

class Split {
 public:
  // labels: how the question itself names its parts; empty when a model planned.
  Split(AgentRun* run, const StrategyInput& input, Plan plan, std::vector<std::string> labels, int plan_lane)
      : run_(run), input_(input), question_(question_of(std::get<ChatPrompt>(input.base.prompt).messages)), labels_(std::move(labels)), plan_lane_(plan_lane) {
    for (PlanStep& step : plan.steps) parts_.push_back({.step = std::move(step)});
  }

  AgentAnswer go() {
    const int width = std::clamp(input_.params.n_agents, 1, kFanOutMax);
    for (;;) {
      start_ready(width);
      const int lane = run_->wait_any();
      if (lane < 0) break;
      const auto found = std::find_if(parts_.begin(), parts_.end(), [&](const Part& part) { return part.lane == lane && !part.over; });
      if (found != parts_.end()) take(&*found);
    }
    set_detail(run_, "plan", parts_json(parts_));
    return join();
  }

 private:
  bool is_open(const Part& part) const { return part.lane >= 0 && !part.over; }

  void start_ready(int width) {
    for (size_t i = 0; i < parts_.size(); ++i) {
      Part& part = parts_[i];
      if (part.over || part.lane >= 0) continue;
      bool ready = true;
      for (const int need : part.step.needs) {
        const Part& needed = parts_[static_cast<size_t>(need)];
        ready = ready && needed.over;
        if (needed.over && !needed.answered && part.failure.empty()) part.failure = fmt::format("it needs [{}], which has no answer", need + 1);
      }
      if (!part.failure.empty()) {
        part.over = true;
        part.lane = run_->skip(task_of(i), part.failure);
        i = static_cast<size_t>(-1);  // others may have waited for this one
        continue;
      }
      if (!ready || std::count_if(parts_.begin(), parts_.end(), [&](const Part& one) { return is_open(one); }) >= width) continue;
      part.n_attempts = 1;
      part.lane = run_->start(task_of(i));
    }
  }

  LaneTask task_of(size_t i) const {
    const Part& part = parts_[i];
    const bool retry = part.n_attempts == 2;
    LaneTask task{.key = fmt::format("part/{}{}", i + 1, retry ? "/retry" : ""), .role = "part", .title = part.step.question,
                  // Parts that the question's own form gave stand alone; a model's may lean on words of the whole.
                  .request = with_question(input_.base, part_prompt(labels_.empty() ? question_ : std::string(), part.step.question, known_of(parts_, &part.step.needs)), input_.info.can_think, input_.info),
                  .parent = plan_lane_, .attempt = retry ? 2 : 1, .with_tools = true};
    task.request.sampling.seed = input_.base.sampling.seed + i + 1 + (retry ? kRetrySeed : 0);
    return task;
  }

  void take(Part* part) {
    const LaneRecord& lane = run_->lane(part->lane);
    if (lane.ok() && !lane.text.empty()) {
      part->over = part->answered = true;
      part->answer = short_answer(lane.text);
      return;
    }
    part->failure = lane.ok() ? "it was empty" : !lane.error.empty() ? lane.error : lane_state_name(lane.state);
    const std::string retry_key = fmt::format("part/{}/retry", part - parts_.data() + 1);
    const bool hopeless = lane.state == LaneState::kCancelled || lane.state == LaneState::kDeadline || lane.state == LaneState::kSkipped || !run_->would_start(retry_key);
    if (hopeless || part->n_attempts >= 2) {
      part->over = true;
      return;
    }
    run_->note(fmt::format("[{}] failed ({}) and is tried once more", part - parts_.data() + 1, part->failure));
    part->failure.clear();
    part->n_attempts = 2;
    part->lane = run_->start(task_of(static_cast<size_t>(part - parts_.data())));
  }

  AgentAnswer join() {
    std::vector<int> answered;
    std::string missing;
    for (size_t i = 0; i < parts_.size(); ++i) {
      if (parts_[i].answered) answered.push_back(static_cast<int>(i) + 1);
      else missing += fmt::format("{}No answer for [{}] ({}): {}.", missing.empty() ? "" : "\n", i + 1, parts_[i].step.question, parts_[i].failure);
    }
    AgentAnswer answer;
    if (answered.empty()) {
      answer = answer_of(run_->lane(parts_.front().lane));
      answer.text = missing;
      if (answer.reason == FinishReason::kStop) answer.reason = FinishReason::kLength;
      return answer;
    }
    if (!labels_.empty() && !input_.base.constraint.has_value()) {
      // The question is its parts: their answers in its order say all of it, and no model can get one wrong in the telling.
      set_detail(run_, "join", "the parts are what was asked, so their answers are listed");
      for (const int number : answered) {
        const auto i = static_cast<size_t>(number) - 1;
        answer.text += fmt::format("{}{} {} [{}]", answer.text.empty() ? "" : "\n", labels_[i], parts_[i].answer, number);
      }
      if (!missing.empty()) answer.text += "\n\n" + missing;
      return answer;
    }
    LaneTask task{.key = "join", .role = "join", .title = "Join the answers", .request = with_question(input_.base, merge_prompt(question_, known_of(parts_, nullptr)), /*thinking=*/false, input_.info),
                  .parent = plan_lane_};
    task.request.constraint = input_.base.constraint;
    const LaneRecord& lane = run_->wait(run_->start(std::move(task)));
    answer = answer_of(lane);
    int n_citations = 0;
    answer.text = checked_citations(lane.text, answered, &n_citations);
    std::string fault;
    if (!lane.ok()) fault = "the join did not end well";
    else if (input_.base.constraint.has_value()) fault.clear();
    else if (n_citations == 0) fault = "the joined text cites nothing";
    else if (const int left_out = uncited(answer.text, answered); left_out > 0) fault = fmt::format("the joined text leaves out [{}]", left_out);
    else if (const std::string number = foreign_number(answer.text, merge_prompt(question_, known_of(parts_, nullptr))); !number.empty()) fault = "the joined text says " + number + ", which nobody found";
    if (!fault.empty()) {
      // Such a text cannot be checked, or is wrong; the parts themselves can be.
      set_detail(run_, "join", fault + ", so the parts are listed");
      std::string list;
      for (const int number : answered) {
        const Part& part = parts_[static_cast<size_t>(number) - 1];
        list += fmt::format("{}{} {} [{}]", list.empty() ? "" : "\n", part.step.question, part.answer, number);
      }
      answer.text = std::move(list);
      answer.error = {};
      if (answer.reason == FinishReason::kError) answer.reason = lane.state == LaneState::kSkipped ? FinishReason::kLength : FinishReason::kStop;
    }
    if (!missing.empty() && !input_.base.constraint.has_value()) answer.text += "\n\n" + missing;
    return answer;
  }

  // The first answered part that the text does not cite and no other part needs; 0 when there is none.
  int uncited(const std::string& text, const std::vector<int>& answered) const {
    for (const int number : answered) {
      const bool needed = std::any_of(parts_.begin(), parts_.end(), [&](const Part& part) {
        return std::find(part.step.needs.begin(), part.step.needs.end(), number - 1) != part.step.needs.end();
      });
      if (!needed && text.find("[" + std::to_string(number) + "]") == std::string::npos) return number;
    }
    return 0;
  }

  AgentRun* run_;
  const StrategyInput& input_;
  std::string question_;
  std::vector<std::string> labels_;
  int plan_lane_;
  std::vector<Part> parts_;
};

}  // namespace

AgentAnswer run_split(AgentRun* run, const StrategyInput& input) {
  const std::string question = question_of(std::get<ChatPrompt>(input.base.prompt).messages);
  // Where the question's own form says what its parts are, no model is asked: nothing to wait for, nothing to get wrong.
  if (std::optional<FormPlan> form = plan_by_form(question)) {
    run->note(fmt::format("{} questions, as the question numbers them", form->plan.steps.size()));
    set_detail(run, "planned_by", "form");
    return Split(run, input, std::move(form->plan), std::move(form->labels), input.parent).go();
  }
  LaneTask task{.key = "plan", .role = "plan", .title = "Plan", .request = with_question(input.base, plan_prompt(question), /*thinking=*/false, input.info), .parent = input.parent};
  task.request.sampling.temperature = 0;
  task.request.stop.strings.clear();
  task.request.stop.max_tokens = kPlanTokens;
  task.request.constraint = Constraint{Constraint::Kind::kJsonSchema, plan_schema()};
  const int plan_lane = run->start(std::move(task));
  const LaneRecord& planned = run->wait(plan_lane);
  const auto alone = [&](const std::string& why) {
    run->note("one agent answers: " + why);
    set_detail(run, "plan_refused", why);
    return run_single(run, input, input.info.can_think);
  };
  if (!planned.ok()) {
    if (!run->would_start("answer")) return answer_of(planned);
    return alone(fmt::format("plan: {}", planned.error.empty() ? lane_state_name(planned.state) : planned.error.c_str()));
  }
  Result<Plan> plan = parse_plan(planned.text);
  if (!plan.ok()) return alone(plan.error().message);
  if (plan->steps.size() < 2) return alone("plan: there is nothing to split");
  if (const std::string miscopied = miscopied_number(*plan, question); !miscopied.empty()) return alone("plan: " + miscopied);
  if (const size_t step = made_up(*plan, question); step > 0) return alone(fmt::format("plan: nobody asked for question {} ({})", step, cut_text(plan->steps[step - 1].question, 80)));
  run->note(fmt::format("{} questions", plan->steps.size()));
  set_detail(run, "planned_by", "model");
  return Split(run, input, std::move(*plan), {}, plan_lane).go();
}

}  // namespace firesteel
