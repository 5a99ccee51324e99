#include "server/http_wire.h"

#include <ctime>

#include <fmt/format.h>

namespace firesteel {
namespace {

void append_clean(std::string_view text, std::string* out) {
  for (const char c : text) *out += (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f ? ' ' : c;
}

bool is_ours(std::string_view name) {
  return name == "content-length" || name == "transfer-encoding" || name == "connection" || name == "date";
}

// RFC 9110, 5.6.7: English names whatever the locale.
std::string http_date() {
  static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::time_t now = std::time(nullptr);
  std::tm tm{};
  gmtime_r(&now, &tm);
  return fmt::format("{}, {:02} {} {} {:02}:{:02}:{:02} GMT", kDays[tm.tm_wday], tm.tm_mday, kMonths[tm.tm_mon], tm.tm_year + 1900,
                     tm.tm_hour, tm.tm_min, tm.tm_sec);
}

}  // namespace

const char* http_status_text(int status) {
  switch (status) {
    case 100: return "Continue";
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 402: return "Payment Required";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 417: return "Expectation Failed";
    case 421: return "Misdirected Request";
    case 422: return "Unprocessable Content";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 505: return "HTTP Version Not Supported";
    case 529: return "Overloaded";
    default: return "Status";
  }
}

void append_response(const HttpResponse& response, WireOptions options, std::string* out) {
  using Body = WireOptions::Body;
  fmt::format_to(std::back_inserter(*out), "HTTP/1.1 {} {}\r\n", response.status, http_status_text(response.status));
  for (const auto& [name, value] : response.headers) {
    if (is_ours(name)) continue;
    append_clean(name, out);
    *out += ": ";
    append_clean(value, out);
    *out += "\r\n";
  }
  if (options.body == Body::kChunked) {
    *out += "transfer-encoding: chunked\r\n";
  } else if (options.body != Body::kUntilClose && response.status != 204 && response.status != 304) {
    fmt::format_to(std::back_inserter(*out), "content-length: {}\r\n", response.body.size());
  }
  fmt::format_to(std::back_inserter(*out), "date: {}\r\n", http_date());
  if (!options.keep_alive) *out += "connection: close\r\n";
  else if (options.version_1_0) *out += "connection: keep-alive\r\n";
  *out += "\r\n";
  if (options.body == Body::kWhole && response.status != 204 && response.status != 304) *out += response.body;
}

void append_chunk(std::string_view bytes, std::string* out) {
  if (bytes.empty()) return;
  fmt::format_to(std::back_inserter(*out), "{:x}\r\n", bytes.size());
  *out += bytes;
  *out += "\r\n";
}

}  // namespace firesteel
