// A message {"type": "response.create", ...} is the body of a POST /v1/responses: it takes the same way through authentication, quotas,
// releases, engine and usage, and each event of its stream comes back as one message. Who is asking is looked up again for every message, so
// a revoked key or an ended session ends here, too.
#include "server/socket_routes.h"

#include <utility>

#include "base/json.h"
#include "server/authenticate.h"
#include "server/dialect_routes.h"
#include "server/generation_reply.h"
#include "server/websocket.h"

namespace firesteel {
namespace {

// {"type": "error", "status", "error": {...}} and when to come again.
std::string error_event(const HttpResponse& response) {
  Result<Json> body = Json::parse(response.body);
  const Json* error = body.ok() ? body->find("error") : nullptr;
  Json event = Json::Object{{"type", "error"}, {"status", response.status}, {"error", error == nullptr ? Json() : *error}};
  for (const auto& [name, value] : response.headers) {
    if (name == "x-request-id") event.set("request_id", value);
    if (name == "retry-after-ms") event.set("retry_after_ms", Json::parse(value).ok() ? *Json::parse(value) : Json());
    if (name == "x-should-retry") event.set("should_retry", value == "true");
  }
  return event.dump();
}

// The data of each event that is complete in `stream`, as one frame each; what is left stays there. Comments are dropped: pings are the
// connection's. An event of our encoders has its data on one line.
void take_events(std::string* stream, std::string* frames) {
  size_t begin = 0;
  for (size_t end; (end = stream->find("\n\n", begin)) != std::string::npos; begin = end + 2) {
    const std::string_view event = std::string_view(*stream).substr(begin, end - begin);
    const size_t data = event.substr(0, 6) == "data: " ? 0 : event.find("\ndata: ");
    if (data == std::string_view::npos) continue;
    append_text_frame(event.substr(data + (data == 0 ? 6 : 7)), frames);
  }
  stream->erase(0, begin);
}

class SocketAnswer final : public PendingReply {
 public:
  SocketAnswer(std::unique_ptr<PendingReply> inner, std::shared_ptr<CancelHandle> cancel) : inner_(std::move(inner)), cancel_(std::move(cancel)) {}

  void start(std::function<void()> waker) override { inner_->start(std::move(waker)); }
  State poll(HttpResponse* head, std::string* bytes) override {
    const State state = inner_->poll(head, &stream_);
    take_events(&stream_, bytes);
    return state;
  }
  void interrupt(std::string* bytes) override {
    inner_->interrupt(&stream_);
    take_events(&stream_, bytes);
  }
  void cancel() override { cancel_->cancel(); }

 private:
  std::unique_ptr<PendingReply> inner_;
  std::shared_ptr<CancelHandle> cancel_;
  std::string stream_;
};

HttpReply answer_message(ServerContext* context, const Route& route, const HttpRequest& upgrade, const std::string& message, HttpRequest& request) {
  request.method = HttpMethod::kPost;
  request.path = upgrade.path;
  request.headers = upgrade.headers;
  request.request_id = make_request_id();
  const auto refuse = [&](const ApiError& error) { return error_response(error, route.dialect(), request.request_id); };
  std::optional<Principal> principal;
  Call call{.request = request, .route = route};
  if (const auto error = authenticate(context, upgrade, route, &principal, &call.session)) return refuse(*error);
  call.principal = &*principal;
  Result<Json> body = Json::parse(message);
  if (!body.ok()) return refuse({.kind = ApiErrorKind::kInvalidRequest, .message = "the message is not JSON: " + body.error().message, .code = "invalid_json"});
  const Json* type = body->find("type");
  if (!body->is_object() || type == nullptr || !type->is_string() || type->as_string() != "response.create") {
    return refuse({.kind = ApiErrorKind::kInvalidRequest, .message = "type: expected \"response.create\" or \"response.cancel\"", .param = "type"});
  }
  Json::Object members;
  for (auto& [name, value] : body->as_object()) {
    if (name != "type" && name != "stream") members.emplace_back(name, std::move(value));
  }
  members.emplace_back("stream", true);
  request.body = Json(std::move(members)).dump();
  const auto cancel = std::make_shared<CancelHandle>();
  HttpReply reply = answer_generation(context, call, parse_openai_responses, {.cancel = cancel});
  auto* pending = std::get_if<std::unique_ptr<PendingReply>>(&reply);
  if (pending == nullptr) return reply;
  return std::make_unique<SocketAnswer>(std::move(*pending), cancel);
}

HttpReply open_responses_socket(ServerContext* context, Call& call) {
  const HttpRequest& request = call.request;
  const auto refuse = [&](ApiError error) { return error_response(std::move(error), call.route.dialect(), request.request_id); };
  if (!wants_websocket(request)) {
    HttpResponse response = refuse({.kind = ApiErrorKind::kInvalidRequest, .message = "this address takes POST, or GET that becomes a WebSocket"});
    response.status = 426;
    response.headers.emplace_back("upgrade", "websocket");
    return response;
  }
  // A cookie comes along whatever page asks; browsers say which one it was, and that it is ours was looked at before.
  if (!call.session.empty() && request.header("origin") == nullptr) {
    return refuse({.kind = ApiErrorKind::kForbidden, .message = "a WebSocket of a session needs the header Origin", .code = "bad_origin"});
  }
  auto reply = std::make_unique<WebSocketReply>();
  if (std::optional<std::string> problem = check_websocket_handshake(request, &reply->accept)) {
    HttpResponse response = refuse({.kind = ApiErrorKind::kInvalidRequest, .message = std::move(*problem)});
    response.headers.emplace_back("sec-websocket-version", "13");
    return response;
  }
  reply->message_bytes_max = context->options.prompt_body_bytes_max;
  reply->to_message = error_event;
  reply->is_cancel = [](std::string_view message) {
    const Result<Json> body = Json::parse(std::string(message));
    const Json* type = body.ok() ? body->find("type") : nullptr;
    return type != nullptr && type->is_string() && type->as_string() == "response.cancel";
  };
  const auto upgrade = std::make_shared<const HttpRequest>(request);
  reply->on_message = [context, upgrade, route = &call.route](const std::string& message, HttpRequest& next) {
    return answer_message(context, *route, *upgrade, message, next);
  };
  return reply;
}

}  // namespace

void add_socket_routes(ServerContext* context, Router* router) {
  router->add(Route(HttpMethod::kGet, "/v1/responses", "openai.responses.socket", RouteAccess::needs(Scope::kInference), RouteLimits(0), Dialect::kOpenAi,
                    [context](Call& call) { return open_responses_socket(context, call); }));
}

}  // namespace firesteel
