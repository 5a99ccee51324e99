// SHAPES (Andreas et al. 2016, arXiv:1511.02799): 30 x 30 pixels, a 3 x 3 grid of circles, squares and triangles in red, green and blue,
// and yes/no questions as small programs. "above" means the neighbouring cell. Pictures here look like the published ones (same geometry,
// sizes and colour noise); what is published is only read by evaluation and by a test.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/rgb_image.h"
#include "base/rng.h"
#include "data/pictures/ask.h"
#include "schema/sample.h"

namespace firesteel::pictures {

enum class ShapeForm : uint8_t { kNone, kCircle, kSquare, kTriangle };
enum class ShapeColour : uint8_t { kRed, kGreen, kBlue };
struct ShapeCell {
  ShapeForm form = ShapeForm::kNone;
  ShapeColour colour = ShapeColour::kRed;  // kRed where the cell is empty
  bool operator==(const ShapeCell&) const = default;
};
using ShapeGrid = std::array<ShapeCell, 9>;  // row by row

// A colour, a form or both.
struct ShapeNoun {
  std::optional<ShapeColour> colour;
  std::optional<ShapeForm> form;
  bool fits(const ShapeCell& cell) const;
  bool operator==(const ShapeNoun&) const = default;
};
enum class Relation : uint8_t { kAbove, kBelow, kLeftOf, kRightOf };

// "is SUBJECT RELATION[0] of what is RELATION[1] of ... OBJECT": with no relation, "is SUBJECT OBJECT".
struct ShapeQuery {
  ShapeNoun subject;
  std::vector<Relation> relations;
  ShapeNoun object;
  bool operator==(const ShapeQuery&) const = default;
};

// "(is triangle (above (right_of square)))". kDataLoss for anything else.
Result<ShapeQuery> parse_shape_query(std::string_view program);
std::string shape_program(const ShapeQuery& query);

bool shape_answer(const ShapeQuery& query, const ShapeGrid& grid);

// What the picture shows, by area and outline. For pictures like those of SHAPES only: 30 x 30 (CHECK).
ShapeGrid read_shapes(const RgbImage& image);
RgbImage draw_shapes(Rng* rng, const ShapeGrid& grid);
// Colour and form of the first n cells, as marks in a picture of just those: n is 1 to 3, or 9.
std::vector<ImageMark> mark_shapes(const ShapeGrid& grid, size_t n);

// The prompt of an evaluation item of SHAPES, from its query_str: "is a triangle above right of a square" becomes
// "Is a triangle above right of a square?". Training uses the same form. The published files hold B G R, not R G B.
std::string shapes_prompt(std::string_view query_str);

// 30 * 30 pixels of 3 bytes, B G R, as the published arrays hold them.
RgbImage shapes_image(std::span<const uint8_t> bgr);

// What a thinking model writes first: cells A to I, row by row.
std::string describe_shapes(const ShapeGrid& grid);
// And then: "square: C, G", "right of: H", "above: E red circle", "circle: E"; the line before the last tells what is in the cells that the subject
// is looked for in, the last which of them are it.
std::string work_out_shapes(const ShapeQuery& query, const ShapeGrid& grid);

// "pictures/shapes/...": cell, exists, one_relation, two_relations.
Plan plan_shapes(Asker* ask, std::string_view question);

}  // namespace firesteel::pictures
