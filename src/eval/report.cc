#include "eval/report.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "base/mapped_file.h"

namespace firesteel {
namespace {

constexpr uint64_t kReportBytesMax = uint64_t{1} << 30;

std::string conversation_text(const std::vector<SampleMessage>& messages) {
  if (messages.size() == 1) return messages.front().text;
  std::string out;
  for (const SampleMessage& message : messages) out += (out.empty() ? "" : "\n") + message.role + ": " + message.text;
  return out;
}

std::string expected_text(const Grading& grading) {
  switch (grading.kind) {
    case Grading::Kind::kRefusal: return "a refusal";
    case Grading::Kind::kReply: return "an answer";
    case Grading::Kind::kAny: return "an answer without " + grading.forbidden.front();
    case Grading::Kind::kProgram: return "a program that passes its checks";
    case Grading::Kind::kParts: {
      std::string all;
      for (const Grading& part : grading.parts) all += (all.empty() ? "" : "; ") + expected_text(part);
      return all;
    }
    default: break;
  }
  std::string out;
  for (const std::string& answer : grading.answers) out += (out.empty() ? "" : " or ") + answer;
  if (!grading.unit.empty() && out.find(grading.unit) == std::string::npos) out += " " + grading.unit;
  return out;
}

Json item_json(const ReportItem& item) {
  Json::Object out = {{"id", item.id}, {"right", item.right}, {"question", item.question}, {"expected", item.expected}, {"read", item.read}, {"text", item.attempt.text}};
  if (!item.attempt.thinking.empty()) out.emplace_back("thinking", item.attempt.thinking);
  if (!item.attempt.calls.empty()) {
    Json::Array calls;
    for (const AttemptCall& call : item.attempt.calls) {
      calls.push_back(Json::Object{{"name", call.name}, {"arguments", call.arguments}, {"result", call.result}, {"failed", call.failed}});
    }
    out.emplace_back("calls", std::move(calls));
  }
  if (item.attempt.choice >= 0) out.emplace_back("choice", item.attempt.choice);
  out.emplace_back("finish", item.attempt.finish);
  if (!item.attempt.error.empty()) out.emplace_back("error", item.attempt.error);
  out.emplace_back("prompt_tokens", item.attempt.prompt_tokens);
  out.emplace_back("generated_tokens", item.attempt.generated_tokens);
  if (!item.slices.empty()) {
    Json::Array slices;
    for (const auto& [name, value] : item.slices) slices.push_back(Json::Array{name, value});
    out.emplace_back("slices", std::move(slices));
  }
  return out;
}

// Members of a report by name; the first that is missing or wrong is remembered.
class Reader {
 public:
  Reader(const Json& json, std::string where, Status* status) : json_(json), where_(std::move(where)), status_(status) {}
  std::string text(const char* key, bool required = true) const {
    const Json* value = json_.find(key);
    if (value != nullptr && value->is_string()) return value->as_string();
    if (value != nullptr || required) fail(key, "a text");
    return {};
  }
  int64_t integer(const char* key, bool required = true) const {
    const Json* value = json_.find(key);
    if (value != nullptr && value->is_int()) return value->as_int();
    if (value != nullptr || required) fail(key, "a whole number");
    return 0;
  }
  bool boolean(const char* key) const {
    const Json* value = json_.find(key);
    if (value != nullptr && value->is_bool()) return value->as_bool();
    fail(key, "true or false");
    return false;
  }
  std::optional<double> number(const char* key) const {
    const Json* value = json_.find(key);
    if (value == nullptr) return std::nullopt;
    if (value->is_number()) return value->as_double();
    fail(key, "a number");
    return std::nullopt;
  }
  const Json::Array& list(const char* key, bool required = true) const {
    static const Json::Array kNone;
    const Json* value = json_.find(key);
    if (value != nullptr && value->is_array()) return value->as_array();
    if (value != nullptr || required) fail(key, "a list");
    return kNone;
  }

