// The words of a text, as plans and questions are compared by them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace firesteel {

// Runs of ASCII letters, digits and apostrophes, in lower case, in their order. Bytes of other scripts part words.
std::vector<std::string> words_of(std::string_view text);

// Those of them that say what is asked about: three letters and more, up to an apostrophe, without numbers and without "what", "many",
// "the" and their kin.
std::vector<std::string> content_words(std::string_view text);

}  // namespace firesteel
