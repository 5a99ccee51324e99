// Which way a question is answered, and why: by its shape, and by how sure the model is of its first tokens.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "api/agents.h"
#include "api/generator.h"

namespace firesteel {

// What can be seen without a model. Heuristics for English, cheap and bounded; they choose a way, never an answer.
struct QuestionShape {
  int n_parts = 1;           // questions that seem to be asked: question marks, numbered or lettered items, "and what/how/which ..."
  bool has_form = false;     // and their form says where each begins (plan_by_form)
  bool is_checkable = false; // answers can be compared: numbers, choices, yes or no
  bool is_open = false;      // a text is to be written
  bool computes = false;     // it tells two numbers, or one and asks for another: to be worked out, not recalled
};
QuestionShape question_shape(std::string_view question);

// The model's first tokens of an instant answer, read greedily; what it would say next is already in the prefix cache.
struct Probe {
  int n_tokens = 0;          // 0: not made
  double entropy_max = 0;    // nats, over the alternatives that were told, the rest counted as one; the largest of the tokens
  double margin_min = 1;     // between the two likeliest
};
// tops: the alternatives of all tokens, `n_per_token` each.
Probe read_probe(const std::vector<TokenLogprob>& tops, size_t n_per_token);

// Where the model counts as certain, and as uncertain, in nats of Probe::entropy_max. The only place of these numbers. Fitted with Kindling of stage
// 34 on 1,708 questions of no suite: the fewest tokens among what is within 1 point of the best fixed choice on each of four sets, and, as a
// check, well within 2 points on SVAMP (docs/subagents.md, "The router's thresholds").
struct RouterThresholds {
  double sure_entropy = 0.35, sure_margin = 0.6;  // anything from 0 to 0.5 and 0.6 to 0.8 does as well
  // A model that can think votes above this: the probe reads the instant answer, which says little of the one after thinking.
  double vote_entropy = 2.0;
  // A model that cannot think votes above this, and votes that were asked for without a width are wide above it. Not fitted.
  double unsure_entropy = 1.0;
};

struct AnswerRoute {
  AnswerMode mode = AnswerMode::kInstant;         // never kAuto
  AgentStrategy strategy = AgentStrategy::kAuto;  // contemplating: never kAuto
  int n_agents = 1;
  std::string why;
};

// Whether choose_route would look at a probe.
bool wants_probe(const AgentParams& params, const QuestionShape& shape);
AnswerRoute choose_route(const AgentParams& params, const QuestionShape& shape, const Probe& probe, bool can_think, const RouterThresholds& thresholds = {});

}  // namespace firesteel
