#include "tokenizer/jinja_lexer.h"

#include <charconv>
#include <cstdlib>

#include "base/utf8.h"
#include "tokenizer/jinja_text.h"

namespace firesteel::jinja {

Error source_error(ErrorCode code, uint32_t line, const std::string& reason) {
  return Error{code, "chat template, line " + std::to_string(line) + ": " + reason};
}

namespace {

// "\r\n" and "\r" are newlines too; one newline at the end of the source does not count.
std::string normalise_newlines(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      out.push_back('\n');
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    } else {
      out.push_back(source[i]);
    }
  }
  if (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

bool is_digit_char(char c) { return c >= '0' && c <= '9'; }
bool is_name_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || static_cast<uint8_t>(c) >= 0x80; }
bool is_name_char(char c) { return is_name_start(c) || is_digit_char(c); }

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : text_(normalise_newlines(source)) {}

  Result<std::vector<Token>> run() {
    while (position_ < text_.size()) FS_TRY_VOID(next_piece());
    push(TokenKind::kEnd);
    return std::move(tokens_);
  }

 private:
  std::string_view rest() const { return std::string_view(text_).substr(position_); }
  bool at(std::string_view what) const { return rest().substr(0, what.size()) == what; }
  char peek(size_t ahead = 0) const { return position_ + ahead < text_.size() ? text_[position_ + ahead] : '\0'; }
  Error error(const std::string& reason) const { return source_error(ErrorCode::kInvalidArgument, line_, reason); }

  Token& push(TokenKind kind) {
    tokens_.emplace_back();
    tokens_.back().kind = kind;
    tokens_.back().line = line_;
    return tokens_.back();
  }

  void advance(size_t n) {
    for (size_t i = position_; i < position_ + n; ++i) line_ += text_[i] == '\n' ? 1u : 0u;
    position_ += n;
  }

  void skip_spaces() {
    while (position_ < text_.size()) {
      const Utf8Char c = decode_utf8(text_, position_);
      if (!is_space(c.code_point)) return;
      advance(c.n_bytes);
    }
  }

  // Text up to the next tag, then the tag.
  Status next_piece() {
    size_t tag = position_;
    while (true) {
      tag = text_.find('{', tag);
      if (tag == std::string::npos || tag + 1 >= text_.size()) {
        tag = std::string::npos;
        break;
      }
      const char second = text_[tag + 1];
      if (second == '{' || second == '%' || second == '#') break;
      ++tag;
    }
    if (tag == std::string::npos) {
      push(TokenKind::kText).text = rest();
      advance(text_.size() - position_);
      return {};
    }
    const char type = text_[tag + 1];
    emit_text(tag, type != '{', tag + 2 < text_.size() ? text_[tag + 2] : '\0');
    const uint32_t tag_line = line_;
    advance(2);
    if (peek() == '-' || peek() == '+') advance(1);
    line_starting_ = false;
    if (type == '#') return comment(tag_line);
    if (type == '%') {
      const size_t after_sign = position_;
      skip_spaces();
      if (at("raw") && !is_name_char(peek(3))) {
        advance(3);
        skip_spaces();
        if (at("-%}") || at("%}")) return raw(tag_line);
      }
      rewind(after_sign);
      push(TokenKind::kBlockBegin);
      return tag_body(TokenKind::kBlockEnd);
    }
    push(TokenKind::kOutputBegin);
    return tag_body(TokenKind::kOutputEnd);
  }

  void rewind(size_t position) {
    for (size_t i = position; i < position_; ++i) line_ -= text_[i] == '\n' ? 1u : 0u;
    position_ = position;
  }

  // Emits text_[position_, end) as the tag that follows wants it, and moves there.
  void emit_text(size_t end, bool may_strip_line, char sign) {
    std::string_view text = std::string_view(text_).substr(position_, end - position_);
    if (sign == '-') {
      text = strip(TextView(text, false), nullptr, false, true).bytes();
    } else if (sign != '+' && may_strip_line) {
      // Blanks between the start of the line and a block tag or comment go.
      const size_t newline = text.rfind('\n');
      const size_t line_start = newline == std::string_view::npos ? 0 : newline + 1;
      if (line_start > 0 || line_starting_) {
        const std::string_view tail = text.substr(line_start);
        if (strip(TextView(tail, false), nullptr, true, false).empty()) text = text.substr(0, line_start);
      }
    }
    if (!text.empty()) push(TokenKind::kText).text = text;
    advance(end - position_);
  }

  // After the '%}' or '#}' of a block or comment: one newline goes, or all space with '-'.
  void after_tag(char sign) {
    if (sign == '-') {
      const size_t before = position_;
      skip_spaces();
      line_starting_ = position_ > before && text_[position_ - 1] == '\n';
    } else if (sign != '+' && peek() == '\n') {
      advance(1);
      line_starting_ = true;
    } else {
      line_starting_ = false;
    }
  }

