// Bodies that are wrong: always a 4xx that names the parameter, never an abort.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/rng.h"
#include "server/dialects/dialect_testing.h"

namespace firesteel {
namespace {

struct Route {
  const char* name;
  Dialect dialect;
  ParseFn parse = nullptr;
  AnswerFn answer = nullptr;
};

const Route kRoutes[] = {
    {"openai_chat", Dialect::kOpenAi, parse_openai_chat},
    {"openai_completions", Dialect::kOpenAi, parse_openai_completions},
    {"openai_responses", Dialect::kOpenAi, parse_openai_responses},
    {"anthropic_messages", Dialect::kAnthropic, parse_anthropic_messages},
    {"ollama_chat", Dialect::kOllama, parse_ollama_chat},
    {"ollama_generate", Dialect::kOllama, parse_ollama_generate},
    {"openai_embeddings", Dialect::kOpenAi, nullptr, answer_openai_embeddings},
    {"anthropic_count_tokens", Dialect::kAnthropic, nullptr, answer_anthropic_count_tokens},
    {"ollama_embed", Dialect::kOllama, nullptr, answer_ollama_embed},
    {"ollama_show", Dialect::kOllama, nullptr, answer_ollama_show},
    {"tokenize", Dialect::kOpenAi, nullptr, answer_tokenize},
    {"detokenize", Dialect::kOpenAi, nullptr, answer_detokenize},
};

const Route& route(std::string_view name) {
  for (const Route& one : kRoutes) {
    if (name == one.name) return one;
  }
  ADD_FAILURE() << name;
  return kRoutes[0];
}

Outcome run(const Route& route, const std::string& body, FakeGenerator* generator) {
  const ExchangeContext context = test_context(generator);
  if (route.parse != nullptr) return run_exchange(route.parse, post(body), context, route.dialect);
  return run_answer(route.answer, post(body), context, route.dialect);
}

FakeGenerator short_answers() {
  return FakeGenerator([](const FakeGenerator::Question&) -> Result<std::string> { return std::string("short answer"); });
}

const std::string kChat = R"({"messages":[{"role":"user","content":"q"}],)";

struct Field {
  const char* route;
  std::string param;   // as the error names it
  std::string body;    // @ is where the value goes
  bool integer;
  bool negative;       // -1 is a value
};

std::vector<Field> number_fields() {
  std::vector<Field> fields;
  for (const char* name : {"temperature", "top_p"}) fields.push_back({"openai_chat", name, kChat + "\"" + name + "\":@}", false, false});
  for (const char* name : {"presence_penalty", "frequency_penalty"}) fields.push_back({"openai_chat", name, kChat + "\"" + name + "\":@}", false, true});
  for (const char* name : {"n", "max_tokens", "max_completion_tokens"}) fields.push_back({"openai_chat", name, kChat + "\"" + name + "\":@}", true, false});
  fields.push_back({"openai_chat", "seed", kChat + "\"seed\":@}", true, true});
  fields.push_back({"openai_chat", "top_logprobs", kChat + "\"logprobs\":true,\"top_logprobs\":@}", true, false});
  fields.push_back({"openai_chat", "logit_bias.5", kChat + "\"logit_bias\":{\"5\":@}}", false, true});
  fields.push_back({"openai_chat", "firesteel.budget_tokens", kChat + "\"firesteel\":{\"budget_tokens\":@}}", true, false});
  fields.push_back({"openai_chat", "firesteel.seed", kChat + "\"firesteel\":{\"seed\":@}}", true, true});
  fields.push_back({"openai_chat", "firesteel.agents", kChat + "\"firesteel\":{\"agents\":@}}", true, false});
  for (const char* name : {"n", "max_tokens", "logprobs", "best_of"}) {
    fields.push_back({"openai_completions", name, std::string("{\"prompt\":\"p\",\"") + name + "\":@}", true, false});
  }
  fields.push_back({"openai_completions", "prompt[0]", "{\"prompt\":[@]}", true, false});
  fields.push_back({"openai_completions", "prompt[1][0]", "{\"prompt\":[[1],[@]]}", true, false});
  fields.push_back({"openai_responses", "max_output_tokens", "{\"input\":\"q\",\"max_output_tokens\":@}", true, false});
  fields.push_back({"openai_responses", "temperature", "{\"input\":\"q\",\"temperature\":@}", false, false});
  for (const char* name : {"max_tokens", "top_k"}) {
    fields.push_back({"anthropic_messages", name, kChat + (std::string(name) == "top_k" ? "\"max_tokens\":5," : "") + "\"" + name + "\":@}", true, false});
  }
  for (const char* name : {"temperature", "top_p"}) fields.push_back({"anthropic_messages", name, kChat + "\"max_tokens\":5,\"" + name + "\":@}", false, false});
  fields.push_back({"anthropic_messages", "thinking.budget_tokens", kChat + "\"max_tokens\":5000,\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":@}}", true, false});
  for (const char* name : {"temperature", "top_p", "min_p", "repeat_penalty"}) {
    fields.push_back({"ollama_chat", std::string("options.") + name, kChat + "\"options\":{\"" + name + "\":@}}", false, false});
  }
  for (const char* name : {"num_predict", "seed"}) fields.push_back({"ollama_chat", std::string("options.") + name, kChat + "\"options\":{\"" + name + "\":@}}", true, true});
  fields.push_back({"ollama_chat", "options.top_k", kChat + "\"options\":{\"top_k\":@}}", true, false});
  fields.push_back({"openai_embeddings", "dimensions", "{\"input\":\"x\",\"dimensions\":@}", true, false});
  fields.push_back({"ollama_embed", "dimensions", "{\"input\":\"x\",\"dimensions\":@}", true, false});
  return fields;
}

TEST(HostileBody, EveryNumberAtItsEdges) {
  FakeGenerator generator = short_answers();
  for (const Field& field : number_fields()) {
    std::vector<std::string> bad = {"9223372036854775808", "1e300", "-1e300", "1e400", "\"5\"", "[]", "{}", "true", "false", "-9223372036854775809"};
    if (field.integer) bad.insert(bad.end(), {"0.5", "5.000001"});
    if (!field.negative) bad.insert(bad.end(), {"-1", "-0.001", "-9223372036854775808"});
    for (const std::string& value : bad) {
      if (value == "\"5\"" && field.param == "prompt[0]") continue;  // a list of strings
      std::string body = field.body;
      body.replace(body.find('@'), 1, value);
      const Outcome outcome = run(route(field.route), body, &generator);
      EXPECT_EQ(outcome.status, 400) << field.route << ": " << body;
      if (!outcome.error) continue;
      // A number that no double holds is found before its place is known: then the last name of the path is told.
      if (value == "1e400") {
        const std::string last = field.param.substr(field.param.rfind('.') + 1);
        const bool has_name = last.find('[') == std::string::npos;
        EXPECT_TRUE(!has_name || outcome.error->param == last) << body << ": " << outcome.error->param;
      } else {
        EXPECT_EQ(outcome.error->param.substr(0, field.param.size()), field.param) << body << ": " << outcome.error->message;
      }
      EXPECT_EQ(outcome.body.find("exception"), std::string::npos) << outcome.body;
    }
    std::string body = field.body;
    body.replace(body.find('@'), 1, "null");
    const Outcome outcome = run(route(field.route), body, &generator);
    EXPECT_TRUE(outcome.status == 200 || (outcome.status == 400 && outcome.error && outcome.error->param == field.param)) << body << ": " << outcome.body;
  }
}

TEST(HostileBody, WrongTypesAreNamed) {
  FakeGenerator generator = short_answers();
  const std::vector<std::array<std::string, 3>> cases = {
      {"openai_chat", "messages", "{\"messages\":@}"},
      {"openai_chat", "messages[0]", "{\"messages\":[@]}"},
      {"openai_chat", "messages[0].role", "{\"messages\":[{\"role\":@,\"content\":\"x\"}]}"},
      {"openai_chat", "messages[0].content", "{\"messages\":[{\"role\":\"user\",\"content\":@}]}"},
      {"openai_chat", "messages[0].content[0]", "{\"messages\":[{\"role\":\"user\",\"content\":[@]}]}"},
      {"openai_chat", "messages[0].content[0].text", "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":@}]}]}"},
      {"openai_chat", "messages[0].tool_calls[0]", "{\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[@]}]}"},
      {"openai_chat", "messages[0].tool_calls[0].function.arguments",
       "{\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"a\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":@}}]}]}"},
      {"openai_chat", "model", kChat + "\"model\":@}"},
      {"openai_chat", "stream", kChat + "\"stream\":@}"},
      {"openai_chat", "stop", kChat + "\"stop\":@}"},
      {"openai_chat", "stop[1]", kChat + "\"stop\":[\"a\",@]}"},
      {"openai_chat", "tools", kChat + "\"tools\":@}"},
      {"openai_chat", "tools[0]", kChat + "\"tools\":[@]}"},
      {"openai_chat", "tools[0].function", kChat + "\"tools\":[{\"type\":\"function\",\"function\":@}]}"},
      {"openai_chat", "tools[0].function.parameters", kChat + "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":@}}]}"},
      {"openai_chat", "response_format", kChat + "\"response_format\":@}"},
      {"openai_chat", "response_format.json_schema.schema", kChat + "\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\",\"schema\":@}}}"},
      {"openai_chat", "logit_bias", kChat + "\"logit_bias\":@}"},
      {"openai_chat", "reasoning_effort", kChat + "\"reasoning_effort\":@}"},
      {"openai_chat", "firesteel", kChat + "\"firesteel\":@}"},
      {"openai_chat", "metadata", kChat + "\"metadata\":@}"},
      {"openai_completions", "prompt", "{\"prompt\":@}"},
      {"openai_responses", "input", "{\"input\":@}"},
      {"openai_responses", "input[0]", "{\"input\":[@]}"},
      {"openai_responses", "input[0].arguments", "{\"input\":[{\"type\":\"function_call\",\"call_id\":\"a\",\"name\":\"f\",\"arguments\":@}]}"},
      {"openai_responses", "text", "{\"input\":\"x\",\"text\":@}"},
      {"anthropic_messages", "system", kChat + "\"max_tokens\":1,\"system\":@}"},
      {"anthropic_messages", "messages[0].content[0]", "{\"max_tokens\":1,\"messages\":[{\"role\":\"user\",\"content\":[@]}]}"},
      {"anthropic_messages", "messages[0].content[0].input",
       "{\"max_tokens\":1,\"messages\":[{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_use\",\"id\":\"a\",\"name\":\"f\",\"input\":@}]},{\"role\":\"user\",\"content\":\"x\"}]}"},
      {"anthropic_messages", "tool_choice", kChat + "\"max_tokens\":1,\"tool_choice\":@}"},
      {"anthropic_messages", "stop_sequences", kChat + "\"max_tokens\":1,\"stop_sequences\":@}"},
      {"ollama_chat", "messages[0].content", "{\"messages\":[{\"role\":\"user\",\"content\":@}]}"},
      {"ollama_chat", "options", kChat + "\"options\":@}"},
      {"ollama_chat", "format", kChat + "\"format\":@}"},
      {"ollama_generate", "prompt", "{\"prompt\":@}"},
      {"openai_embeddings", "input", "{\"input\":@}"},
      {"tokenize", "content", "{\"content\":@}"},
      {"detokenize", "tokens", "{\"tokens\":@}"},
  };
  for (const auto& [name, param, pattern] : cases) {
    for (const std::string_view value : {"7", "-0.5", "true", "\"\\u0000\"", "[[]]", "{\"x\":[{}]}", "[null]", "\"\xC3\xA9\""}) {
      std::string body = pattern;
      body.replace(body.find('@'), 1, value);
      const Outcome outcome = run(route(name), body, &generator);
      EXPECT_TRUE(outcome.status == 200 || outcome.status == 400 || outcome.status == 404) << body << ": " << outcome.status << " " << outcome.body;
      if (!outcome.error) continue;
      EXPECT_EQ(outcome.error->param.substr(0, param.size()), param) << body << ": " << outcome.error->message;
      EXPECT_LT(outcome.error->message.size(), 600u) << body;
    }
  }
}

