// One object of a plan or a rule file: keys are taken one by one, and what is left over is refused.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace firesteel {

// The first problem stays in *status; after it the reads do nothing useful but do no harm.
class RecordReader {
 public:
  // `where` begins messages: "plan.toml: surface[1]".
  RecordReader(const Json& object, std::string where, Status* status);

  bool has(const char* key) const { return object_.find(key) != nullptr; }
  void text(const char* key, std::string* value, size_t bytes_max = 256);
  void integer(const char* key, int64_t low, int64_t high, int64_t* value);
  void number(const char* key, double low, double high, double* value);
  void boolean(const char* key, bool* value);
  // Its index among the words.
  void choice(const char* key, const std::vector<std::string>& words, size_t* value);
  void numbers(const char* key, double low, double high, std::vector<double>* value);
  void texts(const char* key, std::vector<std::string>* value);
  const Json* object(const char* key);                  // nullptr when absent
  std::vector<const Json*> objects(const char* key);    // an array of tables
  void fail(const char* key, const std::string& expected);
  void finish();
  const std::string& where() const { return where_; }

 private:
  const Json* take(const char* key);
  void set(std::string message);

  const Json& object_;
  const std::string where_;
  Status* const status_;
  std::vector<std::string> known_;
};

}  // namespace firesteel
