// Samples as lines of JSON: what shards hold.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "schema/sample.h"

namespace firesteel {

// One line without the newline. Pictures as base64 of their pixels (R G B).
std::string sample_line(const Sample& sample);

// kDataLoss: what was expected and found. Sizes of pictures are checked before they are decoded.
Result<Sample> parse_sample_line(std::string_view line);

std::string base64_encode(std::string_view bytes);
// kDataLoss for anything but whole groups of the usual alphabet.
Result<std::string> base64_decode(std::string_view text);

}  // namespace firesteel
