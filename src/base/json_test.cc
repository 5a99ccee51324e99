#include "base/json.h"

#include <gtest/gtest.h>

#include "base/utf8.h"

namespace firesteel {
namespace {

TEST(Json, KeepsMemberOrderAndRoundTrips) {
  const std::string text = R"({"b":1,"a":[true,null,-2.5,"x\ny"],"c":{}})";
  const auto json = Json::parse(text);
  ASSERT_TRUE(json.ok());
  EXPECT_EQ(json->dump(), text);
}

TEST(Json, RefusesDuplicateKeysAndSaysWhich) {
  const auto json = Json::parse(R"({"a":1,"a":2})");
  ASSERT_FALSE(json.ok());
  EXPECT_NE(json.error().message.find("\"a\""), std::string::npos);
}

TEST(Json, RefusesDeepNesting) {
  const std::string deep(100000, '[');
  EXPECT_FALSE(Json::parse(deep).ok());
}

TEST(Json, ErrorNamesLineAndColumn) {
  const auto json = Json::parse("{\n  \"a\": x\n}");
  ASSERT_FALSE(json.ok());
  EXPECT_NE(json.error().message.find("line 2"), std::string::npos) << json.error().message;
}

TEST(Json, InvalidUtf8IsReplacedWhenWritten) {
  std::string out;
  append_json_string(&out, "a\xFF" "b\x01");
  EXPECT_EQ(out, "\"a\xEF\xBF\xBD" "b\\u0001\"");
}

// Found by fuzzing: the message quoted what was read last, which ends inside a character here, and may be as long as the input.
TEST(Json, ErrorMessagesAreShortUtf8) {
  EXPECT_TRUE(is_valid_utf8(Json::parse("\xDF\x9C" "5805").error().message));
  EXPECT_TRUE(is_valid_utf8(Json::parse("\"\xFF").error().message));
  EXPECT_LT(Json::parse("\"" + std::string(100'000, 'x') + "\n\"").error().message.size(), 512u);
  EXPECT_LT(Json::parse("{\"" + std::string(100'000, 'x') + "\":1,\"" + std::string(100'000, 'x') + "\":2}").error().message.size(), 512u);
}

// Found by fuzzing: it printed "-0", which reads back as the integer 0.
TEST(Json, MinusZeroKeepsItsSign) {
  EXPECT_EQ(Json::parse("-0e162").value().dump(), "-0.0");
  EXPECT_EQ(Json::parse("-0.0").value().dump(), "-0.0");
  EXPECT_EQ(Json(0.0).dump(), "0");
}

}  // namespace
}  // namespace firesteel
