#include "tune_job_runner.h"

#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/mapped_file.h"
#include "child_process.h"
#include "store/stored_files.h"

namespace firesteel {
namespace {

constexpr int64_t kEventEverySteps = 10;
constexpr int64_t kEventsOfMetricsMax = 500;

int64_t now_us() { return wall_clock().now_us(); }

const Json* member(const Json& object, const char* name) { return object.is_object() ? object.find(name) : nullptr; }
double number_of(const Json& object, const char* name) {
  const Json* value = member(object, name);
  return value != nullptr && value->is_number() ? value->as_double() : 0;
}

// What the command said went wrong, for the client: rows and settings by name, nothing of where they lie.
std::string last_words(const std::string& path, const std::string& folder) {
  const Result<std::string> text = read_file(path, 1u << 20);
  if (!text.ok() || text->empty()) return "the tuning process ended without a word (killed, perhaps for want of memory)";
  constexpr std::string_view kMark = "firesteel: ";
  const size_t at = text->rfind(kMark);
  std::string said = text->substr(at == std::string::npos ? 0 : at + kMark.size());
  said = said.substr(0, std::min<size_t>(said.find('\n'), 1000));
  for (const std::string& place : {folder + "/rows.jsonl", folder + "/", folder}) {
    for (size_t found = said.find(place); found != std::string::npos; found = said.find(place)) said.replace(found, place.size(), place.ends_with(".jsonl") ? "training_file" : "");
  }
  return said;
}

std::vector<std::string> words_of(const TuneJob& job, const std::string& model, const std::string& folder, bool resume) {
  const Json* method = member(job.settings, "method");
  const bool is_dpo = method != nullptr && method->is_string() && method->as_string() == "dpo";
  std::vector<std::string> words = {"tune", is_dpo ? "dpo" : "sft", "--data", folder + "/rows.jsonl", "--out", folder + "/run", "--json", "--name", job.adapter_name};
  if (!model.empty()) words.insert(words.end(), {"--model", model});
  const auto add = [&](const char* name, const char* flag) {
    const Json* value = member(job.settings, name);
    if (value != nullptr && value->is_number()) words.insert(words.end(), {flag, value->dump()});
  };
  add("epochs", "--epochs");
  add("batch", "--batch");
  add("rate", "--lr");
  add("rank", "--rank");
  add("alpha", "--alpha");
  add("seed", "--seed");
  if (is_dpo) add("beta", "--beta");
  if (resume) words.emplace_back("--resume");
  return words;
}

}  // namespace

struct TuneJobRunner::Outcome {
  enum class Kind : uint8_t { kDone, kFailed, kStopped, kTaken } kind = Kind::kFailed;  // kTaken: cancelled, or another runner's
  std::string text = {};
};

TuneJobRunner::TuneJobRunner(ServerContext* context, Options options)
    : context_(*context), options_(std::move(options)), runner_(random_id_tail()), jobs_(context->store) {
  const Result<std::vector<TuneJob>> finished = jobs_.succeeded();
  for (const TuneJob& job : finished.ok() ? *finished : std::vector<TuneJob>()) {
    const Status loaded = options_.load_adapter(job.adapter_digest);
    if (loaded.ok()) context_.adapters.set({.name = job.adapter_name, .digest = job.adapter_digest, .tenant = job.tenant});
    else log(LogLevel::kWarning, job, "its adapter cannot be loaded: " + loaded.error().message);
  }
  thread_ = std::thread([this] { loop(); });
}

TuneJobRunner::~TuneJobRunner() {
  {
    MutexLock lock(mutex_);
    stopped_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

bool TuneJobRunner::wait(int64_t us) {
  MutexLock lock(mutex_);
  if (!stopped_) static_cast<void>(changed_.wait_for(mutex_, std::chrono::microseconds(us)));
  return !stopped_;
}

void TuneJobRunner::log(LogLevel level, const TuneJob& job, const std::string& text) {
  context_.log.write(level, "fine_tuning", {{"job", job.id.str()}, {"tenant", job.tenant.str()}, {"text", text}});
}

void TuneJobRunner::loop() {
  do {
    const int64_t now = now_us();
    Result<std::optional<TuneJob>> job = jobs_.claim(runner_, now, now + options_.hold_us);
    if (job.ok() && *job) run(std::move(**job));
  } while (wait(options_.poll_us));
}

void TuneJobRunner::run(TuneJob job) {
  const std::string tail = job.id.str().substr(TuneJobTag::kPrefix.size(), 8);
  job.adapter_name = "ft-" + (job.suffix.empty() ? tail : job.suffix + "-" + tail);
  const std::string folder = options_.folder + "/" + job.id.str();
  log(LogLevel::kInfo, job, "runs");
  Outcome outcome = tune(job, folder);
  std::error_code ignored;
  if (outcome.kind == Outcome::Kind::kStopped) {
    static_cast<void>(jobs_.release(job.id, runner_));
    return;
  }
  if (outcome.kind == Outcome::Kind::kTaken) {
    log(LogLevel::kInfo, job, "cancelled, or run by another process");
    std::filesystem::remove_all(folder, ignored);
    return;
  }
  if (outcome.kind == Outcome::Kind::kDone) {
    Result<std::string> digest = options_.keep_adapter(folder + "/run/adapter.gguf");
    if (digest.ok()) job.adapter_digest = std::move(*digest);
    else outcome = {Outcome::Kind::kFailed, digest.error().message};
  }
  job.state = outcome.kind == Outcome::Kind::kDone ? TuneJobState::kSucceeded : TuneJobState::kFailed;
  job.problem = outcome.text;
  job.finished_us = now_us();
  if (job.state == TuneJobState::kSucceeded) {
    if (const Result<FileId> curve = keep_curve(job, folder); curve.ok()) job.result_file = *curve;
    if (const Result<std::string> made = read_file(folder + "/run/tune.json", 1u << 20); made.ok()) {
      if (const Result<Json> json = Json::parse(*made); json.ok()) job.n_tokens = static_cast<int64_t>(number_of(*json, "tokens"));
    }
  } else {
    job.adapter_name.clear();
  }
  const Status stored = jobs_.finish(job, runner_);
  if (stored.ok() && job.state == TuneJobState::kSucceeded) context_.adapters.set({.name = job.adapter_name, .digest = job.adapter_digest, .tenant = job.tenant});
  log(job.state == TuneJobState::kSucceeded ? LogLevel::kInfo : LogLevel::kWarning, job, job.state == TuneJobState::kSucceeded ? "done: " + job.adapter_name : job.problem);
  // Examples are the tenant's; what is kept of them is the file that the tenant can delete.
  if (stored.ok()) std::filesystem::remove_all(folder, ignored);
}

Status TuneJobRunner::write_rows(const TuneJob& job, const std::string& path) {
  const Result<StoredFile> file = StoredFiles(context_.store).get(job.tenant, job.training_file, now_us());
  if (!file.ok()) return Error{ErrorCode::kNotFound, "training_file: the file is not there any more"};
  std::string rows;
  for (int64_t seq = 0;; ++seq) {
    FS_TRY(const std::string piece, StoredFiles(context_.store).piece(job.tenant, job.training_file, seq));
    if (piece.empty()) break;
    rows += piece;
  }
  return write_file_atomic(path, rows);
}

TuneJobRunner::Outcome TuneJobRunner::tune(const TuneJob& job, const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return {Outcome::Kind::kFailed, "the server has no room for the job: " + error.message()};
  const bool resume = std::filesystem::exists(folder + "/run/checkpoint.bin", error);
  if (const Status written = write_rows(job, folder + "/rows.jsonl"); !written.ok()) return {Outcome::Kind::kFailed, written.error().message};
  const std::string messages = folder + "/messages.txt";
  Result<ChildProcess> child = ChildProcess::start_self(words_of(job, options_.model, folder, resume), {.out_file = messages, .niceness = 15});
  if (!child.ok()) return {Outcome::Kind::kFailed, child.error().message};
  static_cast<void>(jobs_.add_event(job.id, {.at_us = now_us(), .text = resume ? "Tuning goes on from its last checkpoint" : "Fine-tuning job started"}));

  int64_t told_step = 0, n_told = 0;
  int64_t held_us = now_us();
  std::ifstream curve;
  std::string line;
  while (!child->poll()) {
    if (!wait(options_.poll_us)) {
      child->terminate();  // a checkpoint is written; the job stays ours to go on with
      return {Outcome::Kind::kStopped};
    }
    const int64_t now = now_us();
    if (const Result<TuneJobState> state = jobs_.hold(job.id, runner_, now + options_.hold_us); state.ok() ? is_over(*state) : state.error().code == ErrorCode::kFailedPrecondition) {
      child->terminate();
      return {Outcome::Kind::kTaken};
    } else if (state.ok()) {
      held_us = now;
    } else if (now - held_us > options_.hold_us) {  // the store is away, and others may believe us dead
      child->terminate();
      return {Outcome::Kind::kStopped};
    }
    if (!curve.is_open()) curve.open(folder + "/run/log.jsonl");
    while (curve.is_open() && n_told < kEventsOfMetricsMax && std::getline(curve, line)) {
      const Result<Json> step = Json::parse(line);
      if (!step.ok()) continue;
      const auto number = static_cast<int64_t>(number_of(*step, "step"));
      if (number < told_step + kEventEverySteps) continue;
      told_step = number;
      ++n_told;
      static_cast<void>(jobs_.add_event(job.id, {.at_us = now, .text = fmt::format("Step {}: training loss={:.2f}", number, number_of(*step, "loss")),
                                                 .data = Json::Object{{"step", number}, {"train_loss", number_of(*step, "loss")}, {"train_mean_token_accuracy", number_of(*step, "accuracy")}}}));
    }
    curve.clear();
  }
  if (child->exit_code() == 0) return {Outcome::Kind::kDone};
  return {Outcome::Kind::kFailed, last_words(messages, folder)};
}

// The curve as a table, as OpenAI's result files are.
Result<FileId> TuneJobRunner::keep_curve(const TuneJob& job, const std::string& folder) {
  FS_TRY(const std::string lines, read_file(folder + "/run/log.jsonl", 64u << 20));
  std::string table = "step,train_loss,train_accuracy\n";
  for (size_t at = 0; at < lines.size();) {
    const size_t end = std::min(lines.find('\n', at), lines.size());
    if (const Result<Json> step = Json::parse(std::string_view(lines).substr(at, end - at)); step.ok()) {
      table += fmt::format("{},{:.5f},{:.5f}\n", static_cast<int64_t>(number_of(*step, "step")), number_of(*step, "loss"), number_of(*step, "accuracy"));
    }
    at = end + 1;
  }
  FS_TRY(const StoredFile file, StoredFiles(context_.store).put(job.tenant, "fine-tune-results", "step_metrics.csv", table, 0, now_us()));
  return file.id;
}

}  // namespace firesteel
