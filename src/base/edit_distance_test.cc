#include "base/edit_distance.h"

#include <gtest/gtest.h>

namespace firesteel {
namespace {

TEST(EditDistance, CountsSteps) {
  EXPECT_EQ(edit_distance("", ""), 0u);
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  EXPECT_EQ(edit_distance("abc", ""), 3u);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
  EXPECT_EQ(edit_distance("tokens", "tokesn"), 1u);  // a swap of neighbours
  EXPECT_EQ(edit_distance("rate", "rates"), 1u);
}

}  // namespace
}  // namespace firesteel
