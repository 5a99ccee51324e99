#include "server/dialects/openai_responses_encoder.h"

#include <utility>

#include "server/dialects/answer_encoder.h"
#include "server/dialects/json_writer.h"

namespace firesteel {
namespace {

using Kind = AnswerDelta::Kind;

class ResponseEncoder final : public AnswerEncoder {
 public:
  ResponseEncoder(const AnswerFormat& format, bool stream, ResponseEcho echo, std::shared_ptr<ResponseStore> store, Json::Array conversation)
      : AnswerEncoder(1, format, stream, false, echo.request_id),
        echo_(std::move(echo)),
        store_(std::move(store)),
        conversation_(std::move(conversation)),
        id_(make_id("resp_", request_id_)) {}

  void begin(std::string* out) override {
    if (!stream_) return;
    for (const char* type : {"response.created", "response.in_progress"}) {
      event_with(type, [&](JsonWriter* json) { json->key("response").raw(response("in_progress", {})); }, out);
    }
  }

  void end(std::string* out) override {
    close_item(out);
    const bool cut = choices_.front().is_cut();
    const std::string whole = response(cut ? "incomplete" : "completed", {});
    if (stream_) event_with(cut ? "response.incomplete" : "response.completed", [&](JsonWriter* json) { json->key("response").raw(whole); }, out);
    else *out += whole;
    if (store_ == nullptr) return;
    auto parsed = Json::parse(whole);
    if (!parsed.ok()) return;
    conversation_.push_back(answer_message());
    store_->put(id_, {std::move(*parsed), Json(std::move(conversation_))});
  }

  void fail(const ApiError& error, std::string* out) override {
    if (!stream_) return;
    const std::string code = error.code.empty() ? "server_error" : error.code;
    event_with("error", [&](JsonWriter* json) {
      json->member("code", code).member("message", error.message).key("param");
      if (error.param.empty()) json->value(nullptr);
      else json->value(error.param);
    }, out);
    event_with("response.failed", [&](JsonWriter* json) { json->key("response").raw(response("failed", "{\"code\":\"server_error\",\"message\":" + Json(error.message).dump() + "}")); }, out);
  }
  void heartbeat(std::string* out) override {
    if (stream_) *out += ": keep-alive\n\n";
  }

 private:
  template <typename Write>
  void event_with(const char* type, Write write, std::string* out) {
    *out += "event: " + std::string(type) + "\ndata: ";
    JsonWriter json(out);
    json.begin_object().member("type", type).member("sequence_number", sequence_++);
    write(&json);
    json.end_object();
    *out += "\n\n";
  }

  void write_question(const std::string& extension, std::string* out) override {
    event_with("firesteel.confirm", [&](JsonWriter* json) { json->key("firesteel").raw(extension); }, out);
  }

  std::string item_id(size_t index) const {
    const Kind kind = choices_.front().parts[index].kind;
    return make_id(kind == Kind::kText ? "msg_" : kind == Kind::kReasoning ? "rs_" : "fc_", request_id_, static_cast<uint32_t>(index) + 1);
  }

  std::string text_part(std::string_view text) const {
    std::string out;
    JsonWriter(&out).begin_object().member("type", "output_text").member("text", text).key("annotations").begin_array().end_array()
        .key("logprobs").begin_array().end_array().end_object();
    return out;
  }
  std::string reasoning_part(std::string_view text) const {
    std::string out;
    JsonWriter(&out).begin_object().member("type", "reasoning_text").member("text", text).end_object();
    return out;
  }

  // The item of a part. open: as it begins.
  std::string item(size_t index, bool open) const {
    const Choice& choice = choices_.front();
    const AnswerDelta& part = choice.parts[index];
    const bool last = index + 1 == choice.parts.size();
    const char* status = open ? "in_progress" : last && choice.done && choice.is_cut() ? "incomplete" : "completed";
    std::string out;
    JsonWriter json(&out);
    json.begin_object().member("id", item_id(index));
    if (part.kind == Kind::kText) {
      json.member("type", "message").member("status", status).member("role", "assistant").key("content").begin_array();
      if (!open) json.raw(text_part(part.text));
      json.end_array();
    } else if (part.kind == Kind::kReasoning) {
      json.member("type", "reasoning").member("status", status).key("summary").begin_array().end_array().key("content").begin_array();
      if (!open) json.raw(reasoning_part(part.text));
      json.end_array();
    } else {
      const Call& call = choice.calls[part.call_idx];
      json.member("type", "function_call").member("status", status).member("arguments", open ? std::string() : call.arguments);
      json.member("call_id", call.id).member("name", call.name);
    }
    json.end_object();
    return out;
  }

