#include "schema/usage.h"

#include <charconv>
#include <chrono>

#include <fmt/format.h>

namespace firesteel {
namespace {

constexpr int64_t kDayUs = 86'400'000'000;

int64_t floor_div(int64_t value, int64_t by) { return value / by - (value % by < 0 ? 1 : 0); }

std::chrono::year_month_day date_of(int64_t day) { return std::chrono::sys_days(std::chrono::days(day)); }

std::optional<unsigned> digits(std::string_view text) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

int64_t day_of(int64_t unix_us) { return floor_div(unix_us, kDayUs); }

std::string day_text(int64_t day) {
  const std::chrono::year_month_day date = date_of(day);
  return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(date.year()), static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
}

std::optional<int64_t> parse_day(std::string_view text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return std::nullopt;
  const auto year = digits(text.substr(0, 4));
  const auto month = digits(text.substr(5, 2));
  const auto day = digits(text.substr(8, 2));
  if (!year || !month || !day) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(*year)), std::chrono::month(*month), std::chrono::day(*day)};
  if (!date.ok()) return std::nullopt;
  return std::chrono::sys_days(date).time_since_epoch().count();
}

int64_t month_of(int64_t unix_us) {
  const std::chrono::year_month_day date = date_of(day_of(unix_us));
  return (static_cast<int>(date.year()) - 1970) * 12 + static_cast<int>(static_cast<unsigned>(date.month())) - 1;
}

int64_t first_day_of_month(int64_t month) {
  const int64_t year = 1970 + floor_div(month, 12);
  const auto in_year = static_cast<unsigned>(month - floor_div(month, 12) * 12);
  return std::chrono::sys_days(std::chrono::year(static_cast<int>(year)) / std::chrono::month(in_year + 1) / std::chrono::day(1)).time_since_epoch().count();
}

}  // namespace firesteel
