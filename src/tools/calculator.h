// Exact arithmetic for models, which are bad at it, and for people.
//
//   expression  :=  sum [("in" | "to") (unit | "fraction")]  "1/3 + 1/4 in fraction" is 7/12
//   sum         :=  product (("+" | "-") product)*
//   product     :=  signed (("*" | "/") signed)*
//   signed      :=  ("-" | "+") signed | power
//   power       :=  postfix ["^" signed]                     right to left: 2^3^2 is 512, -2^2 is -4
//   postfix     :=  primary ["%"] [unit]                     "15%" is 15/100
//   primary     :=  number | "pi" | "(" sum ")" | function "(" sum ("," sum)* ")"
//   functions       sqrt abs floor ceil (one), round (one, or with a number of decimals), mod gcd lcm (two), min max (any number)
//   units           of length, mass, time, volume, speed, temperature, area, energy, power, pressure, force, data and angle:
//                   "5 km in m", "2 h + 30 min in min", "68 F in C", "3 kWh in MJ", "2 ha in m2"
//
// Numbers may have thousands commas outside of functions. The signs of print are understood, too (multiplication, division, minus).
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "tools/tool.h"
#include "base/result.h"

namespace firesteel {

// The value by the print rule of base/decimal.h, with its unit where one was asked for. kInvalidArgument names the character (from 1)
// and what was expected there; it is also the answer to division by zero, results too large, and more than 1,000 bytes.
Result<std::string> calculate(std::string_view expression);

// The tool "calculator" with one string parameter "expression".
std::shared_ptr<const AgentTool> make_calculator();

}  // namespace firesteel
