// Tools that compute: dates and pictures; and child processes.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "tools/dates.h"
#include "tools/look.h"
#include "tools/process.h"

namespace firesteel {
namespace {

std::string dates(const std::string& json) {
  const auto result = make_dates()->run(*Json::parse(json), {});
  return result.ok() ? result->text : "error: " + result.error().message;
}

TEST(Dates, AgreeWithCountingDays) {
  // Every day from 1890 to 2110, one after the other, against the conversions.
  CivilDate day{1890, 1, 1};
  for (int64_t n = days_of(day); day.year < 2110; ++n) {
    ASSERT_EQ(days_of(day), n) << day.year << "-" << day.month << "-" << day.day;
    ASSERT_EQ(civil_of(n), day);
    if (++day.day <= days_in_month(day.year, day.month)) continue;
    day.day = 1;
    if (++day.month > 12) day = {day.year + 1, 1, 1};
  }
  EXPECT_EQ(days_of({1970, 1, 1}), 0);
  EXPECT_EQ(days_of({2000, 3, 1}), 11017);
  for (const CivilDate& end : {CivilDate{1, 1, 1}, CivilDate{9999, 12, 31}}) EXPECT_EQ(civil_of(days_of(end)), end);
}

TEST(Dates, Answers) {
  EXPECT_EQ(dates(R"({"date": "2024-02-28", "add": "2 days"})"), "2024-03-01 (Friday)");
  EXPECT_EQ(dates(R"({"date": "2024-01-31", "add": "1 month"})"), "2024-02-29 (Thursday)");
  EXPECT_EQ(dates(R"({"date": "2024-02-29", "add": "-1 year"})"), "2023-02-28 (Tuesday)");
  EXPECT_EQ(dates(R"({"date": "2024-03-10T23:30", "add": "90 minutes"})"), "2024-03-11T01:00 (Monday)");
  EXPECT_EQ(dates(R"({"date": "2024-03-10", "add": "1 year, 2 months and 3 days"})"), "2025-05-13 (Tuesday)");
  EXPECT_EQ(dates(R"({"date": "2024-01-15", "until": "2024-12-25"})"), "345 days; 0 years, 11 months, 10 days; from 2024-01-15 (Monday) to 2024-12-25 (Wednesday)");
  EXPECT_EQ(dates(R"({"date": "2024-12-25", "until": "2024-12-24"})"), "-1 days; back 0 years, 0 months, 1 day; from 2024-12-25 (Wednesday) to 2024-12-24 (Tuesday)");
  EXPECT_EQ(dates(R"({"date": "2024-03-10T12:00+02:00", "until": "2024-03-10T12:00Z"})").substr(0, 30), "0 days 02:00:00 (7200 seconds)");
  EXPECT_EQ(dates(R"({"date": "2021-01-03"})"), "2021-01-03 (Sunday); day 3 of 365; ISO week 2020-W53; 2021 is not a leap year");
  EXPECT_EQ(dates(R"({"date": "1900-02-28", "add": "1 day"})"), "1900-03-01 (Thursday)");
}

TEST(Dates, RefusalsNameWhatWasExpected) {
  for (const char* const bad : {R"({})", R"({"date": 5})", R"({"date": "2023-02-29"})", R"({"date": "2023-13-01"})", R"({"date": "0000-01-01"})", R"({"date": "23-1-1"})", R"({"date": "2023-01-01T25:00"})",
                                R"({"date": "2023-01-01", "add": "soon"})", R"({"date": "2023-01-01", "add": "3 fortnights"})", R"({"date": "9999-12-31", "add": "1 day"})",
                                R"({"date": "2023-01-01", "add": "99999999999 days"})", R"({"date": "0001-01-01", "add": "-1 second"})", R"({"date": "2023-01-01", "add": "1 day", "until": "2023-01-02"})",
                                R"({"date": "2023-01-01T10:00Z", "until": "2023-01-02T10:00"})"}) {
    EXPECT_EQ(dates(bad).substr(0, 6), "error:") << bad;
  }
}

RgbImage gradient(int width, int height) {
  RgbImage image{width, height, std::vector<uint8_t>(3 * static_cast<size_t>(width) * static_cast<size_t>(height))};
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      uint8_t* const at = &image.pixels[image.offset(x, y)];
      at[0] = static_cast<uint8_t>(x);
      at[1] = static_cast<uint8_t>(y);
      at[2] = 7;
    }
  }
  return image;
}

