#include "data/pictures/shapes.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace firesteel::pictures {
namespace {

std::string shared_folder() {
  const char* folder = std::getenv("FS_SHARED");
  return (folder != nullptr ? std::string(folder) : std::string(FS_SHARED_DEFAULT)) + "/data/evals/image/shapes/";
}

std::vector<std::string> lines_of(const std::string& path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

class Published : public testing::TestWithParam<const char*> {};

TEST_P(Published, TheProgramsGiveThePublishedAnswers) {
  const std::string base = shared_folder() + GetParam();
  std::ifstream file(base + ".input.npy", std::ios::binary);
  if (!file) GTEST_SKIP() << "SHAPES is not there: " << base;
  std::ostringstream bytes;
  bytes << file.rdbuf();
  const std::string array = bytes.str();
  const std::vector<std::string> programs = lines_of(base + ".query");
  const std::vector<std::string> questions = lines_of(base + ".query_str.txt");
  const std::vector<std::string> answers = lines_of(base + ".output");
  ASSERT_EQ(programs.size(), answers.size());
  ASSERT_EQ(programs.size(), questions.size());
  const size_t header = array.size() - programs.size() * 2700;
  size_t n_right = 0;
  for (size_t i = 0; i < programs.size(); ++i) {
    std::vector<uint8_t> bgr(array.begin() + static_cast<std::ptrdiff_t>(header + i * 2700), array.begin() + static_cast<std::ptrdiff_t>(header + (i + 1) * 2700));
    const Result<ShapeQuery> query = parse_shape_query(programs[i]);
    ASSERT_TRUE(query.ok()) << query.error().message;
    EXPECT_EQ(shape_program(*query), programs[i]);
    n_right += shape_answer(*query, read_shapes(shapes_image(bgr))) == (answers[i] == "true") ? 1U : 0U;
    EXPECT_EQ(shapes_prompt(questions[i]).substr(0, 5), "Is a ");
  }
  EXPECT_EQ(n_right, programs.size());
  std::printf("%s: %zu of %zu answers\n", GetParam(), n_right, programs.size());
}

INSTANTIATE_TEST_SUITE_P(Shapes, Published, testing::Values("val", "train.small", "train.tiny"));

TEST(Shapes, WhatIsDrawnCanBeRead) {
  Rng rng(11);
  for (int i = 0; i < 300; ++i) {
    ShapeGrid grid;
    for (ShapeCell& cell : grid) {
      const auto form = static_cast<ShapeForm>(rng.below(4));
      cell = {form, form == ShapeForm::kNone ? ShapeColour::kRed : static_cast<ShapeColour>(rng.below(3))};
    }
    EXPECT_EQ(read_shapes(draw_shapes(&rng, grid)), grid) << "picture " << i;
  }
}

TEST(Shapes, AboveMeansTheNeighbouringCell) {
  ShapeGrid grid;
  grid[1] = {ShapeForm::kTriangle, ShapeColour::kRed};
  grid[7] = {ShapeForm::kSquare, ShapeColour::kBlue};
  const auto answer = [&](std::string_view program) { return shape_answer(*parse_shape_query(program), grid); };
  EXPECT_FALSE(answer("(is triangle (above square))"));
  EXPECT_TRUE(answer("(is triangle (above (above square)))"));
  EXPECT_TRUE(answer("(is red (above (above blue)))"));
  EXPECT_TRUE(answer("(is square (left_of (right_of square)))"));
  EXPECT_FALSE(answer("(is square (below (below square)))"));
  EXPECT_TRUE(answer("(is red triangle)"));
  EXPECT_FALSE(answer("(is blue triangle)"));
}

TEST(Shapes, BrokenProgramsAreErrors) {
  for (const char* program : {"", "(is red)", "(is red (near blue))", "(is red blue", "is pink blue", "((((", "(is (above red) blue)"}) {
    EXPECT_FALSE(parse_shape_query(program).ok()) << program;
  }
}

TEST(Shapes, TheWorkingEndsInWhatTheQuestionAsksFor) {
  ShapeGrid grid;
  grid[0] = {ShapeForm::kCircle, ShapeColour::kRed};
  grid[4] = {ShapeForm::kSquare, ShapeColour::kBlue};
  EXPECT_EQ(describe_shapes(grid), "A red circle, B empty, C empty\nD empty, E blue square, F empty\nG empty, H empty, I empty");
  EXPECT_EQ(work_out_shapes(*parse_shape_query("(is red (left_of (above square)))"), grid), "square: E\nabove: B\nleft of: A red circle\nred: A");
  EXPECT_EQ(work_out_shapes(*parse_shape_query("(is red (above circle))"), grid), "circle: A\nabove: none\nred: none");
  EXPECT_EQ(work_out_shapes(*parse_shape_query("(is red circle)"), grid), "circle: A red circle\nred: A");
}

}  // namespace
}  // namespace firesteel::pictures
