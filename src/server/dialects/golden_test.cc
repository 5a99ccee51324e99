// Recorded conversations: tests/data/dialects/*.txt, one file per dialect. A case:
//
//   === name
//   route: openai_chat            of kRoutes below
//   thinks: yes                   the model can think (optional)
//   header: name: value           (optional, repeatable)
//   path: ...                     what {} of the path matched (optional)
//   body: {...}                   as sent
//   answer: "..."                 what the model writes, as a JSON string (optional)
//   --- 200 content/type
//   the answer's bytes
//
// FS_UPDATE_GOLDENS=1 writes what came instead of comparing: read the difference before committing it.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "server/dialects/dialect_testing.h"

namespace firesteel {
namespace {

struct Route {
  Dialect dialect;
  ParseFn parse = nullptr;
  AnswerFn answer = nullptr;
};

const std::map<std::string, Route> kRoutes = {
    {"openai_chat", {Dialect::kOpenAi, parse_openai_chat}},
    {"openai_completions", {Dialect::kOpenAi, parse_openai_completions}},
    {"openai_responses", {Dialect::kOpenAi, parse_openai_responses}},
    {"openai_response_get", {Dialect::kOpenAi, nullptr, answer_openai_response_get}},
    {"openai_response_delete", {Dialect::kOpenAi, nullptr, answer_openai_response_delete}},
    {"openai_embeddings", {Dialect::kOpenAi, nullptr, answer_openai_embeddings}},
    {"openai_models", {Dialect::kOpenAi, nullptr, answer_openai_models}},
    {"openai_model", {Dialect::kOpenAi, nullptr, answer_openai_model}},
    {"tokenize", {Dialect::kOpenAi, nullptr, answer_tokenize}},
    {"detokenize", {Dialect::kOpenAi, nullptr, answer_detokenize}},
    {"anthropic_messages", {Dialect::kAnthropic, parse_anthropic_messages}},
    {"anthropic_count_tokens", {Dialect::kAnthropic, nullptr, answer_anthropic_count_tokens}},
    {"ollama_chat", {Dialect::kOllama, parse_ollama_chat}},
    {"ollama_generate", {Dialect::kOllama, parse_ollama_generate}},
    {"ollama_embed", {Dialect::kOllama, nullptr, answer_ollama_embed}},
    {"ollama_tags", {Dialect::kOllama, nullptr, answer_ollama_tags}},
    {"ollama_show", {Dialect::kOllama, nullptr, answer_ollama_show}},
    {"ollama_ps", {Dialect::kOllama, nullptr, answer_ollama_ps}},
    {"ollama_version", {Dialect::kOllama, nullptr, answer_ollama_version}},
};

struct Case {
  std::string name, head, answer_text;
  Route route;
  bool thinks = false;
  HttpRequest request;
  std::string expected;
};

std::string value_of(const std::string& line) { return line.substr(line.find(": ") + 2); }

std::vector<Case> read_cases(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::vector<Case> cases;
  bool in_answer = false;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("=== ")) {
      cases.push_back({});
      cases.back().name = line.substr(4);
      cases.back().request = post("");
      in_answer = false;
    }
    if (cases.empty()) continue;
    Case& one = cases.back();
    if (line.starts_with("--- ")) in_answer = true;
    if (in_answer) {
      one.expected += line + "\n";
      continue;
    }
    one.head += line + "\n";
    if (line.starts_with("route: ")) {
      EXPECT_TRUE(kRoutes.contains(value_of(line))) << line;
      one.route = kRoutes.at(value_of(line));
    } else if (line.starts_with("thinks: ")) {
      one.thinks = true;
    } else if (line.starts_with("path: ")) {
      one.request.path_parameters = {value_of(line)};
    } else if (line.starts_with("header: ")) {
      const std::string header = value_of(line);
      one.request.headers.emplace_back(header.substr(0, header.find(": ")), value_of(header));
    } else if (line.starts_with("body: ")) {
      one.request.body = value_of(line);
    } else if (line.starts_with("answer: ")) {
      const auto text = Json::parse(value_of(line));
      EXPECT_TRUE(text.ok() && text->is_string()) << line;
      one.answer_text = text->as_string();
    }
  }
  return cases;
}