TEST(HostileBody, NoObjectAtAll) {
  FakeGenerator generator = short_answers();
  std::string deep(100000, '[');
  std::string deep_object;
  for (int i = 0; i < 5000; ++i) deep_object += "{\"a\":";
  for (const Route& one : kRoutes) {
    for (const std::string& body : {std::string(), std::string("null"), std::string("[]"), std::string("{"), std::string("\"x\""), std::string("{}}"), deep, deep_object,
                                    std::string("{\"messages\":[{\"role\":\"user\",\"content\":\"\xFF\xFE\"}]}"), std::string("{\"model\":1,\"model\":2}"),
                                    std::string("\xEF\xBB\xBF[]"), std::string(1, '\0'), std::string("{\"a\":\x01}")}) {
      const Outcome outcome = run(one, body, &generator);
      EXPECT_EQ(outcome.status, 400) << one.name << ": " << body.substr(0, 40);
    }
  }
}

std::vector<std::pair<std::string, std::string>> recorded_bodies() {
  std::vector<std::pair<std::string, std::string>> out;
  for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(FS_TEST_DATA) / "dialects")) {
    std::ifstream file(entry.path());
    std::string name;
    for (std::string line; std::getline(file, line);) {
      if (line.starts_with("route: ")) name = line.substr(7);
      if (line.starts_with("body: ")) out.emplace_back(name, line.substr(6));
    }
  }
  std::sort(out.begin(), out.end());
  return out;
}

