#include "data/story_sample.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/number_literals.h"
#include "data/calculation.h"
#include "data/caller_system.h"
#include "data/compose.h"
#include "data/draw.h"
#include "data/reading.h"
#include "data/renderer.h"

namespace firesteel {
namespace {

constexpr int kAttempts = 600;
constexpr size_t kMaxMarkers = 32;

std::string marker(size_t k) { return fmt::format("<|n{}|>", k); }

bool chance(Rng* rng, uint64_t percent) { return rng->below(100) < percent; }

// Which variables the model can refer to, by the literals of the text.
Renderer::Bound tokens_of(const std::string& text, const std::vector<NumberSpan>& spans) {
  Renderer::Bound bound;
  const std::vector<NumberLiteral> literals = find_number_literals(text);
  for (size_t k = 0; k < literals.size() && k < kMaxMarkers; ++k) {
    for (const NumberSpan& span : spans) {
      if (span.offset != literals[k].offset || span.length != literals[k].length) continue;
      const bool known = std::any_of(bound.begin(), bound.end(), [&](const auto& pair) { return pair.first == span.ref; });
      if (!known) bound.emplace_back(span.ref, marker(k));
    }
  }
  return bound;
}

struct Attempt {
  std::optional<Sample> sample = {};
  std::string why = {};  // not this time
  bool hopeless = false;
};

class QuestionWriter {
 public:
  QuestionWriter(const Story& story, const Ask& ask, Split split, Rng* rng) : story_(story), ask_(ask), split_(split), rng_(rng) {}

  Attempt attempt() {
    const bool eval = split_ == Split::kEval;
    const Reserved reserved = !eval ? Reserved::kNever : chance(rng_, 50) ? Reserved::kWanted : Reserved::kMaybe;
    std::optional<Draw> draw = draw_variables(story_, rng_, reserved);
    if (!draw) return {.why = "no values satisfy the conditions"};
    for (const Formula& need : ask_.needs) {
      if (!need.holds(draw->lookup())) return {.why = "a condition of the question does not hold"};
    }
    if (ask_.find) {
      const std::optional<Value> answer = ask_.find->evaluate(draw->lookup());
      if (!answer) return {.why = "the expression has no value"};
      if (const Decimal* number = number_of(*answer)) {
        if (!ask_.is_signed && number->sign() <= 0) return {.why = fmt::format("the answer {} is not positive", number->to_string())};
        if (!ask_.is_long && !is_short(*number)) return {.why = fmt::format("the answer {} has too many decimals", number->to_string())};
      }
      if (ask_.same_as && !agrees(*draw, *answer)) {
        return {.why = fmt::format("question '{}' gives {}, the variable is {}", ask_.name, text_of(*answer),
                                   text_of(draw->value({*ask_.same_as, -1}))),
                .hopeless = true};
      }
      draw->set_answer(*answer);
    }
    draw_ = std::move(draw);
    const bool held_out = write_text();
    if (eval && !held_out && !draw_->has_reserved()) return {.why = "nothing in it is held out"};
    if (!eval && held_out) return {.why = "all its wordings are held out"};
    return target();
  }

 private:
  bool agrees(const Draw& draw, const Value& answer) const {
    const Value& value = draw.value({*ask_.same_as, -1});
    if (number_of(value) != nullptr && number_of(answer) != nullptr) return *number_of(value) == *number_of(answer);
    return text_of(value) == text_of(answer);
  }

  // Sets text_, bound_, renderer_; true when a held-out form is in it.
  bool write_text() {
    std::vector<size_t> facts;
    for (const size_t index : ask_.facts) {
      if (!story_.facts[index].extra || chance(rng_, 25)) facts.push_back(index);
    }
    const bool shuffled = story_.order_any && facts.size() > 1 && chance(rng_, 50);
    if (shuffled) {
      for (size_t i = facts.size() - 1; i > 0; --i) std::swap(facts[i], facts[rng_->below(i + 1)]);
    }
    Composition composition;
    composition.question_last = ask_.question_last;
    composition.question.wording = &ask_.question;
    for (const size_t index : facts) composition.facts.push_back({&story_.facts[index].wording, {}});

    std::vector<Clause*> clauses;
    for (Clause& clause : composition.facts) clauses.push_back(&clause);
    clauses.push_back(&composition.question);
    const bool eval = split_ == Split::kEval;
    const Clause* wanted = nullptr;
    if (eval) {
      std::vector<const Clause*> able;
      for (const Clause* clause : clauses) {
        if (clause->wording->has_held_out()) able.push_back(clause);
      }
      if (!able.empty()) wanted = able[rng_->below(able.size())];
    }
    bool held_out = false;
    for (Clause* clause : clauses) {
      const Wording::Want want = !eval ? Wording::Want::kTrain : clause == wanted ? Wording::Want::kHeldOut : Wording::Want::kAny;
      clause->form = clause->wording->draw(rng_, want, shuffled && clause != &composition.question);
      held_out = held_out || clause->form.held_out;
    }
    renderer_.emplace(*draw_, rng_);
    compose(composition, rng_, &*renderer_);
    text_ = with_noise(renderer_->out(), rng_);
    bound_ = tokens_of(text_, renderer_->spans());
    return held_out;
  }