TEST(Look, CutsAndEnlarges) {
  const RgbImage image = gradient(200, 100);
  const auto part = crop_and_zoom(image, 500, 0, 1000, 500, 1);
  ASSERT_TRUE(part.ok());
  EXPECT_EQ(part->width, 100);
  EXPECT_EQ(part->height, 50);
  EXPECT_EQ(part->pixels[0], 100);
  const auto large = crop_and_zoom(image, 0, 0, 100, 100, 4);
  ASSERT_TRUE(large.ok());
  EXPECT_EQ(large->width, 80);
  // A straight ramp stays one: each step is a quarter, and no pixel leaves the range.
  for (int x = 1; x < large->width; ++x) {
    const int step = large->pixels[large->offset(x, 3)] - large->pixels[large->offset(x - 1, 3)];
    EXPECT_TRUE(step == 0 || step == 1);
  }
  EXPECT_EQ(large->pixels[large->offset(79, 0)], 19);
  for (const auto& [x0, y0, x1, y1, zoom] : std::vector<std::array<int, 5>>{{0, 0, 0, 1000, 1}, {500, 0, 400, 1000, 1}, {0, 0, 1001, 1000, 1}, {0, 0, 1000, 1000, 9}, {-1, 0, 10, 10, 1}}) {
    EXPECT_FALSE(crop_and_zoom(image, x0, y0, x1, y1, zoom).ok());
  }
  EXPECT_FALSE(crop_and_zoom(gradient(1000, 10), 0, 0, 1000, 1000, 3).ok());
}

TEST(Look, TheToolShowsThePart) {
  const std::vector<std::shared_ptr<const RgbImage>> images = {std::make_shared<const RgbImage>(gradient(100, 100))};
  ToolContext context;
  context.images = images;
  const auto result = make_look()->run(*Json::parse(R"({"image": 1, "left": 0, "top": 0, "right": 50, "bottom": 50})"), context);
  ASSERT_TRUE(result.ok()) << result.error().message;
  ASSERT_EQ(result->images.size(), 1u);
  EXPECT_EQ(result->images[0]->width, 400);  // 50 pixels, eight times
  for (const char* const bad : {R"({"image": 2, "left": 0, "top": 0, "right": 50, "bottom": 50})", R"({"image": 1, "left": 0, "top": 0, "right": 500, "bottom": 50})", R"({"image": 1})", R"({})",
                                R"({"image": 1, "left": 0, "top": 0, "right": 50, "bottom": 50, "zoom": 99})"}) {
    EXPECT_FALSE(make_look()->run(*Json::parse(bad), context).ok()) << bad;
  }
  EXPECT_FALSE(make_look()->run(*Json::parse(R"({"image": 1, "left": 0, "top": 0, "right": 50, "bottom": 50})"), {}).ok());
}

TEST(Process, InputOutputAndEnd) {
  const auto end = run_process({"/bin/sh", "-c", "cat; echo problem >&2; exit 3"}, {}, "hello", {});
  ASSERT_TRUE(end.ok()) << end.error().message;
  EXPECT_EQ(end->out, "hello");
  EXPECT_EQ(end->err, "problem\n");
  EXPECT_EQ(end->code, 3);
  EXPECT_EQ(run_process({"/no/such/program"}, {}, {}, {}).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(run_process({"/bin/sh", "-c", "kill -9 $$"}, {}, {}, {})->why, ProcessEnd::Why::kSignal);
  EXPECT_EQ(run_process({"/bin/sh", "-c", "echo $A$HOME"}, {"A=b"}, {}, {})->out, "b\n");
}

TEST(Process, FloodsAreCutAndHangsEnd) {
  const int64_t start_us = system_clock().now_us();
  const auto flood = run_process({"/bin/sh", "-c", "head -c 3000000 /dev/zero"}, {}, {}, {.output_bytes = 1000});
  ASSERT_TRUE(flood.ok());
  EXPECT_EQ(flood->out.size(), 1000u);
  EXPECT_TRUE(flood->was_cut);
  EXPECT_EQ(flood->code, 0);
  // One that does not read its input, one that never ends, and one whose child holds the pipes.
  EXPECT_EQ(run_process({"/bin/true"}, {}, std::string(1 << 20, 'x'), {})->code, 0);
  EXPECT_EQ(run_process({"/bin/sleep", "1000"}, {}, {}, {.wall_ms = 200})->why, ProcessEnd::Why::kTime);
  EXPECT_EQ(run_process({"/bin/sh", "-c", "sleep 1000 & echo x"}, {}, {}, {})->out, "x\n");
  EXPECT_LT(system_clock().now_us() - start_us, 8'000'000);
}

TEST(Process, TalksLineByLine) {
  auto process = TalkingProcess::start({"/bin/cat"}, {});
  ASSERT_TRUE(process.ok());
  ASSERT_TRUE((*process)->write("one\ntwo\nthr", 1000).ok());
  EXPECT_EQ(*(*process)->read_line(100, 5000), "one");
  EXPECT_EQ(*(*process)->read_line(100, 5000), "two");
  EXPECT_EQ((*process)->read_line(100, 50).error().code, ErrorCode::kDeadlineExceeded);
  ASSERT_TRUE((*process)->write(std::string(1000, 'x'), 1000).ok());
  EXPECT_EQ((*process)->read_line(100, 5000).error().code, ErrorCode::kResourceExhausted);
  auto gone = TalkingProcess::start({"/bin/true"}, {});
  ASSERT_TRUE(gone.ok());
  EXPECT_EQ((*gone)->read_line(100, 5000).error().code, ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace firesteel
