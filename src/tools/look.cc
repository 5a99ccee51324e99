#include "tools/look.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>

namespace firesteel {
namespace {

constexpr int kSideMax = 2048, kZoomMax = 8, kZoomedSide = 448;  // a part is enlarged to about this, unless the model says

Error wrong(std::string what) { return {ErrorCode::kInvalidArgument, std::move(what)}; }

class Look final : public AgentTool {
 public:
  const std::string& name() const override { return name_; }
  const std::string& description() const override { return description_; }
  Json parameters() const override {
    const auto percent = [](const char* description) { return Json(Json::Object{{"type", "number"}, {"minimum", 0}, {"maximum", 100}, {"description", description}}); };
    return Json::Object{{"type", "object"},
                        {"properties", Json::Object{{"image", Json::Object{{"type", "integer"}, {"minimum", 1}, {"description", "which picture, from 1"}}},
                                                    {"left", percent("percent of the width")}, {"top", percent("percent of the height")}, {"right", percent("percent of the width")},
                                                    {"bottom", percent("percent of the height")},
                                                    {"zoom", Json::Object{{"type", "integer"}, {"minimum", 1}, {"maximum", kZoomMax}}}}},
                        {"required", Json::Array{"image", "left", "top", "right", "bottom"}}};
  }
  Result<ToolResult> run(const Json& arguments, const ToolContext& context) const override {
    const auto n_images = static_cast<int64_t>(context.images.size());
    if (n_images == 0) return wrong("there is no picture in this conversation");
    const Json* image = arguments.find("image");
    if (image == nullptr || !image->is_int() || image->as_int() < 1 || image->as_int() > n_images) return wrong(fmt::format("image: expected 1 to {}", n_images));
    int edges[4];
    constexpr const char* kEdges[4] = {"left", "top", "right", "bottom"};
    for (size_t i = 0; i < 4; ++i) {
      const Json* edge = arguments.find(kEdges[i]);
      const double percent = edge != nullptr && edge->is_number() ? edge->as_double() : -1;
      if (!(percent >= 0 && percent <= 100)) return wrong(std::string(kEdges[i]) + ": expected 0 to 100 percent");
      edges[i] = static_cast<int>(std::lround(percent * 10));
    }
    const RgbImage& whole = *context.images[static_cast<size_t>(image->as_int() - 1)];
    int zoom = 1;
    if (const Json* asked = arguments.find("zoom"); asked != nullptr && !asked->is_null()) {
      if (!asked->is_int() || asked->as_int() < 1 || asked->as_int() > kZoomMax) return wrong(fmt::format("zoom: expected 1 to {}", kZoomMax));
      zoom = static_cast<int>(asked->as_int());
    } else {
      const int side = std::max(1, std::max((edges[2] - edges[0]) * whole.width, (edges[3] - edges[1]) * whole.height) / 1000);
      zoom = std::clamp(kZoomedSide / side, 1, kZoomMax);
    }
    FS_TRY(RgbImage part, crop_and_zoom(whole, edges[0], edges[1], edges[2], edges[3], zoom));
    ToolResult out(fmt::format("a part of picture {}, {} x {} pixels, {} times as large", image->as_int(), part.width, part.height, zoom));
    out.images.push_back(std::make_shared<const RgbImage>(std::move(part)));
    return out;
  }

 private:
  const std::string name_ = "look";
  const std::string description_ = "Looks again at a part of a picture, enlarged";
};

}  // namespace

Result<RgbImage> crop_and_zoom(const RgbImage& image, int x0, int y0, int x1, int y1, int zoom) {
  const auto at = [](int thousandths, int32_t size) { return static_cast<int>((int64_t{thousandths} * size + 500) / 1000); };
  const int left = at(x0, image.width), right = at(x1, image.width), top = at(y0, image.height), bottom = at(y1, image.height);
  if (x0 < 0 || y0 < 0 || x1 > 1000 || y1 > 1000 || left >= right || top >= bottom) return wrong("the part is empty: expected left below right and top below bottom");
  const int width = right - left, height = bottom - top;
  if (zoom < 1 || zoom > kZoomMax || width > kSideMax / zoom || height > kSideMax / zoom) {
    return wrong(fmt::format("{} x {} pixels, {} times as large, are too many: expected sides of at most {}", width, height, zoom, kSideMax));
  }
  RgbImage out;
  out.width = width * zoom;
  out.height = height * zoom;
  out.pixels.resize(3 * static_cast<size_t>(out.width) * static_cast<size_t>(out.height));
  // Centres of pixels: source = (target + 1/2) / zoom - 1/2, in halves of 1/zoom so that all is whole; weights sum to (2 zoom)^2.
  const int unit = 2 * zoom;
  const auto source = [&](int target, int size, int* low, int* weight) {
    const int position = std::clamp(2 * target + 1 - zoom, 0, unit * (size - 1));
    *low = position / unit;
    *weight = position % unit;
  };
  for (int y = 0; y < out.height; ++y) {
    int row = 0, down = 0;
    source(y, height, &row, &down);
    const int next_row = std::min(row + 1, height - 1);
    for (int x = 0; x < out.width; ++x) {
      int column = 0, across = 0;
      source(x, width, &column, &across);
      const int next_column = std::min(column + 1, width - 1);
      const size_t corners[4] = {image.offset(left + column, top + row), image.offset(left + next_column, top + row), image.offset(left + column, top + next_row),
                                 image.offset(left + next_column, top + next_row)};
      const int weights[4] = {(unit - across) * (unit - down), across * (unit - down), (unit - across) * down, across * down};
      uint8_t* const to = &out.pixels[out.offset(x, y)];
      for (size_t channel = 0; channel < 3; ++channel) {
        int sum = unit * unit / 2;
        for (size_t corner = 0; corner < 4; ++corner) sum += weights[corner] * image.pixels[corners[corner] + channel];
        to[channel] = static_cast<uint8_t>(sum / (unit * unit));
      }
    }
  }
  return out;
}

std::shared_ptr<const AgentTool> make_look() { return std::make_shared<Look>(); }

}  // namespace firesteel
