// Pictures on the command line: the part of a model that sees, found beside it, and picture files.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "api/generator.h"
#include "base/json.h"
#include "base/result.h"
#include "model/vision.h"

namespace firesteel {

// The vision part of the model at `model_path`: the file `mmproj` when it is given ("none": no vision), else NAME.mmproj.gguf beside
// NAME.gguf, or the one inside the program beside the model inside it. Null when there is none. A file of that name that is of another kind (other programs use the name, too) is left alone
// unless it was asked for.
Result<std::shared_ptr<const VisionModel>> load_vision(const std::string& model_path, const std::string& mmproj);

// Decoded, within the usual limits; messages name the file.
Result<ImagePtr> read_image(const std::string& path);

// What to say when pictures were given to a model without such a part.
Error cannot_see(const std::string& model_path);

// A message's content: the text, with a part for each picture before it if there are any.
Json content_with_images(const std::string& text, size_t n_images);

}  // namespace firesteel
