#include "agents/router.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <optional>

#include <fmt/format.h>

#include "agents/plan_form.h"
#include "base/ascii.h"
#include "base/number_literals.h"

namespace firesteel {
namespace {

constexpr size_t kShapeBytesMax = 8192;

bool contains_word(const std::string& text, std::string_view word) {
  for (size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
    const bool begins = at == 0 || std::isalnum(static_cast<unsigned char>(text[at - 1])) == 0;
    const size_t end = at + word.size();
    const bool ends = end >= text.size() || std::isalnum(static_cast<unsigned char>(text[end])) == 0;
    if (begins && ends) return true;
  }
  return false;
}

int count_of(const std::string& text, std::string_view part) {
  int n = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) ++n;
  return n;
}

// Lines, or words after a blank, that begin with "1)", "2.", "a)".
int count_items(const std::string& text) {
  int n = 0;
  for (size_t i = 0; i + 1 < text.size(); ++i) {
    const bool begins = i == 0 || text[i - 1] == '\n' || text[i - 1] == ' ' || text[i - 1] == '(';
    const bool label = std::isdigit(static_cast<unsigned char>(text[i])) != 0 || (text[i] >= 'a' && text[i] <= 'f');
    const bool at_line = i == 0 || text[i - 1] == '\n';
    if (begins && label && (text[i + 1] == ')' || (at_line && text[i + 1] == '.'))) ++n;
  }
  return n;
}

}  // namespace

QuestionShape question_shape(std::string_view question) {
  const std::string text = lower_ascii(question.substr(0, kShapeBytesMax));
  QuestionShape shape;
  const int n_marks = count_of(text, "?");
  int n_and = 0;
  // A second thing that is asked, behind the first: "what is X, and how long ...". What stands before the first question word only tells
  // something: "With a power of 551 W, how many seconds ...?" asks once.
  constexpr std::array<std::string_view, 7> kQuestionWords = {"what", "how", "which", "who", "when", "where", "why"};
  size_t first_ask = std::string::npos;
  for (const std::string_view word : kQuestionWords) {
    for (size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
      if (at > 0 && std::isalnum(static_cast<unsigned char>(text[at - 1])) != 0) continue;
      first_ask = std::min(first_ask, at);
      break;
    }
  }
  const std::string behind = first_ask == std::string::npos ? std::string() : text.substr(first_ask);
  for (const std::string_view word : kQuestionWords) {
    n_and += count_of(behind, fmt::format(" and {} ", word)) + count_of(behind, fmt::format(", {} ", word)) + count_of(behind, fmt::format("; {} ", word));
  }
  const bool choices = count_of(text, "a)") > 0 && count_of(text, "b)") > 0;
  const int n_items = count_items(text);
  const std::optional<FormPlan> form = plan_by_form(question.substr(0, kShapeBytesMax));
  shape.has_form = form.has_value();
  shape.n_parts = form ? static_cast<int>(form->plan.steps.size()) : std::clamp(std::max({1, n_marks, choices ? 1 : n_items, n_marks > 0 || n_and > 1 ? 1 + n_and : 1}), 1, kFanOutMax);
  for (const std::string_view word : {"write", "essay", "story", "poem", "letter", "explain", "describe", "summarise", "summarize", "draft", "translate"}) {
    shape.is_open = shape.is_open || contains_word(text, word);
  }
  bool has_digit = std::any_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  bool asks_value = false;
  for (const std::string_view words : {"how many", "how much", "how long", "how far", "how old", "calculate", "compute", "what is the", "find the"}) {
    asks_value = asks_value || text.find(words) != std::string::npos;
  }
  bool yes_no = false;
  for (const std::string_view word : {"is ", "are ", "does ", "do ", "did ", "can ", "was ", "were ", "has ", "have "}) yes_no = yes_no || text.starts_with(word);
  shape.computes = !shape.is_open && !choices && (find_number_literals(text).size() >= 2 || (has_digit && asks_value));
  shape.is_checkable = !shape.is_open && ((has_digit && asks_value) || choices || yes_no || text.find("how many") != std::string::npos);
  return shape;
}

