// One question with what its answer has to be, and a list of them: what suites are made of.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/rgb_image.h"
#include "eval/grader.h"
#include "schema/sample.h"

namespace firesteel {

struct EvalItem {
  std::string id;                       // unique in its suite
  std::vector<SampleMessage> messages;  // up to the answer: system, user, assistant ...
  std::vector<RgbImage> images = {};
  Grading grading = {};
  std::vector<std::pair<std::string, std::string>> slices = {};  // ("topic", "ages")
};

// Of the content (messages, pictures, grading), 32 hexadecimal digits; items of other order give another.
std::string items_digest(const std::vector<EvalItem>& items);

// What a curriculum's sample asks: the conversation up to its last user message, graded by the sample's answer. Slices: "kind", its first two
// parts ("math/buying").
EvalItem item_from_sample(const Sample& sample, uint64_t index);

}  // namespace firesteel