 private:
  void fail(const char* key, const char* expected) const {
    if (status_->ok()) *status_ = Error{ErrorCode::kDataLoss, where_ + key + ": expected " + expected};
  }
  const Json& json_;
  std::string where_;
  Status* status_;
};

ReportItem parse_report_item(const Json& json, const std::string& where, Status* status) {
  const Reader r(json, where, status);
  ReportItem item;
  item.id = r.text("id");
  item.right = r.boolean("right");
  item.question = r.text("question");
  item.expected = r.text("expected");
  item.read = r.text("read");
  item.attempt.text = r.text("text");
  item.attempt.thinking = r.text("thinking", false);
  for (const Json& call : r.list("calls", false)) {
    const Reader c(call, where + "calls: ", status);
    item.attempt.calls.push_back({c.text("name"), c.text("arguments"), c.text("result"), c.boolean("failed")});
  }
  item.attempt.choice = json.find("choice") == nullptr ? -1 : static_cast<int>(r.integer("choice"));
  item.attempt.finish = r.text("finish");
  item.attempt.error = r.text("error", false);
  item.attempt.prompt_tokens = r.integer("prompt_tokens");
  item.attempt.generated_tokens = r.integer("generated_tokens");
  for (const Json& slice : r.list("slices", false)) {
    const bool is_pair = slice.is_array() && slice.as_array().size() == 2 && slice.as_array()[0].is_string() && slice.as_array()[1].is_string();
    if (is_pair) item.slices.emplace_back(slice.as_array()[0].as_string(), slice.as_array()[1].as_string());
    else if (status->ok()) *status = Error{ErrorCode::kDataLoss, where + "slices: expected pairs of texts"};
  }
  return item;
}

}  // namespace

std::string percent(double share) { return fmt::format("{:.1f}", 100 * share); }

SuiteReport make_suite_report(const Suite& suite, EvalMode mode, const SuiteRun& run) {
  CHECK(run.results.size() == suite.items.size());
  SuiteReport out;
  out.name = suite.name;
  out.sealed = suite.sealed;
  out.title = suite.title;
  out.items_digest = suite.digest;
  if (!suite.source.digest.empty() && suite.source.digest != suite.digest) out.digest_said = suite.source.digest;
  out.mode = eval_mode_name(mode);
  out.floor = suite.floor;
  out.goal = suite.goal;
  out.wall_us = run.wall_us;
  std::map<std::pair<std::string, std::string>, ReportCount> slices;
  std::vector<int64_t> times;
  for (size_t i = 0; i < suite.items.size(); ++i) {
    const EvalItem& item = suite.items[i];
    const ItemResult& result = run.results[i];
    const Attempt& attempt = result.attempt;
    ++out.n;
    out.n_right += result.right ? 1 : 0;
    out.n_errors += attempt.error.empty() ? 0 : 1;
    out.n_cut += attempt.error.empty() && attempt.finish != "stop" ? 1 : 0;
    out.n_calls += static_cast<int64_t>(attempt.calls.size());
    out.prompt_tokens += attempt.prompt_tokens;
    out.generated_tokens += attempt.generated_tokens;
    times.push_back(attempt.time_us);
    for (const auto& [name, value] : item.slices) {
      ReportCount& count = slices[{name, value}];
      count.name = name;
      count.value = value;
      ++count.n;
      count.n_right += result.right ? 1 : 0;
    }
    if (suite.sealed) {  // what the item asks, and what was answered to it, stays inside the run
      Attempt counts;
      counts.prompt_tokens = attempt.prompt_tokens;
      counts.generated_tokens = attempt.generated_tokens;
      counts.finish = attempt.finish;
      if (!attempt.error.empty()) counts.error = "no answer";
      out.items.push_back({item.id, result.right, "", "", "", counts, {}, item.slices});
      continue;
    }
    out.items.push_back({item.id, result.right, conversation_text(item.messages), expected_text(item.grading), result.read, attempt, result.right ? std::vector<RgbImage>() : item.images, item.slices});
  }
  for (auto& [key, count] : slices) out.slices.push_back(std::move(count));
  if (!times.empty()) {
    std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2), times.end());
    out.item_us_median = times[times.size() / 2];
  }
  return out;
}

