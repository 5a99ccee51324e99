// How far a word is from the one that was meant, for "did you mean".
#pragma once

#include <cstddef>
#include <string_view>

namespace firesteel {

// Bytes to insert, remove or change; a swap of neighbours (the usual slip of two hands) is one step. Source: Damerau 1964, optimal
// string alignment. O(a * b) time: for names, not for texts.
size_t edit_distance(std::string_view a, std::string_view b);

}  // namespace firesteel
