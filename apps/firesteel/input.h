// Reading what users hand over: standard input and token ids.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"

namespace firesteel {

inline constexpr uint64_t kInputBytesMax = 1u << 30;

// All of standard input; kResourceExhausted beyond kInputBytesMax.
Result<std::string> read_stdin();

// Ids in decimal, separated by white space or commas. kInvalidArgument names the place: not a number, or not below n_vocab.
Result<std::vector<TokenId>> parse_token_ids(std::string_view text, const std::string& name, int64_t n_vocab);

}  // namespace firesteel
