// The values of one problem: rows and numbers drawn for the variables of a story.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/rng.h"
#include "data/curriculum.h"

namespace firesteel {

class Draw {
 public:
  explicit Draw(const Story& story) : story_(&story) {}

  const Story& story() const { return *story_; }
  // Of a variable, a column of a pick, an item of a mix, or the answer once it is set.
  const Value& value(VariableRef ref) const;
  // The variable behind an item of a mix; anything else is itself.
  VariableRef resolved(VariableRef ref) const;
  const Cell& cell(VariableRef ref) const;      // of a pick
  Gender gender(int variable) const;            // of a pick of people
  Formula::Lookup lookup() const {
    return [this](VariableRef ref) -> const Value& { return value(ref); };
  }
  void set_answer(Value answer) { answer_ = std::move(answer); }
  const std::optional<Value>& answer() const { return answer_; }
  bool has_reserved() const { return has_reserved_; }

 private:
  friend class Drawer;
  const Story* story_;
  std::vector<Value> values_;                // by variable
  std::vector<size_t> rows_;
  std::vector<std::vector<int>> orders_;     // of mixes
  std::optional<Value> answer_;
  bool has_reserved_ = false;
};

// Whether a value of a range is for evaluation only.
bool is_reserved_value(const Story& story, const Variable& variable, const Decimal& value);

enum class Reserved { kNever, kMaybe, kWanted };

// One attempt: nullopt when a condition does not hold, so try again.
std::optional<Draw> draw_variables(const Story& story, Rng* rng, Reserved reserved);

}  // namespace firesteel
