// What streams write, read back as a client would: whatever a model says, and however the bytes are cut on their way, the events are JSON and
// their texts together are what was said. Byte 0: the API; byte 1: how long the pieces are; then the thinking up to a byte 0xFF, then the answer.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "api/fake_generator.h"
#include "base/check.h"
#include "base/json.h"
#include "base/utf8.h"
#include "server/dialects/dialects.h"
#include "tools/mcp_message.h"

namespace {

using namespace firesteel;

struct Route {
  ParseFn parse;
  const char* body;
};
constexpr Route kRoutes[] = {
    {parse_openai_chat, R"({"model":"m","messages":[{"role":"user","content":"q"}],"stream":true})"},
    {parse_openai_completions, R"({"model":"m","prompt":"q","stream":true})"},
    {parse_openai_responses, R"({"model":"m","input":"q","stream":true})"},
    {parse_anthropic_messages, R"({"model":"m","max_tokens":9,"messages":[{"role":"user","content":"q"}],"stream":true})"},
};

// What an engine would say: whole characters only.
std::string text_of(std::string_view bytes) {
  std::string out;
  for (size_t at = 0; at < bytes.size();) {
    const Utf8Char next = decode_utf8(bytes, at);
    append_utf8(&out, next.code_point);
    at += next.n_bytes;
  }
  return out;
}

std::vector<std::string> events_of(std::string_view stream, size_t piece) {
  SseReader reader;
  std::vector<std::string> out;
  for (size_t at = 0; at < stream.size(); at += piece) CHECK(reader.push(stream.substr(at, piece), &out).ok());
  return out;
}

struct Said {
  std::string text, thinking;
};

void add(const Json* from, const char* name, std::string* to) {
  const Json* const found = from == nullptr || !from->is_object() ? nullptr : from->find(name);
  if (found != nullptr && found->is_string()) *to += found->as_string();
}

void read_event(size_t route, const Json& event, Said* said) {
  const Json* const type = event.find("type");
  const std::string kind = type == nullptr ? "" : type->as_string();
  if (route <= 1) {
    const Json* const choices = event.find("choices");
    CHECK(choices != nullptr && choices->is_array());
    for (const Json& choice : choices->as_array()) {
      if (route == 1) add(&choice, "text", &said->text);
      add(choice.find("delta"), "content", &said->text);
      add(choice.find("delta"), "reasoning_content", &said->thinking);
    }
  } else if (route == 2) {
    if (kind == "response.output_text.delta") add(&event, "delta", &said->text);
    if (kind == "response.reasoning_text.delta") add(&event, "delta", &said->thinking);
  } else if (kind == "content_block_delta") {
    add(event.find("delta"), "text", &said->text);
    add(event.find("delta"), "thinking", &said->thinking);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2 || size > 8192) return 0;
  const size_t route = data[0] % std::size(kRoutes);
  const size_t piece = 1 + data[1] % 32;
  const std::string_view input(reinterpret_cast<const char*>(data) + 2, size - 2);
  const size_t end = input.find('\xFF');
  // White space around thinking is the template's and not shown (api/answer_parser.h): so neither text begins with any, nor ends thinking with it.
  const std::string thinking = end == std::string_view::npos ? std::string() : "t" + text_of(input.substr(0, end)) + ".";
  const std::string answer = "A" + text_of(end == std::string_view::npos ? input : input.substr(end + 1));
  if ((thinking + answer).find("think>") != std::string::npos) return 0;  // markers are the engine's

  static FakeGenerator* const generator = new FakeGenerator;  // libFuzzer ends without destructors
  ExchangeContext context;
  context.generator = generator;
  context.request_id = "req_fuzz";
  context.model_id = "m";
  HttpRequest request;
  request.method = HttpMethod::kPost;
  request.body = kRoutes[route].body;
  auto parsed = kRoutes[route].parse(request, context);
  CHECK(std::holds_alternative<Exchange>(parsed));
  Exchange& exchange = std::get<Exchange>(parsed);
  std::string out;
  exchange.encoder->begin(&out);
  for (const bool is_thinking : {true, false}) {
    const std::string& text = is_thinking ? thinking : answer;
    for (size_t at = 0; at < text.size();) {
      GenerateEvent event;
      const size_t n = std::max<size_t>(complete_utf8_prefix(std::string_view(text).substr(at, piece)), decode_utf8(text, at).n_bytes);
      event.text = text.substr(at, n);
      event.thinking = is_thinking;
      event.token = static_cast<TokenId>(at);
      exchange.encoder->event(0, event, &out);
      at += n;
      if (at % 7 == 0) exchange.encoder->heartbeat(&out);
    }
  }
  GenerateEvent done;
  done.kind = GenerateEvent::Kind::kDone;
  done.reason = FinishReason::kStop;
  exchange.encoder->event(0, done, &out);
  exchange.encoder->end(&out);

  CHECK(is_valid_utf8(out));
  const std::vector<std::string> events = events_of(out, out.size());
  CHECK(events == events_of(out, piece));
  CHECK(!events.empty());
  Said said;
  for (size_t i = 0; i < events.size(); ++i) {
    if (events[i] == "[DONE]") {
      CHECK(route <= 1 && i + 1 == events.size());
      continue;
    }
    const auto event = Json::parse(events[i]);
    CHECK(event.ok());
    read_event(route, *event, &said);
  }
  CHECK(said.text == (route == 1 ? thinking + answer : answer));  // completions know no thinking
  if (route != 1) CHECK(said.thinking == thinking);
  return 0;
}