  Status comment(uint32_t tag_line) {
    const size_t end = text_.find("#}", position_);
    if (end == std::string::npos) return source_error(ErrorCode::kInvalidArgument, tag_line, "missing end of comment tag");
    const char sign = end > position_ && (text_[end - 1] == '-' || text_[end - 1] == '+') ? text_[end - 1] : '\0';
    advance(end + 2 - position_);
    after_tag(sign);
    return {};
  }

  // Behind "{% raw": everything up to "{% endraw %}" is text.
  Status raw(uint32_t tag_line) {
    if (peek() == '-') {
      advance(3);
      skip_spaces();
    } else {
      advance(2);
    }
    for (size_t tag = text_.find("{%", position_); tag != std::string::npos; tag = text_.find("{%", tag + 2)) {
      size_t i = tag + 2;
      const char sign = i < text_.size() && (text_[i] == '-' || text_[i] == '+') ? text_[i] : '\0';
      if (sign != '\0') ++i;
      const auto skip = [&] {
        while (i < text_.size() && is_space(decode_utf8(text_, i).code_point)) i += decode_utf8(text_, i).n_bytes;
      };
      skip();
      if (text_.compare(i, 6, "endraw") != 0) continue;
      i += 6;
      skip();
      char end_sign = '\0';
      if (i < text_.size() && (text_[i] == '-' || text_[i] == '+')) end_sign = text_[i++];
      if (text_.compare(i, 2, "%}") != 0) continue;
      line_starting_ = position_ > 0 && text_[position_ - 1] == '\n';
      emit_text(tag, true, sign);
      advance(i + 2 - position_);
      after_tag(end_sign);
      return {};
    }
    return source_error(ErrorCode::kInvalidArgument, tag_line, "missing end of raw block");
  }

  Status tag_body(TokenKind end_kind) {
    const bool block = end_kind == TokenKind::kBlockEnd;
    const std::string_view closing = block ? "%}" : "}}";
    std::string open;  // brackets that wait for their end; a tag cannot end inside of them
    while (true) {
      skip_spaces();
      if (position_ >= text_.size()) return error(block ? "unexpected end of template, expected '%}'" : "unexpected end of template, expected '}}'");
      if (open.empty()) {
        const bool sign = peek() == '-' || (block && peek() == '+');
        if (rest().substr(sign ? 1 : 0, 2) == closing) {
          const char which = sign ? peek() : '\0';
          push(end_kind);
          advance(sign ? 3 : 2);
          if (block) {
            after_tag(which);
          } else {
            const size_t before = position_;
            if (which == '-') skip_spaces();
            line_starting_ = position_ > before && text_[position_ - 1] == '\n';
          }
          return {};
        }
      }
      const char c = peek();
      if (is_digit_char(c)) {
        FS_TRY_VOID(number());
      } else if (is_name_start(c)) {
        size_t n = 1;
        while (is_name_char(peek(n))) ++n;
        push(TokenKind::kName).text = rest().substr(0, n);
        advance(n);
      } else if (c == '"' || c == '\'') {
        FS_TRY_VOID(string(c));
      } else {
        FS_TRY_VOID(op(&open));
      }
    }
  }

  Status op(std::string* open) {
    static constexpr std::string_view kOperators[] = {"//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]",
                                                      "(",  ")",  "{",  "}",  ">",  "<",  "=", ".", ":", "|", ",", ";"};
    for (const std::string_view candidate : kOperators) {
      if (!at(candidate)) continue;
      const char c = candidate[0];
      if (c == '(' || c == '[' || c == '{') {
        open->push_back(c == '(' ? ')' : c == '[' ? ']' : '}');
      } else if (c == ')' || c == ']' || c == '}') {
        if (open->empty()) return error("unexpected '" + std::string(candidate) + "'");
        if (open->back() != c) return error("unexpected '" + std::string(candidate) + "', expected '" + open->back() + "'");
        open->pop_back();
      }
      push(TokenKind::kOperator).text = candidate;
      advance(candidate.size());
      return {};
    }
    return error("unexpected character '" + std::string(rest().substr(0, decode_utf8(text_, position_).n_bytes)) + "'");
  }

  // Digits with single underscores between them, from `i`; the position behind.
  size_t digits_end(size_t i) const {
    while (is_digit_char(peek(i)) || (peek(i) == '_' && is_digit_char(peek(i + 1)))) ++i;
    return i;
  }

