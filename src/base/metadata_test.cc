#include "base/metadata.h"

#include <gtest/gtest.h>

namespace firesteel {
namespace {

TEST(Metadata, FirstValueOfAKeyStays) {
  Metadata metadata;
  EXPECT_TRUE(metadata.add("a", int64_t{1}));
  EXPECT_FALSE(metadata.add("a", int64_t{2}));
  EXPECT_EQ(metadata.get_int("a").value(), 1);
}

TEST(Metadata, AbsentIsNulloptAndWrongTypeNamesTheKey) {
  Metadata metadata;
  metadata.add("s", std::string_view("x"));
  EXPECT_EQ(metadata.get_int("absent").value(), std::nullopt);
  const auto wrong = metadata.get_int("s");
  ASSERT_FALSE(wrong.ok());
  EXPECT_NE(wrong.error().message.find("\"s\""), std::string::npos);
}

TEST(Metadata, IntegersReadAsFloatsAndHugeUnsignedIsRefused) {
  Metadata metadata;
  metadata.add("u", uint64_t{3});
  metadata.add("huge", UINT64_MAX);
  EXPECT_EQ(metadata.get_float("u").value(), 3.0);
  EXPECT_FALSE(metadata.get_int("huge").ok());
}

}  // namespace
}  // namespace firesteel
