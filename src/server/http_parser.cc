#include "server/http_parser.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/ascii.h"
#include "base/utf8.h"

namespace firesteel {
namespace {

// RFC 9110, 5.6.2: what names of methods and headers are made of.
bool is_token_char(char c) {
  if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) return true;
  return std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

bool is_token(std::string_view text) { return !text.empty() && std::all_of(text.begin(), text.end(), is_token_char); }

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = lower_ascii(c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// Whether a comma-separated list of tokens holds `word` (lower case).
bool list_holds(std::string_view list, std::string_view word) {
  while (!list.empty()) {
    const size_t comma = list.find(',');
    if (lower_ascii(trim(list.substr(0, comma))) == word) return true;
    if (comma == std::string_view::npos) break;
    list.remove_prefix(comma + 1);
  }
  return false;
}

std::optional<HttpMethod> method_of(std::string_view name) {
  static constexpr std::pair<std::string_view, HttpMethod> kMethods[] = {
      {"GET", HttpMethod::kGet},     {"HEAD", HttpMethod::kHead},     {"POST", HttpMethod::kPost},      {"PUT", HttpMethod::kPut},
      {"PATCH", HttpMethod::kPatch}, {"DELETE", HttpMethod::kDelete}, {"OPTIONS", HttpMethod::kOptions}};
  for (const auto& [text, method] : kMethods) {
    if (text == name) return method;
  }
  return std::nullopt;
}

std::optional<HttpProblem> parse_query(std::string_view query, HttpRequest* request) {
  while (!query.empty()) {
    const size_t end = query.find('&');
    const std::string_view pair = query.substr(0, end);
    query.remove_prefix(end == std::string_view::npos ? query.size() : end + 1);
    if (pair.empty()) continue;
    const size_t equals = pair.find('=');
    std::optional<std::string> name = percent_decode(pair.substr(0, equals), true);
    std::optional<std::string> value = percent_decode(equals == std::string_view::npos ? "" : pair.substr(equals + 1), true);
    if (!name || !value) return HttpProblem{400, "the query holds a broken escape or a control character"};
    if (request->query.size() >= 64) return HttpProblem{400, "more than 64 query parameters"};
    request->query.emplace_back(std::move(*name), std::move(*value));
  }
  return std::nullopt;
}

// method SP target SP version, with exactly one space each.
std::optional<HttpProblem> parse_request_line(std::string_view line, HttpLimits limits, HttpHead* out) {
  const size_t first = line.find(' ');
  const size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) return HttpProblem{400, "the request line is not 'METHOD TARGET VERSION'"};
  const std::string_view method = line.substr(0, first);
  const std::string_view target = line.substr(first + 1, last - first - 1);
  const std::string_view version = line.substr(last + 1);
  if (!is_token(method)) return HttpProblem{400, "the method is not a token"};
  if (version == "HTTP/1.0") {
    out->version_1_0 = true;
  } else if (version != "HTTP/1.1") {
    const bool looks_like = version.size() == 8 && version.substr(0, 5) == "HTTP/" && version[6] == '.';
    return looks_like ? HttpProblem{505, "the version is neither HTTP/1.1 nor HTTP/1.0"} : HttpProblem{400, "the version is malformed"};
  }
  if (target.size() > limits.target_bytes_max) return HttpProblem{414, "the address is too long"};
  const std::optional<HttpMethod> known = method_of(method);
  if (!known) return HttpProblem{501, "the method is not known"};
  out->request.method = *known;
  // Only the origin form: no proxy stands before clients that send another.
  if (target.empty() || target.front() != '/') return HttpProblem{400, "the target does not begin with '/'"};
  if (target.find('#') != std::string_view::npos) return HttpProblem{400, "the target holds a fragment"};
  for (const char c : target) {
    if (c <= ' ' || c == 0x7f || static_cast<unsigned char>(c) >= 0x80) return HttpProblem{400, "the target holds a byte that must be escaped"};
  }
  const size_t mark = target.find('?');
  std::optional<std::string> path = percent_decode(target.substr(0, mark), false);
  if (!path || !is_valid_utf8(*path)) return HttpProblem{400, "the path holds a broken escape or a control character"};
  out->request.path = std::move(*path);
  return mark == std::string_view::npos ? std::nullopt : parse_query(target.substr(mark + 1), &out->request);
}

std::optional<HttpProblem> parse_header_line(std::string_view line, HttpLimits limits, HttpHead* out) {
  if (line.front() == ' ' || line.front() == '\t') return HttpProblem{400, "a header is folded over two lines"};
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return HttpProblem{400, "a header has no colon"};
  if (!is_token(line.substr(0, colon))) return HttpProblem{400, "the name of a header is not a token"};
  if (out->request.headers.size() >= limits.n_headers_max) return HttpProblem{431, "too many headers"};
  const std::string_view value = trim(line.substr(colon + 1));
  for (const char c : value) {
    if ((static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f) return HttpProblem{400, "a header holds a control character"};
  }
  out->request.headers.emplace_back(lower_ascii(line.substr(0, colon)), std::string(value));
  return std::nullopt;
}

std::optional<HttpProblem> check_headers(HttpHead* out) {
  int n_hosts = 0, n_lengths = 0, n_codings = 0, n_connections = 0;
  bool says_close = false, says_keep_alive = false;
  for (const auto& [name, value] : out->request.headers) {
    if (name == "host") {
      ++n_hosts;
      const auto is_bad = [](char c) { return c == '/' || c == '@' || c == ' ' || c == '\t' || c == ','; };
      if (std::any_of(value.begin(), value.end(), is_bad)) return HttpProblem{400, "the Host header is not a host"};
    } else if (name == "content-length") {
      if (++n_lengths > 1) return HttpProblem{400, "Content-Length is repeated"};
      const bool is_digits = !value.empty() && value.size() <= 18 && std::all_of(value.begin(), value.end(), [](char c) { return c >= '0' && c <= '9'; });
      if (!is_digits) return HttpProblem{400, "Content-Length is not a number"};
      std::from_chars(value.data(), value.data() + value.size(), out->content_length);
    } else if (name == "transfer-encoding") {
      ++n_codings;
      if (lower_ascii(value) != "chunked") return HttpProblem{400, "Transfer-Encoding is not 'chunked'"};
    } else if (name == "connection") {
      ++n_connections;
      says_close |= list_holds(value, "close");
      says_keep_alive |= list_holds(value, "keep-alive");
    } else if (name == "expect") {
      if (lower_ascii(value) != "100-continue") return HttpProblem{417, "Expect is not '100-continue'"};
      out->expects_continue = !out->version_1_0;
    }
  }
  // HTTP/1.0 may leave Host out, but no client of today does, and a missing one would pass the check against rebinding.
  if (n_hosts != 1) return HttpProblem{400, n_hosts == 0 ? "the Host header is missing" : "the Host header is repeated"};
  if (n_codings > 1) return HttpProblem{400, "Transfer-Encoding is repeated"};
  if (n_codings == 1 && n_lengths == 1) return HttpProblem{400, "both Transfer-Encoding and Content-Length"};
  if (n_codings == 1 && out->version_1_0) return HttpProblem{400, "Transfer-Encoding on HTTP/1.0"};
  out->chunked = n_codings == 1;
  out->keep_alive = out->version_1_0 ? says_keep_alive && !says_close : !says_close;
  return std::nullopt;
}

}  // namespace

std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '+' && plus_is_space) {
      c = ' ';
    } else if (c == '%') {
      const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
      if (high < 0 || low < 0) return std::nullopt;
      c = static_cast<char>(high * 16 + low);
      if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return std::nullopt;
      i += 2;
    }
    out += c;
  }
  return out;
}

