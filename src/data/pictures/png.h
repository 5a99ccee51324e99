// Pictures as PNG files, to look at and to send: uncompressed, so that nothing but base is needed.
#pragma once

#include <string>

#include "base/rgb_image.h"

namespace firesteel::pictures {

// The bytes of a PNG file with the picture (8 bits, RGB, stored deflate blocks). Sides of at least 1.
std::string png_bytes(const RgbImage& image);

}  // namespace firesteel::pictures
