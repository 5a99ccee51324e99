// Arithmetic with dates, which models are bad at: the proleptic Gregorian calendar, years 1 to 9999, exact; no clock is read, so the same
// call gives the same answer.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "tools/tool.h"

namespace firesteel {

struct CivilDate {
  int year = 1, month = 1, day = 1;
  bool operator==(const CivilDate&) const = default;
};

int64_t days_of(const CivilDate& date);   // since 1970-01-01
CivilDate civil_of(int64_t days);         // of any day between the years 1 and 9999
bool is_leap_year(int year);
int days_in_month(int year, int month);

// "2024-02-29", "2024-02-29T18:30", "2024-02-29 18:30:05Z", "...+02:00".
struct Instant {
  CivilDate date;
  int64_t second_of_day = 0;
  bool has_time = false;
  std::optional<int> offset_minutes = {};  // from UTC; absent: the same unknown place for all
  int64_t seconds() const { return days_of(date) * 86400 + second_of_day - 60 * offset_minutes.value_or(0); }
};
Result<Instant> parse_instant(std::string_view text);

// "dates": {"date", "add"?: "3 months 2 days", "until"?: another date}. With neither: weekday, day of the year, ISO week, leap year.
std::shared_ptr<const AgentTool> make_dates();

}  // namespace firesteel
