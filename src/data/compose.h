// The reader's text of one problem: facts and a question, joined into sentences.
#pragma once

#include <vector>

#include "base/rng.h"
#include "data/renderer.h"

namespace firesteel {

struct Clause {
  const Wording* wording = nullptr;
  Form form;
};

struct Composition {
  std::vector<Clause> facts;  // in the order they are told
  Clause question;
  bool question_last = false;  // never first and never with "if"
};

// Writes it all. Where no clause is a complete sentence: "A, and B.", "If B, Q?", "Q if B?"; now and then the question comes first.
void compose(const Composition& composition, Rng* rng, Renderer* out);

// Small faults that people make at the end of a text: no question mark, a blank before it. Never moves a number.
std::string with_noise(std::string text, Rng* rng);

}  // namespace firesteel
