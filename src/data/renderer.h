// Forms to text: slots filled, numbers and people agreed with, and where each variable's digits stand.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/rng.h"
#include "data/draw.h"

namespace firesteel {

// The digits of a variable in a text (without the sign).
struct NumberSpan {
  size_t offset = 0;
  size_t length = 0;
  VariableRef ref = {};
};

class Renderer {
 public:
  // For the reader's text: numbers vary in form ("1,234", "twelve"), pronouns are chosen.
  Renderer(const Draw& draw, Rng* rng) : draw_(draw), rng_(rng) {}
  // For the model's text: `bound` variables become their tokens, numbers are plain.
  using Bound = std::vector<std::pair<VariableRef, std::string>>;
  Renderer(const Draw& draw, Rng* rng, const Bound* bound, std::string answer) : draw_(draw), rng_(rng), bound_(bound), answer_(std::move(answer)) {}

  void text(std::string_view literal);
  void form(const Form& form, const Wording& wording);
  // Writes the answer, so that what follows agrees with it.
  void count(std::string_view answer);
  // The next letter begins a sentence.
  void begin_sentence() { capital_ = true; }

  const std::string& out() const { return out_; }
  std::string take() { return std::move(out_); }
  const std::vector<NumberSpan>& spans() const { return spans_; }
  // Shown to the reader, as digits or in words.
  bool has_shown(VariableRef ref) const;

 private:
  void append(std::string_view text);
  void keep_symbol(char before);
  void slot(const Slot& slot, bool before_noun);
  void number(const Slot& slot, bool before_noun);
  void reader_number(const Slot& slot, const Decimal& value, bool words_allowed);
  void noun(const Slot& slot);
  void person(const Slot& slot);
  void agreement(const Slot& slot);
  bool last_is_one() const { return last_number_ && *last_number_ == Decimal(1); }
  bool pronoun_is_clear(int variable) const;

  const Draw& draw_;
  Rng* rng_;
  const Bound* bound_ = nullptr;
  std::string answer_;
  std::string out_;
  bool capital_ = false;
  size_t raised_ = std::string::npos;  // where the last letter stands that was made a capital
  std::vector<NumberSpan> spans_;
  std::vector<VariableRef> shown_;
  std::optional<Decimal> last_number_;
  size_t last_number_end_ = 0;
  std::map<Gender, int> last_mention_;  // who was named last with this pronoun
};

std::string number_in_words(int64_t value);   // up to 999,999
std::string ordinal_in_words(int64_t value);  // up to 99
std::string with_commas(std::string_view number);

}  // namespace firesteel
