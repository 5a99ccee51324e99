#include "documents/document.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"
#include "base/mapped_file.h"
#include "base/utf8.h"
#include "documents/encoding.h"
#include "documents/html.h"
#include "documents/markdown.h"
#include "documents/pdf.h"
#include "documents/text_builder.h"

namespace firesteel {
namespace {

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t'; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

// Where to cut text that is longer than bytes_max: behind the last paragraph, line, sentence or word that fits and leaves at least a third, else inside a word.
size_t cut_at(std::string_view text, size_t bytes_max) {
  const std::string_view window = text.substr(0, bytes_max);
  const size_t least = bytes_max / 3;
  if (const size_t at = window.rfind("\n\n"); at != std::string_view::npos && at >= least) return at;
  if (const size_t at = window.rfind('\n'); at != std::string_view::npos && at >= least) return at;
  for (size_t i = window.size(); i > std::max<size_t>(least, 1); --i) {
    if (window[i - 1] == ' ' && i >= 2 && (window[i - 2] == '.' || window[i - 2] == '!' || window[i - 2] == '?')) return i - 1;
  }
  if (const size_t at = window.rfind(' '); at != std::string_view::npos && at > 0) return at;
  const size_t whole = complete_utf8_prefix(window);
  return whole > 0 ? whole : window.size();
}

}  // namespace

std::optional<DocumentFormat> document_format_of(std::string_view path) {
  const size_t dot = path.rfind('.');
  if (dot == std::string_view::npos || path.size() - dot > 10) return std::nullopt;
  std::string ending;
  for (const char c : path.substr(dot + 1)) ending += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  if (ending == "txt" || ending == "text") return DocumentFormat::kPlain;
  if (ending == "md" || ending == "markdown") return DocumentFormat::kMarkdown;
  if (ending == "html" || ending == "htm" || ending == "xhtml") return DocumentFormat::kHtml;
  if (ending == "pdf") return DocumentFormat::kPdf;
  return std::nullopt;
}

Result<Document> read_plain(std::string_view utf8, const DocumentLimits& limits) {
  TextBuilder out(limits);
  out.verbatim(utf8);
  return out.finish();
}

Result<Document> read_document(DocumentFormat format, std::string_view bytes, const DocumentLimits& limits) {
  if (format == DocumentFormat::kPdf) return Error{ErrorCode::kInvalidArgument, "a PDF is read from a file, in its sandbox"};
  if (bytes.size() > limits.file_bytes_max) {
    return Error{ErrorCode::kResourceExhausted, fmt::format("{} bytes, the limit is {}", bytes.size(), limits.file_bytes_max)};
  }
  TextEncoding encoding = TextEncoding::kAuto;
  if (const std::string_view name = html_charset(bytes); format == DocumentFormat::kHtml && !name.empty()) {
    if (const auto declared = parse_encoding(name); declared.ok() && *declared == TextEncoding::kWindows1252) encoding = *declared;
  }
  FS_TRY(const std::string text, decode_text(bytes, encoding));
  if (std::count(text.begin(), text.end(), '\0') > 0) return Error{ErrorCode::kInvalidArgument, "holds zero bytes: not text"};
  switch (format) {
    case DocumentFormat::kMarkdown: return read_markdown(text, limits);
    case DocumentFormat::kHtml: return read_html(text, limits);
    case DocumentFormat::kPlain:
    case DocumentFormat::kPdf: break;
  }
  return read_plain(text, limits);
}

Result<Document> read_document_file(const std::string& path, const DocumentLimits& limits) {
  const auto format = document_format_of(path);
  if (!format) return Error{ErrorCode::kInvalidArgument, path + ": expected a name that ends in .txt, .md, .html or .pdf"};
  if (*format == DocumentFormat::kPdf) return read_pdf_file(path, limits);
  FS_TRY(const std::string bytes, read_file(path, limits.file_bytes_max));
  auto document = read_document(*format, bytes, limits);
  if (!document.ok()) return Error{document.error().code, path + ": " + document.error().message};
  return document;
}

std::vector<Passage> passages_of(const Document& document, size_t bytes_max) {
  CHECK(bytes_max > 3);
  std::vector<Passage> out;
  for (size_t i = 0; i < document.sections.size(); ++i) {
    const DocumentSection& section = document.sections[i];
    std::string_view rest = trimmed(section.text);
    while (!rest.empty()) {
      const size_t cut = rest.size() <= bytes_max ? rest.size() : cut_at(rest, bytes_max);
      if (const std::string_view piece = trimmed(rest.substr(0, cut)); !piece.empty()) out.push_back({section.heading, i, std::string(piece)});
      rest = trimmed(rest.substr(cut));
    }
  }
  return out;
}

}  // namespace firesteel
