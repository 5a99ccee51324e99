// CSV as RFC 4180 writes it, read so that damage costs one row and not the rest of the file.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace firesteel {

struct CsvRecord {
  std::vector<std::string> fields = {};
  size_t begin = 0, end = 0;  // bytes of the text: the next record starts at `end`
  size_t n_lines = 0;         // lines it takes; more than one when a quoted field holds line breaks
};

// The record at `offset` (< text.size()). kInvalidArgument for a quote that is never closed (or not within bytes_max), for text behind a closing quote, and kResourceExhausted
// for a record longer than bytes_max; then record->end is behind the first line of the record, where reading goes on.
Status read_csv_record(std::string_view text, size_t offset, char separator, size_t bytes_max, CsvRecord* record);

// The separator that splits the first line into most fields: one of , ; tab |.
char guess_csv_separator(std::string_view first_line);

}  // namespace firesteel
