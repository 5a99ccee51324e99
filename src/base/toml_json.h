// TOML as JSON values, for readers that want one kind of tree. Tables keep no order (TOML has none): keys come sorted.
#pragma once

#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace firesteel {

// kInvalidArgument: `where`, line and reason; also for dates and times, and numbers that are not finite: JSON has none.
// At most 1 MiB of text, 64 levels.
Result<Json> parse_toml(std::string_view text, std::string_view where);

}  // namespace firesteel
