// Base64 (RFC 4648, section 4) to bytes, as clients send it inside JSON, and back.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace firesteel {

// Line breaks are skipped and padding may be left out; anything else is kInvalidArgument with the offset, and so are bits behind the last
// whole byte that are not zero: one text for one content.
Result<std::string> decode_base64(std::string_view text);

// With padding, without line breaks.
std::string encode_base64(std::string_view bytes);

}  // namespace firesteel
