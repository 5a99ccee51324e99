// Runs fine-tuning jobs that clients asked for, one at a time, each as a process of its own at low priority: `firesteel tune`. What it needs
// to go on is in the store and in the job's folder (examples, checkpoint), so a killed server goes on after its next start, and a job that
// needs too much memory takes nobody with it.
#pragma once

#include <functional>
#include <string>
#include <thread>

#include "base/mutex.h"
#include "server/server_context.h"
#include "store/tune_jobs.h"
#include "telemetry/log.h"

namespace firesteel {

class TuneJobRunner {
 public:
  struct Options {
    std::string folder;                // of the jobs' own folders
    std::string model;                 // as `tune --model` takes it; empty: the one built in
    // Keeps a finished adapter and gives it to the engine; its digest.
    std::function<Result<std::string>(const std::string& file)> keep_adapter;
    // The same for one that was kept before.
    std::function<Status(const std::string& digest)> load_adapter;
    int64_t poll_us = 1'000'000;
    int64_t hold_us = 30'000'000;      // another replica goes on so long after this one died
  };
  // `context` must outlive this. Adapters of earlier jobs are loaded before it returns; those that cannot be are logged.
  TuneJobRunner(ServerContext* context, Options options);
  // Stops the running job after its step, with a checkpoint; the next start goes on.
  ~TuneJobRunner();
  TuneJobRunner(const TuneJobRunner&) = delete;
  TuneJobRunner& operator=(const TuneJobRunner&) = delete;

 private:
  struct Outcome;
  void loop();
  void run(TuneJob job);
  Outcome tune(const TuneJob& job, const std::string& folder);
  Status write_rows(const TuneJob& job, const std::string& path);
  Result<FileId> keep_curve(const TuneJob& job, const std::string& folder);
  bool wait(int64_t us) FS_EXCLUDES(mutex_);  // false: stopped
  void log(LogLevel level, const TuneJob& job, const std::string& text);

  ServerContext& context_;
  const Options options_;
  const std::string runner_;
  TuneJobs jobs_;
  Mutex mutex_;
  CondVar changed_;
  bool stopped_ FS_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace firesteel