TEST(HostileBody, ThousandsOfMutationsNeverCrash) {
  const auto bodies = recorded_bodies();
  ASSERT_GT(bodies.size(), 20u);
  static const std::vector<std::string> kValues = {"null", "-1", "1e999", "9223372036854775808", "\"\"", "[]", "{}", "true", "0.5", "[[[[]]]]", "\"\xF0\x9F\x98\x80\"", "{\"\":{}}"};
  FakeGenerator generator = short_answers();
  int n_ok = 0, n_refused = 0;
  for (uint64_t seed = 0; seed < 6000; ++seed) {
    Rng rng(seed);
    auto [name, body] = bodies[rng.below(bodies.size())];
    for (uint64_t n = 1 + rng.below(3); n > 0 && !body.empty(); --n) {
      const size_t at = rng.below(body.size());
      switch (rng.below(6)) {
        case 0: body[at] = static_cast<char>(rng.below(256)); break;
        case 1: body.erase(at, 1 + rng.below(8)); break;
        case 2: body.insert(at, kValues[rng.below(kValues.size())]); break;
        case 3: {  // another value after a colon
          const size_t colon = body.find(':', at);
          if (colon != std::string::npos) body.replace(colon + 1, body.find_first_of(",}]", colon) - colon - 1, kValues[rng.below(kValues.size())]);
          break;
        }
        case 4: {  // a piece of another body
          const std::string& other = bodies[rng.below(bodies.size())].second;
          body.insert(at, other.substr(rng.below(other.size()), rng.below(40)));
          break;
        }
        default: body.insert(at, 1, "{}[],:\"\\"[rng.below(8)]); break;
      }
    }
    // Sometimes to a route that it was not meant for.
    const Route* target = &kRoutes[rng.below(std::size(kRoutes))];
    if (rng.below(4) != 0) {
      for (const Route& one : kRoutes) target = name == one.name ? &one : target;
    }
    const Outcome outcome = run(*target, body, &generator);
    EXPECT_TRUE(outcome.status == 200 || outcome.status == 400 || outcome.status == 404) << "seed " << seed << " " << target->name << ": " << body << ": " << outcome.body;
    ++(outcome.status == 200 ? n_ok : n_refused);
    if (HasFailure()) return;
  }
  EXPECT_GT(n_ok, 50);
  EXPECT_GT(n_refused, 1000);
}

}  // namespace
}  // namespace firesteel