ModelInfo model_info(bool thinks) {
  ModelInfo info;
  info.name = "spark";
  info.architecture = "llama";
  info.quantisation = "Q8_0";
  info.digest = "0123456789abcdef0123456789abcdef";
  info.context_length = 4096;
  info.n_parameters = 656000;
  info.n_vocab = 1000;
  info.embedding_dim = 4;
  info.file_bytes = 700000;
  info.has_chat_template = true;
  info.can_think = thinks;
  info.created_unix_s = 1690000000;
  return info;
}

class MapResponses final : public ResponseStore {
 public:
  Result<Stored> find(const std::string& id) override {
    const auto found = stored_.find(id);
    if (found == stored_.end()) return Error{ErrorCode::kNotFound, "no such response"};
    return found->second;
  }
  void commit(std::function<void(Status)> done) override { done({}); }
  void put(const std::string& id, Stored stored) override { stored_[id] = std::move(stored); }
  Status erase(const std::string& id) override { return stored_.erase(id) > 0 ? Status() : Status(Error{ErrorCode::kNotFound, "no such response"}); }

 private:
  std::map<std::string, Stored> stored_;
};

// A file's cases share the stored responses, and each has its own request id.
Outcome run(const Case& one, size_t number, const std::shared_ptr<ResponseStore>& responses) {
  FakeGenerator generator([&](const FakeGenerator::Question&) -> Result<std::string> { return one.answer_text; });
  generator.set_info(model_info(one.thinks));
  ExchangeContext context = test_context(&generator);
  context.responses = responses;
  context.request_id = "req_" + std::to_string(number);
  if (one.route.parse != nullptr) return run_exchange(one.route.parse, one.request, context, one.route.dialect);
  return run_answer(one.route.answer, one.request, context, one.route.dialect);
}

std::string said(const Outcome& outcome) {
  std::string out = "--- " + std::to_string(outcome.status);
  if (!outcome.content_type.empty()) out += " " + outcome.content_type;
  if (const std::string* ignored = outcome.header("x-firesteel-ignored")) out += ", ignored: " + *ignored;
  std::string body = outcome.body;
  // Measured: times of the machine.
  for (const char* name : {"total_duration", "prompt_eval_duration", "eval_duration"}) {
    const std::string key = '"' + std::string(name) + "\":";
    const size_t at = body.find(key);
    if (at == std::string::npos) continue;
    const size_t end = body.find_first_of(",}", at);
    body.replace(at + key.size(), end - at - key.size(), "0");
  }
  out += "\n" + body;
  if (out.back() != '\n') out += "\n";
  return out;
}

class Golden : public testing::TestWithParam<std::string> {};

TEST_P(Golden, AnswersAsRecorded) {
  const std::filesystem::path path = std::filesystem::path(FS_TEST_DATA) / "dialects" / (GetParam() + ".txt");
  const std::vector<Case> cases = read_cases(path);
  ASSERT_FALSE(cases.empty()) << path;
  std::ostringstream updated;
  const auto responses = std::make_shared<MapResponses>();
  for (const Case& one : cases) {
    const std::string answer = said(run(one, static_cast<size_t>(&one - cases.data()), responses));
    const bool last = &one == &cases.back();
    updated << one.head << answer << (last ? "" : "\n");
    if (std::getenv("FS_UPDATE_GOLDENS") != nullptr) continue;
    std::string expected = one.expected;
    while (expected.ends_with("\n\n")) expected.pop_back();
    std::string found = answer;
    while (found.ends_with("\n\n")) found.pop_back();
    EXPECT_EQ(found, expected) << one.name;
  }
  if (std::getenv("FS_UPDATE_GOLDENS") != nullptr) std::ofstream(path) << updated.str();
}

INSTANTIATE_TEST_SUITE_P(Dialects, Golden, testing::Values("openai_chat", "openai_others", "openai_responses", "anthropic", "ollama"), [](const auto& param) { return param.param; });

}  // namespace
}  // namespace firesteel
