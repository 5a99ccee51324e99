// What an answer says, without how it is written: answers with equal keys agree.
//
//   "Answer: 1,200 m"  "**1.2 km**"  "The answer is 1200 metres."     number 1200 (length)
//   "(B)"  "B."  "Answer: b) Paris"                                   choice b
//   {"b": 1, "a": 2}                                                  JSON, members in order of their names
//   "Yes."  "yes"                                                     text in lower case, without marks at its ends
#pragma once

#include <string>
#include <string_view>

namespace firesteel {

struct AnswerKey {
  enum class Kind : uint8_t { kNone, kNumber, kChoice, kJson, kText };
  Kind kind = Kind::kNone;   // kNone: nothing was said
  std::string key;           // comparable within and across kinds: begins with the kind's letter
  std::string shown;         // the words it was taken from
  bool operator==(const AnswerKey& other) const { return key == other.key; }
};

// Where answers are looked for, in this order: the last line "Answer: X"; \boxed{X}; the last "answer is X"; the whole text where it
// is short (one line of at most 80 bytes) or JSON; the last number; the last line. Bounded work: only the last 16 KiB are read.
AnswerKey answer_key(std::string_view text);

const char* answer_kind_name(AnswerKey::Kind kind);  // "none", "number", "choice", "json", "text"

}  // namespace firesteel
