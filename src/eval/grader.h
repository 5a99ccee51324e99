// Whether an answer is right. Graders take what models write: "Answer: 5.60 EUR" is 5.6, "(B)" is choice 2, and say what they read.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/decimal.h"
#include "base/result.h"

namespace firesteel {

struct Grading {
  enum class Kind : uint8_t {
    kExact,    // the same words: case, blanks, quotes, a final stop and articles do not count
    kNumber,   // the same value within the tolerance; a unit only where `unit` names one
    kChoice,   // one of `choices`, by its letter or its text; answers = the letter ("B")
    kRegex,    // the whole final answer matches answers[0] (grammar/regex.h: bounded, no backtracking)
    kJson,     // the same JSON value, members in any order, numbers by value
    kMath,     // the same formula after normalising LaTeX; numbers by value
    kContains, // one of the answers occurs in the text, words as in kExact
    kRefusal,  // an honest "I cannot" in place of an answer
    kReply,    // the opposite: anything but a refusal, and not nothing
    kAny,      // whatever it says, if it says something: for `forbidden`
    kParts,    // several questions in one: each of `parts` is right in its piece of the text (eval/answer_parts.h)
    kProgram,  // Python that passes answers[0]; only who runs it knows (eval/program.h), grade() says wrong
  };
  Kind kind = Kind::kExact;
  std::vector<std::string> answers = {};  // any of them is right
  std::vector<std::string> choices = {};
  std::optional<Decimal> tolerance = {};           // absolute; nullopt: see grade
  std::optional<Decimal> relative_tolerance = {};  // of the expected value
  std::string unit = {};                           // kNumber: a known unit behind the number must be this one
  bool unit_required = false;                      // ... and must stand there
  // None of these may be in the text, in any dress: case, blanks and signs between the letters do not count, nor does writing it backwards.
  std::vector<std::string> forbidden = {};
  std::vector<Grading> parts = {};                 // kParts, in the order of the questions; none is kParts itself or kProgram
  std::string given = {};                          // kProgram: the beginning of the program that the question shows
};

const char* grading_kind_name(Grading::Kind kind);  // "exact", "number" ...
std::optional<Grading::Kind> grading_kind(std::string_view name);

struct Grade {
  bool right = false;
  std::string read;  // what was taken for the answer: "5.6", "B"; empty when there was none
};

// `text`: the model's answer without its thinking and calls. Whatever it says, this returns, in time linear in it.
//
// The final answer is what stands behind the last "Answer:" (or "####", or inside the last \boxed{}) of the text, to the end of its line;
// without one, the text's last number (kNumber), the letter that it begins with or names (kChoice), or all of it.
// Without a tolerance a number is right when both round to the same at the fewer decimals of the two, at least two of them, and are within
// 2 % (below 0.01: within half a percent): 0.33 for 1/3 is right, 0.3 is not, 6 for 5.6 is not. A unit that is known (km/h, EUR ...) and
// another than the expected one is wrong.
Grade grade(const Grading& grading, std::string_view text);

// Before a run: a pattern that is no pattern, an expected number that is none, a letter without a choice. `where` begins the message.
Status check_grading(const Grading& grading, const std::string& where);

// The final answer as described above, for reports; all of the text when it marks none.
std::string_view marked_answer(std::string_view text);

// "A", "B" ... for index 0, 1 ...
std::string choice_letter(size_t index);

bool is_refusal(std::string_view text);

}  // namespace firesteel
