// A model that judges answers: which of two is better, or how good one is. It never writes: the likeliest letter counts. What it is shown
// stands between marks that the text cannot contain, so that an answer that speaks to the judge stays an answer.
//
// A small model is no judge: measure how often it agrees with people (eval arena --labels) before its word counts.
#pragma once

#include <string>

#include "api/generator.h"
#include "base/result.h"

namespace firesteel {

inline constexpr size_t kJudgedBytesMax = 8000;   // of one text; the rest is not shown

// 1: the first is better, 0: the second, 0.5: neither, as the judge sees it in this order; ask in both. kFailedPrecondition: it cannot say.
Result<double> judge_pair(Generator* generator, const std::string& question, const std::string& first, const std::string& second);

// 1 excellent, 2/3 good, 1/3 fair, 0 poor. `criterion`: what is asked for; empty: correct, complete and clear. `request`: flow, namespace,
// priority and so on of the generation; its prompt is replaced.
Result<double> judge_grade(Generator* generator, GenerateRequest request, const std::string& criterion, const std::string& question, const std::string& answer);

}  // namespace firesteel
