// A sentence that asks several things: "What is A, and how many B are C?"
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace firesteel {

// Its questions, in their order, each with a question mark; empty unless there are two or more and each seems to stand alone. A sentence is cut
// only before "what", "how" or "which" (perhaps with "in", "at", "to" ... before it) behind "and", "plus", "as well as" or a semicolon, perhaps with
// a phrase such as "by the way" between; behind a comma alone only where such a joint follows. Whatever is doubtful is left whole: a
// sentence that does not begin with its question ("If a car ..."), more sentences than one, a part of less than three words, or a short later
// one that has neither a number nor "of", "for", "in" ... something ("and what is the perimeter?").
std::vector<std::string> clauses_that_ask(std::string_view sentence);

}  // namespace firesteel
