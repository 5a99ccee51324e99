// What a key looks like: "fs-", 52 characters (256 random bits), 7 of a checksum. The prefix lets scanners find leaked keys, and the
// checksum lets them (and us) tell a key from a typing error without a look-up.
#pragma once

#include <string>
#include <string_view>

namespace firesteel {

std::string random_secret(std::string_view prefix);                          // prefix: "fs-" for keys, "fss-" for sessions
bool is_well_formed_secret(std::string_view text, std::string_view prefix);
std::string secret_hint(std::string_view secret);                            // "fs-ab12..."

}  // namespace firesteel
