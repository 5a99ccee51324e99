#include "base/utf8.h"

#include <gtest/gtest.h>

namespace firesteel {
namespace {

TEST(Utf8, RoundTripsEveryCodePoint) {
  for (uint32_t c = 0; c <= 0x10FFFF; ++c) {
    if (c >= 0xD800 && c < 0xE000) continue;
    std::string text;
    append_utf8(&text, c);
    const Utf8Char read = decode_utf8(text, 0);
    ASSERT_TRUE(read.valid && read.code_point == c && read.n_bytes == text.size()) << c;
    for (size_t cut = 1; cut < text.size(); ++cut) ASSERT_EQ(complete_utf8_prefix(text.substr(0, cut)), 0u) << c;
    ASSERT_EQ(complete_utf8_prefix(text), text.size());
  }
}

TEST(Utf8, RejectsOverlongSurrogatesAndBeyondUnicode) {
  for (const std::string_view bad : {"\xC0\x80", "\xE0\x80\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xF5", "\x80"}) {
    EXPECT_FALSE(decode_utf8(bad, 0).valid);
  }
}

TEST(Utf8, PrefixDoesNotHoldBackInvalidBytes) {
  EXPECT_EQ(complete_utf8_prefix("a\x80"), 2u);
  EXPECT_EQ(complete_utf8_prefix("a\xFF"), 2u);
  EXPECT_EQ(complete_utf8_prefix("a\xE2\x82"), 1u);
}

}  // namespace
}  // namespace firesteel
