// Bodies of multipart/form-data (RFC 7578), as clients upload files. Hostile bytes: strict, within caps, without copies.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace firesteel {

struct FormPart {
  std::string name;
  std::optional<std::string> filename = {};  // of a file
  std::string_view content = {};             // a view into the body
};

inline constexpr size_t kFormPartsMax = 32;

// content_type: the header's value, with the boundary. At most 32 parts, 8 KiB of headers each. kInvalidArgument says what is wrong and
// in which part (from 0). A name may be there twice.
Result<std::vector<FormPart>> parse_form(std::string_view content_type, std::string_view body);

}  // namespace firesteel