  Shown shown(VariableRef ref) const {
    for (const auto& [known, token] : bound_) {
      if (known == ref) return {Shown::As::kToken, token};
    }
    return {renderer_->has_shown(ref) ? Shown::As::kWords : Shown::As::kNot, {}};
  }

  std::string render(const Wording& wording, const Renderer::Bound& bound, const std::string& answer) {
    Renderer renderer(*draw_, rng_, &bound, answer);
    const Form form = wording.draw(rng_, Wording::Want::kAny);
    renderer.form(form, wording);
    return renderer.take();
  }

  // The answer's line; `number` stands for the value of the expression.
  std::string reply(const std::string& number, const Renderer::Bound& bound, bool* say, bool* conditional) {
    for (const Reply& reply : ask_.replies) {
      if (reply.condition && !reply.condition->holds(draw_->lookup())) continue;
      *say = reply.say;
      *conditional = *conditional || reply.condition.has_value();
      return (reply.say ? "" : "Answer: ") + render(reply.wording, bound, number);
    }
    std::string text = "Answer: " + number;
    if (!ask_.unit.empty()) {
      // A unit may place the number itself: "${answer}".
      const auto& slots = ask_.unit.slots();
      const bool places = std::any_of(slots.begin(), slots.end(), [](const Slot& slot) { return slot.kind == Slot::Kind::kAnswer; });
      if (places) {
        text = "Answer: " + render(ask_.unit, bound, number);
      } else {
        Renderer renderer(*draw_, rng_, &bound, number);
        const Form form = ask_.unit.draw(rng_, Wording::Want::kAny);
        renderer.count(number);
        renderer.text(" ");
        renderer.form(form, ask_.unit);
        text = "Answer: " + renderer.take();
      }
    }
    return text;
  }

  Attempt target() {
    std::optional<Calculation> calculation;
    if (ask_.find && number_of(*draw_->answer()) != nullptr) {
      Result<Calculation> made = make_calculation(*draw_, *ask_.find, [this](VariableRef ref) { return shown(ref); });
      if (made.ok()) {
        calculation = std::move(*made);
        if (!ask_.is_signed && !no_negative_part(*calculation)) return {.why = "a part of the expression is negative"};
      } else if (!ask_.by_hand) {
        return {.why = made.error().message, .hopeless = true};
      }
    }
    const bool numeric = ask_.find && number_of(*draw_->answer()) != nullptr;
    const bool by_tool = calculation && !ask_.by_hand && !calculation->is_number();
    const bool fits_head = !by_tool || (hand_sized(*calculation) && (!ask_.work.empty() || n_operations(*calculation) <= 6));
    const bool fits_instant = !by_tool || (fits_head && at_a_glance(*calculation));

    Sample sample;
    sample.kind = story_.kind + "/" + ask_.name;
    sample.messages.push_back({"user", text_});
    const std::string digits = ask_.find ? text_of(*draw_->answer()) : std::string();
    bool say = false;
    bool conditional = false;
    const std::string digits_reply = reply(digits, {}, &say, &conditional);
    sample.grader = !ask_.grader.empty() ? ask_.grader : say ? "none" : numeric && !conditional ? "number" : "exact";
    if (sample.grader != "none") sample.answer = sample.grader == "number" && numeric ? digits : without_prefix(digits_reply);
    if (sample.grader == "number") sample.reply = without_prefix(digits_reply);

    std::vector<std::pair<int, uint64_t>> modes;  // 0 tool, 1 work, 2 instant, 3 instant with the tool
    if (by_tool && ask_.modes.tool) modes.emplace_back(0, 60);
    if (fits_head && ask_.modes.work) modes.emplace_back(1, 22);
    if (fits_instant && ask_.modes.instant) modes.emplace_back(2, 12);
    if (by_tool && ask_.modes.tool && ask_.modes.instant) modes.emplace_back(3, 6);
    if (modes.empty()) return {.why = "no mode is possible with these numbers"};
    uint64_t total = 0;
    for (const auto& mode : modes) total += mode.second;
    uint64_t at = rng_->below(total);
    int mode = modes.back().first;
    for (const auto& [candidate, weight] : modes) {
      if (at < weight) {
        mode = candidate;
        break;
      }
      at -= weight;
    }
    sample.thinking = mode <= 1;
    // What is only ever done on paper is for those who have no calculator: with one, the same question is a call.
    const bool on_paper = ask_.by_hand && !ask_.modes.tool && !ask_.modes.instant;
    sample.tools = mode == 0 || mode == 3 || (!by_tool && !on_paper && chance(rng_, 50));
    if (mode == 0 || mode == 3) {
      tool_target(*calculation, digits, mode == 0, &sample);
    } else {
      const std::string read = mode == 1 && calculation ? read_first(sample.kind, calculator_text(*calculation)) : std::string();
      const std::string head = mode == 1 ? think_block(on_lines(read, working(calculation))) : std::string();
      sample.target = head + reply(digits, bound_, &say, &conditional);
    }
    return {.sample = std::move(sample)};
  }

