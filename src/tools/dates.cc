#include "tools/dates.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>
#include <string>
#include <utility>

#include <fmt/format.h>

namespace firesteel {
namespace {

constexpr int kYearMin = 1, kYearMax = 9999;
constexpr size_t kTextBytesMax = 200;
constexpr int64_t kAmountMax = 10'000'000;
constexpr int64_t kDaySeconds = 86400;
constexpr std::array<const char*, 7> kWeekdays = {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"};

Error wrong(std::string what) { return {ErrorCode::kInvalidArgument, std::move(what)}; }

// A number of exactly n digits.
bool take_number(std::string_view* text, size_t n, int* out) {
  if (text->size() < n || !std::all_of(text->begin(), text->begin() + static_cast<std::ptrdiff_t>(n), [](char c) { return c >= '0' && c <= '9'; })) return false;
  std::from_chars(text->data(), text->data() + n, *out);
  text->remove_prefix(n);
  return true;
}

bool take(std::string_view* text, char c) {
  if (text->empty() || text->front() != c) return false;
  text->remove_prefix(1);
  return true;
}

int weekday_of(int64_t days) { return static_cast<int>(((days + 3) % 7 + 7) % 7); }  // 1970-01-01 was a Thursday; 0: Monday

int day_of_year(const CivilDate& date) { return static_cast<int>(days_of(date) - days_of({date.year, 1, 1})) + 1; }

// ISO 8601: the week belongs to the year of its Thursday.
std::pair<int, int> iso_week(const CivilDate& date) {
  const int64_t days = days_of(date);
  const int64_t thursday = days - weekday_of(days) + 3;
  const int year = civil_of(thursday).year;
  return {year, static_cast<int>((thursday - days_of({year, 1, 1})) / 7) + 1};
}

std::string shown(const CivilDate& date) { return fmt::format("{:04}-{:02}-{:02}", date.year, date.month, date.day); }

std::string shown(const Instant& at) {
  std::string out = shown(at.date);
  if (at.has_time) {
    out += fmt::format("T{:02}:{:02}", at.second_of_day / 3600, at.second_of_day / 60 % 60);
    if (at.second_of_day % 60 != 0) out += fmt::format(":{:02}", at.second_of_day % 60);
    if (at.offset_minutes && *at.offset_minutes == 0) out += "Z";
    else if (at.offset_minutes) out += fmt::format("{}{:02}:{:02}", *at.offset_minutes < 0 ? '-' : '+', std::abs(*at.offset_minutes) / 60, std::abs(*at.offset_minutes) % 60);
  }
  return out + " (" + kWeekdays[static_cast<size_t>(weekday_of(days_of(at.date)))] + ")";
}

struct Amount {
  int64_t months = 0, seconds = 0;
};

struct TimeUnit {
  std::string_view name;
  int64_t months, seconds;
};
constexpr TimeUnit kUnits[] = {{"year", 12, 0}, {"month", 1, 0}, {"week", 0, 7 * kDaySeconds}, {"day", 0, kDaySeconds}, {"hour", 0, 3600}, {"minute", 0, 60}, {"second", 0, 1}};

// "3 months 2 days", "-45 days", "1 year and 6 weeks", "90 minutes". A sign holds until the next one.
Result<Amount> parse_amount(std::string_view text) {
  Amount out;
  int64_t sign = 1;
  bool any = false;
  while (!text.empty()) {
    const char c = text.front();
    if (c == ' ' || c == ',') {
      text.remove_prefix(1);
    } else if (c == '+' || c == '-') {
      sign = c == '-' ? -1 : 1;
      text.remove_prefix(1);
    } else if (text.substr(0, 4) == "and ") {
      text.remove_prefix(4);
    } else {
      int64_t n = 0;
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
      if (error != std::errc() || n > kAmountMax) return wrong("add: expected amounts such as 3 months 2 days, each at most 10,000,000, found \"" + std::string(text.substr(0, 40)) + "\"");
      text.remove_prefix(static_cast<size_t>(end - text.data()));
      while (take(&text, ' ')) {
      }
      const size_t letters = static_cast<size_t>(std::find_if(text.begin(), text.end(), [](char letter) { return letter < 'a' || letter > 'z'; }) - text.begin());
      std::string_view name = text.substr(0, letters);
      if (name.size() > 1 && name.back() == 's') name.remove_suffix(1);
      const auto unit = std::find_if(std::begin(kUnits), std::end(kUnits), [&](const TimeUnit& one) { return one.name == name; });
      if (unit == std::end(kUnits)) return wrong("add: expected years, months, weeks, days, hours, minutes or seconds, found \"" + std::string(text.substr(0, 40)) + "\"");
      text.remove_prefix(letters);
      out.months += sign * n * unit->months;
      out.seconds += sign * n * unit->seconds;
      any = true;
    }
  }
  if (!any) return wrong("add: expected amounts such as 3 months 2 days");
  return out;
}

// Months first, and the day at most the month's last; then days and smaller units.
Result<Instant> add(const Instant& from, const Amount& amount) {
  const auto outside = [] { return wrong("the result is outside of the years 1 to 9999"); };
  Instant out = from;
  const int64_t months = int64_t{from.date.year} * 12 + from.date.month - 1 + amount.months;
  if (months < 12 * kYearMin || months >= 12 * (kYearMax + 1)) return outside();
  out.date.year = static_cast<int>(months / 12);
  out.date.month = static_cast<int>(months % 12) + 1;
  out.date.day = std::min(from.date.day, days_in_month(out.date.year, out.date.month));
  const int64_t seconds = days_of(out.date) * kDaySeconds + out.second_of_day + amount.seconds;
  const int64_t days = (seconds >= 0 ? seconds : seconds - (kDaySeconds - 1)) / kDaySeconds;
  if (days < days_of({kYearMin, 1, 1}) || days > days_of({kYearMax, 12, 31})) return outside();
  out.date = civil_of(days);
  out.second_of_day = seconds - days * kDaySeconds;
  out.has_time = from.has_time || out.second_of_day != 0;
  return out;
}

std::string counted(int64_t n, const char* unit) { return fmt::format("{} {}{}", n, unit, n == 1 ? "" : "s"); }

// Whole years, months and days from a to b, a <= b: the largest number of months that does not pass b, then days.
std::string calendar_difference(const CivilDate& a, const CivilDate& b) {
  int64_t months = (int64_t{b.year} - a.year) * 12 + b.month - a.month;
  CivilDate at = a;
  for (;; --months) {
    const int64_t index = int64_t{a.year} * 12 + a.month - 1 + months;
    at.year = static_cast<int>(index / 12);
    at.month = static_cast<int>(index % 12) + 1;
    at.day = std::min(a.day, days_in_month(at.year, at.month));
    if (days_of(at) <= days_of(b)) break;
  }
  return counted(months / 12, "year") + ", " + counted(months % 12, "month") + ", " + counted(days_of(b) - days_of(at), "day");
}

std::string difference(const Instant& a, const Instant& b) {
  const int64_t seconds = b.seconds() - a.seconds();
  std::string out;
  if (a.has_time || b.has_time) {
    const int64_t size = std::abs(seconds);
    out = fmt::format("{}{} {:02}:{:02}:{:02} ({} seconds)", seconds < 0 ? "-" : "", counted(size / kDaySeconds, "day"), size / 3600 % 24, size / 60 % 60, size % 60, seconds);
  } else {
    out = counted(seconds / kDaySeconds, "day");
  }
  const bool back = days_of(b.date) < days_of(a.date);
  out += back ? "; back " + calendar_difference(b.date, a.date) : "; " + calendar_difference(a.date, b.date);
  return out + "; from " + shown(a) + " to " + shown(b);
}

class Dates final : public AgentTool {
 public:
  const std::string& name() const override { return name_; }
  const std::string& description() const override { return description_; }
  Json parameters() const override {
    const auto text = [](const char* description) { return Json(Json::Object{{"type", "string"}, {"description", description}}); };
    return Json::Object{{"type", "object"},
                        {"properties", Json::Object{{"date", text("YYYY-MM-DD, or with a time: YYYY-MM-DDTHH:MM")}, {"add", text("for example 3 months 2 days, or -45 days")},
                                                    {"until", text("another date: how far away it is")}}},
                        {"required", Json::Array{"date"}}};
  }
  Result<ToolResult> run(const Json& arguments, const ToolContext&) const override {
    const auto text = [&](const char* key) -> Result<std::optional<std::string>> {
      const Json* found = arguments.find(key);
      if (found == nullptr || found->is_null()) return std::optional<std::string>();
      if (!found->is_string() || found->as_string().size() > kTextBytesMax) return wrong(std::string(key) + ": expected a short text");
      return std::optional(found->as_string());
    };
    FS_TRY(const std::optional<std::string> date, text("date"));
    FS_TRY(const std::optional<std::string> amount, text("add"));
    FS_TRY(const std::optional<std::string> until, text("until"));
    if (!date) return wrong("date: expected YYYY-MM-DD");
    if (amount && until) return wrong("expected add or until, not both");
    FS_TRY(Instant at, parse_instant(*date));
    if (amount) {
      FS_TRY(const Amount parsed, parse_amount(*amount));
      FS_TRY(at, add(at, parsed));
      return ToolResult(shown(at));
    }
    if (until) {
      FS_TRY(const Instant other, parse_instant(*until));
      if (at.offset_minutes.has_value() != other.offset_minutes.has_value() && (at.has_time || other.has_time)) return wrong("until: expected a time zone in both or in none");
      return ToolResult(difference(at, other));
    }
    const auto [year, week] = iso_week(at.date);
    return ToolResult(fmt::format("{}; day {} of {}; ISO week {:04}-W{:02}; {} is {}a leap year", shown(at), day_of_year(at.date), is_leap_year(at.date.year) ? 366 : 365, year, week,
                                  at.date.year, is_leap_year(at.date.year) ? "" : "not "));
  }

 private:
  const std::string name_ = "dates";
  const std::string description_ = "Works with dates exactly: add time to one, count from one to another, tell the weekday and week";
};

}  // namespace

bool is_leap_year(int year) { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0); }

int days_in_month(int year, int month) {
  constexpr std::array<int, 12> kDays = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return kDays[static_cast<size_t>(month - 1)] + (month == 2 && is_leap_year(year) ? 1 : 0);
}

// Days before a year, then before a month. Years from 1, so that divisions round down.
int64_t days_of(const CivilDate& date) {
  const int64_t y = date.year - 1;
  int64_t days = 365 * y + y / 4 - y / 100 + y / 400 - 719'162;  // 719,162 days from 0001-01-01 to 1970-01-01
  for (int month = 1; month < date.month; ++month) days += days_in_month(date.year, month);
  return days + date.day - 1;
}

CivilDate civil_of(int64_t days) {
  CivilDate out;
  out.year = static_cast<int>(std::clamp<int64_t>((days + 719'162) / 366 + 1, kYearMin, kYearMax));  // too early by some years at most
  while (out.year < kYearMax && days >= days_of({out.year + 1, 1, 1})) ++out.year;
  int64_t rest = days - days_of({out.year, 1, 1});
  while (out.month < 12 && rest >= days_in_month(out.year, out.month)) rest -= days_in_month(out.year, out.month++);
  out.day = static_cast<int>(rest) + 1;
  return out;
}

Result<Instant> parse_instant(std::string_view text) {
  const std::string_view whole = text.substr(0, 40);
  const auto bad = [&](const char* expected) { return wrong(std::string("expected ") + expected + ", found \"" + std::string(whole) + "\""); };
  Instant out;
  if (!take_number(&text, 4, &out.date.year) || !take(&text, '-') || !take_number(&text, 2, &out.date.month) || !take(&text, '-') || !take_number(&text, 2, &out.date.day)) {
    return bad("YYYY-MM-DD");
  }
  if (out.date.year < kYearMin || out.date.month < 1 || out.date.month > 12 || out.date.day < 1 || out.date.day > days_in_month(out.date.year, out.date.month)) {
    return bad("a day that exists");
  }
  if (text.empty()) return out;
  int hour = 0, minute = 0, second = 0;
  if ((!take(&text, 'T') && !take(&text, ' ')) || !take_number(&text, 2, &hour) || !take(&text, ':') || !take_number(&text, 2, &minute)) return bad("a time HH:MM after the date");
  if (take(&text, ':') && !take_number(&text, 2, &second)) return bad("a time HH:MM:SS");
  if (hour > 23 || minute > 59 || second > 59) return bad("a time that exists");
  out.has_time = true;
  out.second_of_day = hour * 3600 + minute * 60 + second;
  if (text.empty()) return out;
  if (text == "Z") {
    out.offset_minutes = 0;
    return out;
  }
  const int sign = text.front() == '-' ? -1 : 1;
  if ((!take(&text, '+') && !take(&text, '-')) || !take_number(&text, 2, &hour) || !take(&text, ':') || !take_number(&text, 2, &minute) || !text.empty() || hour > 14 || minute > 59) {
    return bad("a time zone Z or +HH:MM");
  }
  out.offset_minutes = sign * (hour * 60 + minute);
  return out;
}

std::shared_ptr<const AgentTool> make_dates() { return std::make_shared<Dates>(); }

}  // namespace firesteel
