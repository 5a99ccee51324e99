#include "served_solver.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <thread>

#include <fmt/format.h>

#include "eval/png_data.h"
#include "loopback_client.h"

namespace firesteel {
namespace {

constexpr auto kPoll = std::chrono::milliseconds(250);
constexpr const char* kBoundary = "firesteel-eval-items";

const Json* member(const Json* json, const char* name) { return json == nullptr ? nullptr : json->find(name); }
std::string text_of(const Json* json) { return json != nullptr && json->is_string() ? json->as_string() : std::string(); }
int64_t int_of(const Json* json) { return json != nullptr && json->is_int() ? json->as_int() : 0; }

// The body of a 2xx answer.
Result<std::string> ask(LoopbackClient* client, const ServedOptions& options, std::string_view method, const std::string& path, std::string_view body, std::string_view type) {
  const LoopbackClient::Answer answer = client->ask(method, path, options.key, body, {}, type);
  if (answer.status / 100 == 2) return std::string(answer.body());
  if (answer.status == 0) return Error{ErrorCode::kUnavailable, fmt::format("no server answers at 127.0.0.1:{}", options.port)};
  const auto json = Json::parse(answer.body());
  const std::string said = json.ok() ? text_of(member(json->find("error"), "message")) : std::string();
  const ErrorCode code = answer.status == 404 ? ErrorCode::kNotFound : answer.status == 401 || answer.status == 403 ? ErrorCode::kPermissionDenied : ErrorCode::kUnavailable;
  return Error{code, fmt::format("the server answers {} {}: {} {}", method, path, answer.status, said)};
}

Result<Json> ask_json(LoopbackClient* client, const ServedOptions& options, std::string_view method, const std::string& path, std::string_view body, std::string_view type = "application/json") {
  FS_TRY(const std::string text, ask(client, options, method, path, body, type));
  return Json::parse(text);
}

Attempt attempt_of(const Json& line) {
  Attempt out;
  const Json* const response = line.find("response");
  const Json* const body = member(response, "body");
  if (int_of(member(response, "status_code")) != 200) {
    out.error = text_of(member(member(body, "error"), "message"));
    if (out.error.empty()) out.error = text_of(member(line.find("error"), "message"));
    if (out.error.empty()) out.error = "refused";
    out.finish = "error";
    return out;
  }
  const Json* const choices = member(body, "choices");
  const Json* const first = choices != nullptr && choices->is_array() && !choices->as_array().empty() ? &choices->as_array().front() : nullptr;
  const Json* const message = member(first, "message");
  out.text = text_of(member(message, "content"));
  out.thinking = text_of(member(message, "reasoning_content"));
  out.finish = text_of(member(first, "finish_reason"));
  const Json* const usage = member(body, "usage");
  out.prompt_tokens = int_of(member(usage, "prompt_tokens"));
  out.generated_tokens = int_of(member(usage, "completion_tokens"));
  return out;
}

Status read_results(LoopbackClient* client, const ServedOptions& options, const std::string& file, std::map<std::string, Attempt>* attempts) {
  if (file.empty()) return {};
  FS_TRY(const std::string text, ask(client, options, "GET", "/v1/files/" + file + "/content", "", "application/json"));
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    if (const auto line = Json::parse(std::string_view(text).substr(at, end - at)); end > at && line.ok()) (*attempts)[text_of(line->find("custom_id"))] = attempt_of(*line);
    at = end + 1;
  }
  return {};
}

}  // namespace

Result<uint16_t> parse_served(const std::string& url) {
  const Error wrong{ErrorCode::kInvalidArgument, "--served " + url + ": expected http://127.0.0.1:PORT (a server of another machine is reached by a tunnel)"};
  for (const std::string_view host : {"http://127.0.0.1:", "http://localhost:"}) {
    if (!std::string_view(url).starts_with(host)) continue;
    std::string_view rest = std::string_view(url).substr(host.size());
    if (rest.ends_with('/')) rest.remove_suffix(1);
    uint16_t port = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), port);
    if (error == std::errc() && end == rest.data() + rest.size() && port > 0) return port;
  }
  return wrong;
}

Status ServedSolver::check() {
  LoopbackClient client(options_.port);
  FS_TRY([[maybe_unused]] const Json model, ask_json(&client, options_, "GET", "/v1/models/" + options_.model, ""));
  return {};
}

std::string ServedSolver::problem() const {
  MutexLock lock(mutex_);
  for (const auto& [key, batch] : batches_) {
    if (!batch->problem.empty()) return batch->problem;
  }
  return {};
}