  // error: a JSON object, or empty.
  std::string response(const char* status, const std::string& error) const {
    const Choice& choice = choices_.front();
    std::string out;
    JsonWriter json(&out);
    json.begin_object().member("id", id_).member("object", "response").member("created_at", echo_.created).member("status", status).member("model", echo_.model);
    json.key("incomplete_details");
    if (std::string_view(status) == "incomplete") json.begin_object().member("reason", "max_output_tokens").end_object();
    else json.value(nullptr);
    const bool is_whole = choice.done;
    json.key("output").begin_array();
    for (size_t i = 0; is_whole && i < choice.parts.size(); ++i) json.raw(item(i, false));
    json.end_array().key("usage");
    if (is_whole) {
      const AnswerTotals sum = totals(1);
      json.begin_object().member("input_tokens", sum.prompt).key("input_tokens_details").begin_object().member("cached_tokens", sum.cached).end_object();
      json.member("output_tokens", sum.generated).key("output_tokens_details").begin_object().member("reasoning_tokens", sum.thinking).end_object();
      json.member("total_tokens", sum.prompt + sum.generated).end_object();
    } else {
      json.value(nullptr);
    }
    json.key("firesteel").raw(with_agents(echo_.report));
    // The echo brings "error": null; a failure brings its own.
    std::string members = echo_.members.substr(1);
    if (!error.empty()) {
      constexpr std::string_view kNoError = "\"error\":null";
      members.replace(members.find(kNoError), kNoError.size(), "\"error\":" + error);
    }
    return out + "," + members;
  }

  Json answer_message() const {
    const Choice& choice = choices_.front();
    Json message = Json::Object{{"role", "assistant"}, {"content", choice.text}};
    if (!choice.reasoning.empty()) message.set("reasoning_content", choice.reasoning);
    if (choice.calls.empty()) return message;
    Json::Array calls;
    for (const Call& call : choice.calls) {
      calls.push_back(Json::Object{{"id", call.id}, {"type", "function"}, {"function", Json::Object{{"name", call.name}, {"arguments", call.arguments}}}});
    }
    message.set("tool_calls", std::move(calls));
    return message;
  }

  // What every event of a part says.
  void place(JsonWriter* json, bool content) const {
    json->member("item_id", item_id(current_)).member("output_index", current_);
    if (content) json->member("content_index", 0);
  }

  void open_item(size_t index, std::string* out) {
    close_item(out);
    current_ = index;
    is_open_ = true;
    event_with("response.output_item.added", [&](JsonWriter* json) { json->member("output_index", index).key("item").raw(item(index, true)); }, out);
    const Kind kind = choices_.front().parts[index].kind;
    if (kind == Kind::kCallBegin) return;
    event_with("response.content_part.added", [&](JsonWriter* json) {
      place(json, true);
      json->key("part").raw(kind == Kind::kText ? text_part({}) : reasoning_part({}));
    }, out);
  }

  void close_item(std::string* out) {
    if (!is_open_) return;
    is_open_ = false;
    const Choice& choice = choices_.front();
    const AnswerDelta& part = choice.parts[current_];
    if (part.kind == Kind::kCallBegin) {
      const Call& call = choice.calls[part.call_idx];
      event_with("response.function_call_arguments.done", [&](JsonWriter* json) {
        place(json, false);
        json->member("name", call.name).member("arguments", call.arguments);
      }, out);
    } else {
      const bool text = part.kind == Kind::kText;
      event_with(text ? "response.output_text.done" : "response.reasoning_text.done", [&](JsonWriter* json) {
        place(json, true);
        json->member("text", part.text);
        if (text) json->key("logprobs").begin_array().end_array();
      }, out);
      event_with("response.content_part.done", [&](JsonWriter* json) {
        place(json, true);
        json->key("part").raw(text ? text_part(part.text) : reasoning_part(part.text));
      }, out);
    }
    event_with("response.output_item.done", [&](JsonWriter* json) { json->member("output_index", current_).key("item").raw(item(current_, false)); }, out);
  }

  // choice.parts already holds what the deltas say, so the index of a delta's part is counted along.
  void write_deltas(size_t, const std::vector<AnswerDelta>& deltas, std::string* out) override {
    const Choice& choice = choices_.front();
    for (const AnswerDelta& delta : deltas) {
      const bool arguments = delta.kind == Kind::kCallArguments;
      const bool continues = is_open_ && delta.kind != Kind::kCallBegin && (arguments || choice.parts[current_].kind == delta.kind);
      if (!continues) open_item(n_opened_++, out);
      if (delta.kind == Kind::kCallBegin) continue;
      const char* type = arguments ? "response.function_call_arguments.delta" : delta.kind == Kind::kText ? "response.output_text.delta" : "response.reasoning_text.delta";
      event_with(type, [&](JsonWriter* json) {
        place(json, !arguments);
        json->member("delta", delta.text);
        if (delta.kind == Kind::kText) json->key("logprobs").begin_array().end_array();
      }, out);
    }
  }
  void write_done(size_t, std::string*) override {}

  const ResponseEcho echo_;
  const std::shared_ptr<ResponseStore> store_;
  Json::Array conversation_;
  const std::string id_;
  int64_t sequence_ = 0;
  size_t current_ = 0;
  size_t n_opened_ = 0;
  bool is_open_ = false;
};

}  // namespace

std::unique_ptr<ReplyEncoder> make_response_encoder(const Generation& generation, bool stream, ResponseEcho echo, std::shared_ptr<ResponseStore> store,
                                                    Json::Array conversation) {
  return std::make_unique<ResponseEncoder>(generation.format, stream, std::move(echo), std::move(store), std::move(conversation));
}

}  // namespace firesteel
