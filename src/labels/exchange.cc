#include "labels/exchange.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/utf8.h"

namespace firesteel {
namespace {

constexpr size_t kFileBytes = 64u << 20;
constexpr size_t kRowsMax = 100'000;

Error bad(std::string message) { return Error{ErrorCode::kInvalidArgument, std::move(message)}; }

const std::string* text_of(const Json* json) { return json != nullptr && json->is_string() ? &json->as_string() : nullptr; }
const std::string* text_of(const Json& json, std::string_view name) { return text_of(json.find(name)); }

// Everything before the last assistant's message as text; one user's message alone is just that.
Result<std::string> prompt_of(const Json& value) {
  if (value.is_string()) return value.as_string();
  if (!value.is_array()) return bad("prompt: neither a text nor messages");
  std::string out;
  for (const Json& message : value.as_array()) {
    const std::string* const role = text_of(message, "role");
    const std::string* const content = text_of(message, "content");
    if (role == nullptr || content == nullptr) return bad("prompt: a message without role or text");
    if (value.as_array().size() == 1) return *content;
    out += *role + ": " + *content + "\n";
  }
  if (out.empty()) return bad("prompt: no message");
  return out;
}

Result<std::string> answer_of(const Json* value, const char* name) {
  if (const std::string* const text = text_of(value)) return *text;
  if (value != nullptr && value->is_array() && !value->as_array().empty()) {
    if (const std::string* const text = text_of(value->as_array().back(), "content")) return *text;
  }
  return bad(fmt::format("{}: no text", name));
}

LabelTask make_task(std::string prompt, std::vector<std::string> answers, std::string why) {
  LabelTask task;
  Json::Array list;
  for (std::string& answer : answers) list.push_back(std::move(answer));
  task.payload = Json::Object{{"prompt", std::move(prompt)}, {"answers", std::move(list)}, {"why", std::move(why)}};
  return task;
}

void read_lineage(const Json& json, LabelTask* task) {
  if (const std::string* const user = text_of(json, "user")) task->user = user->substr(0, 128);
  if (const std::string* const variant = text_of(json, "variant")) task->variant = variant->substr(0, 256);
  if (const std::string* const digest = text_of(json, "prompt_digest")) task->prompt_digest = digest->substr(0, 128);
  if (const Json* const value = json.find("disagreement"); value != nullptr && value->is_number()) task->disagreement = std::clamp(value->as_double(), 0.0, 1.0);
  if (const Json* const gold = json.find("gold"); gold != nullptr && gold->is_object()) task->gold = gold->dump();
  if (const Json* const why = json.find("why"); why != nullptr && why->is_string()) task->payload.set("why", *why);
}

Result<LabelTask> task_from_line(const Json& json) {
  if (const Json* const consent = json.find("consent"); consent != nullptr && consent->is_bool() && !consent->as_bool()) return bad("no consent");
  std::optional<LabelTask> task;
  if (const Json* const answers = json.find("answers"); answers != nullptr && json.find("prompt") != nullptr) {  // our own: one or two answers
    FS_TRY(std::string prompt, prompt_of(*json.find("prompt")));
    if (!answers->is_array() || answers->as_array().empty() || answers->as_array().size() > 2) return bad("answers: expected one or two");
    std::vector<std::string> texts;
    for (const Json& answer : answers->as_array()) {
      if (!answer.is_string()) return bad("answers: not a text");
      texts.push_back(answer.as_string());
    }
    task = make_task(std::move(prompt), std::move(texts), "imported");
  } else if (json.find("chosen") != nullptr && json.find("rejected") != nullptr) {
    if (json.find("prompt") == nullptr) return bad("no prompt");
    FS_TRY(std::string prompt, prompt_of(*json.find("prompt")));
    FS_TRY(std::string chosen, answer_of(json.find("chosen"), "chosen"));
    FS_TRY(std::string rejected, answer_of(json.find("rejected"), "rejected"));
    task = make_task(std::move(prompt), {std::move(chosen), std::move(rejected)}, "imported preference");
  } else if (const Json* const input = json.find("input"); input != nullptr && json.find("preferred_output") != nullptr) {
    const Json* const messages = input->find("messages");
    if (messages == nullptr) return bad("input: no messages");
    FS_TRY(std::string prompt, prompt_of(*messages));
    FS_TRY(std::string chosen, answer_of(json.find("preferred_output"), "preferred_output"));
    FS_TRY(std::string rejected, answer_of(json.find("non_preferred_output"), "non_preferred_output"));
    task = make_task(std::move(prompt), {std::move(chosen), std::move(rejected)}, "imported preference");
  } else if (const Json* const list = json.find("messages"); list != nullptr && list->is_array() && list->as_array().size() >= 2) {
    const std::string* const role = text_of(list->as_array().back(), "role");
    if (role == nullptr || *role != "assistant") return bad("messages: the last one is not an assistant's");
    FS_TRY(std::string answer, answer_of(list, "messages"));
    FS_TRY(std::string prompt, prompt_of(Json(Json::Array(list->as_array().begin(), list->as_array().end() - 1))));
    task = make_task(std::move(prompt), {std::move(answer)}, "imported answer");
  } else {
    return bad("expected prompt with answers, prompt with chosen and rejected, or messages");
  }
  read_lineage(json, &*task);
  return std::move(*task);
}

// {"data": {"prompt" or "text", "answer1", "answer2" (or "response1" ...)}}
Result<LabelTask> task_from_label_studio(const Json& json) {
  const Json* const data = json.find("data");
  if (data == nullptr || !data->is_object()) return bad("no data");
  const std::string* prompt = text_of(*data, "prompt");
  if (prompt == nullptr) prompt = text_of(*data, "text");
  if (prompt == nullptr) return bad("data: no prompt");
  std::vector<std::string> answers;
  for (const std::string_view name : {"answer1", "response1", "answer", "response", "answer2", "response2"}) {
    if (const std::string* const answer = text_of(*data, name); answer != nullptr && answers.size() < 2) answers.push_back(*answer);
  }
  if (answers.empty()) return bad("data: no answer1 or answer");
  LabelTask task = make_task(*prompt, std::move(answers), "imported from Label Studio");
  read_lineage(*data, &task);
  return task;
}

// Feedback of Open WebUI: type "rating", data {rating: 1 or -1, model_id, reason, comment}, snapshot.chat.chat.history.messages {id: message}, meta.message_id.
Result<LabelTask> task_from_open_webui(const Json& json) {
  const Json* const data = json.find("data");
  const Json* const meta = json.find("meta");
  const std::string* const message_id = meta != nullptr ? text_of(*meta, "message_id") : nullptr;
  const Json* messages = &json;
  for (const std::string_view name : {"snapshot", "chat", "chat", "history", "messages"}) {
    messages = messages->find(name);
    if (messages == nullptr) return bad("the snapshot of the chat is missing");
  }
  if (data == nullptr || message_id == nullptr) return bad("no data or no message_id");
  const Json* const message = messages->find(*message_id);
  const std::string* const answer = message != nullptr ? text_of(*message, "content") : nullptr;
  if (answer == nullptr) return bad("the judged message is not in the snapshot");
  std::string prompt;
  const std::string* parent = text_of(*message, "parentId");
  if (const Json* const asked = parent != nullptr ? messages->find(*parent) : nullptr) {
    if (const std::string* const text = text_of(*asked, "content")) prompt = *text;
  }
  if (prompt.empty()) return bad("the question is not in the snapshot");
  const Json* const rating = data->find("rating");
  const bool good = rating != nullptr && rating->is_int() && rating->as_int() > 0;
  std::string why = good ? "thumb up" : "thumb down";
  for (const std::string_view name : {"reason", "comment"}) {
    if (const std::string* const text = text_of(*data, name); text != nullptr && !text->empty()) why += ": " + text->substr(0, 500);
  }
  LabelTask task = make_task(std::move(prompt), {*answer}, std::move(why));
  if (const std::string* const model = text_of(*data, "model_id")) task.variant = model->substr(0, 256);
  if (const std::string* const user = text_of(json, "user_id")) task.user = user->substr(0, 128);
  task.disagreement = good ? 0 : 1;  // unhappy people first
  return task;
}

Json user_messages(const std::string& prompt) { return Json::Array{Json::Object{{"role", "user"}, {"content", prompt}}}; }
Json assistant_messages(const std::string& answer) { return Json::Array{Json::Object{{"role", "assistant"}, {"content", answer}}}; }

struct Verdict {
  std::string prompt, better, worse, correction;  // better and worse are empty when it is a tie or no pair
};

Verdict verdict_of(const LabelQueue& queue, const LabelQueues::Judged& judged) {
  Verdict out;
  if (const std::string* const prompt = text_of(judged.task.payload, "prompt")) out.prompt = *prompt;
  const Json* const answers = judged.task.payload.find("answers");
  if (answers == nullptr || !answers->is_array()) return out;
  int64_t balance = 0;  // below 0: A
  for (const Label& label : judged.labels) {
    if (const Json* const choice = label.value.find("choice"); choice != nullptr && choice->is_int()) balance += choice->as_int() - 3;
    if (const std::string* const text = text_of(label.value, "correction"); text != nullptr && !text->empty()) out.correction = *text;
  }
  if (queue.kind == "pairwise" && answers->as_array().size() == 2) {
    const std::string a = answers->as_array()[0].as_string(), b = answers->as_array()[1].as_string();
    if (balance != 0) {
      out.better = balance < 0 ? a : b;
      out.worse = balance < 0 ? b : a;
    } else if (!out.correction.empty()) {
      out.worse = a;  // neither is right, and what is has been written
    }
  } else if (!answers->as_array().empty()) {
    out.worse = answers->as_array()[0].as_string();
  }
  return out;
}

}  // namespace

Result<ImportedTasks> import_tasks(std::string_view format, std::string_view text) {
  if (format != "messages" && format != "openai" && format != "pairs" && format != "label-studio" && format != "open-webui") {
    return bad(fmt::format("format '{}': expected messages, openai, pairs, label-studio or open-webui", format.substr(0, 40)));
  }
  if (text.size() > kFileBytes) return Error{ErrorCode::kResourceExhausted, fmt::format("{} bytes, at most {}", text.size(), kFileBytes)};
  ImportedTasks out;
  const auto take = [&](int64_t row, const Result<LabelTask>& task) {
    if (task.ok()) {
      out.tasks.push_back(*task);
    } else {
      out.rejected.push_back({row, task.error().message});
    }
  };
  if (format == "label-studio" || format == "open-webui") {
    if (!is_valid_utf8(text)) return bad("not UTF-8");
    FS_TRY(const Json list, Json::parse(text, {.depth = 64, .values = 8u << 20}));
    if (!list.is_array()) return bad("expected a JSON list");
    if (list.as_array().size() > kRowsMax) return Error{ErrorCode::kResourceExhausted, fmt::format("{} rows, at most {}", list.as_array().size(), kRowsMax)};
    int64_t row = 0;
    for (const Json& item : list.as_array()) take(++row, format == "open-webui" ? task_from_open_webui(item) : task_from_label_studio(item));
    return out;
  }
  int64_t row = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = text.substr(at, end - at);
    at = end + 1;
    ++row;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    if (out.tasks.size() + out.rejected.size() >= kRowsMax) return Error{ErrorCode::kResourceExhausted, fmt::format("more than {} rows", kRowsMax)};
    if (!is_valid_utf8(line)) {
      out.rejected.push_back({row, "not UTF-8"});
      continue;
    }
    const auto json = Json::parse(line, {.depth = 32, .values = 100'000});
    take(row, json.ok() ? task_from_line(*json) : Result<LabelTask>(json.error()));
  }
  return out;
}

Result<std::string> export_labels(std::string_view format, const LabelQueue& queue, const std::vector<LabelQueues::Judged>& judged) {
  if (format != "messages" && format != "openai" && format != "pairs" && format != "label-studio") {
    return bad(fmt::format("format '{}': expected messages, openai, pairs or label-studio", format.substr(0, 40)));
  }
  std::string out;
  Json::Array studio;
  for (const LabelQueues::Judged& item : judged) {
    if (item.task.state == "flagged") continue;
    const Verdict verdict = verdict_of(queue, item);
    if (format == "label-studio") {
      Json data = Json::Object{{"prompt", verdict.prompt}};
      if (const Json* const answers = item.task.payload.find("answers"); answers != nullptr && answers->is_array()) {
        int n = 0;
        for (const Json& answer : answers->as_array()) data.set(fmt::format("answer{}", ++n), answer);
      }
      Json::Array annotations;
      for (const Label& label : item.labels) annotations.push_back(Json::Object{{"completed_by", label.labeller}, {"result", Json::Array{Json::Object{{"type", "label"}, {"value", label.value}}}}});
      studio.push_back(Json::Object{{"id", item.task.id.str()}, {"data", std::move(data)}, {"annotations", std::move(annotations)}});
      continue;
    }
    Json line;
    const std::string& preferred = verdict.correction.empty() ? verdict.better : verdict.correction;
    const std::string& other = verdict.correction.empty() || verdict.better.empty() ? verdict.worse : verdict.better;
    const bool is_pair = !preferred.empty() && !other.empty() && preferred != other;
    if (format == "pairs" && is_pair) line = Json::Object{{"prompt", verdict.prompt}, {"chosen", preferred}, {"rejected", other}};
    if (format == "messages" && !preferred.empty()) {
      line = Json::Object{{"messages", Json::Array{Json::Object{{"role", "user"}, {"content", verdict.prompt}}, Json::Object{{"role", "assistant"}, {"content", preferred}}}}};
    }
    if (format == "openai" && is_pair && queue.kind == "pairwise") {
      line = Json::Object{{"input", Json::Object{{"messages", user_messages(verdict.prompt)}}}, {"preferred_output", assistant_messages(preferred)}, {"non_preferred_output", assistant_messages(other)}};
    } else if (format == "openai" && !preferred.empty()) {
      line = Json::Object{{"messages", Json::Array{Json::Object{{"role", "user"}, {"content", verdict.prompt}}, Json::Object{{"role", "assistant"}, {"content", preferred}}}}};
    }
    if (line.is_null()) continue;
    if (format != "openai") {  // OpenAI's upload refuses members that it does not know
      line.set("tenant", item.task.tenant.str());
      for (const auto& [name, value] : {std::pair("user", &item.task.user), std::pair("variant", &item.task.variant), std::pair("prompt_digest", &item.task.prompt_digest), std::pair("feedback", &item.task.feedback)}) {
        if (!value->empty()) line.set(name, *value);
      }
      if (item.task.asked_us > 0) line.set("at", item.task.asked_us);
      line.set("consent", true);
    }
    out += line.dump() + "\n";
  }
  if (format == "label-studio") return Json(std::move(studio)).dump(1) + "\n";
  return out;
}

}  // namespace firesteel
