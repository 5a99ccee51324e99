#include "tools/units.h"

#include <algorithm>
#include <iterator>

namespace firesteel {
namespace {

// Base units: m, g, s, l, m/s, K, m2, J, W, Pa, N, byte, degree. The inch, the pound and the US gallon are exact by definition; so are the
// calorie (thermochemical, 4.184 J), the atmosphere (101,325 Pa) and the horsepower (550 foot-pounds a second; metric: 75 kilopond-metres).
// Sources: international yard and pound agreement of 1959; NIST Special Publication 811, appendix B.
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
    {"m3", Dimension::kVolume, 1000}, {"dm3", Dimension::kVolume}, {"cm3", Dimension::kVolume, 1, 1000},
    {"um", Dimension::kLength, 1, 1'000'000}, {"nm", Dimension::kLength, 1, 1'000'000'000}, {"nmi", Dimension::kLength, 1852}, {"yard", Dimension::kLength, 9144, 10000},
    {"kilometres", Dimension::kLength, 1000}, {"kilometers", Dimension::kLength, 1000}, {"centimetres", Dimension::kLength, 1, 100}, {"centimeters", Dimension::kLength, 1, 100},
    {"kilograms", Dimension::kMass, 1000}, {"pound", Dimension::kMass, 45'359'237, 100'000}, {"ounces", Dimension::kMass, 28'349'523'125, 1'000'000'000},
    {"us", Dimension::kTime, 1, 1'000'000}, {"ns", Dimension::kTime, 1, 1'000'000'000},
    {"knots", Dimension::kSpeed, 1852, 3600}, {"kn", Dimension::kSpeed, 1852, 3600}, {"ft/s", Dimension::kSpeed, 3048, 10000},
    {"m2", Dimension::kArea}, {"cm2", Dimension::kArea, 1, 10'000}, {"mm2", Dimension::kArea, 1, 1'000'000}, {"km2", Dimension::kArea, 1'000'000}, {"ha", Dimension::kArea, 10'000},
    {"hectares", Dimension::kArea, 10'000}, {"acre", Dimension::kArea, 40'468'564'224, 10'000'000}, {"acres", Dimension::kArea, 40'468'564'224, 10'000'000},
    {"ft2", Dimension::kArea, 9'290'304, 100'000'000}, {"J", Dimension::kEnergy}, {"kJ", Dimension::kEnergy, 1000}, {"MJ", Dimension::kEnergy, 1'000'000},
    {"Wh", Dimension::kEnergy, 3600}, {"kWh", Dimension::kEnergy, 3'600'000}, {"cal", Dimension::kEnergy, 4184, 1000}, {"kcal", Dimension::kEnergy, 4184},
    {"W", Dimension::kPower}, {"kW", Dimension::kPower, 1000}, {"MW", Dimension::kPower, 1'000'000}, {"hp", Dimension::kPower, 7'456'998'715'822'702, 10'000'000'000'000},
    {"PS", Dimension::kPower, 73'549'875, 100'000}, {"Pa", Dimension::kPressure}, {"hPa", Dimension::kPressure, 100}, {"kPa", Dimension::kPressure, 1000},
    {"MPa", Dimension::kPressure, 1'000'000}, {"bar", Dimension::kPressure, 100'000}, {"mbar", Dimension::kPressure, 100}, {"atm", Dimension::kPressure, 101'325},
    {"mmHg", Dimension::kPressure, 133'322'387'415, 1'000'000'000}, {"N", Dimension::kForce}, {"kN", Dimension::kForce, 1000},
    {"bit", Dimension::kData, 1, 8}, {"bits", Dimension::kData, 1, 8}, {"byte", Dimension::kData}, {"bytes", Dimension::kData}, {"B", Dimension::kData},
    {"kB", Dimension::kData, 1000}, {"MB", Dimension::kData, 1'000'000}, {"GB", Dimension::kData, 1'000'000'000}, {"TB", Dimension::kData, 1'000'000'000'000},
    {"KiB", Dimension::kData, 1024}, {"MiB", Dimension::kData, 1'048'576}, {"GiB", Dimension::kData, 1'073'741'824}, {"TiB", Dimension::kData, 1'099'511'627'776},
    {"deg", Dimension::kAngle}, {"turn", Dimension::kAngle, 360}, {"turns", Dimension::kAngle, 360},
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
