// PDF to text by pdftotext (poppler) inside bubblewrap: a PDF reader is too large to trust with our memory, so it gets its own process without
// network, files or other processes, and limits on time, memory and output.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "documents/document.h"

namespace firesteel {

struct PdfOptions {
  int64_t timeout_ms = 60'000;
  uint64_t memory_bytes_max = 1u << 30;
  std::string bwrap = {};       // path of the program; empty: looked for in /usr/bin and /usr/local/bin
  std::string pdftotext = {};
};

// The first problem in words, or empty when both programs are there.
std::string pdf_missing(const PdfOptions& options = {});

// One section a page ("Page 1" ...; pages without text are left out). kUnsupported when a program is missing, kDataLoss when pdftotext refuses
// the file or finds no text in it (scanned pages), kDeadlineExceeded, kResourceExhausted, kIo.
Result<Document> read_pdf_file(const std::string& path, const DocumentLimits& limits, const PdfOptions& options = {});

}  // namespace firesteel
