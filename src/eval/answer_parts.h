// Which piece of an answer belongs to which of several questions.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace firesteel {

struct AnswerParts {
  // For each question the pieces that may be its answer; borrowed from the text. Empty: it was not answered.
  std::vector<std::vector<std::string_view>> of_part;
};

// By the first of these that the text has for two questions or more:
//   lines that begin with a label: "1)", "2.", "(3)", "[4]", "b)"; a line without one goes on with the piece above it
//   as many "Answer:" as there are questions, or more: the last of each
//   references behind what they stand for: "it is 12 km [1] and iron [2]"
//   as many lines as questions
// Otherwise every clause of the text may be the answer to every question. That is generous: a text without order gets the benefit of the doubt.
AnswerParts answer_parts(std::string_view text, size_t n_parts);

}  // namespace firesteel
