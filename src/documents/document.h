// A document as plain text in sections: what ingest makes rows of, and what a search index cuts into passages.
//
// The readers accept any bytes within the limits and never fail on bad markup: what is not understood is text. Text that they give back is
// valid UTF-8 without control characters other than '\n' and '\t', and never longer than `text_bytes_max`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace firesteel {

struct DocumentSection {
  std::string heading = {};  // plain text, without line breaks; empty before the first heading
  int level = 0;             // 1..6; 0 without a heading
  std::string text = {};     // paragraphs between empty lines, list items on lines that begin with "- ", cells of a row between " | "
};

struct Document {
  std::string title = {};
  std::vector<DocumentSection> sections = {};  // in reading order; none is wholly empty
};

struct DocumentLimits {
  uint64_t file_bytes_max = 64u << 20;   // larger input: kResourceExhausted
  uint64_t text_bytes_max = 64u << 20;   // text beyond it: kResourceExhausted
  uint32_t sections_max = 100'000;       // more: kResourceExhausted
};

enum class DocumentFormat { kPlain, kMarkdown, kHtml, kPdf };
// By the name's ending, without case: .txt .text .md .markdown .html .htm .xhtml .pdf.
std::optional<DocumentFormat> document_format_of(std::string_view path);

// Bytes of any of the formats but PDF (kInvalidArgument; see pdf.h) in any encoding of decode_text().
Result<Document> read_document(DocumentFormat format, std::string_view bytes, const DocumentLimits& limits = {});

// A file of any of the formats, PDF in its sandbox. kNotFound, kIo, kInvalidArgument (format unknown, not text), kResourceExhausted, kUnsupported.
Result<Document> read_document_file(const std::string& path, const DocumentLimits& limits = {});

// Plain text: paragraphs as they are, one section.
Result<Document> read_plain(std::string_view utf8, const DocumentLimits& limits);

// A piece of a document that is small enough to embed, to cite or to learn from.
struct Passage {
  std::string heading = {};
  size_t section_idx = 0;
  std::string text = {};
};
// Cuts each section at paragraphs, then sentences, then words, then characters: no passage is longer than bytes_max (> 3), none is empty.
std::vector<Passage> passages_of(const Document& document, size_t bytes_max);

}  // namespace firesteel