  static std::string without_prefix(const std::string& text) { return text.starts_with("Answer: ") ? text.substr(8) : text; }

  std::string plan(const std::optional<Calculation>& calculation) {
    if (!ask_.plan.empty()) return render(ask_.plan, bound_, {});
    if (!calculation || calculation->is_number()) return {};
    std::string name = ask_.name;
    std::replace(name.begin(), name.end(), '_', ' ');
    return name + " = " + plan_text(*calculation);
  }

  // Stories with numbers to choose among are read before they are worked out.
  std::string read_first(const std::string& kind, std::string_view expression) const {
    return kind.starts_with("everyday/") ? reading(text_, expression) : std::string();
  }
  static std::string on_lines(const std::string& first, const std::string& second) { return first + (first.empty() || second.empty() ? "" : "\n") + second; }

  void tool_target(const Calculation& calculation, const std::string& digits, bool think, Sample* sample) {
    const std::string expression = calculator_text(calculation);
    if (chance(rng_, sample->kind.starts_with("everyday/") ? 88 : 75)) {
      if (think) {
        sample->target = think_block(on_lines(read_first(sample->kind, expression), thoughts(plan(calculation))));
      }
      sample->target += calculator_call(expression);
      return;
    }
    // After the result: the call stands in the history with plain digits, and the result is the next literal.
    const std::vector<NumberLiteral> literals = find_number_literals(text_);
    sample->messages.push_back({"assistant", calculator_call(with_digits(expression, literals))});
    sample->messages.push_back({"tool", digits});
    const bool negative = digits.starts_with('-');
    const std::string result = literals.size() < kMaxMarkers ? (negative ? "-" : "") + marker(literals.size()) : digits;
    bool say = false;
    bool conditional = false;
    sample->target = reply(result, bound_, &say, &conditional);
  }

  static std::string with_digits(std::string text, const std::vector<NumberLiteral>& literals) {
    for (size_t k = 0; k < literals.size() && k < kMaxMarkers; ++k) {
      const std::string token = marker(k);
      for (size_t at = text.find(token); at != std::string::npos; at = text.find(token, at)) text.replace(at, token.size(), literals[k].value);
    }
    return text;
  }

  std::string thoughts(const std::string& plan_line) {
    std::vector<std::string> lines;
    for (const Wording& wording : ask_.think) lines.push_back(render(wording, bound_, text_of(draw_->answer().value_or(Value(Decimal(0))))));
    if (!plan_line.empty() && (lines.empty() || !ask_.plan.empty())) lines.push_back(plan_line);
    return fmt::format("{}", fmt::join(lines, "\n"));
  }

  std::string working(const std::optional<Calculation>& calculation) {
    std::vector<std::string> lines;
    const std::string head = thoughts(plan(calculation));
    if (!head.empty()) lines.push_back(head);
    if (!ask_.work.empty()) {
      for (const Wording& wording : ask_.work) lines.push_back(render(wording, bound_, text_of(*draw_->answer())));
    } else if (calculation) {
      for (std::string& line : step_texts(*calculation)) lines.push_back(std::move(line));
    }
    return fmt::format("{}", fmt::join(lines, "\n"));
  }