std::string ServedSolver::line_of(const Suite& suite, const EvalItem& item, size_t index) const {
  Json::Array messages;
  if (!suite.system.empty()) messages.push_back(Json::Object{{"role", "system"}, {"content", suite.system}});
  for (const SampleMessage& message : item.messages) {
    if (message.images.empty()) {
      messages.push_back(Json::Object{{"role", message.role}, {"content", message.text}});
      continue;
    }
    Json::Array parts;
    for (const size_t image : message.images) parts.push_back(Json::Object{{"type", "image_url"}, {"image_url", Json::Object{{"url", png_data_uri(item.images.at(image))}}}});
    parts.push_back(Json::Object{{"type", "text"}, {"text", message.text}});
    messages.push_back(Json::Object{{"role", message.role}, {"content", std::move(parts)}});
  }
  Json body = Json::Object{{"model", options_.model}, {"messages", std::move(messages)}};
  Json own = Json::Object{{"seed", static_cast<int64_t>(settings_.seed + index)}};
  // What a variant says itself counts before the suite, as it does for people.
  if (settings_.temperature || !options_.is_variant) body.set("temperature", settings_.temperature.value_or(suite.temperature));
  if (settings_.max_tokens || !options_.is_variant) body.set("max_completion_tokens", settings_.max_tokens.value_or(suite.max_tokens));
  if (settings_.mode || !options_.is_variant) {
    const EvalMode mode = settings_.mode.value_or(suite.mode);
    own.set("mode", mode == EvalMode::kInstant ? "instant" : "thinking");
    if (mode != EvalMode::kTools) own.set("tools", "none");
  }
  body.set("firesteel", std::move(own));
  return Json(Json::Object{{"custom_id", item.id}, {"method", "POST"}, {"url", "/v1/chat/completions"}, {"body", std::move(body)}}).dump();
}

Status ServedSolver::run(const Suite& suite, size_t first, Batch* batch) {
  std::string lines;
  for (size_t i = first; i < std::min(first + kBatchItems, suite.items.size()); ++i) lines += line_of(suite, suite.items[i], i) + "\n";
  LoopbackClient client(options_.port);
  const std::string form = fmt::format("--{0}\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n--{0}\r\nContent-Disposition: form-data; name=\"file\"; "
                                       "filename=\"items.jsonl\"\r\nContent-Type: application/jsonl\r\n\r\n{1}\r\n--{0}--\r\n", kBoundary, lines);
  FS_TRY(const Json file, ask_json(&client, options_, "POST", "/v1/files", form, std::string("multipart/form-data; boundary=") + kBoundary));
  const std::string input = text_of(file.find("id"));
  const Json wish = Json::Object{{"input_file_id", input}, {"endpoint", "/v1/chat/completions"}, {"completion_window", "24h"}};
  FS_TRY(Json state, ask_json(&client, options_, "POST", "/v1/batches", wish.dump()));
  const std::string id = text_of(state.find("id"));
  for (;;) {
    const std::string status = text_of(state.find("status"));
    if (status == "completed" || status == "failed" || status == "expired" || status == "cancelled") break;
    std::this_thread::sleep_for(kPoll);
    FS_TRY(state, ask_json(&client, options_, "GET", "/v1/batches/" + id, ""));
  }
  if (text_of(state.find("status")) != "completed") return Error{ErrorCode::kUnavailable, fmt::format("the batch {} is {}: {}", id, text_of(state.find("status")), state.find("errors") == nullptr ? "" : state.find("errors")->dump())};
  FS_TRY_VOID(read_results(&client, options_, text_of(state.find("output_file_id")), &batch->attempts));
  FS_TRY_VOID(read_results(&client, options_, text_of(state.find("error_file_id")), &batch->attempts));
  for (const std::string& done : {input, text_of(state.find("output_file_id")), text_of(state.find("error_file_id"))}) {
    if (!done.empty()) static_cast<void>(client.ask("DELETE", "/v1/files/" + done, options_.key, ""));  // they expire by themselves, too
  }
  return {};
}

Attempt ServedSolver::solve(const Suite& suite, const EvalItem& item, size_t index) {
  const size_t first = index - index % kBatchItems;
  std::shared_ptr<Batch> batch;
  bool mine = false;
  {
    MutexLock lock(mutex_);
    std::shared_ptr<Batch>& place = batches_[suite.name + "\n" + std::to_string(first)];
    mine = place == nullptr;
    if (mine) place = std::make_shared<Batch>();
    batch = place;
  }
  if (mine) {
    Batch found;
    const Status status = run(suite, first, &found);
    MutexLock lock(mutex_);
    batch->attempts = std::move(found.attempts);
    if (!status.ok()) batch->problem = status.error().message;
    batch->done = true;
    changed_.notify_all();
  }
  MutexLock lock(mutex_);
  while (!batch->done) changed_.wait(mutex_);
  const auto answer = batch->attempts.find(item.id);
  if (answer != batch->attempts.end()) return answer->second;
  Attempt none;
  none.cancelled = true;
  return none;
}

}  // namespace firesteel
