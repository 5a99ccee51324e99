#include "eval_solver.h"

#include <algorithm>
#include <map>
#include <set>

#include "tools/calculator.h"
#include "agents/answer_key.h"
#include "agents/contemplate.h"
#include "agents/plan_form.h"
#include "agents/prompts.h"
#include "agents/tool_loop.h"
#include "base/clock.h"
#include "base/mapped_file.h"
#include "data/real/problem.h"
#include "data/synth.h"
#include "eval/choice_logprob.h"
#include "eval/compound.h"
#include "image/decode.h"

namespace firesteel {
namespace {

constexpr double kVoteTemperature = 0.7;
constexpr uint64_t kDrawsPerItem = 20;  // until a suite of distinct problems is full

Json message_json(const SampleMessage& message) {
  if (message.images.empty()) return Json::Object{{"role", message.role}, {"content", message.text}};
  Json::Array parts;
  for (size_t i = 0; i < message.images.size(); ++i) parts.push_back(Json::Object{{"type", "image"}});
  parts.push_back(Json::Object{{"type", "text"}, {"text", message.text}});
  return Json::Object{{"role", message.role}, {"content", std::move(parts)}};
}

Attempt failed(const Error& error) {
  Attempt out;
  out.error = error.message;
  out.finish = "error";
  return out;
}

class EngineSolver {
 public:
  EngineSolver(Generator* generator, const LoadedModel& loaded, const EvalSettings& settings)
      : generator_(generator), settings_(settings), can_switch_(loaded.chat_template->mentions("enable_thinking")), calculator_({make_calculator()}) {}

  Attempt solve(const Suite& suite, const EvalItem& item, size_t index) const {
    const EvalMode mode = settings_.mode.value_or(suite.mode);
    GenerateRequest request;
    ChatPrompt prompt;
    Json::Array messages;
    if (!suite.system.empty()) messages.push_back(Json::Object{{"role", "system"}, {"content", suite.system}});
    for (const SampleMessage& message : item.messages) messages.push_back(message_json(message));
    prompt.messages = std::move(messages);
    if (can_switch_) prompt.template_variables = Json::Object{{"enable_thinking", mode != EvalMode::kInstant && !suite.by_logprob}};
    request.prompt = std::move(prompt);
    request.priority = Priority::kBatch;
    request.adapter = settings_.adapter;
    request.sampling.temperature = settings_.temperature.value_or(suite.temperature);
    request.sampling.seed = settings_.seed + index;
    if (settings_.n_votes > 1 && request.sampling.temperature <= 0) request.sampling.temperature = kVoteTemperature;
    request.stop.max_tokens = settings_.max_tokens.value_or(suite.max_tokens);
    request.stop.thinking_budget = mode == EvalMode::kInstant ? 0 : -1;
    for (const RgbImage& image : item.images) request.images.push_back(std::make_shared<const RgbImage>(image));
    if (suite.by_logprob && item.grading.kind == Grading::Kind::kChoice) return choose_by_logprob(generator_, std::move(request), item.grading.choices.size());

    const AgentTools tools = mode == EvalMode::kTools ? calculator_ : AgentTools();
    std::vector<Attempt> attempts;
    std::map<std::string, int> n_of;  // by what the grader reads
    for (int i = 0; i < settings_.n_votes; ++i) {
      if (settings_.n_votes > 1) request.sampling.seed = settings_.seed + index * static_cast<uint64_t>(settings_.n_votes) + static_cast<uint64_t>(i);
      attempts.push_back(ask(request, tools));
      if (attempts.back().cancelled) return attempts.back();
      ++n_of[grade(item.grading, attempts.back().text).read];
    }
    if (n_of.size() > 1) n_of.erase("");  // no answer is no vote
    const auto best = std::max_element(attempts.begin(), attempts.end(), [&](const Attempt& a, const Attempt& b) {
      return n_of[grade(item.grading, a.text).read] < n_of[grade(item.grading, b.text).read];
    });
    Attempt out = *best;
    out.generated_tokens = out.time_us = 0;
    for (const Attempt& attempt : attempts) {
      out.generated_tokens += attempt.generated_tokens;
      out.time_us += attempt.time_us;
    }
    return out;
  }

 private:
  Attempt ask(const GenerateRequest& request, const AgentTools& tools) const {
    const int64_t start_us = system_clock().now_us();
    if (settings_.agents) return ask_agents(request, tools, start_us);
    if (settings_.one_by_one) {
      const std::optional<FormPlan> parts = plan_by_form(question_of(std::get<ChatPrompt>(request.prompt).messages));
      if (parts) return ask_in_turn(request, tools, *parts);
    }
    const auto answer = run_tool_loop(generator_, request, tools, {}, {});
    if (!answer.ok()) return failed(answer.error());
    Attempt out;
    out.text = answer->text;
    out.thinking = answer->thinking;
    for (const ToolCall& call : answer->calls) out.calls.push_back({call.name, call.arguments, call.result, call.failed});
    out.prompt_tokens = answer->done.usage.prompt_tokens;
    out.generated_tokens = answer->done.usage.generated_tokens;
    out.time_us = system_clock().now_us() - start_us;
    out.finish = answer->end == ToolLoopAnswer::End::kAnswered ? finish_reason_name(answer->done.reason) : tool_loop_end_name(answer->end);
    if (answer->done.reason == FinishReason::kError) out.error = answer->done.error.message;
    out.cancelled = answer->done.reason == FinishReason::kCancelled;
    return out;
  }

