#include "tokenizer/json_cursor.h"

#include <cstring>

#include "base/utf8.h"

namespace firesteel {
namespace {

constexpr uint32_t kDepthMax = 128;

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Four hex digits at text[at]; -1 when they are not there.
int32_t hex4(std::string_view text, size_t at) {
  if (text.size() - at < 4) return -1;
  int32_t value = 0;
  for (size_t i = 0; i < 4; ++i) {
    const int digit = hex_value(text[at + i]);
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

}  // namespace

bool JsonCursor::fail(const char* expected) {
  if (!failed_) expected_ = expected;
  failed_ = true;
  return false;
}

char JsonCursor::peek() {
  while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\r' || text_[at_] == '\t')) ++at_;
  return at_ < text_.size() && !failed_ ? text_[at_] : '\0';
}

bool JsonCursor::accept(char c) {
  if (peek() != c) return false;
  ++at_;
  return true;
}

bool JsonCursor::expect(char c) {
  if (accept(c)) return true;
  switch (c) {
    case '{': return fail("an object");
    case '[': return fail("an array");
    case ':': return fail("\":\" after the key");
    case ']': return fail("\",\" or \"]\"");
    default: return fail("\",\" or \"}\"");
  }
}

bool JsonCursor::read_string(std::string_view* value) {
  if (peek() != '"') return fail("a string");
  const size_t begin = ++at_;
  while (at_ < text_.size()) {
    const char c = text_[at_];
    if (c == '"') {
      *value = text_.substr(begin, at_ - begin);
      ++at_;
      return true;
    }
    if (c == '\\') return unescape(value, begin);
    if (static_cast<unsigned char>(c) < 0x20) return fail("an escape instead of a control character");
    ++at_;
  }
  return fail("the end of a string");
}

bool JsonCursor::unescape(std::string_view* value, size_t begin) {
  char* const start = out_;
  std::memcpy(out_, text_.data() + begin, at_ - begin);
  out_ += at_ - begin;
  while (at_ < text_.size()) {
    const char c = text_[at_];
    if (c == '"') {
      *value = {start, static_cast<size_t>(out_ - start)};
      ++at_;
      return true;
    }
    if (static_cast<unsigned char>(c) < 0x20) return fail("an escape instead of a control character");
    if (c != '\\') {
      *out_++ = c;
      ++at_;
      continue;
    }
    if (at_ + 1 >= text_.size()) break;
    const char escape = text_[at_ + 1];
    at_ += 2;
    switch (escape) {
      case '"':
      case '\\':
      case '/': *out_++ = escape; break;
      case 'b': *out_++ = '\b'; break;
      case 'f': *out_++ = '\f'; break;
      case 'n': *out_++ = '\n'; break;
      case 'r': *out_++ = '\r'; break;
      case 't': *out_++ = '\t'; break;
      case 'u': {
        int32_t code = hex4(text_, at_);
        if (code < 0) return fail("four hexadecimal digits");
        at_ += 4;
        if (code >= 0xD800 && code < 0xDC00 && text_.substr(at_).starts_with("\\u")) {
          const int32_t low = hex4(text_, at_ + 2);
          if (low >= 0xDC00 && low < 0xE000) {
            code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
            at_ += 6;
          }
        }
        if (code >= 0xD800 && code < 0xE000) return fail("a surrogate pair");
        std::string utf8;
        append_utf8(&utf8, static_cast<uint32_t>(code));
        std::memcpy(out_, utf8.data(), utf8.size());  // at most as long as the escape
        out_ += utf8.size();
        break;
      }
      default: return fail("an escape");
    }
  }
  return fail("the end of a string");
}

bool JsonCursor::read_uint(uint64_t* value) {
  if (peek() < '0' || peek() > '9') return fail("a number of 0 or more");
  uint64_t result = 0;
  while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') {
    if (result > 1'000'000'000'000) return fail("a smaller number");
    result = result * 10 + static_cast<uint64_t>(text_[at_] - '0');
    ++at_;
  }
  *value = result;
  return true;
}

bool JsonCursor::skip_value(std::string_view* raw) {
  peek();
  const size_t begin = at_;
  uint32_t depth = 0;
  do {
    const char c = peek();
    if (c == '"') {
      // Escapes are not looked at: only where the string ends matters.
      for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_) {
        if (text_[at_] == '\\') ++at_;
      }
      if (at_ >= text_.size()) return fail("the end of a string");
      ++at_;
    } else if (c == '{' || c == '[') {
      if (++depth > kDepthMax) return fail("less nesting");
      ++at_;
    } else if (c == '}' || c == ']') {
      if (depth == 0) return fail("a value");
      --depth;
      ++at_;
    } else if (c == '\0') {
      return fail("a value");
    } else {
      const size_t word = at_;
      while (at_ < text_.size() && std::string_view(",:]} \n\r\t\"{[").find(text_[at_]) == std::string_view::npos) ++at_;
      if (at_ == word) ++at_;  // a comma or colon inside brackets
      if (depth == 0 && (c == ',' || c == ':')) return fail("a value");
    }
  } while (depth > 0);
  *raw = text_.substr(begin, at_ - begin);
  return true;
}

bool JsonCursor::next_member(bool* first, std::string_view* key) {
  if (failed_ || accept('}')) return false;
  if (!*first && !expect(',')) return false;
  *first = false;
  return read_string(key) && expect(':');
}

bool JsonCursor::next_element(bool* first) {
  if (failed_ || accept(']')) return false;
  if (!*first && !accept(',')) return expect(']');
  *first = false;
  return true;
}

}  // namespace firesteel
