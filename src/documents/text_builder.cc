#include "documents/text_builder.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/utf8.h"
#include "documents/encoding.h"

namespace firesteel {
namespace {

bool is_blank(uint32_t code) { return code == ' ' || code == '\t' || code == '\n' || code == '\r' || code == '\f' || code == 0xa0; }
bool is_control(uint32_t code) { return code < 0x20 || (code >= 0x7f && code < 0xa0); }

}  // namespace

void TextBuilder::append(uint32_t code_point) {
  if (n_bytes_ + 4 > limits_.text_bytes_max) {
    overflowed_ = true;
    return;
  }
  const size_t before = target()->size();
  append_utf8(target(), code_point);
  n_bytes_ += target()->size() - before;
}

void TextBuilder::flush_breaks() {
  std::string* const out = target();
  if (in_heading_) {  // a heading is one line
    if ((pending_breaks_ > 0 || pending_blank_) && !out->empty()) append(' ');
  } else if (pending_breaks_ > 0) {
    while (!out->empty() && (out->back() == ' ' || out->back() == '\t' || out->back() == '\n')) out->pop_back();
    for (int i = 0; !out->empty() && i < pending_breaks_; ++i) append('\n');
  } else if (pending_blank_ && !out->empty() && out->back() != '\n' && out->back() != ' ') {
    append(' ');
  }
  pending_breaks_ = 0;
  pending_blank_ = false;
}

void TextBuilder::words(std::string_view utf8) {
  for (size_t i = 0; i < utf8.size();) {
    const Utf8Char character = decode_utf8(utf8, i);
    i += character.n_bytes;
    if (is_blank(character.code_point)) {
      pending_blank_ = true;
      continue;
    }
    if (is_control(character.code_point)) continue;
    flush_breaks();
    append(character.code_point);
  }
}

void TextBuilder::verbatim(std::string_view utf8) {
  if (in_heading_) return words(utf8);
  for (size_t i = 0; i < utf8.size();) {
    const Utf8Char character = decode_utf8(utf8, i);
    i += character.n_bytes;
    const uint32_t code = character.code_point;
    if (code == '\r' || (is_control(code) && code != '\n' && code != '\t')) continue;
    flush_breaks();
    append(code);
  }
}

void TextBuilder::line_break() { pending_breaks_ = std::max(pending_breaks_, 1); }
void TextBuilder::paragraph_break() { pending_breaks_ = 2; }

void TextBuilder::close_section() {
  while (!section_.text.empty() && (section_.text.back() == '\n' || section_.text.back() == ' ' || section_.text.back() == '\t')) section_.text.pop_back();
  if (!section_.text.empty() || !section_.heading.empty()) {
    if (document_.sections.size() >= limits_.sections_max) {
      overflowed_ = true;
    } else {
      document_.sections.push_back(std::move(section_));
    }
  }
  section_ = {};
}

void TextBuilder::begin_heading(int level) {
  if (in_heading_) end_heading();
  close_section();
  section_.level = std::clamp(level, 1, 6);
  in_heading_ = true;
  pending_breaks_ = 0;
  pending_blank_ = false;
}

void TextBuilder::end_heading() {
  if (!in_heading_) return;
  in_heading_ = false;
  if (section_.heading.empty()) section_.level = 0;
  pending_breaks_ = 0;
  pending_blank_ = false;
}

void TextBuilder::set_title(std::string_view title) {
  if (!document_.title.empty()) return;
  std::string text = clean_text(title.substr(0, 1000));
  std::replace(text.begin(), text.end(), '\n', ' ');
  const size_t first = text.find_first_not_of(" \t"), last = text.find_last_not_of(" \t");
  if (first != std::string::npos) document_.title = text.substr(first, last - first + 1);
}

Result<Document> TextBuilder::finish() {
  end_heading();
  close_section();
  if (overflowed_) {
    return Error{ErrorCode::kResourceExhausted,
                 fmt::format("document has more than {} bytes of text or {} sections", limits_.text_bytes_max, limits_.sections_max)};
  }
  if (document_.title.empty()) {
    for (const DocumentSection& section : document_.sections) {
      if (section.level == 1) {
        document_.title = section.heading;
        break;
      }
    }
  }
  return std::move(document_);
}

}  // namespace firesteel
