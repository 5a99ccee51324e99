// Any bytes as an expression: a value or an error that names what is wrong, in bounded time. A value reads back as an expression.
#include <cstdint>
#include <string>
#include <string_view>

#include "tools/calculator.h"
#include "base/check.h"
#include "base/utf8.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace firesteel;
  const auto result = calculate({reinterpret_cast<const char*>(data), size});
  if (!result.ok()) {
    CHECK(!result.error().message.empty() && result.error().message.size() < 300);
    CHECK(is_valid_utf8(result.error().message));
    return 0;
  }
  CHECK(!result->empty());
  if (result->find(' ') != std::string::npos) return 0;  // with a unit
  const auto again = calculate(*result);
  CHECK(again.ok() && *again == *result);
  return 0;
}
