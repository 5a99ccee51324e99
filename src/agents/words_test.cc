#include "agents/words.h"

#include <gtest/gtest.h>

namespace firesteel {
namespace {

using Words = std::vector<std::string>;

TEST(Words, AreRunsOfLettersDigitsAndApostrophes) {
  EXPECT_EQ(words_of("Tom's 3 dogs, h2o; (B)"), (Words{"tom's", "3", "dogs", "h2o", "b"}));
  EXPECT_EQ(words_of(""), Words{});
  EXPECT_EQ(words_of("\xc3\xa4rger"), (Words{"rger"}));
}

TEST(Words, OfContentLeaveOutWhatEveryQuestionSays) {
  EXPECT_EQ(content_words("How many legs have Tom's 12 'Shetland' ponies, at 20kg each?"), (Words{"legs", "tom", "shetland", "ponies", "each"}));
  EXPECT_EQ(content_words("What is the answer to that?"), Words{});
  EXPECT_EQ(content_words("''' '"), Words{});
}

}  // namespace
}  // namespace firesteel
