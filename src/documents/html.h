// HTML to text: what a reader would see, without running or loading anything.
//
// One pass, no tree, no recursion, time linear in the input. Scripts, styles, templates and elements marked `hidden` or aria-hidden are left
// out; headings begin sections; list items, table rows, line breaks and preformatted text keep their lines; pictures give their alternative text.
#pragma once

#include <string_view>

#include "documents/document.h"

namespace firesteel {

// utf8: decoded already (read_document does, by byte order mark or <meta charset>).
Result<Document> read_html(std::string_view utf8, const DocumentLimits& limits);

// The charset that the first 1,024 bytes declare, or empty.
std::string_view html_charset(std::string_view bytes);

}  // namespace firesteel