  Status number() {
    const auto without_underscores = [](std::string_view text) {
      std::string out;
      for (const char c : text) {
        if (c != '_') out.push_back(c);
      }
      return out;
    };
    const char prefix = static_cast<char>(peek(1) | 0x20);
    if (peek() == '0' && (prefix == 'x' || prefix == 'o' || prefix == 'b')) {
      const int base = prefix == 'x' ? 16 : prefix == 'o' ? 8 : 2;
      size_t n = 2;
      while (peek(n) == '_' || (hex_digit(peek(n)) >= 0 && hex_digit(peek(n)) < base)) ++n;
      return integer(without_underscores(rest().substr(2, n - 2)), base, n);
    }
    size_t n = digits_end(0);
    bool real = false;
    // Behind a '.', "0.1" is two subscripts: messages.0.1
    const bool after_dot = !tokens_.empty() && tokens_.back().kind == TokenKind::kOperator && tokens_.back().text == ".";
    if (!after_dot) {
      if (peek(n) == '.' && is_digit_char(peek(n + 1))) {
        n = digits_end(n + 1);
        real = true;
      }
      const size_t sign = peek(n + 1) == '+' || peek(n + 1) == '-' ? 1 : 0;
      if ((peek(n) | 0x20) == 'e' && is_digit_char(peek(n + 1 + sign))) {
        n = digits_end(n + 1 + sign);
        real = true;
      }
    }
    const std::string digits = without_underscores(rest().substr(0, n));
    if (!real) {
      if (digits.size() > 1 && digits[0] == '0' && digits.find_first_not_of('0') != std::string::npos) {
        return error("a decimal number must not start with 0: " + digits);
      }
      return integer(digits, 10, n);
    }
    push(TokenKind::kFloat).real = std::strtod(digits.c_str(), nullptr);  // beyond the range: infinity, as in Python
    advance(n);
    return {};
  }

  Status integer(const std::string& digits, int base, size_t n) {
    int64_t value = 0;
    const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
    if (code == std::errc::result_out_of_range) return error("integer literal beyond 64 bits");
    if (code != std::errc() || end != digits.data() + digits.size()) return error("malformed number");
    push(TokenKind::kInteger).integer = value;
    advance(n);
    return {};
  }

  Status string(char quote) {
    const uint32_t first_line = line_;
    std::string out;
    size_t i = position_ + 1;
    while (true) {
      if (i >= text_.size()) return source_error(ErrorCode::kInvalidArgument, first_line, "string without end");
      const char c = text_[i];
      if (c == quote) break;
      if (c != '\\') {
        out.push_back(c);
        ++i;
        continue;
      }
      if (i + 1 >= text_.size()) return source_error(ErrorCode::kInvalidArgument, first_line, "string without end");
      FS_TRY_VOID(escape(&i, &out));
    }
    push(TokenKind::kString).text = std::move(out);
    advance(i + 1 - position_);
    return {};
  }

  // Python's escapes; text_[*i] is the backslash and a character follows.
  Status escape(size_t* i, std::string* out) {
    const char c = text_[*i + 1];
    *i += 2;
    switch (c) {
      case '\n': return {};
      case '\\':
      case '\'':
      case '"': out->push_back(c); return {};
      case 'a': out->push_back('\a'); return {};
      case 'b': out->push_back('\b'); return {};
      case 'f': out->push_back('\f'); return {};
      case 'n': out->push_back('\n'); return {};
      case 'r': out->push_back('\r'); return {};
      case 't': out->push_back('\t'); return {};
      case 'v': out->push_back('\v'); return {};
      case 'x': return hex_escape(2, i, out);
      case 'u': return hex_escape(4, i, out);
      case 'U': return hex_escape(8, i, out);
      case 'N': return source_error(ErrorCode::kUnsupported, line_, "\\N{...} in a string");
      default: break;
    }
    if (c >= '0' && c <= '7') {
      uint32_t code_point = static_cast<uint32_t>(c - '0');
      for (int n = 0; n < 2 && *i < text_.size() && text_[*i] >= '0' && text_[*i] <= '7'; ++n) {
        code_point = code_point * 8 + static_cast<uint32_t>(text_[(*i)++] - '0');
      }
      append_utf8(out, code_point);
      return {};
    }
    out->push_back('\\');
    out->push_back(c);
    return {};
  }

  Status hex_escape(int n_digits, size_t* i, std::string* out) {
    uint32_t code_point = 0;
    for (int n = 0; n < n_digits; ++n, ++*i) {
      const int digit = *i < text_.size() ? hex_digit(text_[*i]) : -1;
      if (digit < 0) return error("truncated \\x, \\u or \\U escape in a string");
      code_point = code_point * 16 + static_cast<uint32_t>(digit);
    }
    if (code_point > 0x10FFFF || (code_point >= 0xD800 && code_point < 0xE000)) return error("escape is not a character");
    append_utf8(out, code_point);
    return {};
  }

  std::string text_;
  size_t position_ = 0;
  uint32_t line_ = 1;
  bool line_starting_ = true;
  std::vector<Token> tokens_;
};

}  // namespace

Result<std::vector<Token>> tokenize(std::string_view source) { return Lexer(source).run(); }

}  // namespace firesteel::jinja