std::optional<HttpProblem> HeadScanner::scan(std::string_view buffer, size_t* n_bytes) {
  *n_bytes = 0;
  for (; n_seen_ < buffer.size(); ++n_seen_) {
    const char c = buffer[n_seen_];
    const bool after_cr = n_seen_ > 0 && buffer[n_seen_ - 1] == '\r';
    if (n_seen_ >= limits_.head_bytes_max) {
      return n_line_ends_ == 0 ? HttpProblem{414, "the address is too long"} : HttpProblem{431, "the headers are too large"};
    }
    if (c == '\n') {
      if (!after_cr) return HttpProblem{400, "a line ends with a bare line feed"};
      ++n_line_ends_;
      if (line_bytes_ == 0) {
        // An empty line before the request line would be tolerated by some; nobody needs it.
        if (n_line_ends_ == 1) return HttpProblem{400, "the request line is empty"};
        *n_bytes = ++n_seen_;
        return std::nullopt;
      }
      line_bytes_ = 0;
      continue;
    }
    if (after_cr) return HttpProblem{400, "a carriage return without a line feed"};
    if (c == '\r') continue;
    if (static_cast<unsigned char>(c) < 0x20 && c != '\t') return HttpProblem{400, "a control character in the headers"};
    ++line_bytes_;
  }
  return std::nullopt;
}

