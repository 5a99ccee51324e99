// Walks JSON text without building values: tokenizer.json holds hundreds of thousands of strings, and all but a few pages of it
// are the vocabulary and the merges. Strings without escapes are views of the text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace firesteel {

class JsonCursor {
 public:
  // unescaped: room for at least text.size() bytes, where strings with escapes are written. Both must outlive what is returned.
  JsonCursor(std::string_view text, char* unescaped) : text_(text), out_(unescaped) {}

  size_t offset() const { return at_; }
  bool failed() const { return failed_; }
  Error error(const std::string& path) const {
    return {ErrorCode::kDataLoss, path + ": offset " + std::to_string(at_) + ": expected " + expected_};
  }

  // The next character that is not white space, 0 at the end.
  char peek();
  // Consumes c, or fails.
  bool expect(char c);
  // Consumes c if it is next.
  bool accept(char c);
  bool read_string(std::string_view* value);
  bool read_uint(uint64_t* value);  // digits only
  // Skips one value of any kind; *raw is its text. Checks brackets and strings, nothing else.
  bool skip_value(std::string_view* raw);

  // Loops over members: `if (cursor.expect('{')) while (cursor.next_member(&first, &key)) { read the value }`; likewise elements.
  bool next_member(bool* first, std::string_view* key);
  bool next_element(bool* first);

  // Scratch space behind the unescaped strings: the caller may write n bytes and claim them.
  char* scratch() { return out_; }
  void claim(size_t n) { out_ += n; }

 private:
  bool fail(const char* expected);
  bool unescape(std::string_view* value, size_t begin);

  std::string_view text_;
  char* out_;
  size_t at_ = 0;
  bool failed_ = false;
  const char* expected_ = "";
};

}  // namespace firesteel
