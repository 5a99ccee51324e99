#include "eval/run.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <map>
#include <optional>
#include <thread>

#include "base/clock.h"
#include "base/mapped_file.h"
#include "base/mutex.h"
#include "eval/program.h"

namespace firesteel {
namespace {

constexpr uint64_t kJournalBytesMax = uint64_t{2} << 30;
constexpr int kParallelMax = 1024;

Json result_json(const ItemResult& result) {
  const Attempt& attempt = result.attempt;
  Json::Array calls;
  for (const AttemptCall& call : attempt.calls) {
    calls.push_back(Json::Object{{"name", call.name}, {"arguments", call.arguments}, {"result", call.result}, {"failed", call.failed}});
  }
  return Json::Object{{"id", result.id}, {"right", result.right}, {"read", result.read}, {"text", attempt.text}, {"thinking", attempt.thinking},
                      {"calls", std::move(calls)}, {"choice", attempt.choice}, {"program", attempt.program}, {"prompt_tokens", attempt.prompt_tokens},
                      {"generated_tokens", attempt.generated_tokens}, {"time_us", attempt.time_us}, {"finish", attempt.finish}, {"error", attempt.error}};
}

std::string text_or_empty(const Json& object, std::string_view key) {
  const Json* value = object.find(key);
  return value != nullptr && value->is_string() ? value->as_string() : std::string();
}
int64_t int_or(const Json& object, std::string_view key, int64_t otherwise) {
  const Json* value = object.find(key);
  return value != nullptr && value->is_int() ? value->as_int() : otherwise;
}

std::optional<ItemResult> result_from_json(const Json& json) {
  const Json *right = json.find("right"), *id = json.find("id");
  if (right == nullptr || !right->is_bool() || id == nullptr || !id->is_string()) return std::nullopt;
  ItemResult out;
  out.id = id->as_string();
  out.right = right->as_bool();
  out.read = text_or_empty(json, "read");
  out.attempt.text = text_or_empty(json, "text");
  out.attempt.thinking = text_or_empty(json, "thinking");
  if (const Json* calls = json.find("calls"); calls != nullptr && calls->is_array()) {
    for (const Json& call : calls->as_array()) {
      const Json* failed = call.find("failed");
      out.attempt.calls.push_back({text_or_empty(call, "name"), text_or_empty(call, "arguments"), text_or_empty(call, "result"),
                                   failed != nullptr && failed->is_bool() && failed->as_bool()});
    }
  }
  out.attempt.choice = static_cast<int>(int_or(json, "choice", -1));
  out.attempt.program = text_or_empty(json, "program");
  out.attempt.prompt_tokens = int_or(json, "prompt_tokens", 0);
  out.attempt.generated_tokens = int_or(json, "generated_tokens", 0);
  out.attempt.time_us = int_or(json, "time_us", 0);
  out.attempt.finish = text_or_empty(json, "finish");
  out.attempt.error = text_or_empty(json, "error");
  return out;
}

// Header line, then one line per result in the order in which they came.
class Journal {
 public:
  ~Journal() {
    if (file_ != nullptr) std::fclose(file_);
  }

  Status open(const std::string& path, const Json& header, std::map<std::string, ItemResult>* done) {
    path_ = path;
    uint64_t n_good = 0;
    const Result<std::string> before = read_file(path, kJournalBytesMax);
    if (before.ok() && !before->empty()) {
      FS_TRY(n_good, read(*before, header, done));
    } else if (!before.ok() && before.error().code != ErrorCode::kNotFound) {
      return before.error();
    }
    file_ = std::fopen(path.c_str(), "ab");
    if (file_ == nullptr) return Error{ErrorCode::kIo, path + ": " + std::strerror(errno)};
    if (before.ok() && n_good < before->size() && truncate(path.c_str(), static_cast<off_t>(n_good)) != 0) {
      return Error{ErrorCode::kIo, path + ": " + std::strerror(errno)};
    }
    return n_good == 0 ? append(header) : Status();
  }

  bool is_open() const { return file_ != nullptr; }

  Status append(const Json& line) {
    const std::string text = line.dump() + "\n";
    if (std::fwrite(text.data(), 1, text.size(), file_) != text.size() || std::fflush(file_) != 0) {
      return Error{ErrorCode::kIo, path_ + ": " + std::strerror(errno)};
    }
    return {};
  }

