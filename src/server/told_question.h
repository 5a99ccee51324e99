// Events about a person's word as clients are told them.
#pragma once

#include <optional>

#include "base/json.h"

namespace firesteel {

struct ToldQuestion {
  bool is_over = false;
  // Of a question {"id", "name", "arguments", "tainted_by"?, "may_always", "timeout_ms", "lane"?}, of its end {"id", "outcome", "lane"?};
  // `lane` as the ledger counts, from 0.
  Json told;
};
// nullopt: the event is about something else.
std::optional<ToldQuestion> read_question(const Json& event);

}  // namespace firesteel
