#include "base/result.h"

#include <gtest/gtest.h>

#include <memory>

#include "base/checked.h"

namespace firesteel {
namespace {

Result<int> half(int value) {
  if (value % 2 != 0) return Error{ErrorCode::kInvalidArgument, std::to_string(value) + " is odd"};
  return value / 2;
}

Result<int> quarter(int value) {
  FS_TRY(const int h, half(value));
  FS_TRY(const int q, half(h));
  return q;
}

Status check_even(int value) {
  FS_TRY_VOID([&]() -> Status {
    if (value % 2 != 0) return Error{ErrorCode::kInvalidArgument, "odd"};
    return {};
  }());
  return {};
}

TEST(Result, TryPassesTheFirstErrorOn) {
  EXPECT_EQ(quarter(8).value(), 2);
  EXPECT_EQ(quarter(6).error().message, "3 is odd");
  EXPECT_TRUE(check_even(2).ok());
  EXPECT_FALSE(check_even(3).ok());
}

TEST(Result, HoldsMoveOnlyValues) {
  Result<std::unique_ptr<int>> result(std::make_unique<int>(4));
  const std::unique_ptr<int> taken = std::move(result).value();
  EXPECT_EQ(*taken, 4);
}

TEST(ResultDeathTest, ReadingTheValueOfAnErrorIsOurBug) { EXPECT_DEATH(static_cast<void>(half(3).value()), "CHECK failed"); }

TEST(Checked, OverflowIsNullopt) {
  EXPECT_EQ(checked_add(UINT64_MAX, 1), std::nullopt);
  EXPECT_EQ(checked_mul(uint64_t{1} << 33, uint64_t{1} << 33), std::nullopt);
  EXPECT_EQ(checked_align_up(33, 32), 64u);
  EXPECT_EQ(checked_align_up(UINT64_MAX, 32), std::nullopt);
}

}  // namespace
}  // namespace firesteel