Probe read_probe(const std::vector<TokenLogprob>& tops, size_t n_per_token) {
  Probe probe;
  if (n_per_token == 0) return probe;
  for (size_t at = 0; at + n_per_token <= tops.size(); at += n_per_token) {
    double entropy = 0, sum = 0;
    std::array<double, 2> best{};
    for (size_t i = at; i < at + n_per_token; ++i) {
      const double p = std::exp(static_cast<double>(tops[i].logprob));
      if (p > 0) entropy -= p * static_cast<double>(tops[i].logprob);
      sum += p;
      if (p > best[0]) {
        best[1] = best[0];
        best[0] = p;
      } else {
        best[1] = std::max(best[1], p);
      }
    }
    const double rest = 1 - sum;
    if (rest > 1e-9) entropy -= rest * std::log(rest);
    ++probe.n_tokens;
    probe.entropy_max = std::max(probe.entropy_max, entropy);
    probe.margin_min = std::min(probe.margin_min, best[0] - best[1]);
  }
  return probe;
}

bool wants_probe(const AgentParams& params, const QuestionShape& shape) {
  if (params.mode == AnswerMode::kAuto) return params.strategy == AgentStrategy::kAuto && params.n_agents <= 1 && shape.n_parts < 2;
  return params.mode == AnswerMode::kContemplating && params.n_agents == 0 && shape.n_parts < 2 && shape.is_checkable &&
         (params.strategy == AgentStrategy::kAuto || params.strategy == AgentStrategy::kVote);
}

AnswerRoute choose_route(const AgentParams& params, const QuestionShape& shape, const Probe& probe, bool can_think, const RouterThresholds& thresholds) {
  const bool known = probe.n_tokens > 0;
  const bool sure = known && probe.entropy_max < thresholds.sure_entropy && probe.margin_min > thresholds.sure_margin;
  const bool unsure = known && probe.entropy_max > thresholds.unsure_entropy;
  const std::string doubt = known ? fmt::format("first tokens have up to {:.2f} nats and a margin of at least {:.2f}", probe.entropy_max, probe.margin_min) : std::string("the model was not probed");
  AnswerRoute route;
  const auto contemplate = [&](AgentStrategy strategy, int width, std::string why) {
    route.mode = AnswerMode::kContemplating;
    route.strategy = strategy;
    route.n_agents = params.n_agents > 0 ? params.n_agents : width;
    route.why = std::move(why);
    return route;
  };
  const int vote_width = unsure || !known ? 8 : 5;
  const int split_width = std::clamp(shape.n_parts, 2, kFanOutMax);

  if (params.mode == AnswerMode::kInstant || params.mode == AnswerMode::kThinking) {
    route.mode = params.mode;
    route.why = "asked for";
    return route;
  }
  const bool agents_asked = params.mode == AnswerMode::kContemplating || params.strategy != AgentStrategy::kAuto || params.n_agents > 1;
  if (agents_asked) {
    switch (params.strategy) {
      case AgentStrategy::kSplit: return contemplate(AgentStrategy::kSplit, split_width, "split was asked for");
      case AgentStrategy::kVote: return contemplate(AgentStrategy::kVote, vote_width, "vote was asked for");
      case AgentStrategy::kRefine: return contemplate(AgentStrategy::kRefine, 3, "refine was asked for");
      case AgentStrategy::kAuto: break;
    }
    if (shape.n_parts >= 2) return contemplate(AgentStrategy::kSplit, split_width, fmt::format("the question seems to have {} parts", shape.n_parts));
    if (shape.is_checkable) return contemplate(AgentStrategy::kVote, vote_width, "answers can be compared; " + doubt);
    return contemplate(AgentStrategy::kRefine, 3, "answers cannot be compared, so drafts are refined");
  }
  if (shape.n_parts >= 2) return contemplate(AgentStrategy::kSplit, split_width, fmt::format("the question seems to have {} parts", shape.n_parts));
  // A model may be sure of the first digits of a number that it has not worked out, so what is to be computed is thought about.
  if (sure && !(shape.computes && can_think)) {
    route.mode = AnswerMode::kInstant;
    route.why = "one agent, at once: " + doubt;
    return route;
  }
  const bool votes = known && probe.entropy_max > (can_think ? thresholds.vote_entropy : thresholds.unsure_entropy);
  if (shape.is_checkable && votes) return contemplate(AgentStrategy::kVote, vote_width, "answers can be compared and the model is unsure: " + doubt);
  route.mode = can_think ? AnswerMode::kThinking : AnswerMode::kInstant;
  if (sure) {
    route.why = "one agent that thinks, because there is something to work out; " + doubt;
    return route;
  }
  route.why = std::string(can_think ? "one agent that thinks: " : "one agent, at once, because the model has no thinking: ") + doubt;
  return route;
}

}  // namespace firesteel
