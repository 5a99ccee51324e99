// The MCP client against a made-up server (tests/data/fake_mcp_server.py), in both generations, over both transports, and in trouble.
#include <gtest/gtest.h>
#include <unistd.h>

#include <charconv>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "tools/mcp_client.h"
#include "tools/mcp_message.h"
#include "tools/mcp_tools.h"
#include "tools/taint_gate.h"

namespace firesteel {
namespace {

constexpr const char* kPython = "/usr/bin/python3";
bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

std::vector<std::string> command(const std::string& transport, const std::string& mode) {
  return {kPython, "-I", std::string(FS_TEST_DATA) + "/fake_mcp_server.py", transport, mode};
}

McpServerConfig stdio(const std::string& mode) {
  McpServerConfig config;
  config.name = "fake";
  config.command = command("stdio", mode);
  return config;
}

// The server behind HTTP, as long as this lives.
class HttpServerProcess {
 public:
  explicit HttpServerProcess(const std::string& mode) : process_(TalkingProcess::start(command("http", mode), {}).value()) {
    const auto line = process_->read_line(100, 20'000);
    if (line.ok()) std::from_chars(line->data(), line->data() + line->size(), port_);
  }
  McpServerConfig config() const {
    McpServerConfig config;
    config.name = "fake";
    config.url = "http://127.0.0.1:" + std::to_string(port_) + "/mcp";
    config.headers = {{"Authorization", "Bearer of-this-server"}};
    return config;
  }

 private:
  std::unique_ptr<TalkingProcess> process_;
  int port_ = 0;
};

class McpTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (access(kPython, X_OK) != 0) GTEST_SKIP() << "no " << kPython << " for the made-up server";
  }
  static void works(const McpServerConfig& config, const std::string& revision) {
    auto client = McpClient::connect(config);
    ASSERT_TRUE(client.ok()) << client.error().message;
    EXPECT_EQ((*client)->revision(), revision);
    const auto tools = (*client)->list_tools();
    ASSERT_TRUE(tools.ok()) << tools.error().message;
    ASSERT_EQ(tools->size(), 2u);  // of two pages
    EXPECT_EQ((*tools)[1].name, "send_mail");
    EXPECT_EQ((*tools)[0].fingerprint.size(), 64u);
    const auto result = (*client)->call("read_note", Json::Object{{"name", "a"}});
    ASSERT_TRUE(result.ok()) << result.error().message;
    EXPECT_EQ(result->text, "read_note {\"name\": \"a\"}");
    EXPECT_TRUE((*client)->call("fail", Json::Object{})->is_error);
  }
};

TEST_F(McpTest, BothGenerationsOverStdio) {
  works(stdio("stateless"), "2026-07-28");
  works(stdio("session"), "2025-11-25");
}

TEST_F(McpTest, BothGenerationsOverHttp) {
  works(HttpServerProcess("stateless").config(), "2026-07-28");
  works(HttpServerProcess("session").config(), "2025-11-25");
}

TEST_F(McpTest, TroubleEndsInAnErrorInTime) {
  for (const char* const mode : {"hang", "flood", "huge", "garbage", "die", "wrong_id"}) {
    SCOPED_TRACE(mode);
    const McpLimits limits{.call_ms = 300, .connect_ms = 20'000, .n_stray_messages_max = 100};
    auto client = McpClient::connect(stdio(mode), limits);
    ASSERT_TRUE(client.ok()) << client.error().message;
    const int64_t start_us = system_clock().now_us();
    const auto result = (*client)->call("read_note", Json::Object{});
    EXPECT_FALSE(result.ok());
    EXPECT_LT(system_clock().now_us() - start_us, 30'000'000);
  }
  const HttpServerProcess redirects("redirect");
  const auto client = McpClient::connect(redirects.config());
  ASSERT_TRUE(client.ok()) << client.error().message;
  EXPECT_TRUE(has((*client)->call("read_note", Json::Object{}).error().message, "redirect"));
}

TEST_F(McpTest, CancelEndsAWaitingCall) {
  auto client = McpClient::connect(stdio("hang"));
  ASSERT_TRUE(client.ok()) << client.error().message;
  int n_asked = 0;
  const auto result = (*client)->call("read_note", Json::Object{}, [&] { return ++n_asked > 2; });
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, ErrorCode::kCancelled);
}

TEST_F(McpTest, ToolsAreOfferedOnlyAsTheyWerePinned) {
  McpServerConfig config = stdio("stateless");
  auto first = McpClient::connect(config);
  ASSERT_TRUE(first.ok());
  const auto tools = (*first)->list_tools().value();
  const auto nothing = mcp_tools(std::shared_ptr<McpClient>(std::move(first).value()));
  ASSERT_TRUE(nothing.ok());
  EXPECT_TRUE(nothing->tools.empty());
  EXPECT_EQ(nothing->notes.size(), 2u);

  config.read_only = {"read_note"};
  config.pins = {{"read_note", tools[0].fingerprint}, {"send_mail", std::string(64, '0')}};
  auto client = McpClient::connect(config);
  ASSERT_TRUE(client.ok());
  const auto offer = mcp_tools(std::shared_ptr<McpClient>(std::move(client).value()));
  ASSERT_TRUE(offer.ok());
  ASSERT_EQ(offer->tools.size(), 1u);
  EXPECT_EQ(offer->tools[0]->name(), "fake.read_note");
  EXPECT_EQ(offer->tools[0]->acting(), nullptr);
  ASSERT_EQ(offer->notes.size(), 1u);
  EXPECT_TRUE(has(offer->notes[0], "has changed since it was pinned")) << offer->notes[0];
  TaintGate gate;
  EXPECT_TRUE(run_tool(*offer->tools[0], Json::Object{}, {}, &gate).ok());
  EXPECT_TRUE(gate.tainted());
}

TEST(McpConfig, IsReadStrictly) {
  const auto good = parse_mcp_config(R"({"servers": {"files": {"command": ["/bin/x", "-a"], "environment": {"A": "b"}, "read_only": ["get"], "pins": {"get": "ab"}},
                                                     "web": {"url": "https://example.org/mcp", "headers": {"Authorization": "Bearer x"}}}})");
  ASSERT_TRUE(good.ok()) << good.error().message;
  EXPECT_EQ(good->size(), 2u);
  for (const char* const bad : {"[]", "{}", R"({"servers": {"A b": {"url": "http://x"}}})", R"({"servers": {"a": {}}})", R"({"servers": {"a": {"url": "http://x", "command": ["/x"]}}})",
                                R"({"servers": {"a": {"command": ["x"]}}})", R"({"servers": {"a": {"url": "ftp://x"}}})", R"({"servers": {"a": {"url": "http://u:p@x"}}})",
                                R"({"servers": {"a": {"url": "http://x", "pin": {}}}})"}) {
    EXPECT_FALSE(parse_mcp_config(bad).ok()) << bad;
  }
  const auto pinned = with_pins(R"({"servers": {"a": {"command": ["/x"]}}})", "a", {{"get", "", {}, "ff"}});
  ASSERT_TRUE(pinned.ok()) << pinned.error().message;
  EXPECT_EQ(parse_mcp_config(*pinned)->front().pins.at("get"), "ff");
}