std::optional<HttpProblem> parse_http_head(std::string_view head, HttpLimits limits, HttpHead* out) {
  *out = HttpHead{};
  out->n_bytes = head.size();
  bool is_first = true;
  while (!head.empty()) {
    const size_t end = head.find("\r\n");
    if (end == std::string_view::npos) return HttpProblem{400, "a line does not end"};
    const std::string_view line = head.substr(0, end);
    head.remove_prefix(end + 2);
    if (line.empty()) break;
    std::optional<HttpProblem> problem = is_first ? parse_request_line(line, limits, out) : parse_header_line(line, limits, out);
    if (problem) return problem;
    is_first = false;
  }
  if (is_first) return HttpProblem{400, "the request line is empty"};
  return check_headers(out);
}

std::optional<HttpProblem> ChunkDecoder::feed(std::string_view input, uint64_t body_bytes_max, std::string* body, size_t* n_consumed) {
  constexpr size_t kOverheadBytesMax = 16u << 10;
  constexpr HttpProblem kMalformed{400, "the chunked body is malformed"};
  size_t i = 0;
  for (; i < input.size() && state_ != State::kDone; ++i) {
    const char c = input[i];
    switch (state_) {
      case State::kSize:
        if (const int digit = hex_digit(c); digit >= 0) {
          if (++n_digits_ > 16) return HttpProblem{400, "a chunk size has more than 16 digits"};
          size_ = size_ * 16 + static_cast<uint64_t>(digit);
        } else if (n_digits_ == 0) {
          return kMalformed;
        } else if (c == ';') {
          state_ = State::kExtension;
        } else if (c == '\r') {
          state_ = State::kSizeLf;
        } else {
          return kMalformed;
        }
        break;
      case State::kExtension:
        if (++n_overhead_bytes_ > kOverheadBytesMax) return HttpProblem{400, "the chunk extensions are too large"};
        if (c == '\r') {
          state_ = State::kSizeLf;
        } else if (static_cast<unsigned char>(c) < 0x20 && c != '\t') {
          return kMalformed;
        }
        break;
      case State::kSizeLf:
        if (c != '\n') return kMalformed;
        if (size_ > body_bytes_max || body->size() > body_bytes_max - size_) return HttpProblem{413, "the body is too large"};
        state_ = size_ == 0 ? State::kTrailer : State::kData;
        n_line_bytes_ = 0;
        break;
      case State::kData: {
        const size_t n = static_cast<size_t>(std::min<uint64_t>(size_, input.size() - i));
        body->append(input.substr(i, n));
        size_ -= n;
        i += n - 1;
        if (size_ == 0) state_ = State::kDataCr;
        break;
      }
      case State::kDataCr:
        if (c != '\r') return kMalformed;
        state_ = State::kDataLf;
        break;
      case State::kDataLf:
        if (c != '\n') return kMalformed;
        state_ = State::kSize;
        n_digits_ = 0;
        break;
      case State::kTrailer:
        if (c == '\r') {
          state_ = State::kTrailerLf;
        } else if (static_cast<unsigned char>(c) < 0x20 && c != '\t') {
          return kMalformed;
        } else {
          ++n_line_bytes_;
          if (++n_overhead_bytes_ > kOverheadBytesMax) return HttpProblem{431, "the trailers are too large"};
        }
        break;
      case State::kTrailerLf:
        if (c != '\n') return kMalformed;
        state_ = n_line_bytes_ == 0 ? State::kDone : State::kTrailer;
        n_line_bytes_ = 0;
        break;
      case State::kDone:
        break;
    }
  }
  *n_consumed = i;
  return std::nullopt;
}

}  // namespace firesteel
