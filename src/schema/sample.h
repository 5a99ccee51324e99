// One example of what the model should do: the unit that synthesis and datasets hand to training and evaluation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/rgb_image.h"

namespace firesteel {

struct SampleMessage {
  std::string role;              // "system", "user", "assistant", "tool"
  std::string text;
  std::vector<size_t> images = {};  // indices into Sample::images; they stand before the text
};

// Something to be seen at a place of a picture: a letter, a colour, the value where a bar ends. Whoever draws a picture knows it, so
// training can ask at that very place (train/sample_encoder.h); serving and evaluation do not look at marks.
struct ImageMark {
  size_t image = 0;       // index into Sample::images
  float x = 0, y = 0;     // parts of width and height; outside of [0, 1) when it was clipped
  std::string text;       // as an answer would say it: "7", " red", " Feb"
};

struct Sample {
  std::string kind;              // path of the curriculum: "math/buying/unit_price", "pictures/bars/highest"
  std::vector<SampleMessage> messages;  // the conversation up to the answer to be learnt
  std::vector<RgbImage> images = {};
  bool thinking = false;         // mode that the system line asks for
  bool tools = false;            // whether the calculator is offered
  // The model's raw text after the generation prompt, without the end-of-turn token: thinking, tool calls, answer. "<|n3|>" stands
  // for the fourth number literal since the last user message (see docs/kindling.md); it is one token.
  std::string target;

  // For evaluation: what the last answer has to be, and how it is compared.
  std::string answer = {};
  std::string reply = {};  // the answer as it is written out, "5.6 km/h" for 5.6; may be empty
  std::string grader = {};       // "number", "exact", "choice" ...
  std::vector<ImageMark> marks = {};  // may be empty; not written to shards
};

// An endless, seekable stream: sample i is the same whenever and wherever it is asked for. Thread-safe.
class SampleSource {
 public:
  virtual ~SampleSource() = default;
  // kDataLoss names shard and offset. `index` beyond a finite source wraps around.
  virtual Result<Sample> sample(uint64_t index) const = 0;
};

}  // namespace firesteel
