#include "server/multipart.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace firesteel {
namespace {

constexpr size_t kPartHeaderBytes = 8u << 10;
constexpr size_t kNameBytes = 1024;

Error wrong(const std::string& what) { return {ErrorCode::kInvalidArgument, "the form " + what}; }

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
bool same_word(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return lower(x) == lower(y); });
}
std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// What browsers and clients write for a quote and line ends inside of names.
std::string unescaped(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const std::string_view three = text.substr(i, 3);
    if (three == "%22") out += '"';
    else if (three == "%0D" || three == "%0d") out += '\r';
    else if (three == "%0A" || three == "%0a") out += '\n';
    else {
      out += text[i];
      continue;
    }
    i += 2;
  }
  return out;
}

// The next of `; name=value; name="value"`; false at the end. nullopt: not of that form.
std::optional<bool> next_parameter(std::string_view* rest, std::string_view* name, std::string_view* value) {
  *rest = trimmed(*rest);
  if (rest->empty()) return false;
  if (rest->front() != ';') return std::nullopt;
  *rest = trimmed(rest->substr(1));
  if (rest->empty()) return false;  // a last semicolon
  const size_t equals = rest->find('=');
  if (equals == std::string_view::npos) return std::nullopt;
  *name = trimmed(rest->substr(0, equals));
  *rest = trimmed(rest->substr(equals + 1));
  if (!rest->empty() && rest->front() == '"') {
    const size_t end = rest->find('"', 1);
    if (end == std::string_view::npos) return std::nullopt;
    *value = rest->substr(1, end - 1);
    rest->remove_prefix(end + 1);
    return true;
  }
  const size_t end = std::min(rest->find(';'), rest->size());
  *value = trimmed(rest->substr(0, end));
  rest->remove_prefix(end);
  return true;
}

Result<std::string> boundary_of(std::string_view content_type) {
  const size_t end = std::min(content_type.find(';'), content_type.size());
  if (!same_word(trimmed(content_type.substr(0, end)), "multipart/form-data")) return wrong("needs the content type multipart/form-data");
  std::string_view rest = content_type.substr(end), name, value;
  for (;;) {
    const std::optional<bool> more = next_parameter(&rest, &name, &value);
    if (!more) return wrong("has a content type that cannot be read");
    if (!*more) return wrong("has no boundary in its content type");
    if (!same_word(name, "boundary")) continue;
    if (value.empty() || value.size() > 70) return wrong("has a boundary that is not of 1 to 70 characters");
    return std::string(value);
  }
}

// "Name: value" lines of one part; only Content-Disposition matters.
Status read_headers(std::string_view headers, size_t number, FormPart* part) {
  bool found = false;
  while (!headers.empty()) {
    const size_t end = std::min(headers.find("\r\n"), headers.size());
    const std::string_view line = headers.substr(0, end);
    headers.remove_prefix(std::min(end + 2, headers.size()));
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) return wrong(fmt::format("part {} has a header without a colon", number));
    if (!same_word(trimmed(line.substr(0, colon)), "content-disposition")) continue;
    if (found) return wrong(fmt::format("part {} has two Content-Disposition headers", number));
    found = true;
    std::string_view rest = line.substr(colon + 1), name, value;
    const size_t type_end = std::min(rest.find(';'), rest.size());
    if (!same_word(trimmed(rest.substr(0, type_end)), "form-data")) return wrong(fmt::format("part {} is not form-data", number));
    rest.remove_prefix(type_end);
    bool has_name = false;
    for (;;) {
      const std::optional<bool> more = next_parameter(&rest, &name, &value);
      if (!more) return wrong(fmt::format("part {} has a Content-Disposition that cannot be read", number));
      if (!*more) break;
      if (value.size() > kNameBytes) return wrong(fmt::format("part {} has a name longer than {} bytes", number, kNameBytes));
      if (same_word(name, "name")) {
        part->name = unescaped(value);
        has_name = true;
      } else if (same_word(name, "filename")) {
        part->filename = unescaped(value);
      }
    }
    if (!has_name) return wrong(fmt::format("part {} has no name", number));
  }
  return found ? Status() : Status(wrong(fmt::format("part {} has no Content-Disposition", number)));
}

}  // namespace

Result<std::vector<FormPart>> parse_form(std::string_view content_type, std::string_view body) {
  FS_TRY(const std::string boundary, boundary_of(content_type));
  const std::string first = "--" + boundary, between = "\r\n--" + boundary;
  if (body.substr(0, first.size()) != first) return wrong("does not begin with its boundary");
  body.remove_prefix(first.size());
  std::vector<FormPart> parts;
  for (;;) {
    if (body.substr(0, 2) == "--") return parts;  // what follows is nobody's
    if (body.substr(0, 2) != "\r\n") return wrong(fmt::format("has something after the boundary of part {}", parts.size()));
    body.remove_prefix(2);
    if (parts.size() == kFormPartsMax) return wrong(fmt::format("has more than {} parts", kFormPartsMax));
    const size_t header_end = body.substr(0, kPartHeaderBytes).find("\r\n\r\n");
    if (header_end == std::string_view::npos) return wrong(fmt::format("part {} has no end of its headers within {} bytes", parts.size(), kPartHeaderBytes));
    FormPart part;
    FS_TRY_VOID(read_headers(body.substr(0, header_end), parts.size(), &part));
    // The blank line's own line end may be the one before the boundary of an empty part.
    body.remove_prefix(header_end + 2);
    const size_t end = body.find(between);
    if (end == std::string_view::npos) return wrong(fmt::format("part {} does not end with the boundary", parts.size()));
    if (end >= 2) part.content = body.substr(2, end - 2);
    body.remove_prefix(end + between.size());
    parts.push_back(std::move(part));
  }
}

}  // namespace firesteel
