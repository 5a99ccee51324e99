// A child process with bounded input, output, time and memory: what the sandbox and stdio servers are made of.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace firesteel {

struct ProcessLimits {
  int64_t wall_ms = 10'000;            // of clock time; then the whole group is killed
  size_t output_bytes = 64u << 10;     // of stdout and stderr together; what is more is dropped, and the child goes on
  uint64_t resident_bytes = 0;         // of the child and all below it, looked at every few milliseconds; 0: no limit
  // rlimits of the child; 0: as they are.
  uint64_t address_bytes = 0, file_bytes = 0;
  uint64_t cpu_s = 0, n_processes = 0, n_files = 0;
  // A process of root's becomes nobody first: a root outside owns files of the kernel that a namespace does not hide.
  bool drops_root = false;
  // Open at a control group's cgroup.procs: the child is in that group before it runs anything. -1: none.
  int cgroup_procs_fd = -1;
};

struct ProcessEnd {
  enum class Why : uint8_t { kExit, kSignal, kTime, kMemory, kCancelled };
  Why why = Why::kExit;
  int code = 0;                 // of kExit; the signal of kSignal
  std::string out, err;
  bool was_cut = false;         // output beyond the limit was dropped
};

// Runs argv[0] (an absolute path: PATH is not searched) with an empty environment but `environment`. `input` is its stdin. Descriptors
// in `inherited` stay open in the child under the same numbers; all others are closed. The child leads a process group of its own, dies with
// this process, and is waited for: when this returns, it is gone, and of what it started all that is in its group or its namespaces.
//
// kNotFound: there is no such program. kUnavailable: it could not be started.
Result<ProcessEnd> run_process(const std::vector<std::string>& argv, const std::vector<std::string>& environment, std::string_view input,
                               const ProcessLimits& limits, const std::vector<int>& inherited = {}, const std::function<bool()>& cancelled = {});

// A child that is talked to over its stdin and stdout; stderr is dropped. Not thread-safe. The destructor kills it.
class TalkingProcess {
 public:
  static Result<std::unique_ptr<TalkingProcess>> start(const std::vector<std::string>& argv, const std::vector<std::string>& environment);
  ~TalkingProcess();
  TalkingProcess(const TalkingProcess&) = delete;
  TalkingProcess& operator=(const TalkingProcess&) = delete;

  // kUnavailable: the child has gone. kDeadlineExceeded: it did not read it in time.
  Status write(std::string_view bytes, int64_t timeout_ms);
  // The next line, without its end. kUnavailable: the child has gone. kDeadlineExceeded. kResourceExhausted: longer than bytes_max.
  Result<std::string> read_line(size_t bytes_max, int64_t timeout_ms);

 private:
  TalkingProcess(int pid, int in, int out) : pid_(pid), in_(in), out_(out) {}
  int pid_, in_, out_;
  std::string buffer_;
};

}  // namespace firesteel