  const Story& story_;
  const Ask& ask_;
  Split split_;
  Rng* rng_;
  std::optional<Draw> draw_;
  std::optional<Renderer> renderer_;
  std::string text_;
  Renderer::Bound bound_;
};

Attempt chat_attempt(const Story& story, Split split, Rng* rng) {
  const bool eval = split == Split::kEval;
  const Reserved reserved = !eval ? Reserved::kNever : chance(rng, 50) ? Reserved::kWanted : Reserved::kMaybe;
  std::optional<Draw> draw = draw_variables(story, rng, reserved);
  if (!draw) return {.why = "no values satisfy the conditions"};
  Sample sample;
  sample.kind = story.kind;
  bool held_out = false;
  const Renderer::Bound none;
  const auto plain = [&](const Wording& wording) {
    Renderer renderer(*draw, rng, &none, {});
    const Form form = wording.draw(rng, Wording::Want::kAny);
    renderer.form(form, wording);
    return renderer.take();
  };
  if (!story.system.empty()) sample.messages.push_back({"system", plain(story.system)});
  Renderer::Bound bound;
  const size_t last_user = story.turns.size() - 2;
  for (size_t i = 0; i <= last_user; ++i) {
    const Turn& turn = story.turns[i];
    if (!turn.user) {
      sample.messages.push_back({"assistant", plain(turn.wording)});
      continue;
    }
    const bool wanted = eval && i == last_user && turn.wording.has_held_out();
    const Form form = turn.wording.draw(rng, !eval ? Wording::Want::kTrain : wanted ? Wording::Want::kHeldOut : Wording::Want::kAny);
    held_out = held_out || form.held_out;
    Renderer renderer(*draw, rng);
    renderer.form(form, turn.wording);
    std::string text = with_noise(renderer.out(), rng);
    if (i == last_user) bound = tokens_of(text, renderer.spans());
    sample.messages.push_back({"user", std::move(text)});
  }
  if (eval && !held_out && !draw->has_reserved()) return {.why = "nothing in it is held out"};
  if (!eval && held_out) return {.why = "all its wordings are held out"};
  const Modes& modes = story.chat_modes;
  sample.thinking = modes.work && (!modes.instant || chance(rng, 50));
  sample.tools = chance(rng, 50);
  const auto written = [&](const Wording& wording, const Renderer::Bound& tokens) {
    Renderer renderer(*draw, rng, &tokens, {});
    const Form form = wording.draw(rng, Wording::Want::kAny);
    renderer.form(form, wording);
    return renderer.take();
  };
  if (sample.thinking) sample.target = think_block(story.thought.empty() ? std::string() : written(story.thought, bound));
  sample.target += written(story.turns.back().wording, bound);
  sample.grader = story.chat_grader.empty() ? "none" : story.chat_grader;
  if (!story.chat_answer.empty()) sample.answer = plain(story.chat_answer);
  return {.sample = std::move(sample)};
}

}  // namespace

std::string think_block(std::string_view thinking) {
  return thinking.empty() ? std::string("<think>\n</think>\n\n") : fmt::format("<think>\n{}\n</think>\n\n", thinking);
}

std::string calculator_call(std::string_view expression) {
  return fmt::format("<tool_call>\n{{\"name\": \"calculator\", \"arguments\": {{\"expression\": \"{}\"}}}}\n</tool_call>", expression);
}

Result<Sample> make_story_sample(const Story& story, size_t ask, Split split, Rng* rng) {
  std::string why;
  for (int i = 0; i < kAttempts; ++i) {
    Attempt attempt = story.is_chat() ? chat_attempt(story, split, rng) : QuestionWriter(story, story.asks[ask], split, rng).attempt();
    if (attempt.sample) {
      if (split == Split::kTrain) add_caller_system(&*attempt.sample, rng);
      return std::move(*attempt.sample);
    }
    why = std::move(attempt.why);
    if (attempt.hopeless) break;
  }
  const std::string name = story.is_chat() ? story.kind : story.kind + "/" + story.asks[ask].name;
  return Error{ErrorCode::kInternal, fmt::format("{}: {} cannot be written for {}: {}", story.place, name,
                                                 split == Split::kTrain ? "training" : "evaluation", why)};
}

}  // namespace firesteel
