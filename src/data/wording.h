// Texts of the curriculum language: alternatives with choices and slots inside, and which of their forms are held out.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/rng.h"
#include "data/formula.h"

namespace firesteel {

enum class Split { kTrain, kEval };

// FNV-1a with a final mix: stable for ever, since it decides what is held out.
uint64_t stable_hash(std::string_view text);

struct Slot {
  enum class Kind {
    kNumber,      // a number (or the first column of a pick, or a string): `format` says how
    kNoun,        // agrees with the number before it
    kNounOne, kNounMany, kNounA,
    kName, kHe, kHim, kHis, kHimself, kHas, kDoes, kIs, kWas, kVerbS, kVerbEs,
    kAgreeS, kAgreeIs, kAgreeWas, kAgreeHas, kAgreePair,  // with the last number
    kAnswer,      // the value of the question's expression
  };
  Kind kind = Kind::kNumber;
  VariableRef ref = {};
  Formula formula = {};        // of {=...}
  bool computed = false;       // formula holds
  std::string format = {};     // "", "2", ",", "d", "02", "w", "n", "th", "word th", "$"
  std::string one = {}, many = {};  // of kAgreePair
};

// One piece of a text.
struct Piece {
  std::string literal = {};                          // when neither slot nor choices
  int slot = -1;                                     // in Wording::slots
  std::vector<std::vector<Piece>> choices = {};
  bool is_choice() const { return !choices.empty(); }
};

struct Alternative {
  std::vector<Piece> pieces;
  bool anywhere = false;  // begins with '*': makes sense at any place of the story
};

// One way to say it: choices made, slots open. Points into its Wording.
struct Form {
  std::vector<const Piece*> pieces;
  bool held_out = false;
  // Ends like a sentence (. ? ! :), so it is not joined with others.
  bool complete() const;
};

class Wording {
 public:
  struct Context {
    std::function<Result<Slot>(std::string_view source)> slot;         // the text between { and }
    std::function<const std::string*(std::string_view name)> rule;     // its alternatives; null: no such rule
  };
  // kInvalidArgument with the column. The source is the text of all alternatives, separated by '|'.
  static Result<Wording> parse(std::string_view source, const Context& context);

  bool empty() const { return alternatives_.empty(); }
  bool has_anywhere() const { return has_anywhere_; }
  bool has_held_out() const { return has_held_out_; }
  uint64_t n_forms() const { return n_forms_; }
  const std::vector<Slot>& slots() const { return slots_; }

  enum class Want { kTrain, kAny, kHeldOut };
  // kTrain never gives a held-out form, kHeldOut gives one unless it fails to find it (see Form::held_out).
  Form draw(Rng* rng, Want want, bool anywhere_only = false) const;

 private:
  friend class WordingParser;
  // Alternatives that are drawn from together; what is held out is decided for each group, so that each keeps forms for training.
  struct Group {
    std::vector<size_t> alternatives;
    uint64_t n_forms = 0;
    bool listed = false;             // few enough forms: `held_out` lists their hashes
    std::vector<uint64_t> held_out;  // sorted
  };
  void close_groups();
  void close_group(Group* group);
  bool is_held_out(const Group& group, uint64_t hash) const;
  std::string form_text(const std::vector<const Piece*>& pieces) const;

  std::vector<Alternative> alternatives_;
  std::vector<Slot> slots_;
  std::vector<std::string> slot_sources_;
  Group plain_, anywhere_;
  uint64_t n_forms_ = 0;
  bool has_anywhere_ = false;
  bool has_held_out_ = false;
};

}  // namespace firesteel
