// Numbers written in a text. Synthesis, encoding and answering must agree on what counts as one: all call this.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace firesteel {

struct NumberLiteral {
  size_t offset = 0;  // bytes
  size_t length = 0;
  std::string value;  // its text without thousands commas: "1,234.50" gives "1234.50"
};

// In order, not overlapping, each as long as it can be: [0-9]+(,[0-9]{3})*(\.[0-9]+)? in ASCII digits. Commas count as separators of
// thousands only where they can be: after one to three digits, and each before exactly three ("12,3456" and "1999,200" are two each).
// No sign: "-5" is the literal "5". Linear in text.size().
std::vector<NumberLiteral> find_number_literals(std::string_view text);

}  // namespace firesteel
