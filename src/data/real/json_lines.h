// The objects of a file of JSON lines.
#pragma once

#include <functional>
#include <string>

#include "base/json.h"
#include "base/result.h"

namespace firesteel {

// Calls visit for each line. kIo when the file cannot be read, kDataLoss with path and line when a line is no object.
Status for_each_json_line(const std::string& path, const std::function<Status(const Json& object, size_t line)>& visit);

// kDataLoss when the member is missing or no string.
Result<std::string> string_member(const Json& object, std::string_view name, const std::string& path, size_t line);

}  // namespace firesteel
