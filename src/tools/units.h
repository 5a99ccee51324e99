// Units that the calculator converts.
#pragma once

#include <string_view>

#include "base/decimal.h"

namespace firesteel {

enum class Dimension : uint8_t { kNone, kLength, kMass, kTime, kVolume, kSpeed, kTemperature, kArea, kEnergy, kPower, kPressure, kForce, kData, kAngle };

struct Unit {
  std::string_view name;
  Dimension dimension = Dimension::kNone;
  // value in the dimension's base unit = number * num / den + offset_num / 100; offsets for temperatures only (in kelvin).
  int64_t num = 1, den = 1;
  int64_t offset_num = 0;
};

// By name ("km", "km/h", "hours"); nullptr when there is none.
const Unit* find_unit(std::string_view name);

Decimal to_base_unit(const Decimal& value, const Unit& unit);
Decimal from_base_unit(const Decimal& value, const Unit& unit);

}  // namespace firesteel