Json report_json(const Report& report) {
  Json::Array suites, timing;
  for (const SuiteReport& suite : report.suites) {
    const Interval interval = wilson_interval(suite.n_right, suite.n);
    Json::Object one = {{"name", suite.name}, {"title", suite.title}, {"mode", suite.mode}, {"items_digest", suite.items_digest}};
    if (!suite.digest_said.empty()) one.emplace_back("digest_said", suite.digest_said);
    if (suite.sealed) one.emplace_back("sealed", true);
    one.emplace_back("n", suite.n);
    one.emplace_back("right", suite.n_right);
    one.emplace_back("accuracy", suite.n == 0 ? 0.0 : static_cast<double>(suite.n_right) / static_cast<double>(suite.n));
    one.emplace_back("interval_95", Json::Array{interval.low, interval.high});
    if (suite.floor) one.emplace_back("floor", *suite.floor);
    if (suite.goal) one.emplace_back("goal", *suite.goal);
    one.emplace_back("errors", suite.n_errors);
    one.emplace_back("cut", suite.n_cut);
    one.emplace_back("calls", suite.n_calls);
    one.emplace_back("prompt_tokens", suite.prompt_tokens);
    one.emplace_back("generated_tokens", suite.generated_tokens);
    Json::Array slices;
    for (const ReportCount& slice : suite.slices) {
      slices.push_back(Json::Object{{"name", slice.name}, {"value", slice.value}, {"n", slice.n}, {"right", slice.n_right}});
    }
    one.emplace_back("slices", std::move(slices));
    Json::Array items;
    for (const ReportItem& item : suite.items) items.push_back(item_json(item));
    one.emplace_back("items", std::move(items));
    suites.emplace_back(std::move(one));
    timing.push_back(Json::Object{{"name", suite.name}, {"wall_us", suite.wall_us}, {"item_us_median", suite.item_us_median}});
  }
  return Json::Object{{"firesteel_eval", 1}, {"model", report.model}, {"model_digest", report.model_digest}, {"n_parameters", report.n_parameters},
                      {"version", report.version}, {"settings", report.settings}, {"suites", std::move(suites)}, {"timing", std::move(timing)}};
}

Result<Report> parse_report(const Json& json) {
  Status status;
  const Reader r(json, "", &status);
  if (r.integer("firesteel_eval") != 1 && status.ok()) return Error{ErrorCode::kUnsupported, "firesteel_eval: expected version 1"};
  Report report;
  report.model = r.text("model");
  report.model_digest = r.text("model_digest");
  report.n_parameters = r.integer("n_parameters");
  report.version = r.text("version");
  if (const Json* settings = json.find("settings")) report.settings = *settings;
  const Json::Array& timing = r.list("timing", false);
  for (const Json& one : r.list("suites")) {
    const std::string where = "suites[" + std::to_string(report.suites.size()) + "].";
    const Reader s(one, where, &status);
    SuiteReport suite;
    suite.name = s.text("name");
    suite.title = s.text("title");
    suite.mode = s.text("mode");
    suite.items_digest = s.text("items_digest");
    suite.digest_said = s.text("digest_said", false);
    suite.sealed = one.find("sealed") != nullptr && s.boolean("sealed");
    suite.n = s.integer("n");
    suite.n_right = s.integer("right");
    suite.floor = s.number("floor");
    suite.goal = s.number("goal");
    suite.n_errors = s.integer("errors");
    suite.n_cut = s.integer("cut");
    suite.n_calls = s.integer("calls");
    suite.prompt_tokens = s.integer("prompt_tokens");
    suite.generated_tokens = s.integer("generated_tokens");
    for (const Json& slice : s.list("slices")) {
      const Reader c(slice, where + "slices: ", &status);
      suite.slices.push_back({c.text("name"), c.text("value"), c.integer("n"), c.integer("right")});
      if (status.ok() && (suite.slices.back().n_right < 0 || suite.slices.back().n_right > suite.slices.back().n)) {
        return Error{ErrorCode::kDataLoss, where + "slices: more right than there are"};
      }
    }
    for (const Json& item : s.list("items")) {
      suite.items.push_back(parse_report_item(item, where + "items[" + std::to_string(suite.items.size()) + "].", &status));
      if (!status.ok()) return status.error();
    }
    int64_t n_right = 0;
    for (const ReportItem& item : suite.items) n_right += item.right ? 1 : 0;
    if (status.ok() && (suite.n != static_cast<int64_t>(suite.items.size()) || suite.n_right != n_right)) {
      return Error{ErrorCode::kDataLoss, where + "n, right: do not agree with the items"};
    }
    if (report.suites.size() < timing.size()) {
      const Reader t(timing[report.suites.size()], "timing: ", &status);
      suite.wall_us = t.integer("wall_us");
      suite.item_us_median = t.integer("item_us_median");
    }
    report.suites.push_back(std::move(suite));
  }
  if (!status.ok()) return status.error();
  return report;
}

