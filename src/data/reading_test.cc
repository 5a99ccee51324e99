#include "data/reading.h"

#include <gtest/gtest.h>

#include <string>

namespace firesteel {
namespace {

TEST(Reading, EachNumberStandsWithItsWordsAndWhetherItCounts) {
  EXPECT_EQ(reading("Mia picked 26 ripe plums and 17 green plums. She ate 14 green plums and 9 ripe plums. How many ripe plums did Mia have left?", "<|n0|>-<|n3|>"),
            "asked How many ripe plums did Mia have left\n"
            "<|n0|> Mia picked ripe plums: yes\n"
            "<|n1|> Mia picked green plums: no\n"
            "<|n2|> She ate green plums: no\n"
            "<|n3|> She ate ripe plums: yes");
}

TEST(Reading, AClauseEndsAtAnAndOrAComma) {
  EXPECT_EQ(reading("If the oranges are packed into 11 crates and the lemons packed into 20, how big is each crate of oranges if all are 3 feet high?", "<|n0|>"),
            "asked how big is each crate of oranges\n"
            "<|n0|> If the oranges are packed into crates: yes\n"
            "<|n1|> the lemons packed into: no\n"
            "<|n2|> is each crate of oranges if all are feet high: no");
}

TEST(Reading, WordsBetweenTwoNumbersBelongToBoth) {
  EXPECT_EQ(reading("There are 98 duck eggs in 7 boxes. How many are in each of 7?", "<|n0|>/<|n1|>"),
            "asked How many are in each of\n"
            "<|n0|> There are duck eggs in: yes\n"
            "<|n1|> duck eggs in boxes: yes\n"
            "<|n2|> How many are in each of: no");
}

TEST(Reading, CommandsAndMoney) {
  EXPECT_EQ(reading("A seat costs $17 or $11, a stand 5 dollars. Compute the price of one of each.", "<|n0|>+<|n1|>"),
            "asked Compute the price of one of each\n"
            "<|n0|> A seat costs $: yes\n"
            "<|n1|> A seat costs $: yes\n"
            "<|n2|> a stand dollars: no");
}

TEST(Reading, NothingToChooseAmong) {
  EXPECT_EQ(reading("How many are 5 pens and 3 pens?", "<|n0|>+<|n1|>"), "");
  EXPECT_EQ(reading("1 2 3 4 5 6 7 8 9 10 11 12 13", "<|n0|>"), "");
  EXPECT_EQ(reading("", ""), "");
}

TEST(Reading, MarkersOfTwoDigitsAreOnesOfTheirOwn) {
  EXPECT_EQ(reading("1 2 3 4 5 6 7 8 9 10 11", "<|n1|>+<|n10|>"), "asked \n<|n0|> no\n<|n1|> yes\n<|n2|> no\n<|n3|> no\n<|n4|> no\n<|n5|> no\n<|n6|> no\n<|n7|> no\n<|n8|> no\n<|n9|> no\n<|n10|> yes");
}

}  // namespace
}  // namespace firesteel
