// Real problems are few (some 3,000) and are soon known by heart: the trained half of MAWPS was 93 % right when the other half was 58. So
// training sees them in other words: things and people by other names, phrases that mean the same, a sentence of another problem in between.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/rng.h"
#include "data/real/problem.h"

namespace firesteel {

// First names (a list of ours) in the text, each once, in order.
std::vector<std::string> people_in(std::string_view text);

// The text with things (one and many, article agreeing) and people replaced by others, each or not by a draw. The number literals stay, in order.
std::string with_other_names(std::string_view text, Rng* rng);

// Some of the phrases replaced by ones that mean the same ("altogether", "in total"). The number literals stay, in order.
std::string with_other_phrases(std::string_view text, Rng* rng);

// Other sentences from the same words: two facts joined by "and", a fact and the question by "If", and the other way round; a pronoun where only
// one person can be meant becomes the name. The number literals stay, in order.
std::string with_other_sentences(std::string_view text, Rng* rng);

// A sentence that may stand in another problem without changing its answer: it has a person, one or two literals, no question, and does not
// begin with a pronoun.
bool is_aside(std::string_view sentence);
// All of them in the texts of `problems`.
std::vector<std::string> asides(const std::vector<RealProblem>& problems);

// All that a problem tells before its question, if that is at most 200 bytes and has at most four literals; else empty.
std::string facts_of(const RealProblem& problem);

// `facts` of another problem (people renamed) as a whole before `problem`, or between its facts and its question where the question names whom
// it asks about. nullopt as in with_aside.
std::optional<RealProblem> with_other_story(const RealProblem& problem, std::string_view facts, Rng* rng);

// `problem` with `aside` (its people renamed) before one of its sentences, not behind its question. The tokens of the calculation move on. nullopt where the question asks for a total (then the aside might count), or more than 12 literals would be there.
std::optional<RealProblem> with_aside(const RealProblem& problem, std::string_view aside, Rng* rng);

}  // namespace firesteel
