// A grammar notation in the manner of EBNF, close to what other local engines read, so that grammars carry over:
//
//   root   ::= greeting " " name ("," ws name)* "!"     # the start is the rule "root"
//   name   ::= [A-Z] [a-z]{1,20} | "\"" [^"\n]+ "\""
//   ws     ::= [ \t\n]*
//
// Literals in double quotes (escapes \n \r \t \\ \" \xHH \uHHHH), character classes, groups, | * + ? {m} {m,} {m,n}, comments with #.
// A rule ends where the next "name ::=" starts. Left recursion is refused: write lists with *.
#pragma once

#include <string_view>

#include "base/result.h"
#include "grammar/nfa.h"

namespace firesteel {

// kInvalidArgument with line and reason.
Result<Nfa> compile_notation(std::string_view source, const GrammarLimits& limits);

}  // namespace firesteel
