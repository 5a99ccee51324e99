// For tests: a dialect's request through a generator without a network.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "api/fake_generator.h"
#include "server/dialects/dialects.h"

namespace firesteel {

struct Outcome {
  int status = 0;
  HttpHeaders headers;
  std::string content_type;
  std::string body;   // of a stream: all of it
  std::optional<ApiError> error;
  std::vector<GenerateRequest> requests;   // as the dialect made them

  const std::string* header(std::string_view name) const {
    for (const auto& [key, value] : headers) {
      if (key == name) return &value;
    }
    return nullptr;
  }
};

inline ExchangeContext test_context(Generator* generator) {
  ExchangeContext context;
  context.generator = generator;
  context.request_id = "req_0001";
  context.model_id = "spark";
  context.now_unix_s = 1700000000;
  context.random_seed = 42;
  return context;
}

inline Outcome failed(const ApiError& error, Dialect dialect, const ExchangeContext& context) {
  HttpResponse response = error_response(error, dialect, context.request_id);
  Outcome out;
  out.status = response.status;
  out.headers = std::move(response.headers);
  out.body = std::move(response.body);
  out.error = error;
  return out;
}

// Choices are told in turns, one event each, as a batch gives them. cut: the text of each event is told in pieces of that many bytes
// (0: as it comes), as engines that hold text back do.
inline Outcome run_exchange(ParseFn parse, const HttpRequest& request, const ExchangeContext& context, Dialect dialect, size_t cut = 0) {
  auto parsed = parse(request, context);
  if (const auto* error = std::get_if<ApiError>(&parsed)) return failed(*error, dialect, context);
  Exchange& exchange = std::get<Exchange>(parsed);
  Outcome out;
  out.status = 200;
  out.headers = exchange.headers;
  out.content_type = exchange.content_type;
  out.requests = exchange.requests;
  std::vector<std::unique_ptr<TokenStream>> streams;
  for (GenerateRequest& one : exchange.requests) {
    auto stream = context.generator->submit(std::move(one));
    if (!stream.ok()) return failed(to_api_error(stream.error(), exchange), exchange.dialect, context);
    streams.push_back(std::move(*stream));
  }
  exchange.encoder->begin(&out.body);
  size_t n_open = streams.size();
  while (n_open > 0) {
    for (size_t i = 0; i < streams.size(); ++i) {
      if (streams[i]->done()) continue;
      std::optional<GenerateEvent> event = streams[i]->next();
      if (!event) continue;
      if (event->kind == GenerateEvent::Kind::kDone && event->reason == FinishReason::kError) {
        exchange.encoder->fail(to_api_error(event->error), &out.body);
        return out;
      }
      if (cut > 0 && event->kind == GenerateEvent::Kind::kToken) {
        std::string text = std::exchange(event->text, {});
        exchange.encoder->event(i, *event, &out.body);
        for (size_t at = 0; at < text.size(); at += cut) {
          // The same token told in pieces: text alone, as with held-back text. It is not counted twice in Usage.
          GenerateEvent piece = *event;
          piece.text = text.substr(at, cut);
          exchange.encoder->event(i, piece, &out.body);
        }
      } else {
        exchange.encoder->event(i, *event, &out.body);
      }
      if (event->kind == GenerateEvent::Kind::kDone) --n_open;
    }
  }
  exchange.encoder->end(&out.body);
  return out;
}

inline Outcome run_answer(AnswerFn answer, const HttpRequest& request, const ExchangeContext& context, Dialect dialect) {
  auto reply = answer(request, context);
  if (const auto* error = std::get_if<ApiError>(&reply)) return failed(*error, dialect, context);
  HttpResponse& response = std::get<HttpResponse>(reply);
  Outcome out;
  out.status = response.status;
  out.headers = std::move(response.headers);
  out.body = std::move(response.body);
  return out;
}

inline HttpRequest post(std::string body) {
  HttpRequest request;
  request.method = HttpMethod::kPost;
  request.body = std::move(body);
  request.request_id = "req_0001";
  return request;
}

}  // namespace firesteel
