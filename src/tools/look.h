// A second look at a picture of the request: a part of it, enlarged.
#pragma once

#include <memory>

#include "base/result.h"
#include "base/rgb_image.h"
#include "tools/tool.h"

namespace firesteel {

// The part of the picture from (x0, y0) to (x1, y1), in thousandths of its width and height, made `zoom` times as large (1 to 8): bilinear, in
// integers, so the same on every machine. kInvalidArgument: an empty part, or a result with a side above 2,048 pixels.
Result<RgbImage> crop_and_zoom(const RgbImage& image, int x0, int y0, int x1, int y1, int zoom);

// "look": {"image": 1.., "left", "top", "right", "bottom": percent 0 to 100, "zoom"?: 1 to 8}. The model sees the part beside the text.
std::shared_ptr<const AgentTool> make_look();

}  // namespace firesteel
