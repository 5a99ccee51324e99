#include "base/base64.h"

#include <gtest/gtest.h>

#include <utility>

namespace firesteel {
namespace {

TEST(Base64, MatchesTheVectorsOfTheStandard) {
  const std::pair<const char*, const char*> vectors[] = {{"", ""},           {"Zg==", "f"},         {"Zm8=", "fo"},        {"Zm9v", "foo"},
                                                         {"Zm9vYg==", "foob"}, {"Zm9vYmE=", "fooba"}, {"Zm9vYmFy", "foobar"}};
  for (const auto& [text, bytes] : vectors) {
    EXPECT_EQ(*decode_base64(text), bytes);
    std::string bare(text);
    while (bare.ends_with('=')) bare.pop_back();
    EXPECT_EQ(*decode_base64(bare), bytes);
  }
  EXPECT_EQ(*decode_base64("Zm9v\r\nYmFy\n"), "foobar");
  EXPECT_EQ(*decode_base64("/+8="), "\xff\xef");
}

TEST(Base64, RefusesWhatIsNotOneContent) {
  for (const char* text : {"Z", "Zg=", "Zg===", "Zh==", "Zm9=", "Zm 8=", "Zm8=Zg==", "Zm9v====", "Zm-_", "Zm9v\xc3\xa9"}) {
    const auto bytes = decode_base64(text);
    EXPECT_FALSE(bytes.ok()) << text;
  }
  EXPECT_NE(decode_base64("Zm9*").error().message.find("byte 3"), std::string::npos);
}

TEST(Base64, BytesComeBack) {
  EXPECT_EQ(encode_base64(""), "");
  EXPECT_EQ(encode_base64("f"), "Zg==");
  EXPECT_EQ(encode_base64("fo"), "Zm8=");
  EXPECT_EQ(encode_base64("foobar"), "Zm9vYmFy");
  std::string bytes;
  for (int i = 0; i < 300; ++i) {
    const auto back = decode_base64(encode_base64(bytes));
    ASSERT_TRUE(back.ok());
    EXPECT_EQ(*back, bytes);
    bytes.push_back(static_cast<char>(i * 37));
  }
}

}  // namespace
}  // namespace firesteel
