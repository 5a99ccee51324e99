#include "data/real/json_lines.h"

#include <fmt/format.h>

#include "base/mapped_file.h"

namespace firesteel {

Status for_each_json_line(const std::string& path, const std::function<Status(const Json& object, size_t line)>& visit) {
  constexpr uint64_t kMaxBytes = uint64_t{256} << 20;
  FS_TRY(const std::string text, read_file(path, kMaxBytes));
  size_t number = 0;
  for (size_t begin = 0; begin < text.size();) {
    size_t end = text.find('\n', begin);
    if (end == std::string::npos) end = text.size();
    const std::string_view line = std::string_view(text).substr(begin, end - begin);
    begin = end + 1;
    ++number;
    if (line.empty()) continue;
    const Result<Json> object = Json::parse(line);
    if (!object.ok() || !object->is_object()) {
      return Error{ErrorCode::kDataLoss, fmt::format("{}:{}: expected a JSON object: {}", path, number, object.ok() ? "found another value" : object.error().message)};
    }
    FS_TRY_VOID(visit(*object, number));
  }
  return {};
}

Result<std::string> string_member(const Json& object, std::string_view name, const std::string& path, size_t line) {
  const Json* member = object.find(name);
  if (member == nullptr || !member->is_string()) {
    return Error{ErrorCode::kDataLoss, fmt::format("{}:{}: expected a text \"{}\"", path, line, name)};
  }
  return member->as_string();
}

}  // namespace firesteel
