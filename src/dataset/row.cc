#include "dataset/row.h"

#include <array>
#include <utility>

#include <fmt/format.h>

#include "digest/digest.h"

namespace firesteel {
namespace {

constexpr size_t kOriginBytesMax = 256;

Error bad(std::string message) { return Error{ErrorCode::kInvalidArgument, std::move(message)}; }

// The first of these members that is a text.
const std::string* text_member(const Json& json, std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    if (const Json* const value = json.find(name); value != nullptr && value->is_string()) return &value->as_string();
  }
  return nullptr;
}

bool is_blank(std::string_view text) { return text.find_first_not_of(" \t\r\n") == std::string_view::npos; }

// "human" and "gpt" are ShareGPT's words.
Result<std::string> parse_role(std::string_view role) {
  if (role == "human") return std::string("user");
  if (role == "gpt" || role == "model" || role == "bot") return std::string("assistant");
  if (role == "developer") return std::string("system");
  if (role == "system" || role == "user" || role == "assistant" || role == "tool") return std::string(role);
  return bad(fmt::format("role '{}': expected system, user, assistant or tool", role.substr(0, 40)));
}

Result<std::string> parse_content(const Json* content, std::string_view where) {
  if (content == nullptr) return bad(fmt::format("{}: no content", where));
  if (content->is_string()) return content->as_string();
  if (!content->is_array()) return bad(fmt::format("{}: content is neither a text nor a list of parts", where));
  std::string text;
  for (const Json& part : content->as_array()) {
    const Json* const type = part.find("type");
    const Json* const value = part.find("text");
    if (type == nullptr || !type->is_string() || type->as_string() != "text" || value == nullptr || !value->is_string()) {
      return bad(fmt::format("{}: a part that is not text (pictures are not supported in datasets)", where));
    }
    text += value->as_string();
  }
  return text;
}

Result<std::vector<RowMessage>> parse_messages(const Json& list, std::string_view name) {
  if (!list.is_array() || list.as_array().empty()) return bad(fmt::format("{}: expected a list of messages", name));
  if (list.as_array().size() > 1000) return bad(fmt::format("{}: {} messages, at most 1,000", name, list.as_array().size()));
  std::vector<RowMessage> out;
  for (const Json& item : list.as_array()) {
    const std::string where = fmt::format("{}[{}]", name, out.size());
    const Json* role = item.find("role");
    if (role == nullptr) role = item.find("from");
    if (role == nullptr || !role->is_string()) return bad(where + ": no role");
    if (item.find("tool_calls") != nullptr) return bad(where + ": tool calls are not supported in datasets");
    FS_TRY(std::string role_name, parse_role(role->as_string()));
    const Json* const content = item.find("content") != nullptr ? item.find("content") : item.find("value");
    FS_TRY(std::string text, parse_content(content, where));
    out.push_back({std::move(role_name), std::move(text)});
  }
  return out;
}

Result<DatasetRow> conversation(std::vector<RowMessage> messages, std::string_view name) {
  if (messages.back().role != "assistant") return bad(fmt::format("{}: the last message is of role {}, expected assistant", name, messages.back().role));
  if (is_blank(messages.back().content)) return bad(fmt::format("{}: the answer is empty", name));
  if (messages.size() < 2) return bad(fmt::format("{}: an answer without a question", name));
  DatasetRow row;
  row.kind = DatasetRow::Kind::kMessages;
  row.messages = std::move(messages);
  return row;
}

// chosen and rejected as texts, or as whole conversations of which the last message counts.
Result<std::string> parse_answer(const Json& value, std::string_view name, std::vector<RowMessage>* before) {
  if (value.is_string()) return value.as_string();
  FS_TRY(std::vector<RowMessage> messages, parse_messages(value, name));
  if (messages.back().role != "assistant") return bad(fmt::format("{}: the last message is not an assistant's", name));
  std::string answer = std::move(messages.back().content);
  messages.pop_back();
  *before = std::move(messages);
  return answer;
}

Result<DatasetRow> parse_pair(const Json& json) {
  DatasetRow row;
  row.kind = DatasetRow::Kind::kPair;
  std::vector<RowMessage> before, ignored;
  FS_TRY(row.chosen, parse_answer(*json.find("chosen"), "chosen", &before));
  FS_TRY(row.rejected, parse_answer(*json.find("rejected"), "rejected", &ignored));
  if (const Json* const prompt = json.find("prompt"); prompt == nullptr) {
    row.messages = std::move(before);
  } else if (prompt->is_string()) {
    if (const std::string* const system = text_member(json, {"system"})) row.messages.push_back({"system", *system});
    row.messages.push_back({"user", prompt->as_string()});
  } else {
    FS_TRY(row.messages, parse_messages(*prompt, "prompt"));
  }
  if (row.messages.empty()) return bad("a preference without a prompt");
  if (row.messages.back().role == "assistant") return bad("prompt: ends in an assistant's message");
  if (is_blank(row.messages.back().content)) return bad("prompt: empty");
  if (is_blank(row.chosen) || is_blank(row.rejected)) return bad(fmt::format("{}: empty", is_blank(row.chosen) ? "chosen" : "rejected"));
  if (row.chosen == row.rejected) return bad("chosen and rejected are the same text");
  return row;
}

Json messages_json(const std::vector<RowMessage>& messages) {
  Json::Array list;
  for (const RowMessage& message : messages) list.push_back(Json::Object{{"role", message.role}, {"content", message.content}});
  return list;
}

}  // namespace

