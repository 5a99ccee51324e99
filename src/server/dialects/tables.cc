// Every table of parameters, for the documentation and its test.
#include <array>

#include "server/dialects/openai_messages.h"
#include "server/dialects/parameters.h"

namespace firesteel {

extern const ParameterTable kExtensionTable, kOpenAiChatTable, kOpenAiCompletionsTable, kOpenAiResponsesTable, kEmbeddingsTable, kTokenizeTable,
    kDetokenizeTable, kAnthropicTable, kOllamaChatTable, kOllamaGenerateTable, kOllamaOptionsTable, kOllamaEmbedTable, kOllamaShowTable;

std::span<const ParameterTable* const> all_parameter_tables() {
  static constexpr std::array kTables = {&kOpenAiChatTable, &kMessageTable,      &kExtensionTable,     &kOpenAiResponsesTable, &kOpenAiCompletionsTable,
                                         &kEmbeddingsTable, &kAnthropicTable,    &kOllamaChatTable,    &kOllamaGenerateTable,  &kOllamaOptionsTable,
                                         &kOllamaEmbedTable, &kOllamaShowTable,  &kTokenizeTable,      &kDetokenizeTable};
  return kTables;
}

}  // namespace firesteel
