#include "dataset/csv.h"

#include <algorithm>

#include <fmt/format.h>

namespace firesteel {
namespace {

size_t behind_line(std::string_view text, size_t offset) {
  const size_t newline = text.find('\n', offset);
  return newline == std::string_view::npos ? text.size() : newline + 1;
}

}  // namespace

Status read_csv_record(std::string_view text, size_t offset, char separator, size_t bytes_max, CsvRecord* record) {
  *record = {};
  record->begin = offset;
  const auto refuse = [&](ErrorCode code, std::string message) -> Status {
    record->fields.clear();
    record->end = behind_line(text, offset);
    record->n_lines = 1;
    return Error{code, std::move(message)};
  };
  const size_t limit = offset + std::min(bytes_max, text.size() - offset);
  std::string field;
  size_t i = offset;
  record->n_lines = 1;
  for (;;) {
    field.clear();
    if (i < text.size() && text[i] == '"') {
      ++i;
      for (;;) {
        if (i >= limit) {
          return refuse(limit < text.size() ? ErrorCode::kResourceExhausted : ErrorCode::kInvalidArgument,
                        limit < text.size() ? fmt::format("a quoted field does not end within {} bytes", bytes_max) : std::string("a quote is never closed"));
        }
        if (text[i] == '"') {
          if (i + 1 >= text.size() || text[i + 1] != '"') break;
          ++i;
        }
        if (text[i] == '\n') ++record->n_lines;
        field += text[i++];
      }
      ++i;
      if (i < text.size() && text[i] != separator && text[i] != '\n' && text[i] != '\r') return refuse(ErrorCode::kInvalidArgument, "text behind a closing quote");
    } else {
      while (i < text.size() && text[i] != separator && text[i] != '\n') {
        if (i >= limit) return refuse(ErrorCode::kResourceExhausted, fmt::format("row is longer than {} bytes", bytes_max));
        field += text[i++];
      }
      if (!field.empty() && field.back() == '\r') field.pop_back();
    }
    if (i < text.size() && text[i] == '\r') ++i;
    record->fields.push_back(field);
    if (i >= text.size()) break;
    if (text[i] == separator) {
      ++i;
      if (record->fields.size() > 1000) return refuse(ErrorCode::kResourceExhausted, "more than 1,000 fields");
      continue;
    }
    ++i;  // the line break
    break;
  }
  record->end = std::min(i, text.size());
  return {};
}

char guess_csv_separator(std::string_view first_line) {
  char best = ',';
  long most = -1;
  for (const char c : {',', ';', '\t', '|'}) {
    const long n = std::count(first_line.begin(), first_line.end(), c);
    if (n > most) {
      most = n;
      best = c;
    }
  }
  return best;
}

}  // namespace firesteel
