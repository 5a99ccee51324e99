// Character references of HTML and Markdown.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace firesteel {

// text begins with '&'. The character that the reference stands for, with its length in *n_bytes; 0 when it is none (the '&' is text). Numbers
// beyond Unicode are U+FFFD.
uint32_t decode_entity(std::string_view text, size_t* n_bytes);

}  // namespace firesteel