const char* row_kind_name(DatasetRow::Kind kind) {
  switch (kind) {
    case DatasetRow::Kind::kMessages: return "messages";
    case DatasetRow::Kind::kPair: return "pair";
    case DatasetRow::Kind::kText: break;
  }
  return "text";
}

Result<DatasetRow> parse_row(const Json& json) {
  if (!json.is_object()) return bad("expected a JSON object");
  if (json.find("chosen") != nullptr && json.find("rejected") != nullptr) return parse_pair(json);
  for (const std::string_view name : {"messages", "conversations"}) {
    if (const Json* const list = json.find(name)) {
      FS_TRY(std::vector<RowMessage> messages, parse_messages(*list, name));
      return conversation(std::move(messages), name);
    }
  }
  const std::string* const question = text_member(json, {"prompt", "question", "instruction"});
  const std::string* const answer = text_member(json, {"completion", "response", "answer", "output"});
  if (question != nullptr && answer != nullptr) {
    std::vector<RowMessage> messages;
    if (const std::string* const system = text_member(json, {"system"}); system != nullptr && !is_blank(*system)) messages.push_back({"system", *system});
    std::string asked = *question;
    if (const std::string* const input = text_member(json, {"input"}); input != nullptr && !is_blank(*input)) asked += "\n\n" + *input;
    if (is_blank(asked)) return bad("the question is empty");
    messages.push_back({"user", std::move(asked)});
    messages.push_back({"assistant", *answer});
    return conversation(std::move(messages), "row");
  }
  if (const std::string* const text = text_member(json, {"text"})) {
    if (is_blank(*text)) return bad("text: empty");
    DatasetRow row;
    row.text = *text;
    return row;
  }
  return bad("expected messages, prompt with chosen and rejected, prompt with completion, or text");
}

Json row_json(const DatasetRow& row) {
  switch (row.kind) {
    case DatasetRow::Kind::kMessages: return Json::Object{{"messages", messages_json(row.messages)}};
    case DatasetRow::Kind::kPair: {
      const bool plain = row.messages.size() == 1 && row.messages[0].role == "user";
      return Json::Object{{"prompt", plain ? Json(row.messages[0].content) : messages_json(row.messages)}, {"chosen", row.chosen}, {"rejected", row.rejected}};
    }
    case DatasetRow::Kind::kText: break;
  }
  return Json::Object{{"text", row.text}};
}

