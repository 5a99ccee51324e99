// Picture questions: drawn here, asked here, answered here.
//
// A sample is a picture, a question and what the model should write: in thinking form first what it sees ("Jan 12, Feb 30, Mar 7"),
// then a step of working or a call of the calculator, then "Answer: Feb"; in instant form the answer at once.
// Held out for evaluation: about 15 % of the wordings of each question, a tenth of the combinations of what is drawn (labels, values),
// a tenth of the programs of SHAPES and all those of its val part. Training draws neither; each evaluation sample has one of them.
#pragma once

#include <span>
#include <string_view>

#include "base/rng.h"
#include "data/pictures/ask.h"
#include "schema/sample.h"

namespace firesteel::pictures {

struct PictureKind {
  std::string_view kind;  // "pictures/bars/highest"
  double weight = 1;      // share in a mixture that names only a prefix of it
};
std::span<const PictureKind> picture_kinds();

// Whether a kind is `prefix` or lies below it.
bool has_picture_kind(std::string_view prefix);

struct PictureOptions {
  Split split = Split::kTrain;
  std::string_view prefix = "pictures";  // has_picture_kind(prefix), else CHECK
  double thinking = 0.75;                // share of samples in thinking form
  double tools = 0.4;                    // share of samples with the calculator on offer
};

// "lists/bars/highest" for "pictures/bars/highest": the same question with what is to be seen told in words ("Jan 12, Feb 30. Which month is highest?") instead
// of drawn. What follows the seeing is learnt from these at a third of the price. "" for kinds whose thought describes nothing that could be told.
std::string told_kind(std::string_view picture_kind);

// The sample depends on the options and the state of *rng only. kind: of picture_kinds() with a told_kind(), else CHECK.
Sample make_told_sample(Rng* rng, std::string_view kind, Split split);
Sample make_picture_sample(Rng* rng, const PictureOptions& options);

}  // namespace firesteel::pictures
