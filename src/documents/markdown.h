// Markdown to text: headings begin sections; marks of emphasis, links and pictures go, their text stays; code, lists and tables keep their lines.
//
// A practical subset of CommonMark and GitHub's tables, one pass over lines. HTML inside is taken out tag by tag. Front matter (--- at the very
// start) is left out, its `title:` kept.
#pragma once

#include <string_view>

#include "documents/document.h"

namespace firesteel {

Result<Document> read_markdown(std::string_view utf8, const DocumentLimits& limits);

}  // namespace firesteel
