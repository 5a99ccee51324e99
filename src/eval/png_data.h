// A picture as text for a page.
#pragma once

#include <string>

#include "base/rgb_image.h"

namespace firesteel {

// "data:image/png;base64,...". The image must hold as many pixels as it says (CHECK).
std::string png_data_uri(const RgbImage& image);

}  // namespace firesteel
