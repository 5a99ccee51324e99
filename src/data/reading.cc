#include "data/reading.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/ascii.h"
#include "base/number_literals.h"

namespace firesteel {
namespace {

// Far more than most clauses have: where a copy ends is to be seen from the text, not counted.
constexpr size_t kWordsBefore = 8;
constexpr size_t kWordsBehind = 8;
constexpr size_t kQuestionWords = 16;
constexpr size_t kMinNumbers = 3;
constexpr size_t kMaxNumbers = 12;

struct Token {
  enum class Kind { kWord, kNumber, kComma, kEnd } kind = Kind::kWord;
  std::string text;  // of a word
};

bool is_word_byte(char c) {
  const char low = lower_ascii(c);
  return (low >= 'a' && low <= 'z') || (c >= '0' && c <= '9') || c == '\'' || c == '-' || static_cast<unsigned char>(c) >= 0x80;
}

std::vector<Token> tokens_of(std::string_view text) {
  const std::vector<NumberLiteral> literals = find_number_literals(text);
  std::vector<Token> tokens;
  size_t next = 0;
  for (size_t at = 0; at < text.size();) {
    if (next < literals.size() && at == literals[next].offset) {
      tokens.push_back({Token::Kind::kNumber, {}});
      at += literals[next++].length;
      continue;
    }
    const size_t limit = next < literals.size() ? literals[next].offset : text.size();
    const char c = text[at];
    size_t end = at;
    while (end < limit && is_word_byte(text[end])) ++end;
    if (end > at) {
      tokens.push_back({Token::Kind::kWord, std::string(text.substr(at, end - at))});
      at = end;
      continue;
    }
    if (c == '$' || c == '%') tokens.push_back({Token::Kind::kWord, std::string(1, c)});
    if (c == ',' || c == ';' || c == ':') tokens.push_back({Token::Kind::kComma, {}});
    if (c == '.' || c == '?' || c == '!') tokens.push_back({Token::Kind::kEnd, {}});
    ++at;
  }
  return tokens;
}

bool is_word(const Token& token, std::string_view word) { return token.kind == Token::Kind::kWord && lower_ascii(token.text) == word; }

bool asks(const Token& token) { return is_word(token, "how") || is_word(token, "what") || is_word(token, "which"); }

bool joins(const Token& token) { return is_word(token, "and") || is_word(token, "or") || is_word(token, "but"); }

std::string joined(const std::vector<std::string>& words) { return fmt::format("{}", fmt::join(words, " ")); }

// The words behind the number at `at`, to the end of its clause.
std::vector<std::string> words_behind(const std::vector<Token>& tokens, size_t at) {
  std::vector<std::string> words;
  for (size_t i = at + 1; i < tokens.size() && words.size() < kWordsBehind; ++i) {
    const Token& token = tokens[i];
    if (token.kind != Token::Kind::kWord || joins(token) || token.text == "$" || is_word(token, "if") || asks(token)) break;
    words.push_back(token.text);
  }
  return words;
}

}  // namespace

std::string question_phrase(std::string_view text) {
  const std::vector<Token> tokens = tokens_of(text);
  size_t begin = tokens.size();
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (asks(tokens[i])) begin = i;
  }
  if (begin == tokens.size()) {  // a command: the last sentence
    size_t last = tokens.size();
    while (last > 0 && tokens[last - 1].kind == Token::Kind::kEnd) --last;
    begin = last;
    while (begin > 0 && tokens[begin - 1].kind != Token::Kind::kEnd) --begin;
  }
  std::vector<std::string> words;
  for (size_t i = begin; i < tokens.size() && words.size() < kQuestionWords; ++i) {
    if (tokens[i].kind != Token::Kind::kWord || is_word(tokens[i], "if")) break;
    words.push_back(tokens[i].text);
  }
  return joined(words);
}

std::string reading(std::string_view text, std::string_view expression) {
  const std::vector<Token> tokens = tokens_of(text);
  const auto n = static_cast<size_t>(std::count_if(tokens.begin(), tokens.end(), [](const Token& t) { return t.kind == Token::Kind::kNumber; }));
  if (n < kMinNumbers || n > kMaxNumbers) return {};
  std::string lines = "asked " + question_phrase(text);
  std::vector<std::string> before;  // of this clause, since the last number
  std::vector<std::string> held;    // in "had 3 red and 4 blue" what stands before 3 holds for 4
  size_t k = 0;
  for (size_t i = 0; i < tokens.size(); ++i) {
    const Token& token = tokens[i];
    if (token.kind == Token::Kind::kWord && !joins(token)) {
      before.push_back(token.text);
      if (before.size() > kWordsBefore) before.erase(before.begin());
      continue;
    }
    if (token.kind == Token::Kind::kEnd) held.clear();
    if (token.kind == Token::Kind::kNumber) {
      const bool nothing_new = before.empty() || (before.size() == 1 && before.front() == "$");
      if (!nothing_new) held = before;
      std::vector<std::string> words = held;
      for (std::string& word : words_behind(tokens, i)) words.push_back(std::move(word));
      const std::string marker = fmt::format("<|n{}|>", k++);
      const std::string_view verdict = expression.find(marker) == std::string_view::npos ? "no" : "yes";
      lines += fmt::format("\n{} {}{}{}", marker, joined(words), words.empty() ? "" : ": ", verdict);
    }
    before.clear();
  }
  return lines;
}

}  // namespace firesteel
