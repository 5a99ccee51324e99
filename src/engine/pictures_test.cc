#include "engine/pictures.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <tuple>

#include "base/rng.h"

namespace firesteel {
namespace {

std::vector<float> rows_of(size_t n, float value) { return std::vector<float>(n * 4, value); }

TEST(PictureTable, TheSamePictureKeepsItsIdsAndAnotherHasItsOwn) {
  PictureTable table(100);
  const auto first = table.intern({1, 2}, {rows_of(3, 1), rows_of(2, 2), rows_of(3, 1)}, 4);
  EXPECT_EQ(first.pictures[0]->first_id, 100);
  EXPECT_EQ(first.pictures[1]->first_id, 103);
  EXPECT_EQ(first.pictures[2], first.pictures[0]);
  EXPECT_EQ(first.pictures[1]->n, 2);
  const auto again = table.intern({1, 2}, {rows_of(2, 2), rows_of(2, 1)}, 4);
  EXPECT_EQ(again.pictures[0], first.pictures[1]);
  EXPECT_EQ(again.pictures[1]->first_id, 105);  // as long as another, and not its beginning
  const auto stranger = table.intern({1, 3}, {rows_of(2, 2)}, 4);
  EXPECT_EQ(stranger.pictures[0]->first_id, 107);
}

TEST(PictureTable, ForgottenPicturesGetNewIds) {
  PictureTable table(10);
  const auto first = table.intern({}, {rows_of(1, -1)}, 4);
  for (size_t i = 0; i < PictureTable::kEntriesMax; ++i) table.intern({}, {rows_of(1, static_cast<float>(i))}, 4);
  const auto again = table.intern({}, {rows_of(1, -1)}, 4);
  EXPECT_NE(again.pictures[0]->first_id, first.pictures[0]->first_id);
  EXPECT_EQ(again.era, 0u);
}

// Whatever is asked for in whatever order: (era, id) means one row of one content in one namespace.
TEST(PictureTable, AnIdMeansOneContentInItsEra) {
  PictureTable table(1000, 1300);  // a new era every few pictures
  Rng rng(5);
  std::map<std::pair<uint64_t, TokenId>, std::tuple<uint64_t, float, int64_t, int64_t>> meaning;
  uint64_t era = 0;
  for (int i = 0; i < 3000; ++i) {
    const uint64_t tenant = rng.below(3);
    std::vector<std::vector<float>> pictures;
    for (int64_t n = rng.between(1, 4); n > 0; --n) pictures.push_back(rows_of(rng.below(60) + 1, static_cast<float>(rng.below(10))));
    const auto interned = table.intern({0, tenant}, pictures, 4);
    ASSERT_GE(interned.era, era);
    era = interned.era;
    for (size_t p = 0; p < pictures.size(); ++p) {
      const Picture& picture = *interned.pictures[p];
      ASSERT_EQ(picture.rows, pictures[p]);
      for (int64_t row = 0; row < picture.n; ++row) {
        const std::pair key(era, static_cast<TokenId>(picture.first_id + row));
        ASSERT_TRUE(key.second >= 1000 && key.second < 1300);
        const std::tuple content(tenant, pictures[p][0], picture.n, row);
        ASSERT_EQ(meaning.emplace(key, content).first->second, content);
      }
    }
  }
  EXPECT_GT(era, 100u);
}

TEST(PictureRow, IsThereForPatchesOnly) {
  PictureTable table(10);
  const auto interned = table.intern({}, {rows_of(2, 1), rows_of(1, 2)}, 4);
  const std::vector<PlacedPicture> placed = {{3, interned.pictures[0]}, {7, interned.pictures[1]}};
  std::set<int64_t> with_row;
  for (int64_t position = 0; position < 10; ++position) {
    if (picture_row(placed, position) != nullptr) with_row.insert(position);
  }
  EXPECT_EQ(with_row, (std::set<int64_t>{3, 4, 7}));
  EXPECT_EQ(picture_row(placed, 4), interned.pictures[0]->rows.data() + 4);
}

}  // namespace
}  // namespace firesteel
