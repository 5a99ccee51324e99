#include "server/dialects/parameters.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

namespace firesteel {
namespace {

constexpr Parameter kSome[] = {{"max_tokens"}, {"temperature"}, {"store", Support::kIgnored}, {"audio", Support::kRefused, "there is no audio"}};

std::string first_error(const std::string& text) {
  ReadState state;
  const auto json = parse_body(text, &state);
  if (json) BodyReader(*json, "", &state).check({"test", kSome});
  return state.error ? state.error->param + "|" + state.error->message : "";
}

TEST(Parameters, UnknownOnesAreRefusedWithTheNearestName) {
  EXPECT_EQ(first_error(R"({"max_token":1})"), "max_token|max_token: unknown parameter; did you mean \"max_tokens\"?");
  EXPECT_EQ(first_error(R"({"temprature":1})"), "temprature|temprature: unknown parameter; did you mean \"temperature\"?");
  EXPECT_EQ(first_error(R"({"quite_different":1})"), "quite_different|quite_different: unknown parameter");
  EXPECT_EQ(first_error(R"({"audio":{}})"), "audio|audio: not supported: there is no audio");
  EXPECT_EQ(first_error(R"({"audio":null,"max_tokens":1})"), "");
}

TEST(Parameters, IgnoredOnesAreReportedOnce) {
  ReadState state;
  const Json json = Json::Object{{"store", false}};
  for (int i = 0; i < 12; ++i) BodyReader(json, "messages[" + std::to_string(i) + "]", &state).check({"test", kSome});
  EXPECT_EQ(state.ignored, std::vector<std::string>{"messages[].store"});
  HttpHeaders headers;
  add_ignored_header(state.ignored, &headers);
  ASSERT_EQ(headers.size(), 1u);
  EXPECT_EQ(headers[0].second, "messages[].store");
}

TEST(Parameters, IntegersMayBeWrittenAsFloatsThatAreWhole) {
  const auto read = [](const char* text) { return as_integer(*Json::parse(text)); };
  EXPECT_EQ(read("5.0"), 5);
  EXPECT_EQ(read("1e3"), 1000);
  EXPECT_EQ(read("-0.0"), 0);
  EXPECT_EQ(read("5.5"), std::nullopt);
  EXPECT_EQ(read("9223372036854775807"), INT64_MAX);
  EXPECT_EQ(read("9223372036854775808"), std::nullopt);
  EXPECT_EQ(read("1e300"), std::nullopt);
  EXPECT_EQ(read("\"5\""), std::nullopt);
}

TEST(Parameters, TheFirstProblemWins) {
  ReadState state;
  const Json json = *Json::parse(R"({"a":"x","b":"y"})");
  const BodyReader reader(json, "o", &state);
  EXPECT_EQ(reader.integer("b", 0, 5), std::nullopt);
  EXPECT_EQ(reader.boolean("a"), std::nullopt);
  EXPECT_EQ(state.error->param, "o.b");
  EXPECT_EQ(state.error->message, "o.b: expected an integer from 0 to 5, found \"y\"");
}

std::string markdown(const ParameterTable& table) {
  std::string out = "| parameter | is | note |\n|---|---|---|\n";
  for (const Parameter& one : table.parameters) {
    const char* is = one.support == Support::kSupported ? "supported" : one.support == Support::kIgnored ? "ignored" : "refused";
    out += "| `" + std::string(one.name) + "` | " + is + " | " + std::string(one.note) + " |\n";
  }
  return out;
}

// Each table stands in docs/api.md between "<!-- table: TITLE -->" and "<!-- end -->". FS_UPDATE_GOLDENS=1 writes them.
TEST(Parameters, DocumentationHasEveryTable) {
  const std::filesystem::path path = std::filesystem::path(FS_TEST_DATA) / "../../docs/api.md";
  std::stringstream buffer;
  buffer << std::ifstream(path).rdbuf();
  std::string text = buffer.str();
  ASSERT_FALSE(text.empty()) << path;
  std::set<std::string_view> titles;
  for (const ParameterTable* table : all_parameter_tables()) {
    EXPECT_TRUE(titles.insert(table->title).second) << table->title;
    const std::string begin = "<!-- table: " + std::string(table->title) + " -->\n";
    const size_t at = text.find(begin);
    ASSERT_NE(at, std::string::npos) << "docs/api.md lacks " << begin;
    const size_t from = at + begin.size();
    const size_t to = text.find("<!-- end -->", from);
    ASSERT_NE(to, std::string::npos) << table->title;
    if (std::getenv("FS_UPDATE_GOLDENS") != nullptr) text.replace(from, to - from, markdown(*table));
    else EXPECT_EQ(text.substr(from, to - from), markdown(*table)) << table->title << ": run with FS_UPDATE_GOLDENS=1";
    // Names are told apart.
    std::set<std::string_view> names;
    for (const Parameter& one : table->parameters) EXPECT_TRUE(names.insert(one.name).second) << table->title << " " << one.name;
  }
  if (std::getenv("FS_UPDATE_GOLDENS") != nullptr) std::ofstream(path) << text;
}

}  // namespace
}  // namespace firesteel
