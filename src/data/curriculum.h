// Curricula in memory: word lists and stories, as README.md describes them. Immutable after parsing; threads may share one.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "data/formula.h"
#include "data/wording.h"

namespace firesteel {

struct CurriculumFile {
  std::string_view name;  // for messages: "math/change.cur"
  std::string_view text;
};

// The files of src/data/curricula, embedded at build time, sorted by name.
std::span<const CurriculumFile> embedded_curricula();

enum class Gender { kNone, kHe, kShe, kThey, kI, kWe, kYou };

struct Cell {
  Value value;            // a number if it reads as one
  std::string one, many;  // of a noun column
};

struct Table {
  std::string name;
  std::vector<std::string> columns;
  std::vector<bool> is_noun;
  bool is_people = false;
  std::vector<std::vector<Cell>> rows;
  std::vector<Gender> genders;  // of people, by row
};

struct Variable {
  enum class Kind { kPick, kNumber, kLet, kConst, kMix };
  Kind kind = Kind::kNumber;
  std::string name;
  std::string label;                   // in plans
  const Table* table = nullptr;        // kPick
  std::vector<size_t> rows = {};       // kPick: those that pass its own filter
  int distinct_group = -1;             // kPick: rows differ from those of earlier picks of the same table
  std::optional<Formula> low = {}, high = {}, step = {};  // kNumber: a range ...
  std::vector<Formula> options = {};   // ... or a list
  bool reserves = false;               // some values of the range are for evaluation only
  std::optional<Formula> formula = {}; // kLet, kConst
  std::vector<VariableRef> mixed = {}; // kMix
};

// In formulas of replies: the value of the question's expression.
constexpr int kAnswerVariable = 1 << 20;

// Something that has to hold once the first `after` variables are drawn.
struct Need {
  size_t after = 0;
  Formula condition;
};

struct Fact {
  std::string name;
  Wording wording;
  bool extra = false;  // a distractor
  bool spare = false;  // only where a question is given it
};

struct Reply {
  std::optional<Formula> condition = {};
  Wording wording;
  bool say = false;  // the whole answer, without "Answer: "
};

struct Modes {
  bool tool = true, work = true, instant = true;
};

struct Ask {
  std::string name;
  std::optional<Formula> find = {};
  std::optional<int> same_as = {};  // the variable of this name
  Wording unit = {};                // may be empty
  Wording question = {};
  std::vector<size_t> facts = {};   // in the order of the story
  std::vector<Formula> needs = {};
  Wording plan = {};
  std::vector<Wording> work = {};
  std::vector<Wording> think = {};
  std::vector<Reply> replies = {};
  std::string grader = {};
  bool is_signed = false, is_long = false, by_hand = false, question_last = false;
  Modes modes = {};
};

struct Turn {
  bool user = false;
  Wording wording;
};

struct Story {
  std::string kind;
  std::string place;  // file:line, for messages
  double weight = 1;
  bool order_any = false;
  bool may_repeat = false;  // numbers may be equal
  std::vector<Variable> variables = {};
  std::vector<Need> needs = {};
  std::vector<Fact> facts = {};
  std::vector<Ask> asks = {};
  std::vector<bool> shown = {};  // by variable: stands in some text of the reader as a number
  // Of a chat: no facts and asks, but turns, the last one the assistant's.
  std::vector<Turn> turns = {};
  Wording system = {};
  Wording thought = {};
  Wording chat_answer = {};
  std::string chat_grader = {};
  Modes chat_modes = {};
  bool is_chat() const { return !turns.empty(); }
};

class Curricula {
 public:
  // kInvalidArgument: "FILE:LINE: expected ..., found ...".
  static Result<std::unique_ptr<const Curricula>> parse(std::span<const CurriculumFile> files);

  const std::vector<std::unique_ptr<const Table>>& tables() const { return tables_; }
  const std::vector<std::unique_ptr<const Story>>& stories() const { return stories_; }

 private:
  friend class CurriculumParser;
  Curricula() = default;
  std::vector<std::unique_ptr<const Table>> tables_;
  std::vector<std::unique_ptr<const Story>> stories_;
};

// "box" gives "boxes", "baby" "babies", "knife" "knives": the rule for nouns without a written plural.
std::string plural_of(std::string_view noun);

}  // namespace firesteel