TEST(McpMessage, OnlyMessagesOfTheProtocolAreTaken) {
  EXPECT_EQ(parse_mcp_message(R"({"jsonrpc":"2.0","id":1,"result":{}})")->kind, McpMessage::Kind::kResult);
  EXPECT_EQ(parse_mcp_message(R"({"jsonrpc":"2.0","id":"a","method":"ping"})")->kind, McpMessage::Kind::kRequest);
  EXPECT_EQ(parse_mcp_message(R"({"jsonrpc":"2.0","method":"n"})")->kind, McpMessage::Kind::kNotification);
  EXPECT_EQ(parse_mcp_message(R"({"jsonrpc":"2.0","id":null,"error":{"code":-1,"message":"m"}})")->kind, McpMessage::Kind::kError);
  for (const char* const bad : {"", "[]", "{}", R"([{"jsonrpc":"2.0","id":1,"result":{}}])", R"({"jsonrpc":"1.0","id":1,"result":{}})", R"({"jsonrpc":"2.0","id":1})",
                                R"({"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":""}})", R"({"jsonrpc":"2.0","id":{},"result":{}})",
                                R"({"jsonrpc":"2.0","id":1,"result":[]})", R"({"jsonrpc":"2.0","id":1,"error":{"code":"1","message":""}})", R"({"jsonrpc":"2.0","method":7})"}) {
    EXPECT_FALSE(parse_mcp_message(bad).ok()) << bad;
  }
  for (const char* const bad : {R"({})", R"({"tools":[{}]})", R"({"tools":[{"name":"a b","inputSchema":{}}]})", R"({"tools":[{"name":"a"}]})", R"({"tools":[{"name":"a","inputSchema":[]}]})"}) {
    EXPECT_FALSE(parse_mcp_tools(*Json::parse(bad)).ok()) << bad;
  }
  EXPECT_FALSE(parse_mcp_call_result(*Json::parse(R"({"resultType":"input_required"})")).ok());
  EXPECT_EQ(parse_mcp_call_result(*Json::parse(R"({"content":[{"type":"text","text":"a"},{"type":"image","data":"x"}]})"))->text, "a\n[image]");
  EXPECT_EQ(parse_mcp_call_result(*Json::parse(R"({"content":[],"structuredContent":{"n":1}})"))->text, R"({"n":1})");
}

// However the bytes are cut, the same comes out.
TEST(McpMessage, EventsDoNotDependOnPieces) {
  const std::string stream = ": hello\r\nevent: message\r\ndata: a\r\ndata: b\r\n\r\ndata:c\n\nid: 1\n\ndata: d\r\r";
  for (size_t cut = 1; cut < 20; ++cut) {
    SseReader reader;
    std::vector<std::string> data;
    for (size_t at = 0; at < stream.size(); at += cut) ASSERT_TRUE(reader.push(std::string_view(stream).substr(at, cut), &data).ok());
    EXPECT_EQ(data, (std::vector<std::string>{"a\nb", "c", "d"})) << cut;
  }
}

}  // namespace
}  // namespace firesteel
