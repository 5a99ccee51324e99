// What the Ollama routes share.
#pragma once

#include <string>

#include "server/dialects/generation.h"
#include "server/dialects/parameters.h"

namespace firesteel {

// "2023-11-14T22:13:20Z"
std::string rfc3339(int64_t unix_s);
// As read_model, and "name:latest" is "name".
std::string read_ollama_model(const BodyReader& body, const ExchangeContext& context);
// `options`, with the model's defaults, or Ollama's.
void read_ollama_options(const BodyReader& body, const ModelInfo& info, Generation* out);

}  // namespace firesteel
