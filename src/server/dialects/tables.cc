// Every table of parameters, for the documentation and its test.
#include <array>

#include "server/dialects/openai_messages.h"
#include "server/dialects/parameters.h"

namespace firesteel {

extern const ParameterTable kExtensionTable;
extern const ParameterTable kOpenAiChatTable;

std::span<const ParameterTable* const> all_parameter_tables() {
  static constexpr std::array kTables = {&kOpenAiChatTable, &kMessageTable, &kExtensionTable};
  return kTables;
}

}  // namespace firesteel
