// Collects the sections of a document while a reader walks through its markup; keeps the promises of document.h.
#pragma once

#include <string>
#include <string_view>

#include "documents/document.h"

namespace firesteel {

class TextBuilder {
 public:
  explicit TextBuilder(const DocumentLimits& limits) : limits_(limits) {}

  // Text whose white space may be folded: a run of it is one blank, none at the start of a line.
  void words(std::string_view utf8);
  // Text whose white space is kept.
  void verbatim(std::string_view utf8);
  void line_break();       // the next text begins a line
  void paragraph_break();  // the next text comes behind an empty line
  // What follows, up to end_heading, is a heading of this level (1..6).
  void begin_heading(int level);
  void end_heading();
  bool in_heading() const { return in_heading_; }
  void set_title(std::string_view title);

  // kResourceExhausted when a limit was met on the way.
  Result<Document> finish();
  bool overflowed() const { return overflowed_; }

 private:
  void append(uint32_t code_point);
  void flush_breaks();
  void close_section();
  std::string* target() { return in_heading_ ? &section_.heading : &section_.text; }

  const DocumentLimits& limits_;
  Document document_ = {};
  DocumentSection section_ = {};
  uint64_t n_bytes_ = 0;
  int pending_breaks_ = 0;   // 1: a new line, 2: an empty line between
  bool pending_blank_ = false;
  bool in_heading_ = false;
  bool overflowed_ = false;
};

}  // namespace firesteel
