// Any bytes as HTML, Markdown and plain text: clean UTF-8 within the limits, cut into passages that lose nothing.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/utf8.h"
#include "documents/document.h"
#include "documents/encoding.h"

namespace {

using namespace firesteel;

std::string without_blanks(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c != ' ' && c != '\n' && c != '\t') out += c;
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const DocumentFormat formats[] = {DocumentFormat::kHtml, DocumentFormat::kMarkdown, DocumentFormat::kPlain};
  DocumentLimits limits;
  limits.text_bytes_max = 1u << 16;
  limits.sections_max = 1000;
  const auto document = read_document(formats[data[0] % 3], bytes, limits);
  if (!document.ok()) {
    CHECK(!document.error().message.empty());
    return 0;
  }
  std::string all;
  uint64_t n_bytes = 0;
  for (const DocumentSection& section : document->sections) {
    CHECK(is_valid_utf8(section.text) && is_valid_utf8(section.heading));
    CHECK(clean_text(section.text) == section.text && section.heading.find('\n') == std::string::npos);
    CHECK(!section.text.empty() || !section.heading.empty());
    n_bytes += section.text.size() + section.heading.size();
    all += section.text;
  }
  CHECK(n_bytes <= limits.text_bytes_max);
  std::string pieces;
  for (const Passage& passage : passages_of(*document, 4 + data[0])) {
    CHECK(!passage.text.empty() && passage.text.size() <= size_t{4} + data[0]);
    pieces += passage.text;
  }
  CHECK(without_blanks(pieces) == without_blanks(all));
  return 0;
}
