// The body of a request in each API dialect: parsed, and when it is accepted answered with what the rest of the input says.
// The first byte chooses the route, the second how the answer is cut; the body ends at the first byte 0xFF.
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <variant>

#include "api/fake_generator.h"
#include "base/check.h"
#include "base/utf8.h"
#include "server/dialects/dialects.h"

namespace {

using namespace firesteel;

struct Route {
  Dialect dialect;
  ParseFn parse;
  AnswerFn answer;
};
constexpr Route kRoutes[] = {
    {Dialect::kOpenAi, parse_openai_chat, nullptr},         {Dialect::kOpenAi, parse_openai_completions, nullptr},
    {Dialect::kOpenAi, parse_openai_responses, nullptr},    {Dialect::kAnthropic, parse_anthropic_messages, nullptr},
    {Dialect::kOllama, parse_ollama_chat, nullptr},         {Dialect::kOllama, parse_ollama_generate, nullptr},
    {Dialect::kOpenAi, nullptr, answer_openai_embeddings},  {Dialect::kAnthropic, nullptr, answer_anthropic_count_tokens},
    {Dialect::kOllama, nullptr, answer_ollama_embed},       {Dialect::kOllama, nullptr, answer_ollama_show},
    {Dialect::kOpenAi, nullptr, answer_tokenize},           {Dialect::kOpenAi, nullptr, answer_detokenize},
};

// A refusal is the client's fault, has something to say, and says it in UTF-8.
void check_error(const ApiError& error, Dialect dialect) {
  const int status = http_status(error.kind, dialect);
  CHECK(status == 400 || status == 404);
  CHECK(!error.message.empty());
  CHECK(is_valid_utf8(error_body(error, dialect, "req")));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const Route& route = kRoutes[data[0] % std::size(kRoutes)];
  const size_t cut = 1 + data[1] % 16;
  const std::string input(reinterpret_cast<const char*>(data) + 2, size - 2);
  const size_t end = input.find('\xFF');
  HttpRequest request;
  request.method = HttpMethod::kPost;
  request.body = input.substr(0, end);
  const std::string answer = end == std::string::npos ? std::string() : input.substr(end + 1);

  static FakeGenerator* const generator = [] {
    auto* made = new FakeGenerator;  // libFuzzer ends without destructors
    ModelInfo info = made->info();
    info.can_see = true;
    made->set_info(info);
    return made;
  }();
  ExchangeContext context;
  context.generator = generator;
  context.request_id = "req_fuzz";
  context.model_id = "m";
  if (route.answer != nullptr) {
    const auto reply = route.answer(request, context);
    if (const auto* error = std::get_if<ApiError>(&reply)) check_error(*error, route.dialect);
    else CHECK(is_valid_utf8(std::get<HttpResponse>(reply).body));
    return 0;
  }
  auto parsed = route.parse(request, context);
  if (const auto* error = std::get_if<ApiError>(&parsed)) {
    check_error(*error, route.dialect);
    return 0;
  }
  Exchange& exchange = std::get<Exchange>(parsed);
  std::string out;
  exchange.encoder->begin(&out);
  for (size_t choice = 0; choice < exchange.requests.size(); ++choice) {
    for (size_t at = 0; at < answer.size(); at += cut) {
      GenerateEvent event;
      event.text = answer.substr(at, cut);
      event.thinking = (data[1] & 0x80) != 0 && at < answer.size() / 2;
      event.token = static_cast<TokenId>(at);
      exchange.encoder->event(choice, event, &out);
      if (exchange.stream) CHECK(is_valid_utf8(out));
      else CHECK(out.empty());
    }
    GenerateEvent done;
    done.kind = GenerateEvent::Kind::kDone;
    done.reason = (data[1] & 0x40) != 0 ? FinishReason::kLength : FinishReason::kStop;
    exchange.encoder->event(choice, done, &out);
  }
  exchange.encoder->heartbeat(&out);
  exchange.encoder->end(&out);
  CHECK(!out.empty());
  CHECK(is_valid_utf8(out));
  if (!exchange.stream) CHECK(Json::parse(out).ok());
  return 0;
}
