// This program again, as a child with other arguments.
#pragma once

#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

#include "base/result.h"

namespace firesteel {

// Starts /proc/self/exe with these words; standard input is /dev/null, signals are as a fresh process has them, and Ctrl-C at the terminal
// does not reach it. -1: errno says why.
pid_t spawn_self(const std::vector<std::string>& words, int out, int err, int niceness = 0);

class ChildProcess {
 public:
  struct Options {
    std::string out_file;   // what it says, both streams; emptied first
    int niceness = 0;
  };
  static Result<ChildProcess> start_self(const std::vector<std::string>& words, const Options& options);
  ~ChildProcess() { terminate(); }
  ChildProcess(ChildProcess&& other) noexcept : pid_(std::exchange(other.pid_, -1)), exit_code_(other.exit_code_) {}
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  // Whether it has ended. Does not wait.
  bool poll();
  int exit_code() const { return exit_code_; }  // once it has; 128 + the signal that ended it
  // SIGTERM, and waits for the end.
  void terminate();

 private:
  explicit ChildProcess(pid_t pid) : pid_(pid) {}
  void ended(int status);
  pid_t pid_;
  int exit_code_ = -1;
};

}  // namespace firesteel
