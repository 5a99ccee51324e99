// Recorded conversations: tests/data/dialects/*.txt, one file per dialect. A case:
//
//   === name
//   route: openai_chat            of kRoutes below
//   thinks: yes                   the model can think (optional)
//   header: name: value           (optional, repeatable)
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

Outcome run(const Case& one, size_t cut = 0) {
  FakeGenerator generator([&](const FakeGenerator::Question&) -> Result<std::string> { return one.answer_text; });
  generator.set_info(model_info(one.thinks));
  const ExchangeContext context = test_context(&generator);
  if (one.route.parse != nullptr) return run_exchange(one.route.parse, one.request, context, one.route.dialect, cut);
  return run_answer(one.route.answer, one.request, context, one.route.dialect);
}

std::string said(const Outcome& outcome) {
  std::string out = "--- " + std::to_string(outcome.status);
  if (!outcome.content_type.empty()) out += " " + outcome.content_type;
  if (const std::string* ignored = outcome.header("x-firesteel-ignored")) out += ", ignored: " + *ignored;
  out += "\n" + outcome.body;
  if (out.back() != '\n') out += "\n";
  return out;
}

class Golden : public testing::TestWithParam<std::string> {};

TEST_P(Golden, AnswersAsRecorded) {
  const std::filesystem::path path = std::filesystem::path(FS_TEST_DATA) / "dialects" / (GetParam() + ".txt");
  const std::vector<Case> cases = read_cases(path);
  ASSERT_FALSE(cases.empty()) << path;
  std::ostringstream updated;
  for (const Case& one : cases) {
    const std::string answer = said(run(one));
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

INSTANTIATE_TEST_SUITE_P(Dialects, Golden, testing::Values("openai_chat"), [](const auto& param) { return param.param; });

}  // namespace
}  // namespace firesteel
