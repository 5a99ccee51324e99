// A place where code of models runs: bubblewrap with namespaces of its own for users, processes, network, IPC, host name and cgroups; no
// network at all; a read-only root that holds /usr and nothing of this machine's data; a small scratch folder in memory; no capabilities; a filter
// of system calls; limits on time, memory, processes, file size and output, by a control group where there is one (cgroup.h). Nothing that
// runs inside outlives the call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"
#include "tools/cgroup.h"
#include "tools/process.h"

namespace firesteel {

struct SandboxLimits {
  int64_t wall_ms = 10'000;
  uint64_t memory_bytes = 512u << 20;  // resident, of all processes together; each may address twice as much
  uint64_t scratch_bytes = 64u << 20;
  uint64_t n_processes = 64;
  uint64_t cpu_percent = 100;          // of one core; with control groups only
  size_t output_bytes = 64u << 10;
  int n_at_once_max = 4;               // calls at a time; more wait
};

// Thread-safe.
class Sandbox {
 public:
  // Tries it once, with a program that does nothing. kUnavailable: bubblewrap is not there, or may not make namespaces here; the message
  // says which, in one line for the operator.
  static Result<std::unique_ptr<Sandbox>> open(SandboxLimits limits = {});

  // Runs argv (paths as inside: "/usr/bin/python3") with `input` as its stdin, in an empty scratch folder.
  Result<ProcessEnd> run(const std::vector<std::string>& argv, std::string_view input, const std::function<bool()>& cancelled = {}) const;
  const SandboxLimits& limits() const { return limits_; }
  // What keeps memory, processes and processor time in bounds: "cgroup PATH", or "rlimits (no control group: ...)".
  const std::string& bounds() const { return bounds_; }

 private:
  explicit Sandbox(SandboxLimits limits, std::string filter) : limits_(limits), filter_(std::move(filter)) {}
  const SandboxLimits limits_;
  std::unique_ptr<const CgroupParent> groups_ = {};  // null: rlimits, and a watch over memory
  std::string bounds_ = {};
  const std::string filter_;  // of system calls
  mutable Mutex mutex_;
  mutable CondVar freed_;
  mutable int n_running_ FS_GUARDED_BY(mutex_) = 0;
};

}  // namespace firesteel
