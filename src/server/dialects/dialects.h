// The entry of each API dialect: plain functions from a request to work for the generator, or to an answer. No sockets, no state of
// their own; thread-safe. What clients may send is in docs/api.md.
#pragma once

#include "server/exchange.h"
#include "server/http_message.h"

namespace firesteel {

using ParseFn = ExchangeOrError (*)(const HttpRequest& request, const ExchangeContext& context);
using AnswerFn = ReplyOrError (*)(const HttpRequest& request, const ExchangeContext& context);

// OpenAI (Dialect::kOpenAi).
ExchangeOrError parse_openai_chat(const HttpRequest& request, const ExchangeContext& context);         // POST /v1/chat/completions
ExchangeOrError parse_openai_completions(const HttpRequest& request, const ExchangeContext& context);  // POST /v1/completions
ExchangeOrError parse_openai_responses(const HttpRequest& request, const ExchangeContext& context);    // POST /v1/responses
ReplyOrError answer_openai_response_get(const HttpRequest& request, const ExchangeContext& context);     // GET /v1/responses/{}
ReplyOrError answer_openai_response_delete(const HttpRequest& request, const ExchangeContext& context);  // DELETE /v1/responses/{}
ReplyOrError answer_openai_embeddings(const HttpRequest& request, const ExchangeContext& context);     // POST /v1/embeddings; computes
ReplyOrError answer_openai_models(const HttpRequest& request, const ExchangeContext& context);         // GET /v1/models
ReplyOrError answer_openai_model(const HttpRequest& request, const ExchangeContext& context);          // GET /v1/models/{}

// Anthropic (Dialect::kAnthropic); reads the header anthropic-version.
ExchangeOrError parse_anthropic_messages(const HttpRequest& request, const ExchangeContext& context);  // POST /v1/messages
ReplyOrError answer_anthropic_count_tokens(const HttpRequest& request, const ExchangeContext& context);  // POST /v1/messages/count_tokens

// Ollama (Dialect::kOllama).
ExchangeOrError parse_ollama_chat(const HttpRequest& request, const ExchangeContext& context);         // POST /api/chat
ExchangeOrError parse_ollama_generate(const HttpRequest& request, const ExchangeContext& context);     // POST /api/generate
ReplyOrError answer_ollama_embed(const HttpRequest& request, const ExchangeContext& context);          // POST /api/embed; computes
ReplyOrError answer_ollama_tags(const HttpRequest& request, const ExchangeContext& context);           // GET /api/tags
ReplyOrError answer_ollama_show(const HttpRequest& request, const ExchangeContext& context);           // POST /api/show
ReplyOrError answer_ollama_ps(const HttpRequest& request, const ExchangeContext& context);             // GET /api/ps
ReplyOrError answer_ollama_version(const HttpRequest& request, const ExchangeContext& context);        // GET /api/version

// llama-server's extras (Dialect::kOpenAi).
ReplyOrError answer_tokenize(const HttpRequest& request, const ExchangeContext& context);              // POST /tokenize
ReplyOrError answer_detokenize(const HttpRequest& request, const ExchangeContext& context);            // POST /detokenize

}  // namespace firesteel
