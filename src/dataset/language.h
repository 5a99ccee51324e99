// A guess at a text's language: the script, and for Latin and Cyrillic the small words that every sentence has.
#pragma once

#include <string>
#include <string_view>

namespace firesteel {

// "en" "de" "fr" "es" "it" "pt" "nl" "sv" "da" "pl" "tr" "ru" "uk" "el" "he" "ar" "hi" "th" "zh" "ja" "ko", or "und" when the text is too short or
// fits none. Looks at the first 4,000 bytes.
std::string guess_language(std::string_view text);

}  // namespace firesteel
