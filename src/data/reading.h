// A word problem read aloud: what is asked and what stands around each number, in the words of the text, before one is chosen.
#pragma once

#include <string>
#include <string_view>

namespace firesteel {

// "asked how many ripe plums are left\n<|n0|> Mia picked ripe plums: yes\n<|n1|> Mia picked green plums: no": a line for the question, then one for
// each literal of `text` in order, with the rest of its clause around it (commas, stops, "and" and other numbers bound it), and whether `expression`
// has it. Words are copies, so that nothing has to be named: a small model that must choose among numbers in one step takes the wrong ones, and
// comparing two lines that stand next to each other is a step it can learn. Empty where `text` has fewer than 3 literals (with two there is little to choose,
// and problems of two became worse) or more than 12.
std::string reading(std::string_view text, std::string_view expression);

// The question without its end: from the last "how", "what" or "which" to a comma, an "if", a number or sixteen words; of a command its last sentence.
std::string question_phrase(std::string_view text);

}  // namespace firesteel