  // What a person would do who has one agent and several questions: asks them in turn, in one conversation. Answers that a later part
  // needs are written into it, as split does.
  Attempt ask_in_turn(GenerateRequest request, const AgentTools& tools, const FormPlan& parts) const {
    const int64_t start_us = system_clock().now_us();
    Json::Array& messages = std::get<ChatPrompt>(request.prompt).messages.as_array();
    messages.pop_back();
    std::vector<std::string> answers;
    Attempt out;
    for (size_t i = 0; i < parts.plan.steps.size(); ++i) {
      const PlanStep& step = parts.plan.steps[i];
      std::string question = step.question;
      for (const int need : step.needs) {
        const std::string place = "[" + std::to_string(need + 1) + "]";
        const auto known = static_cast<size_t>(need);
        for (size_t at = question.find(place); known < answers.size() && at != std::string::npos; at = question.find(place, at + 1)) question.replace(at, place.size(), answers[known]);
      }
      messages.push_back(Json::Object{{"role", "user"}, {"content", question}});
      const auto answer = run_tool_loop(generator_, request, tools, {}, {});
      if (!answer.ok()) return failed(answer.error());
      messages.push_back(Json::Object{{"role", "assistant"}, {"content", answer->text}});
      const AnswerKey key = answer_key(answer->text);
      answers.push_back(key.shown.empty() ? answer->text : key.shown);
      out.text += (i == 0 ? "" : "\n") + parts.labels[i] + " " + answers.back();
      for (const ToolCall& call : answer->calls) out.calls.push_back({call.name, call.arguments, call.result, call.failed});
      out.prompt_tokens += answer->done.usage.prompt_tokens;
      out.generated_tokens += answer->done.usage.generated_tokens;
      out.finish = finish_reason_name(answer->done.reason);
      out.cancelled = answer->done.reason == FinishReason::kCancelled;
      if (out.cancelled) break;
    }
    out.time_us = system_clock().now_us() - start_us;
    return out;
  }

  // Tokens of all lanes together, the router's probe among them.
  Attempt ask_agents(GenerateRequest request, const AgentTools& tools, int64_t start_us) const {
    request.agents = settings_.agents;
    AgentRun::Options options;
    options.tools = tools;
    const Result<AgentAnswer> answer = answer_with_agents(generator_, std::move(request), std::move(options));
    if (!answer.ok()) return failed(answer.error());
    Attempt out;
    out.text = answer->text;
    out.thinking = answer->thinking;
    for (const LaneRecord& lane : answer->ledger.lanes) {
      for (const ToolCall& call : lane.tools) out.calls.push_back({call.name, call.arguments, call.result, call.failed});
    }
    const Usage usage = answer->ledger.sum();
    out.prompt_tokens = usage.prompt_tokens;
    out.generated_tokens = usage.generated_tokens;
    out.time_us = system_clock().now_us() - start_us;
    out.finish = finish_reason_name(answer->reason);
    if (answer->reason == FinishReason::kError) out.error = answer->error.message;
    out.cancelled = answer->reason == FinishReason::kCancelled;
    return out;
  }

  Generator* generator_;
  EvalSettings settings_;
  bool can_switch_;
  AgentTools calculator_;
};

// Distinct problems of the evaluation split, in the order of the stream.
Result<std::vector<EvalItem>> synthesise(const SuiteSource& source) {
  SynthOptions options;
  options.seed = source.seed;
  options.split = Split::kEval;
  options.mixture = source.kinds;
  FS_TRY(const std::unique_ptr<SynthSource> stream, SynthSource::create(std::move(options)));
  std::vector<EvalItem> items;
  std::set<std::string> seen;
  const bool compound = source.parts_max > 0;
  const auto count = static_cast<uint64_t>(source.count) * static_cast<uint64_t>(compound ? source.parts_max : 1);
  for (uint64_t i = 0; items.size() < count && i < kDrawsPerItem * count; ++i) {
    FS_TRY(const Sample sample, stream->sample(i));
    if (sample.grader == "none" && source.grader.empty()) continue;  // nothing to compare with
    EvalItem item = item_from_sample(sample, i);
    if (item.messages.empty() || (compound && !can_be_part(item))) continue;
    EvalItem content = item;
    content.id.clear();
    if (!seen.insert(items_digest({content})).second) continue;
    items.push_back(std::move(item));
  }
  if (items.size() < count) {
    return Error{ErrorCode::kDataLoss, "only " + std::to_string(items.size()) + " distinct problems of these kinds, " + std::to_string(count) + " are wanted"};
  }
  if (compound) return make_compound_items(std::move(items), source.parts_min, source.parts_max, static_cast<size_t>(source.count), source.seed);
  return items;
}

}  // namespace

Solve make_solver(Generator* generator, const LoadedModel& loaded, const EvalSettings& settings) {
  const auto solver = std::make_shared<const EngineSolver>(generator, loaded, settings);
  return [solver](const Suite& suite, const EvalItem& item, size_t index) { return solver->solve(suite, item, index); };
}

SuiteInputs make_suite_inputs(const std::string& data_folder) {
  SuiteInputs inputs;
  inputs.data_folder = data_folder;
  inputs.synthesise = synthesise;
  // The same rule that keeps training away from them.
  inputs.keep = [](const std::string&, const EvalItem& item) { return is_held_out_skeleton(item.messages.back().text, kMawpsHeldOutPercent); };
  inputs.read_image = [](const std::string& path) -> Result<RgbImage> {
    FS_TRY(const std::string bytes, read_file(path, ImageLimits{}.max_bytes));
    Result<RgbImage> image = decode_image(std::as_bytes(std::span(bytes)));
    if (!image.ok()) return Error{image.error().code, path + ": " + image.error().message};
    return image;
  };
  return inputs;
}

}  // namespace firesteel
