#include "data/draw.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace firesteel {
namespace {

constexpr uint64_t kReservedPercent = 12;
constexpr int kTriesPerValue = 24;
constexpr int64_t kWideRange = 300;

}  // namespace

const Value& Draw::value(VariableRef ref) const {
  static const Value none = Decimal(0);
  if (ref.variable == kAnswerVariable) return answer_ ? *answer_ : none;
  const size_t index = static_cast<size_t>(ref.variable);
  const Variable& variable = story_->variables[index];
  if (variable.kind == Variable::Kind::kPick) return cell(ref).value;
  if (variable.kind == Variable::Kind::kMix) return value(resolved(ref));
  return values_[index];
}

VariableRef Draw::resolved(VariableRef ref) const {
  if (ref.variable == kAnswerVariable) return ref;
  const size_t index = static_cast<size_t>(ref.variable);
  const Variable& variable = story_->variables[index];
  if (variable.kind != Variable::Kind::kMix) return ref;
  return variable.mixed[static_cast<size_t>(orders_[index][static_cast<size_t>(std::max(ref.column, 0))])];
}

const Cell& Draw::cell(VariableRef ref) const {
  const size_t index = static_cast<size_t>(ref.variable);
  return story_->variables[index].table->rows[rows_[index]][static_cast<size_t>(std::max(ref.column, 0))];
}

Gender Draw::gender(int variable) const {
  const size_t index = static_cast<size_t>(variable);
  return story_->variables[index].table->genders[rows_[index]];
}

bool is_reserved_value(const Story& story, const Variable& variable, const Decimal& value) {
  if (!variable.reserves || value <= Decimal(12)) return false;
  return stable_hash(fmt::format("{}/{}={}", story.kind, variable.name, value.to_string())) % 100 < kReservedPercent;
}

class Drawer {
 public:
  Drawer(const Story& story, Rng* rng, Reserved reserved) : story_(story), rng_(rng), reserved_(reserved), draw_(story) {}

  std::optional<Draw> run() {
    draw_.values_.resize(story_.variables.size(), Decimal(0));
    draw_.rows_.resize(story_.variables.size(), 0);
    draw_.orders_.resize(story_.variables.size());
    if (reserved_ == Reserved::kWanted) choose_wanted();
    size_t next_need = 0;
    for (size_t i = 0; i < story_.variables.size(); ++i) {
      for (; next_need < story_.needs.size() && story_.needs[next_need].after <= i; ++next_need) {
        if (!story_.needs[next_need].condition.holds(draw_.lookup())) return std::nullopt;
      }
      if (!draw(i)) return std::nullopt;
    }
    for (; next_need < story_.needs.size(); ++next_need) {
      if (!story_.needs[next_need].condition.holds(draw_.lookup())) return std::nullopt;
    }
    if (!story_.may_repeat && !all_distinct()) return std::nullopt;
    return std::move(draw_);
  }

 private:
  void choose_wanted() {
    std::vector<size_t> ranges;
    for (size_t i = 0; i < story_.variables.size(); ++i) {
      if (story_.variables[i].reserves) ranges.push_back(i);
    }
    if (!ranges.empty()) wanted_ = ranges[rng_->below(ranges.size())];
  }

  bool draw(size_t i) {
    const Variable& variable = story_.variables[i];
    switch (variable.kind) {
      case Variable::Kind::kPick: return draw_row(i);
      case Variable::Kind::kNumber: return variable.options.empty() ? draw_range(i) : draw_option(i);
      case Variable::Kind::kLet:
      case Variable::Kind::kConst: {
        const std::optional<Value> value = variable.formula->evaluate(draw_.lookup());
        if (!value) return false;
        draw_.values_[i] = *value;
        return true;
      }
      case Variable::Kind::kMix: {
        std::vector<int>& order = draw_.orders_[i];
        for (size_t k = 0; k < variable.mixed.size(); ++k) {
          order.push_back(static_cast<int>(k));
          std::swap(order[k], order[rng_->below(k + 1)]);
        }
        return true;
      }
    }
    return false;
  }

  // Picks are different things, even from different lists.
  bool draw_row(size_t i) {
    const Variable& variable = story_.variables[i];
    for (int attempt = 0; attempt < kTriesPerValue; ++attempt) {
      draw_.rows_[i] = variable.rows[rng_->below(variable.rows.size())];
      const Value& first = draw_.value({static_cast<int>(i), 0});
      bool fresh = true;
      for (size_t k = 0; k < i && fresh; ++k) {
        if (story_.variables[k].kind == Variable::Kind::kPick) fresh = draw_.value({static_cast<int>(k), 0}) != first;
      }
      if (fresh) return true;
    }
    return false;
  }

  bool draw_option(size_t i) {
    const std::vector<Formula>& options = story_.variables[i].options;
    const std::optional<Value> value = options[rng_->below(options.size())].evaluate(draw_.lookup());
    if (!value) return false;
    draw_.values_[i] = *value;
    return true;
  }

  bool draw_range(size_t i) {
    const Variable& variable = story_.variables[i];
    const auto number = [&](const Formula& formula) -> std::optional<Decimal> {
      const std::optional<Value> value = formula.evaluate(draw_.lookup());
      if (!value || number_of(*value) == nullptr) return std::nullopt;
      return *number_of(*value);
    };
    const std::optional<Decimal> low = number(*variable.low);
    const std::optional<Decimal> high = number(*variable.high);
    const std::optional<Decimal> step = number(*variable.step);
    if (!low || !high || !step || step->sign() <= 0 || *high < *low) return false;
    const std::optional<int64_t> last = (*high - *low).divided_by(*step)->floor().to_int();
    if (!last) return false;
    for (int attempt = 0; attempt < kTriesPerValue; ++attempt) {
      // Wide ranges show their small numbers more often than a fair draw would.
      const int64_t limit = *last > kWideRange && rng_->below(2) == 0 ? *last / 10 : *last;
      const Decimal value = *low + *step * Decimal(rng_->between(0, limit));
      const bool is_reserved = is_reserved_value(story_, variable, value);
      if (is_reserved && reserved_ == Reserved::kNever) continue;
      if (!is_reserved && wanted_ == i) continue;
      draw_.values_[i] = value;
      draw_.has_reserved_ = draw_.has_reserved_ || is_reserved;
      return true;
    }
    return false;
  }

  bool all_distinct() const {
    for (size_t i = 0; i < story_.variables.size(); ++i) {
      for (size_t k = 0; k < i; ++k) {
        const Decimal* a = counted(i);
        const Decimal* b = counted(k);
        if (a != nullptr && b != nullptr && *a == *b) return false;
      }
    }
    return true;
  }
  const Decimal* counted(size_t i) const {
    const Variable& variable = story_.variables[i];
    const bool counts = variable.kind == Variable::Kind::kNumber || (variable.kind == Variable::Kind::kLet && story_.shown[i]);
    return counts ? number_of(draw_.values_[i]) : nullptr;
  }

  const Story& story_;
  Rng* rng_;
  Reserved reserved_;
  Draw draw_;
  std::optional<size_t> wanted_;
};

std::optional<Draw> draw_variables(const Story& story, Rng* rng, Reserved reserved) { return Drawer(story, rng, reserved).run(); }

}  // namespace firesteel