Status read_origin(const Json& json, Lineage* lineage) {
  if (const Json* const consent = json.find("consent"); consent != nullptr && consent->is_bool() && !consent->as_bool()) {
    return Error{ErrorCode::kFailedPrecondition, "no consent"};
  }
  // A row whose origin was dropped could not be found by an erasure: it is refused instead.
  const auto take = [&](std::string_view name, std::string* out) -> Status {
    const Json* const value = json.find(name);
    if (value == nullptr || value->is_null()) return {};
    if (value->is_int()) {
      *out = std::to_string(value->as_int());
    } else if (value->is_string() && value->as_string().size() <= kOriginBytesMax) {
      *out = value->as_string();
    } else {
      return Error{ErrorCode::kInvalidArgument, fmt::format("{}: expected a text of at most {} bytes or a whole number{}", name, kOriginBytesMax,
                                                            value->is_string() ? fmt::format(", found {} bytes", value->as_string().size()) : "")};
    }
    return {};
  };
  FS_TRY_VOID(take("tenant", &lineage->tenant));
  FS_TRY_VOID(take("user", &lineage->user));
  FS_TRY_VOID(take("variant", &lineage->variant));
  FS_TRY_VOID(take("prompt_digest", &lineage->prompt_digest));
  FS_TRY_VOID(take("feedback", &lineage->feedback));
  if (const Json* const at = json.find("at"); at != nullptr && at->is_int() && at->as_int() > 0) {
    lineage->at_us = at->as_int() < 100'000'000'000 ? at->as_int() * 1'000'000 : at->as_int();
  }
  return {};
}

Json lineage_json(const Lineage& lineage) {
  Json json = Json::Object{{"id", lineage.id}, {"source", lineage.source}, {"line", lineage.line}};
  const auto put = [&](std::string_view name, const std::string& value) {
    if (!value.empty()) json.set(name, value);
  };
  put("source_digest", lineage.source_digest);
  put("tenant", lineage.tenant);
  put("user", lineage.user);
  put("variant", lineage.variant);
  put("prompt_digest", lineage.prompt_digest);
  put("feedback", lineage.feedback);
  if (lineage.at_us != 0) json.set("at_us", lineage.at_us);
  put("language", lineage.language);
  return json;
}

Result<Lineage> parse_lineage(const Json& json) {
  Lineage out;
  const std::array<std::pair<std::string_view, std::string*>, 9> texts = {{{"id", &out.id}, {"source", &out.source}, {"source_digest", &out.source_digest},
      {"tenant", &out.tenant}, {"user", &out.user}, {"variant", &out.variant}, {"prompt_digest", &out.prompt_digest}, {"feedback", &out.feedback}, {"language", &out.language}}};
  for (const auto& [name, target] : texts) {
    const Json* const value = json.find(name);
    if (value == nullptr) continue;
    if (!value->is_string()) return Error{ErrorCode::kDataLoss, fmt::format("lineage: {} is not a text", name)};
    *target = value->as_string();
  }
  if (const Json* const line = json.find("line"); line != nullptr && line->is_int()) out.line = line->as_int();
  if (const Json* const at = json.find("at_us"); at != nullptr && at->is_int()) out.at_us = at->as_int();
  if (out.id.empty()) return Error{ErrorCode::kDataLoss, "lineage: no id"};
  return out;
}

void for_each_text(DatasetRow* row, const std::function<void(std::string*)>& text) {
  for (RowMessage& message : row->messages) text(&message.content);
  if (row->kind == DatasetRow::Kind::kPair) {
    text(&row->chosen);
    text(&row->rejected);
  }
  if (row->kind == DatasetRow::Kind::kText) text(&row->text);
}

std::string joined_text(const DatasetRow& row) {
  std::string out;
  for (const RowMessage& message : row.messages) out += message.content + '\n';
  if (row.kind == DatasetRow::Kind::kPair) out += row.chosen + '\n' + row.rejected + '\n';
  return out + row.text;
}

std::string prompt_text(const DatasetRow& row) {
  std::string out;
  for (const RowMessage& message : row.messages) {
    if (message.role != "assistant") out += message.content + '\n';
  }
  return out;
}

std::string answer_text(const DatasetRow& row) {
  if (row.kind == DatasetRow::Kind::kPair) return row.chosen;
  if (row.kind == DatasetRow::Kind::kMessages && !row.messages.empty()) return row.messages.back().content;
  return row.text;
}

std::string row_id(const DatasetRow& row) { return sha256_hex(row_json(row).dump()).substr(0, 32); }

}  // namespace firesteel
