#include "input.h"

#include <cerrno>
#include <charconv>
#include <cstring>

#include <unistd.h>

namespace firesteel {

Result<std::string> read_stdin() {
  std::string text;
  char buffer[65536];
  for (;;) {
    const ssize_t n = read(STDIN_FILENO, buffer, sizeof buffer);
    if (n == 0) return text;
    if (n < 0) {
      if (errno == EINTR) continue;
      return Error{ErrorCode::kIo, std::string("standard input: ") + std::strerror(errno)};
    }
    if (text.size() + static_cast<size_t>(n) > kInputBytesMax) {
      return Error{ErrorCode::kResourceExhausted, "standard input: more than " + std::to_string(kInputBytesMax) + " bytes"};
    }
    text.append(buffer, static_cast<size_t>(n));
  }
}

Result<std::vector<TokenId>> parse_token_ids(std::string_view text, const std::string& name, int64_t n_vocab) {
  constexpr std::string_view kSeparators = " \t\r\n,[]";
  std::vector<TokenId> ids;
  size_t at = 0;
  while ((at = text.find_first_not_of(kSeparators, at)) != std::string_view::npos) {
    const size_t end = std::min(text.find_first_of(kSeparators, at), text.size());
    int64_t id = 0;
    const auto [rest, error] = std::from_chars(text.data() + at, text.data() + end, id);
    const std::string word(text.substr(at, std::min<size_t>(end - at, 40)));
    if (error != std::errc() || rest != text.data() + end) {
      return Error{ErrorCode::kInvalidArgument, name + ": token " + std::to_string(ids.size()) + ": expected a number, found '" + word + "'"};
    }
    if (id < 0 || id >= n_vocab) {
      return Error{ErrorCode::kInvalidArgument, name + ": token " + std::to_string(ids.size()) + ": " + word +
                                                    " is not in the vocabulary of " + std::to_string(n_vocab)};
    }
    ids.push_back(static_cast<TokenId>(id));
    at = end;
  }
  return ids;
}

}  // namespace firesteel
