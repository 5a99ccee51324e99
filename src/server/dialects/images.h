// Pictures in bodies, decoded while the body is read, on the worker that reads it. Only what is in the body: an address of the network is
// refused, because the server opens no connections of its own.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "api/generator.h"
#include "server/dialects/parameters.h"

namespace firesteel {

// Of all pictures of one request together; each also has the limits of image/decode.h.
constexpr int64_t kRequestPixelsMax = 32'000'000;

struct RequestImages {
  bool can_see = false;             // the model
  bool keeps_sources = false;       // parts of messages keep their "data_uri", for a conversation that is stored
  std::vector<ImagePtr> images = {};
  int64_t n_pixels = 0;
};

// One more picture, from a data URI or from base64 alone. Fails at `name` of `place` with the reason: too many, too large, damaged, not a
// picture, or a model that cannot see.
void add_image_uri(const BodyReader& place, std::string_view name, std::string_view uri, RequestImages* out);
void add_image_base64(const BodyReader& place, std::string_view name, std::string_view text, RequestImages* out);

// The same for callers without a BodyReader.
Status add_image_uri(std::string_view uri, RequestImages* out);

}  // namespace firesteel
