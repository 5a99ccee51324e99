#include "server/exchange.h"

namespace firesteel {

ApiError to_api_error(const Error& error, const Exchange& exchange) {
  ApiError out = to_api_error(error);
  for (const auto& [ours, theirs] : exchange.parameter_names) {
    if (out.param != ours) continue;
    out.param = theirs;
    if (out.message.substr(0, ours.size()) == ours) out.message.replace(0, ours.size(), theirs);
    break;
  }
  return out;
}

}  // namespace firesteel
