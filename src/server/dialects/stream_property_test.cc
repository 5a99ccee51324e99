// Streamed or not, a dialect says the same: text, thinking, calls, reason and usage. And no event ends inside a character.
#include <gtest/gtest.h>

#include <map>

#include "base/rng.h"
#include "base/utf8.h"
#include "server/dialects/dialect_testing.h"

namespace firesteel {
namespace {

struct Said {
  std::string text, thinking, reason;
  std::map<int64_t, std::string> calls;   // name, then its arguments
  std::string usage;
  bool operator==(const Said&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Said& said) {
  out << "text \"" << said.text << "\" thinking \"" << said.thinking << "\" reason " << said.reason << " usage " << said.usage;
  for (const auto& [i, call] : said.calls) out << " call " << i << ": " << call;
  return out;
}

std::string text_of(const Json* json) { return json != nullptr && json->is_string() ? json->as_string() : std::string(); }
const Json& at(const Json& json, std::initializer_list<std::string_view> path) {
  static const Json kNull;
  const Json* found = &json;
  for (const std::string_view name : path) {
    found = found->is_array() ? (found->as_array().empty() ? nullptr : &found->as_array().front()) : found->find(name);
    if (found == nullptr) return kNull;
  }
  return *found;
}

std::vector<Json> events_of(const std::string& body, const std::string& prefix) {
  std::vector<Json> events;
  for (size_t begin = 0; begin < body.size();) {
    size_t end = body.find('\n', begin);
    if (end == std::string::npos) end = body.size();
    const std::string line = body.substr(begin, end - begin);
    begin = end + 1;
    if (line.empty() || line.substr(0, prefix.size()) != prefix || line == "data: [DONE]") continue;
    EXPECT_TRUE(is_valid_utf8(line)) << line;
    auto json = Json::parse(line.substr(prefix.size()));
    EXPECT_TRUE(json.ok()) << line;
    if (json.ok()) events.push_back(std::move(*json));
  }
  return events;
}

void add_call(const Json& call, int64_t index, Said* said) {
  const Json* function = call.find("function");
  const Json& one = function == nullptr ? call : *function;
  std::string& text = said->calls[index];
  if (const Json* name = one.find("name"); name != nullptr) text += text_of(name) + " ";
  const Json* arguments = one.find("arguments");
  if (arguments != nullptr) text += arguments->is_string() ? arguments->as_string() : arguments->dump();
}

Said openai(const std::string& body, bool stream) {
  Said said;
  for (const Json& event : stream ? events_of(body, "data: ") : events_of(body, "")) {
    const Json& choice = at(event, {"choices", "0"});
    const Json& message = at(choice, {stream ? "delta" : "message"});
    said.text += text_of(message.find("content"));
    said.thinking += text_of(message.find("reasoning_content"));
    if (const Json* calls = message.find("tool_calls"); calls != nullptr && calls->is_array()) {
      int64_t i = 0;
      for (const Json& call : calls->as_array()) {
        add_call(call, call.find("index") != nullptr ? call.find("index")->as_int() : i, &said);
        ++i;
      }
    }
    if (choice.find("finish_reason") != nullptr && choice.find("finish_reason")->is_string()) said.reason = text_of(choice.find("finish_reason"));
    if (const Json* usage = event.find("usage"); usage != nullptr && usage->is_object()) said.usage = usage->dump();
  }
  return said;
}

Said anthropic(const std::string& body, bool stream) {
  Said said;
  const auto add_block = [&](const Json& block, int64_t index) {
    said.text += text_of(block.find("text"));
    said.thinking += text_of(block.find("thinking"));
    if (text_of(block.find("type")) != "tool_use") return;
    const Json& input = at(block, {"input"});
    said.calls[index] = text_of(block.find("name")) + " " + (stream ? "" : input.dump());
  };
  for (const Json& event : stream ? events_of(body, "data: ") : events_of(body, "")) {
    if (!stream) {
      const Json::Array& blocks = at(event, {"content"}).as_array();
      for (size_t i = 0; i < blocks.size(); ++i) add_block(blocks[i], static_cast<int64_t>(i));
      said.reason = text_of(event.find("stop_reason"));
      said.usage = at(event, {"usage"}).dump();
      continue;
    }
    const std::string type = text_of(event.find("type"));
    if (type == "content_block_start") add_block(at(event, {"content_block"}), at(event, {"index"}).as_int());
    if (type == "content_block_delta") {
      const Json& delta = at(event, {"delta"});
      said.text += text_of(delta.find("text"));
      said.thinking += text_of(delta.find("thinking"));
      if (delta.find("partial_json") != nullptr) said.calls[at(event, {"index"}).as_int()] += text_of(delta.find("partial_json"));
    }
    if (type == "message_delta") {
      said.reason = text_of(at(event, {"delta"}).find("stop_reason"));
      said.usage = at(event, {"usage"}).dump();
    }
  }
  // Arguments as values: the spaces of a constrained call are the model's.
  return said;
}

Said ollama(const std::string& body, bool) {
  Said said;
  int64_t n_calls = 0;
  for (const Json& event : events_of(body, "")) {
    const Json& message = at(event, {"message"});
    said.text += text_of(message.find("content"));
    said.thinking += text_of(message.find("thinking"));
    if (const Json* calls = message.find("tool_calls"); calls != nullptr) {
      for (const Json& call : calls->as_array()) add_call(call, n_calls++, &said);
    }
    said.reason = text_of(event.find("done_reason"));
    if (event.find("eval_count") != nullptr) said.usage = at(event, {"eval_count"}).dump() + " " + at(event, {"prompt_eval_count"}).dump();
  }
  return said;
}

Said responses(const std::string& body, bool stream) {
  Said said;
  std::string text, thinking;
  std::map<int64_t, std::string> arguments;
  const auto read = [&](const Json& response) {
    said.reason = text_of(response.find("status"));
    said.usage = at(response, {"usage"}).dump();
    int64_t i = 0;
    for (const Json& item : at(response, {"output"}).as_array()) {
      const std::string type = text_of(item.find("type"));
      if (type == "message") said.text += text_of(at(item, {"content", "0"}).find("text"));
      if (type == "reasoning") said.thinking += text_of(at(item, {"content", "0"}).find("text"));
      if (type == "function_call") add_call(item, i, &said);
      ++i;
    }
  };
  int64_t sequence = 0;
  for (const Json& event : stream ? events_of(body, "data: ") : events_of(body, "")) {
    if (!stream) {
      read(event);
      continue;
    }
    EXPECT_EQ(at(event, {"sequence_number"}), Json(sequence++));
    const std::string type = text_of(event.find("type"));
    if (type == "response.output_text.delta") text += text_of(event.find("delta"));
    if (type == "response.reasoning_text.delta") thinking += text_of(event.find("delta"));
    if (type == "response.function_call_arguments.delta") arguments[at(event, {"output_index"}).as_int()] += text_of(event.find("delta"));
    if (type == "response.completed" || type == "response.incomplete") {
      read(at(event, {"response"}));
      EXPECT_EQ(text, said.text);
      EXPECT_EQ(thinking, said.thinking);
      for (const auto& [i, told] : arguments) EXPECT_TRUE(said.calls[i].ends_with(told)) << told;
    }
  }
  return said;
}

struct DialectCase {
  const char* name;
  Dialect dialect;
  ParseFn parse;
  Said (*read)(const std::string&, bool);
  const char* body;   // before the last brace: more members
};

constexpr DialectCase kDialects[] = {
    {"openai", Dialect::kOpenAi, parse_openai_chat, openai,
     R"({"messages":[{"role":"user","content":"q"}],"max_tokens":MAX,"tools":[{"type":"function","function":{"name":"f"}},{"type":"function","function":{"name":"g"}}])"},
    {"anthropic", Dialect::kAnthropic, parse_anthropic_messages, anthropic,
     R"({"messages":[{"role":"user","content":"q"}],"max_tokens":MAX,"tools":[{"name":"f","input_schema":{"type":"object"}},{"name":"g","input_schema":{"type":"object"}}])"},
    {"ollama", Dialect::kOllama, parse_ollama_chat, ollama,
     R"({"messages":[{"role":"user","content":"q"}],"options":{"num_predict":MAX},"tools":[{"type":"function","function":{"name":"f"}},{"type":"function","function":{"name":"g"}}])"},
    {"responses", Dialect::kOpenAi, parse_openai_responses, responses,
     R"({"input":"q","max_output_tokens":MAX,"tools":[{"type":"function","name":"f"},{"type":"function","name":"g"}])"},
};

std::string random_answer(Rng* rng) {
  static const std::vector<std::string> kParts = {"Hello ", "w\xC3\xB6rld ", "\xF0\x9F\x98\x80", "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": \"\xE2\x82\xAC\"}}\n</tool_call>",
                                                  "\n", "{\"name\": \"g\", \"parameters\": {}}", "[TOOL_CALLS]", "<tool_call>", "}", "text. ", " ", "g[ARGS]{\"x\": [1, 2]}"};
  std::string text;
  if (rng->below(3) == 0) text = "<think>\nlet me \xE2\x82\xAC see\n</think>\n\n";
  for (uint64_t n = rng->below(7); n > 0; --n) text += kParts[rng->below(kParts.size())];
  return text;
}

TEST(DialectStream, SaysTheSameAsTheWholeAnswer) {
  for (const DialectCase& dialect : kDialects) {
    for (uint64_t seed = 0; seed < 120; ++seed) {
      Rng rng(seed);
      const std::string answer = random_answer(&rng);
      FakeGenerator generator([&](const FakeGenerator::Question&) -> Result<std::string> { return answer; });
      ExchangeContext context = test_context(&generator);
      std::string body = dialect.body;
      const std::string limit = std::to_string(1 + rng.below(30));
      body.replace(body.find("MAX"), 3, limit);
      const bool openai_chat = dialect.parse == &parse_openai_chat;
      const Outcome whole = run_exchange(dialect.parse, post(body + ",\"stream\":false}"), context, dialect.dialect);
      const Outcome streamed = run_exchange(
          dialect.parse, post(body + ",\"stream\":true" + (openai_chat ? ",\"stream_options\":{\"include_usage\":true}}" : "}")), context, dialect.dialect);
      ASSERT_EQ(whole.status, 200) << whole.body;
      ASSERT_EQ(streamed.status, 200) << streamed.body;
      Said a = dialect.read(whole.body, false);
      Said b = dialect.read(streamed.body, true);
      EXPECT_EQ(a, b) << dialect.name << ", seed " << seed << ", answer: " << answer << "\nwhole: " << a << "\nstreamed: " << b;
      // Held back and told in pieces of a byte: the same but for the count of thinking, which the test's pieces repeat.
      const Outcome cut = run_exchange(dialect.parse, post(body + ",\"stream\":true}"), context, dialect.dialect, 1 + rng.below(3));
      Said c = dialect.read(cut.body, true);
      c.usage = b.usage = {};
      EXPECT_EQ(b, c) << dialect.name << " cut, seed " << seed << ", answer: " << answer << "\nwhole: " << b << "\ncut: " << c;
      if (HasFailure()) return;
    }
  }
}

TEST(DialectStream, ChoicesHaveSeedsOfTheirOwnAndTheFirstHasTheSeed) {
  FakeGenerator generator;
  const Outcome outcome = run_exchange(parse_openai_chat, post(R"({"messages":[{"role":"user","content":"q"}],"n":3,"seed":9})"), test_context(&generator), Dialect::kOpenAi);
  ASSERT_EQ(outcome.requests.size(), 3u);
  EXPECT_EQ(outcome.requests[0].sampling.seed, 9u);
  EXPECT_NE(outcome.requests[1].sampling.seed, 9u);
  EXPECT_NE(outcome.requests[1].sampling.seed, outcome.requests[2].sampling.seed);
}

TEST(DialectStream, ErrorInTheMiddleEndsTheStreamWithoutDone) {
  for (const DialectCase& dialect : kDialects) {
    FakeGenerator generator([](const FakeGenerator::Question&) -> Result<std::string> { return std::string("a b c"); });
    std::string body = dialect.body;
    body.replace(body.find("MAX"), 3, "9");
    auto parsed = dialect.parse(post(body + ",\"stream\":true}"), test_context(&generator));
    ASSERT_TRUE(std::holds_alternative<Exchange>(parsed));
    Exchange& exchange = std::get<Exchange>(parsed);
    std::string out;
    exchange.encoder->begin(&out);
    GenerateEvent event;
    event.text = "a";
    exchange.encoder->event(0, event, &out);
    exchange.encoder->heartbeat(&out);
    exchange.encoder->fail({.kind = ApiErrorKind::kInternal, .message = "it broke"}, &out);
    EXPECT_NE(out.find("it broke"), std::string::npos) << out;
    EXPECT_EQ(out.find("[DONE]"), std::string::npos) << out;
    EXPECT_EQ(out.find("message_stop"), std::string::npos) << out;
  }
}

}  // namespace
}  // namespace firesteel