Result<Report> read_report(const std::string& path) {
  FS_TRY(const std::string text, read_file(path, kReportBytesMax));
  const auto json = Json::parse(text);
  if (!json.ok()) return Error{ErrorCode::kDataLoss, path + ": " + json.error().message};
  Result<Report> report = parse_report(*json);
  if (!report.ok()) return Error{report.error().code, path + ": " + report.error().message};
  return report;
}

std::string report_table(const Report& report, bool slices) {
  size_t width = 24;
  for (const SuiteReport& suite : report.suites) width = std::max(width, suite.name.size());
  std::string out = fmt::format("{:{}}  {:8}  {:>11}  {:>6}  {:>14}  {:>9}  {:>8}\n", "suite", width, "mode", "right", "%", "95 % interval", "tok/item", "ms/item");
  for (const SuiteReport& suite : report.suites) {
    const auto n = static_cast<double>(std::max<int64_t>(suite.n, 1));
    const Interval interval = wilson_interval(suite.n_right, suite.n);
    out += fmt::format("{:{}}  {:8}  {:>11}  {:>6}  {:>14}  {:>9.1f}  {:>8.1f}", suite.name, width, suite.mode, fmt::format("{}/{}", suite.n_right, suite.n),
                       percent(static_cast<double>(suite.n_right) / n), fmt::format("{} - {}", percent(interval.low), percent(interval.high)),
                       static_cast<double>(suite.generated_tokens) / n, static_cast<double>(suite.wall_us) / n * 1e-3);
    const double share = static_cast<double>(suite.n_right) / n;
    if (suite.floor && share < *suite.floor) out += fmt::format("  below the floor of {}", percent(*suite.floor));
    else if (suite.goal && share >= *suite.goal) out += fmt::format("  goal of {} met", percent(*suite.goal));
    out += '\n';
    if (suite.n_errors > 0) out += fmt::format("{:{}}  {} without an answer\n", "", width, suite.n_errors);
    if (suite.n_cut > 0) out += fmt::format("{:{}}  {} cut by a limit\n", "", width, suite.n_cut);
    if (!suite.digest_said.empty()) {
      out += fmt::format("{:{}}  its items are not those the suite names (digest {}, the suite says {})\n", "", width, suite.items_digest, suite.digest_said);
    }
    if (!slices) continue;
    for (const ReportCount& slice : suite.slices) {
      const Interval part = wilson_interval(slice.n_right, slice.n);
      out += fmt::format("  {:{}}  {:>11}  {:>6}  {:>14}\n", slice.name + " " + slice.value, width + 8, fmt::format("{}/{}", slice.n_right, slice.n),
                         percent(static_cast<double>(slice.n_right) / static_cast<double>(std::max<int64_t>(slice.n, 1))),
                         fmt::format("{} - {}", percent(part.low), percent(part.high)));
    }
  }
  return out;
}

}  // namespace firesteel
