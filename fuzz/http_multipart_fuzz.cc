// Bodies of forms: no crash, views lie inside the body, and parts that were read come out the same when they are written again.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "server/multipart.h"

using namespace firesteel;

namespace {

bool is_plain(std::string_view text) {  // what needs no escaping in a quoted name
  return std::all_of(text.begin(), text.end(), [](char c) { return c != '"' && c != '\r' && c != '\n' && c != '%'; });
}

}  // namespace

// The content type is the first line of the input, the body what follows.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t line = std::min(input.find('\n'), input.size());
  const std::string_view body = input.substr(std::min(line + 1, input.size()));
  const auto parts = parse_form(input.substr(0, line), body);
  if (!parts.ok()) return 0;
  CHECK(parts->size() <= kFormPartsMax);
  std::string again;
  const std::string boundary = "zq-boundary-of-the-oracle";
  for (const FormPart& part : *parts) {
    CHECK(part.content.empty() || (part.content.data() >= body.data() && part.content.data() + part.content.size() <= body.data() + body.size()));
    if (!is_plain(part.name) || !is_plain(part.filename.value_or(""))) return 0;
    if (part.content.find(boundary) != std::string_view::npos) return 0;
    again += "--" + boundary + "\r\nContent-Disposition: form-data; name=\"" + part.name + "\"";
    if (part.filename) again += "; filename=\"" + *part.filename + "\"";
    again += "\r\n\r\n" + std::string(part.content) + "\r\n";
  }
  again += "--" + boundary + "--\r\n";
  const auto second = parse_form("multipart/form-data; boundary=" + boundary, again);
  CHECK(second.ok() && second->size() == parts->size());
  for (size_t i = 0; i < parts->size(); ++i) {
    CHECK((*second)[i].name == (*parts)[i].name && (*second)[i].filename == (*parts)[i].filename && (*second)[i].content == (*parts)[i].content);
  }
  return 0;
}
