// Control groups (version 2) as limits of what runs in the sandbox: memory, processes and processor time of a whole tree, kept by the
// kernel. They need a group that was handed to this program: a service with Delegate=yes, or
// `systemd-run --user --scope -p Delegate=yes firesteel ...`. Where there is none, the caller does without (rlimits, and a watch).
// Source: the kernel's Documentation/admin-guide/cgroup-v2.rst.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"

namespace firesteel {

struct CgroupLimits {
  uint64_t memory_bytes = 0;   // of all processes together, the scratch folder in memory included; no swap
  uint64_t n_processes = 0;    // threads count, too
  uint64_t cpu_percent = 100;  // of one core, over 100 ms each
};

// Where the tree is; tests have one of plain files.
struct CgroupPlace {
  std::string root = "/sys/fs/cgroup";
  std::string self = {};        // what /proc/self/cgroup says; empty: it is read
  bool makes_files = false;     // a folder of plain files: the kernel makes them by itself
};

// A group for one call. The destructor kills what is in it and takes it away.
class Cgroup {
 public:
  ~Cgroup();
  Cgroup(const Cgroup&) = delete;
  Cgroup& operator=(const Cgroup&) = delete;

  // Whoever writes "0" there is in the group, with all that it starts. Open as long as this object lives.
  int procs_fd() const { return procs_fd_; }
  bool ran_out_of_memory() const;

 private:
  friend class CgroupParent;
  explicit Cgroup(std::string path) : path_(std::move(path)) {}
  const std::string path_;
  int procs_fd_ = -1;
};

// Thread-safe.
class CgroupParent {
 public:
  // kUnavailable: there is no such group, in one line for the operator. Moves this process into a group "firesteel-main" below the one it
  // was in, because a group that hands controllers on may hold no processes itself; so it is done only where it was alone.
  static Result<std::unique_ptr<CgroupParent>> find(const CgroupPlace& place = {});
  Result<std::unique_ptr<Cgroup>> make(const CgroupLimits& limits) const;
  const std::string& path() const { return path_; }

 private:
  CgroupParent(std::string path, bool makes_files) : path_(std::move(path)), makes_files_(makes_files) {}
  const std::string path_;
  const bool makes_files_;
  mutable std::atomic<uint64_t> last_{0};
};

}  // namespace firesteel
