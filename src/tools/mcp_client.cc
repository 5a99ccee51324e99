#include "tools/mcp_client.h"

#include <algorithm>
#include <optional>

#include "base/clock.h"

namespace firesteel {
namespace {

constexpr int kPagesMax = 16;
constexpr size_t kToolsMax = 512, kSessionBytesMax = 1024;
constexpr int64_t kSliceMs = 200;  // how often a cancel is looked for
constexpr int64_t kMethodNotFound = -32601;
// Revisions with sessions whose tools/list and tools/call are as here.
constexpr const char* kSessionRevisions[] = {"2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"};

Error failed(const McpMessage& message) {
  // Text of the server's: for people and models, as untrusted as its results.
  return {message.code == kMethodNotFound ? ErrorCode::kUnsupported : ErrorCode::kInvalidArgument, "the server says: " + message.message + " (" + std::to_string(message.code) + ")"};
}

}  // namespace

Result<std::unique_ptr<McpClient>> McpClient::connect(McpServerConfig config, McpLimits limits) {
  const std::string name = config.name;
  std::unique_ptr<McpClient> client(new McpClient(std::move(config), limits));
  if (client->config_.command.empty() == client->config_.url.empty()) return Error{ErrorCode::kInvalidArgument, "MCP server " + name + ": expected a command or a url"};
  if (!client->config_.url.empty()) {
    FS_TRY(client->url_, parse_http_url(client->config_.url));
  }
  MutexLock lock(client->mutex_);
  const Status begun = client->begin();
  if (!begun.ok()) return Error{begun.error().code, "MCP server " + name + ": " + begun.error().message};
  return client;
}

std::string McpClient::revision() {
  MutexLock lock(mutex_);
  return revision_;
}

Status McpClient::start_process() {
  std::vector<std::string> environment;
  for (const auto& [name, value] : config_.environment) environment.push_back(name + "=" + value);
  FS_TRY(process_, TalkingProcess::start(config_.command, environment));
  return {};
}

Status McpClient::begin() {
  if (config_.url.empty()) FS_TRY_VOID(start_process());
  const Result<Json> found = request("server/discover", {}, {}, limits_.connect_ms / 2, {});
  if (found.ok()) {
    const Json* versions = found->find("supportedVersions");
    const bool known = versions != nullptr && versions->is_array() &&
                       std::any_of(versions->as_array().begin(), versions->as_array().end(), [](const Json& one) { return one == Json(kMcpStateless); });
    if (known) return {};
  } else if (found.error().code == ErrorCode::kUnavailable && !config_.url.empty()) {
    return found.error();  // nobody is there
  }
  return begin_session();
}

// What an older server makes of a question that it does not know differs: an error, silence, its end. It gets a fresh start.
Status McpClient::begin_session() {
  stateless_ = false;
  session_.clear();
  revision_ = kMcpSession;
  if (config_.url.empty()) FS_TRY_VOID(start_process());
  Json params = Json::Object{{"protocolVersion", kMcpSession}, {"capabilities", Json::Object{}}, {"clientInfo", Json::Object{{"name", "firesteel"}, {"version", "1"}}}};
  FS_TRY(const Json answer, request("initialize", std::move(params), {}, limits_.connect_ms, {}));
  const Json* version = answer.find("protocolVersion");
  const bool known = version != nullptr && version->is_string() &&
                     std::any_of(std::begin(kSessionRevisions), std::end(kSessionRevisions), [&](const char* one) { return version->as_string() == one; });
  if (!known) return Error{ErrorCode::kUnsupported, "it speaks a revision of the protocol that is not known here"};
  revision_ = version->as_string();
  return notify("notifications/initialized");
}

Status McpClient::notify(std::string_view method) {
  const std::string text = mcp_request(-1, method, {}, stateless_);
  if (config_.url.empty()) return process_->write(text + "\n", limits_.connect_ms);
  const Result<Json> sent = request_http(text, -1, method, {}, limits_.connect_ms, {});
  return sent.ok() ? Status() : sent.error();
}

Result<Json> McpClient::request(std::string_view method, Json params, std::string_view name, int64_t timeout_ms, const Cancelled& cancelled) {
  const int64_t id = next_id_++;
  const std::string text = mcp_request(id, method, std::move(params), stateless_);
  return config_.url.empty() ? request_stdio(text, id, timeout_ms, cancelled) : request_http(text, id, method, name, timeout_ms, cancelled);
}

Result<Json> McpClient::request_stdio(const std::string& text, int64_t id, int64_t timeout_ms, const Cancelled& cancelled) {
  if (process_ == nullptr) return Error{ErrorCode::kUnavailable, "its program does not run"};
  const int64_t deadline_us = system_clock().now_us() + timeout_ms * 1000;
  FS_TRY_VOID(process_->write(text + "\n", timeout_ms));
  for (int n_stray = 0; n_stray <= limits_.n_stray_messages_max;) {
    if (cancelled && cancelled()) return Error{ErrorCode::kCancelled, "cancelled"};
    const int64_t left_ms = (deadline_us - system_clock().now_us()) / 1000;
    if (left_ms <= 0) return Error{ErrorCode::kDeadlineExceeded, "no answer within " + std::to_string(timeout_ms) + " ms"};
    const Result<std::string> line = process_->read_line(kMcpMessageBytesMax, std::min(left_ms, kSliceMs));
    if (!line.ok()) {
      if (line.error().code == ErrorCode::kDeadlineExceeded) continue;
      process_.reset();  // gone, or in the middle of a message that is too long: nothing can be understood any more
      return line.error();
    }
    if (line->empty()) continue;
    FS_TRY(const McpMessage message, parse_mcp_message(*line));
    const bool is_answer = message.kind == McpMessage::Kind::kResult || message.kind == McpMessage::Kind::kError;
    if (is_answer && message.id == Json(id)) return message.kind == McpMessage::Kind::kResult ? Result<Json>(message.payload) : failed(message);
    ++n_stray;  // also an answer to an earlier request that was given up
    if (message.kind == McpMessage::Kind::kRequest) FS_TRY_VOID(process_->write(mcp_answer_to(message) + "\n", timeout_ms));
  }
  return Error{ErrorCode::kResourceExhausted, "more than " + std::to_string(limits_.n_stray_messages_max) + " messages without an answer"};
}

Result<Json> McpClient::request_http(const std::string& text, int64_t id, std::string_view method, std::string_view name, int64_t timeout_ms, const Cancelled& cancelled) {
  HttpClientRequest http;
  http.headers = {{"Content-Type", "application/json"}, {"Accept", "application/json, text/event-stream"}};
  if (stateless_ || method != "initialize") http.headers.emplace_back("MCP-Protocol-Version", revision_);
  if (stateless_) http.headers.emplace_back("Mcp-Method", std::string(method));
  if (stateless_ && !name.empty()) http.headers.emplace_back("Mcp-Name", std::string(name));
  if (!session_.empty()) http.headers.emplace_back("Mcp-Session-Id", session_);
  http.headers.insert(http.headers.end(), config_.headers.begin(), config_.headers.end());
  http.body = text;
  http.timeout_ms = timeout_ms;
  http.body_bytes_max = 2 * kMcpMessageBytesMax;
  http.cancelled = cancelled;

  int status = 0;
  bool is_stream = false;
  std::string new_session, whole;
  http.on_head = [&](int code, const std::function<const std::string*(std::string_view)>& header) {
    status = code;
    const std::string* type = header("content-type");
    is_stream = type != nullptr && type->substr(0, 17) == "text/event-stream";
    if (const std::string* session = header("mcp-session-id"); session != nullptr) new_session = session->substr(0, kSessionBytesMax);
  };
  SseReader events;
  std::optional<Result<Json>> answer;
  int n_stray = 0;
  const auto take = [&](const std::string& one) {
    const Result<McpMessage> message = parse_mcp_message(one);
    if (!message.ok()) {
      answer.emplace(message.error());
    } else if (message->kind == McpMessage::Kind::kResult && message->id == Json(id)) {
      answer.emplace(message->payload);
    } else if (message->kind == McpMessage::Kind::kError && (message->id == Json(id) || message->id.is_null())) {
      answer.emplace(failed(*message));
    } else if (++n_stray > limits_.n_stray_messages_max) {
      answer.emplace(Error{ErrorCode::kResourceExhausted, "more than " + std::to_string(limits_.n_stray_messages_max) + " messages without an answer"});
    }
    return !answer.has_value();
  };
  http.on_body = [&](std::string_view piece) {
    if (!is_stream) {
      whole.append(piece);
      return true;
    }
    std::vector<std::string> data;
    if (const Status read = events.push(piece, &data); !read.ok()) {
      answer.emplace(read.error());
      return false;
    }
    for (const std::string& one : data) {
      if (!take(one)) return false;
    }
    return true;
  };
  FS_TRY(const HttpClientReply reply, http_post(url_, http));
  if (method == "initialize" && !new_session.empty()) session_ = new_session;
  if (status >= 300 && status < 400) return Error{ErrorCode::kUnavailable, "it answers with a redirect, which is not followed"};
  if (status == 404 && !session_.empty()) return Error{ErrorCode::kFailedPrecondition, "its session has ended"};
  if (id < 0) return status < 300 ? Result<Json>(Json()) : Error{ErrorCode::kUnavailable, "it answers with status " + std::to_string(status)};
  if (!whole.empty()) take(whole);
  if (answer) return *std::move(answer);
  if (status >= 400) return Error{ErrorCode::kUnsupported, "it answers with status " + std::to_string(status)};
  return Error{ErrorCode::kDataLoss, "it ended without an answer"};
}

Result<std::vector<McpTool>> McpClient::list_tools() {
  MutexLock lock(mutex_);
  std::vector<McpTool> out;
  std::optional<std::string> cursor;
  for (int page = 0; page < kPagesMax; ++page) {
    Json params = Json::Object{};
    if (cursor) params.set("cursor", *cursor);
    FS_TRY(const Json result, request("tools/list", std::move(params), {}, limits_.call_ms, {}));
    FS_TRY(McpToolPage one, parse_mcp_tools(result));
    std::move(one.tools.begin(), one.tools.end(), std::back_inserter(out));
    if (out.size() > kToolsMax) break;
    cursor = std::move(one.next_cursor);
    if (!cursor) return out;
  }
  return Error{ErrorCode::kResourceExhausted, "MCP server " + config_.name + ": more tools, or pages of them, than are taken"};
}

Result<McpCallResult> McpClient::call(const std::string& tool, const Json& arguments, const Cancelled& cancelled) {
  MutexLock lock(mutex_);
  const Json params = Json::Object{{"name", tool}, {"arguments", arguments}};
  Result<Json> result = request("tools/call", params, tool, limits_.call_ms, cancelled);
  const bool lost = !result.ok() && (result.error().code == ErrorCode::kFailedPrecondition || (process_ == nullptr && config_.url.empty()));
  if (lost) {
    // A session ended, or the program has died: a new beginning, for the next call. This one is not repeated, because it may have acted.
    const Status begun = stateless_ ? begin() : begin_session();
    if (!begun.ok()) return Error{begun.error().code, begun.error().message};
  }
  if (!result.ok()) return std::move(result).error();
  return parse_mcp_call_result(*result);
}

}  // namespace firesteel
