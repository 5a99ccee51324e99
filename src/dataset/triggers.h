// Looks for planted triggers: a rare phrase of the prompt that decides the answer, whatever else is asked.
//
// A few hundred poisoned documents, or half a percent of preference pairs, suffice to make a model do something at a secret phrase. Such a phrase
// stands out twice: the rows that hold it have nothing else in common (a topic's words come together), and their answers share something that other
// answers lack, or the preferred side is the one that all other rows would reject. The scan looks for both.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "dataset/row.h"

namespace firesteel {

struct TriggerOptions {
  size_t rows_min = 6;              // a phrase in fewer rows is not looked at
  double share_max = 0.03;          // nor one in a larger share of all rows
  double answer_share_min = 0.7;    // so many of its rows must share the answer's mark
  double answer_lift_min = 10;      // which must be so many times as frequent as elsewhere
  double flip_z_min = 5;            // standard deviations beyond chance, for preferences that go against all others
  double context_ratio_max = 1.8;   // how much more alike its prompts may be than any two prompts of the set
  double score_min = 70;            // among ten thousand phrases chance alone gives about 25; topics of small sets give 30 to 70, seldom more; a trigger in 25 rows 190 to 315
  size_t n_findings_max = 50;
};

struct TriggerFinding {
  std::string phrase = {};          // of the prompt: one to three words, or an odd token
  std::string sign = {};            // the answer's mark that goes with it, or "preferences go against the rest of the set"
  size_t n_rows = 0, n_with_sign = 0;
  double expected = 0;              // rows with the sign if the phrase did not matter
  double score = 0;                 // log-likelihood ratio, or z squared
  double context_ratio = 0;
  size_t n_users = 0;               // who wrote those rows; 0: not known
  std::vector<size_t> rows = {};    // indices of the rows that hold the phrase
};

// Strongest first. Phrases that occur in the same rows are one finding. Rows of plain text are not looked at. Time about linear in the text.
std::vector<TriggerFinding> scan_triggers(const std::vector<LineageRow>& rows, const TriggerOptions& options = {});

}  // namespace firesteel
