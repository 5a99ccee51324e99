// A check of TOML text before toml++ reads it.
#pragma once

#include <cstddef>
#include <string_view>

namespace firesteel {

// The line of the first character beyond ASCII that stands outside of strings and comments, 0 if none does. TOML allows none there, and
// toml++ 3.3 looks whether it is a blank in a way that is undefined for U+00A1 and its neighbours.
size_t foreign_toml_character(std::string_view text);

}  // namespace firesteel
