// Configurations in TOML, read key by key: what has the wrong type or range, and what nobody asked for, is refused with file and line. The first
// thing that is wrong counts, in whichever table of the file.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace firesteel {

class TomlTable {
 public:
  // The file's root. name: for messages. kInvalidArgument: no TOML, characters beyond ASCII outside of texts.
  static Result<TomlTable> parse(std::string_view text, std::string_view name);

  // Each leaves *value alone when the key is not there; bounds are inclusive.
  void integer(const char* key, int64_t* value, int64_t min, int64_t max);
  void number(const char* key, double* value, double min, double max);
  void number(const char* key, std::optional<double>* value, double min, double max);
  void boolean(const char* key, bool* value);
  void text(const char* key, std::string* value, const std::vector<std::string>& allowed = {});  // allowed empty: any
  void texts(const char* key, std::vector<std::string>* values);
  // A table of names and numbers of at least (above) zero.
  void weights(const char* key, std::vector<std::pair<std::string, double>>* values, bool above_zero);
  // Absent: an empty table that is_there() tells.
  TomlTable table(const char* key);
  bool is_there() const { return table_ != nullptr; }

  // For what the reader finds wrong: "FILE:LINE: [table.]key: expected ...".
  void fail(const char* key, const std::string& expected);
  // The first thing that was wrong so far, or a key of this table that nobody asked for, with the nearest one that there is.
  Status finish();

 private:
  struct File;
  TomlTable(std::shared_ptr<File> file, const void* table, std::string where) : file_(std::move(file)), table_(table), where_(std::move(where)) {}
  const void* take(const char* key);

  std::shared_ptr<File> file_;
  const void* table_;  // of toml++, which only the .cc file sees
  std::string where_;
  std::vector<std::string> known_;
};

}  // namespace firesteel