 private:
  // Bytes of the lines that are whole.
  Result<uint64_t> read(const std::string& text, const Json& header, std::map<std::string, ItemResult>* done) const {
    uint64_t n_good = 0;
    size_t line_idx = 0;
    for (size_t at = 0; at < text.size();) {
      const size_t end = text.find('\n', at);
      if (end == std::string::npos) break;  // a crash cut it off
      const auto json = Json::parse(std::string_view(text).substr(at, end - at));
      const std::string where = path_ + ":" + std::to_string(++line_idx);
      if (!json.ok()) return Error{ErrorCode::kDataLoss, where + ": " + json.error().message};
      if (line_idx == 1) {
        if (json->dump() != header.dump()) {  // as texts: 0.0 is written as 0 and comes back as an integer
          return Error{ErrorCode::kFailedPrecondition, path_ + ": begun with another model, suite or other settings; choose another --out, or remove it"};
        }
      } else if (auto result = result_from_json(*json)) {
        std::string id = result->id;
        done->insert_or_assign(std::move(id), std::move(*result));
      } else {
        return Error{ErrorCode::kDataLoss, where + ": expected a result with id and right"};
      }
      at = end + 1;
      n_good = at;
    }
    return n_good;
  }

  std::string path_;
  std::FILE* file_ = nullptr;
};

Grade grade_attempt(const Suite& suite, const EvalItem& item, const Attempt& attempt) {
  if (!attempt.error.empty()) return {};
  if (item.grading.kind == Grading::Kind::kProgram) return {attempt.program == kProgramPasses, attempt.program};
  if (!suite.by_logprob || item.grading.kind != Grading::Kind::kChoice) return grade(item.grading, attempt.text);
  return attempt.choice < 0 ? Grade{} : grade(item.grading, choice_letter(static_cast<size_t>(attempt.choice)));
}

}  // namespace

Result<SuiteRun> run_suite(const Suite& suite, const Solve& solve, const RunOptions& options) {
  CHECK(options.n_parallel > 0 && options.n_parallel <= kParallelMax);
  std::map<std::string, ItemResult> done;
  Journal journal;
  if (!options.journal.empty()) {
    const Json header = Json::Object{{"firesteel_eval_journal", 1}, {"suite", suite.name}, {"items", suite.digest}, {"settings", options.settings}};
    FS_TRY_VOID(journal.open(options.journal, header, &done));
  }
  SuiteRun run;
  run.results.resize(suite.items.size());
  std::vector<size_t> todo;
  size_t n_done = 0, n_right = 0;
  for (size_t i = 0; i < suite.items.size(); ++i) {
    const auto found = done.find(suite.items[i].id);
    if (found == done.end()) {
      todo.push_back(i);
      continue;
    }
    run.results[i] = std::move(found->second);
    ++n_done;
    // Graded again: a grader that became better counts at once.
    const Grade graded = grade_attempt(suite, suite.items[i], run.results[i].attempt);
    run.results[i].right = graded.right;
    run.results[i].read = graded.read;
    n_right += graded.right ? 1 : 0;
  }
  run.n_resumed = n_done;

  const int64_t start_us = system_clock().now_us();
  std::atomic<size_t> next = 0;
  Mutex mutex;
  Status status;
  bool cancelled = false;
  const auto work = [&] {
    for (;;) {
      const size_t k = next.fetch_add(1);
      if (k >= todo.size()) return;
      if (options.stop != nullptr && options.stop->load()) {
        MutexLock lock(mutex);
        cancelled = true;
        return;
      }
      const EvalItem& item = suite.items[todo[k]];
      ItemResult result;
      result.id = item.id;
      result.attempt = solve(suite, item, todo[k]);
      if (!result.attempt.cancelled) {
        Grade graded = grade_attempt(suite, item, result.attempt);
        result.right = graded.right;
        result.read = std::move(graded.read);
      }
      MutexLock lock(mutex);
      cancelled = cancelled || result.attempt.cancelled;
      if (cancelled && result.attempt.cancelled) return;
      if (!status.ok()) return;
      if (journal.is_open()) {
        status = journal.append(result_json(result));
        if (!status.ok()) return;
      }
      ++n_done;
      n_right += result.right ? 1 : 0;
      run.results[todo[k]] = std::move(result);
      if (options.on_progress) options.on_progress(n_done, n_right);
    }
  };
  std::vector<std::thread> threads;
  const size_t n_threads = std::min(static_cast<size_t>(options.n_parallel), todo.size());
  for (size_t i = 1; i < n_threads; ++i) threads.emplace_back(work);
  if (n_threads > 0) work();
  for (std::thread& thread : threads) thread.join();
  run.wall_us = system_clock().now_us() - start_us;
  if (!status.ok()) return status.error();
  if (cancelled) {
    return Error{ErrorCode::kCancelled, suite.name + ": stopped after " + std::to_string(n_done) + " of " + std::to_string(suite.items.size()) + " items" +
                                            (options.journal.empty() ? "" : "; the same command goes on from there")};
  }
  return run;
}

}  // namespace firesteel
