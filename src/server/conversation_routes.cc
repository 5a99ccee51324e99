// Conversations of the web app: list, read, change, export, import, feedback. Turns are in turn_routes.cc.
#include <map>
#include <utility>

#include "base/clock.h"
#include "server/app.h"
#include "server/conversation_json.h"
#include "server/own_api.h"
#include "server/release_routing.h"
#include "server/turn_routes.h"

namespace firesteel {
namespace {

constexpr uint64_t kSmallBody = 128u << 10;
constexpr uint64_t kImportBytesMax = 64u << 20;
constexpr uint64_t kExportBytesMax = 256u << 20;
constexpr int64_t kPageMax = 200;
constexpr std::string_view kExportFormat = "firesteel.conversations.v1";

int64_t now_us() { return wall_clock().now_us(); }

// Limits of the store are about what was asked, not about load.
HttpResponse store_error(const Call& call, const Error& error) {
  if (error.code == ErrorCode::kResourceExhausted) {
    return own_error(call, {.kind = ApiErrorKind::kConflict, .message = error.message, .code = "limit_reached"});
  }
  return own_error(call, own_api_error(error));
}

// The route's id, or nothing for one that cannot be: both are "not found".
template <typename Id>
std::optional<Id> id_of(const Call& call) {
  return Id::parse(call.request.path_parameters.at(0));
}

HttpReply list(ServerContext* context, Call& call) {
  const Result<int64_t> limit = int_query(call.request, "limit", 1, kPageMax, 50);
  if (!limit.ok()) return own_error(call, own_api_error(limit.error()));
  const std::string text = text_query(call.request, "q");
  const std::string before = text_query(call.request, "before");
  if (text.size() > 512) return own_error(call, bad_field("q", "longer than 512 bytes"));
  Conversations conversations(context->store);
  const Owner owner = owner_of(call);
  // `before` is a row, not a number, so that rows that move up meanwhile are not shown twice. Its place is looked for page by page.
  Json::Array data;
  bool found = before.empty(), has_more = false;
  for (int64_t offset = 0; !has_more; offset += kPageMax) {
    const Result<std::vector<Conversation>> page = conversations.list(owner, text, kPageMax, offset);
    if (!page.ok()) return store_error(call, page.error());
    for (const Conversation& one : *page) {
      if (found && static_cast<int64_t>(data.size()) == *limit) {
        has_more = true;
        break;
      }
      if (found) data.push_back(conversation_json(one));
      else found = one.id.str() == before;
    }
    if (static_cast<int64_t>(page->size()) < kPageMax) break;
  }
  if (!found) return store_error(call, Error{ErrorCode::kNotFound, ""});
  return json_response(200, Json(Json::Object{{"data", std::move(data)}, {"has_more", has_more}}).dump());
}

Result<Conversations::Change> read_change(const Json& body, const std::string& old_settings) {
  Conversations::Change change;
  FS_TRY(change.title, string_field(body, "title", 512));
  FS_TRY(change.pinned, bool_field(body, "pinned"));
  FS_TRY(const std::optional<std::string> system, string_field(body, "system", 48u << 10));
  if (system) {
    Result<Json> settings = Json::parse(old_settings.empty() ? "{}" : old_settings);
    Json changed = settings.ok() && settings->is_object() ? std::move(settings).value() : Json(Json::Object{});
    changed.set("system", *system);
    change.settings = changed.dump();
  }
  return change;
}

HttpReply create(ServerContext* context, Call& call) {
  const Result<Json> body = read_json_body(call);
  if (!body.ok()) return own_error(call, own_api_error(body.error()));
  const Result<Conversations::Change> fields = read_change(*body, "{}");
  if (!fields.ok()) return own_error(call, own_api_error(fields.error()));
  const Result<Conversation> made =
      Conversations(context->store).create(owner_of(call), fields->title.value_or(""), fields->settings.value_or("{}"), now_us());
  if (!made.ok()) return store_error(call, made.error());
  return json_response(201, conversation_json(*made).dump());
}

Result<Json> whole_conversation(Conversations* conversations, const Owner& owner, const Conversation& conversation) {
  FS_TRY(const std::vector<Message> messages, conversations->messages(owner, conversation.id));
  FS_TRY(const std::vector<Feedback> feedback, conversations->feedback_of_conversation(owner, conversation.id));
  std::map<std::string, const Feedback*> by_message;
  for (const Feedback& one : feedback) by_message[one.message.str()] = &one;
  Json out = conversation_json(conversation);
  out.set("system", system_of(conversation));
  Json::Array allowed;
  for (std::string& tool : allowed_tools_of(conversation)) allowed.emplace_back(std::move(tool));
  if (!allowed.empty()) out.set("allowed_tools", std::move(allowed));
  Json::Array list;
  for (const Message& message : messages) {
    const auto found = by_message.find(message.id.str());
    list.push_back(message_json(message, found == by_message.end() ? nullptr : found->second));
  }
  out.set("messages", std::move(list));
  return out;
}

HttpReply get(ServerContext* context, Call& call) {
  const std::optional<ConversationId> id = id_of<ConversationId>(call);
  if (!id) return not_found(call);
  Conversations conversations(context->store);
  const Result<Conversation> conversation = conversations.get(owner_of(call), *id);
  if (!conversation.ok()) return store_error(call, conversation.error());
  const Result<Json> out = whole_conversation(&conversations, owner_of(call), *conversation);
  if (!out.ok()) return store_error(call, out.error());
  return json_response(200, out->dump());
}

HttpReply change(ServerContext* context, Call& call) {
  const std::optional<ConversationId> id = id_of<ConversationId>(call);
  if (!id) return not_found(call);
  const Result<Json> body = read_json_body(call);
  if (!body.ok()) return own_error(call, own_api_error(body.error()));
  Conversations conversations(context->store);
  const Result<Conversation> before = conversations.get(owner_of(call), *id);
  if (!before.ok()) return store_error(call, before.error());
  Result<Conversations::Change> fields = read_change(*body, before->settings);
  if (!fields.ok()) return own_error(call, own_api_error(fields.error()));
  // A word is given where it was asked for; here it is only taken back.
  if (const Json* allowed = body->find("allowed_tools"); allowed != nullptr && !allowed->is_null()) {
    if (!allowed->is_array() || !allowed->as_array().empty()) return own_error(call, bad_field("allowed_tools", "expected an empty list, which takes a person's word back"));
    fields->settings = with_allowed_tools(fields->settings.value_or(before->settings), {});
  }
  const Result<Conversation> after = conversations.change(owner_of(call), *id, *fields, now_us());
  if (!after.ok()) return store_error(call, after.error());
  return json_response(200, conversation_json(*after).dump());
}

HttpReply remove(ServerContext* context, Call& call) {
  const std::optional<ConversationId> id = id_of<ConversationId>(call);
  if (!id) return not_found(call);
  const Status removed = Conversations(context->store).remove(owner_of(call), *id);
  if (!removed.ok()) return store_error(call, removed.error());
  return HttpResponse{204, {}, {}};
}

HttpReply export_all(ServerContext* context, Call& call) {
  Conversations conversations(context->store);
  const Owner owner = owner_of(call);
  std::string out = "{\"format\":\"" + std::string(kExportFormat) + "\",\"conversations\":[";
  bool first = true;
  for (int64_t offset = 0;; offset += kPageMax) {
    const Result<std::vector<Conversation>> page = conversations.list(owner, "", kPageMax, offset);
    if (!page.ok()) return store_error(call, page.error());
    for (const Conversation& one : *page) {
      const Result<Json> whole = whole_conversation(&conversations, owner, one);
      if (!whole.ok()) return store_error(call, whole.error());
      if (!first) out += ',';
      first = false;
      out += whole->dump();
      if (out.size() > kExportBytesMax) {
        return own_error(call, {.kind = ApiErrorKind::kTooLarge, .message = "the export is larger than 256 MiB; fetch conversations one by one"});
      }
    }
    if (static_cast<int64_t>(page->size()) < kPageMax) break;
  }
  out += "]}";
  HttpResponse response = json_response(200, std::move(out));
  response.headers.emplace_back("content-disposition", "attachment; filename=\"firesteel-conversations.json\"");
  return response;
}

// One conversation of an export under new ids. False: it is not one (skipped).
Result<bool> import_one(Conversations* conversations, const Owner& owner, const Json& source) {
  const Json* messages = source.find("messages");
  if (!source.is_object() || messages == nullptr || !messages->is_array()) return false;
  const Json* title = source.find("title");
  Result<Conversations::Change> fields = read_change(source, "{}");
  if (!fields.ok()) return false;
  Result<Conversation> made = conversations->create(owner, title != nullptr && title->is_string() ? title->as_string() : "",
                                                    fields->settings.value_or("{}"), now_us());
  if (!made.ok()) return std::move(made).error();
  std::map<std::string, MessageId> new_ids;
  for (const Json& message : messages->as_array()) {
    const Json* id = message.find("id");
    const Json* parent = message.find("parent_id");
    const Json* role = message.find("role");
    const Json* content = message.find("content");
    const Json* thinking = message.find("thinking");
    const Json* model = message.find("model");
    if (id == nullptr || !id->is_string() || role == nullptr || content == nullptr || (*role != Json("user") && *role != Json("assistant"))) continue;
    Message copy;
    copy.id = MessageId::fresh();
    copy.conversation = made->id;
    if (parent != nullptr && parent->is_string()) {
      const auto known = new_ids.find(parent->as_string());
      if (known == new_ids.end()) continue;  // its parent was left out
      copy.parent = known->second;
    }
    copy.role = role->as_string();
    if (*role == Json("assistant")) {
      copy.content = assistant_content(text_of_content(*content), thinking != nullptr && thinking->is_string() ? thinking->as_string() : "");
    } else {
      const Result<Json> parts = read_content(*content);
      if (!parts.ok()) continue;
      copy.content = parts->dump();
    }
    if (model != nullptr && model->is_string()) copy.model = model->as_string().substr(0, 256);
    Json usage = Json::Object{{"finish_reason", "stop"}, {"tainted_by", "an import"}};  // a file may say anything
    if (*role == Json("assistant")) copy.usage = usage.dump();
    Result<Message> stored = conversations->append(owner, copy, now_us());
    if (!stored.ok() && stored.error().code == ErrorCode::kUnavailable) return std::move(stored).error();
    if (stored.ok()) new_ids[id->as_string()] = copy.id;
  }
  if (fields->pinned.value_or(false)) {
    Result<Conversation> pinned = conversations->change(owner, made->id, {.title = {}, .pinned = true, .settings = {}}, now_us());
    if (!pinned.ok()) return std::move(pinned).error();
  }
  return true;
}

HttpReply import_all(ServerContext* context, Call& call) {
  const Result<Json> body = read_json_body(call);
  if (!body.ok()) return own_error(call, own_api_error(body.error()));
  const Json* format = body->find("format");
  const Json* list = body->find("conversations");
  if (format == nullptr || *format != Json(kExportFormat)) return own_error(call, bad_field("format", "expected " + std::string(kExportFormat)));
  if (list == nullptr || !list->is_array()) return own_error(call, bad_field("conversations", "expected an array"));
  Conversations conversations(context->store);
  int64_t n_imported = 0, n_skipped = 0;
  for (const Json& source : list->as_array()) {
    const Result<bool> imported = import_one(&conversations, owner_of(call), source);
    if (!imported.ok()) return store_error(call, imported.error());
    ++(*imported ? n_imported : n_skipped);
  }
  return json_response(200, Json(Json::Object{{"imported", n_imported}, {"skipped", n_skipped}}).dump());
}

// thumb, reason and correction of a rating, about whatever `feedback` names already.
HttpReply put_rating(ServerContext* context, Call& call, Feedback feedback) {
  const Result<Json> body = read_json_body(call);
  if (!body.ok()) return own_error(call, own_api_error(body.error()));
  const Json* thumb = body->find("thumb");
  if (thumb != nullptr && *thumb == Json("up")) feedback.thumb = 1;
  else if (thumb != nullptr && *thumb == Json("down")) feedback.thumb = -1;
  else if (thumb != nullptr && !thumb->is_null()) return own_error(call, bad_field("thumb", "expected up, down or null"));
  const Result<std::optional<std::string>> reason = string_field(*body, "reason", 4u << 10);
  if (!reason.ok()) return own_error(call, own_api_error(reason.error()));
  const Result<std::optional<std::string>> correction = string_field(*body, "correction", 256u << 10);
  if (!correction.ok()) return own_error(call, own_api_error(correction.error()));
  feedback.reason = reason->value_or("");
  feedback.correction = correction->value_or("");
  // The key's flag and the request's own: either may say no.
  const Result<std::optional<bool>> consent = bool_field(*body, "consent");
  if (!consent.ok()) return own_error(call, own_api_error(consent.error()));
  feedback.consent = call.principal->consent && consent->value_or(true);
  const Result<Feedback> stored = Conversations(context->store).put_feedback(owner_of(call), feedback, now_us());
  if (!stored.ok()) return store_error(call, stored.error());
  if (context->releases != nullptr) context->releases->controller->rate(call.principal->tenant.str(), feedback.request_id, feedback.message.str(), feedback.thumb);
  return json_response(200, feedback_json(&*stored).dump());
}

HttpReply put_feedback(ServerContext* context, Call& call) {
  const std::optional<MessageId> id = id_of<MessageId>(call);
  if (!id) return not_found(call);
  Feedback feedback;
  feedback.message = *id;
  return put_rating(context, call, std::move(feedback));
}

// Of an answer that came over the API and is not stored: by the x-request-id of its response.
HttpReply put_request_feedback(ServerContext* context, Call& call) {
  Feedback feedback;
  feedback.request_id = call.request.path_parameters.at(0);
  if (!feedback.request_id.starts_with("req_") || feedback.request_id.size() > 64) return not_found(call);
  return put_rating(context, call, std::move(feedback));
}

// {"over": ID of the other answer, "tie"?, "consent"?}: the reader took the answer of the address.
HttpReply put_choice(ServerContext* context, Call& call) {
  const std::optional<MessageId> id = id_of<MessageId>(call);
  if (!id) return not_found(call);
  const Result<Json> body = read_json_body(call);
  if (!body.ok()) return own_error(call, own_api_error(body.error()));
  const Result<std::optional<std::string>> over = string_field(*body, "over", 64);
  if (!over.ok()) return own_error(call, own_api_error(over.error()));
  const std::optional<MessageId> other = MessageId::parse(over->value_or(""));
  const Result<std::optional<bool>> tie = bool_field(*body, "tie"), consent = bool_field(*body, "consent");
  if (!tie.ok()) return own_error(call, own_api_error(tie.error()));
  if (!consent.ok()) return own_error(call, own_api_error(consent.error()));
  if (!over->has_value()) return own_error(call, bad_field("over", "expected the id of the other answer"));
  if (!other) return not_found(call);
  AnswerChoice choice{.chosen = *id, .rejected = *other, .tie = tie->value_or(false), .consent = call.principal->consent && consent->value_or(true)};
  const Result<AnswerChoice> stored = Conversations(context->store).put_choice(owner_of(call), choice, now_us());
  if (!stored.ok()) return store_error(call, stored.error());
  return json_response(200, Json(Json::Object{{"chosen", stored->chosen.str()}, {"over", stored->rejected.str()}, {"tie", stored->tie}, {"kept", stored->consent}}).dump());
}

}  // namespace

void add_conversation_routes(ServerContext* context, Router* router) {
  const auto add = [&](HttpMethod method, std::string_view path, std::string_view name, Scope scope, uint64_t body_bytes_max,
                       HttpReply (*handler)(ServerContext*, Call&)) {
    router->add(Route(method, path, name, RouteAccess::needs(scope), RouteLimits(body_bytes_max), Dialect::kFiresteel,
                      [context, handler](Call& call) { return handler(context, call); }));
  };
  constexpr Scope kChat = Scope::kInference;
  add(HttpMethod::kGet, "/firesteel/v1/conversations", "conversations.list", kChat, 0, list);
  add(HttpMethod::kPost, "/firesteel/v1/conversations", "conversations.create", kChat, kSmallBody, create);
  add(HttpMethod::kGet, "/firesteel/v1/conversations/{}", "conversations.get", kChat, 0, get);
  add(HttpMethod::kPatch, "/firesteel/v1/conversations/{}", "conversations.change", kChat, kSmallBody, change);
  add(HttpMethod::kDelete, "/firesteel/v1/conversations/{}", "conversations.remove", kChat, 0, remove);
  add(HttpMethod::kGet, "/firesteel/v1/export", "conversations.export", kChat, 0, export_all);
  add(HttpMethod::kPost, "/firesteel/v1/import", "conversations.import", kChat, kImportBytesMax, import_all);
  add(HttpMethod::kPut, "/firesteel/v1/messages/{}/feedback", "feedback.put", Scope::kFeedback, 1u << 20, put_feedback);
  add(HttpMethod::kPut, "/firesteel/v1/messages/{}/choice", "choice.put", Scope::kFeedback, 4096, put_choice);
  add(HttpMethod::kPut, "/firesteel/v1/requests/{}/feedback", "feedback.put_request", Scope::kFeedback, 1u << 20, put_request_feedback);
  add_turn_routes(context, router);
}

}  // namespace firesteel
