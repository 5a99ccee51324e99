#include "tools/units.h"

#include <algorithm>
#include <iterator>

namespace firesteel {
namespace {

// Base units: m, g, s, l, m/s, K. The inch, the pound and the US gallon are exact by definition.
constexpr Unit kUnits[] = {
    {"mm", Dimension::kLength, 1, 1000}, {"cm", Dimension::kLength, 1, 100}, {"dm", Dimension::kLength, 1, 10}, {"m", Dimension::kLength},
    {"km", Dimension::kLength, 1000}, {"metre", Dimension::kLength}, {"metres", Dimension::kLength}, {"meter", Dimension::kLength},
    {"meters", Dimension::kLength}, {"inch", Dimension::kLength, 254, 10000}, {"inches", Dimension::kLength, 254, 10000},
    {"ft", Dimension::kLength, 3048, 10000}, {"foot", Dimension::kLength, 3048, 10000}, {"feet", Dimension::kLength, 3048, 10000},
    {"yd", Dimension::kLength, 9144, 10000}, {"yards", Dimension::kLength, 9144, 10000}, {"mile", Dimension::kLength, 1609344, 1000},
    {"miles", Dimension::kLength, 1609344, 1000}, {"mi", Dimension::kLength, 1609344, 1000},
    {"ug", Dimension::kMass, 1, 1'000'000}, {"mcg", Dimension::kMass, 1, 1'000'000}, {"mg", Dimension::kMass, 1, 1000}, {"g", Dimension::kMass},
    {"kg", Dimension::kMass, 1000}, {"t", Dimension::kMass, 1'000'000}, {"tonnes", Dimension::kMass, 1'000'000}, {"gram", Dimension::kMass},
    {"grams", Dimension::kMass}, {"oz", Dimension::kMass, 28'349'523'125, 1'000'000'000}, {"lb", Dimension::kMass, 45'359'237, 100'000},
    {"lbs", Dimension::kMass, 45'359'237, 100'000}, {"pounds", Dimension::kMass, 45'359'237, 100'000},
    {"ms", Dimension::kTime, 1, 1000}, {"s", Dimension::kTime}, {"sec", Dimension::kTime}, {"second", Dimension::kTime},
    {"seconds", Dimension::kTime}, {"min", Dimension::kTime, 60}, {"minute", Dimension::kTime, 60}, {"minutes", Dimension::kTime, 60},
    {"h", Dimension::kTime, 3600}, {"hour", Dimension::kTime, 3600}, {"hours", Dimension::kTime, 3600}, {"day", Dimension::kTime, 86400},
    {"days", Dimension::kTime, 86400}, {"week", Dimension::kTime, 604800}, {"weeks", Dimension::kTime, 604800},
    {"ml", Dimension::kVolume, 1, 1000}, {"mL", Dimension::kVolume, 1, 1000}, {"cl", Dimension::kVolume, 1, 100}, {"dl", Dimension::kVolume, 1, 10},
    {"l", Dimension::kVolume}, {"L", Dimension::kVolume}, {"litre", Dimension::kVolume}, {"litres", Dimension::kVolume},
    {"liter", Dimension::kVolume}, {"liters", Dimension::kVolume}, {"gal", Dimension::kVolume, 3'785'411'784, 1'000'000'000},
    {"gallons", Dimension::kVolume, 3'785'411'784, 1'000'000'000},
    {"m/s", Dimension::kSpeed}, {"km/h", Dimension::kSpeed, 10, 36}, {"mph", Dimension::kSpeed, 1609344, 3'600'000},
    {"K", Dimension::kTemperature}, {"C", Dimension::kTemperature, 1, 1, 27315}, {"F", Dimension::kTemperature, 5, 9, 0},
};

// Degrees Fahrenheit: K = (F + 459.67) * 5 / 9, so the offset stands before the factor.
constexpr int64_t kFahrenheitOffset = 45967;

bool is_fahrenheit(const Unit& unit) { return unit.name == "F"; }

}  // namespace

const Unit* find_unit(std::string_view name) {
  const auto found = std::find_if(std::begin(kUnits), std::end(kUnits), [&](const Unit& unit) { return unit.name == name; });
  return found == std::end(kUnits) ? nullptr : found;
}

Decimal to_base_unit(const Decimal& value, const Unit& unit) {
  const Decimal before = is_fahrenheit(unit) ? *Decimal::fraction(kFahrenheitOffset, 100) : Decimal();
  return (value + before) * *Decimal::fraction(unit.num, unit.den) + *Decimal::fraction(unit.offset_num, 100);
}

Decimal from_base_unit(const Decimal& value, const Unit& unit) {
  const Decimal before = is_fahrenheit(unit) ? *Decimal::fraction(kFahrenheitOffset, 100) : Decimal();
  return (value - *Decimal::fraction(unit.offset_num, 100)) * *Decimal::fraction(unit.den, unit.num) - before;
}

}  // namespace firesteel
