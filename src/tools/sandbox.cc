#include "tools/sandbox.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "tools/seccomp_filter.h"

namespace firesteel {
namespace {

constexpr const char* kBubblewrap = "/usr/bin/bwrap";
constexpr const char* kLimiter = "/usr/bin/prlimit";  // of util-linux
constexpr const char* kScratch = "/scratch";

bool is_link(const char* path) {
  struct stat info {};
  return lstat(path, &info) == 0 && S_ISLNK(info.st_mode);
}
bool exists(const char* path) { return access(path, F_OK) == 0; }

// Everything that is visible inside is named here.
std::vector<std::string> wrapper(const SandboxLimits& limits, int filter_fd) {
  std::vector<std::string> out = {kBubblewrap, "--unshare-user", "--unshare-all", "--disable-userns", "--uid", "65534", "--gid", "65534", "--hostname", "sandbox",
                                  "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv", "--setenv", "PATH", "/usr/bin:/bin",
                                  "--setenv", "HOME", kScratch, "--setenv", "LANG", "C.UTF-8", "--ro-bind", "/usr", "/usr"};
  for (const char* const folder : {"/bin", "/lib", "/lib64", "/sbin"}) {  // links into /usr on merged systems, folders on others
    if (is_link(folder)) out.insert(out.end(), {"--symlink", std::string("usr") + folder, folder});
    else if (exists(folder)) out.insert(out.end(), {"--ro-bind", folder, folder});
  }
  for (const char* const file : {"/etc/ld.so.cache", "/etc/alternatives", "/etc/fonts"}) {
    if (exists(file)) out.insert(out.end(), {"--ro-bind", file, file});
  }
  // Settings of the whole machine, which namespaces do not part: hidden, whoever we are outside.
  out.insert(out.end(), {"--proc", "/proc", "--tmpfs", "/proc/sys", "--remount-ro", "/proc/sys"});
  if (exists("/proc/sysrq-trigger")) out.insert(out.end(), {"--ro-bind", "/dev/null", "/proc/sysrq-trigger"});
  out.insert(out.end(), {"--dev", "/dev", "--perms", "1777", "--size", std::to_string(limits.scratch_bytes), "--tmpfs", kScratch,
                         "--chdir", kScratch, "--remount-ro", "/dev", "--remount-ro", "/"});
  if (filter_fd >= 0) out.insert(out.end(), {"--seccomp", std::to_string(filter_fd)});
  // The number of processes counts per user and namespace, so it is set inside; outside it would count this user's other programs.
  const std::string n_processes = std::to_string(limits.n_processes);
  out.insert(out.end(), {"--", kLimiter, "--nproc=" + n_processes + ":" + n_processes, "--"});
  return out;
}

// The filter as a file that the wrapper reads; -1 without one.
int filter_file(const std::string& filter) {
  if (filter.empty()) return -1;
  const int fd = memfd_create("filter", MFD_CLOEXEC);
  if (fd < 0) return -1;
  if (write(fd, filter.data(), filter.size()) == static_cast<ssize_t>(filter.size()) && lseek(fd, 0, SEEK_SET) == 0) return fd;
  close(fd);
  return -1;
}

}  // namespace

Result<std::unique_ptr<Sandbox>> Sandbox::open(SandboxLimits limits) {
  for (const char* const program : {kBubblewrap, kLimiter}) {
    if (!exists(program)) return Error{ErrorCode::kUnavailable, std::string("no sandbox: ") + program + " is not there (Debian: apt-get install bubblewrap util-linux)"};
  }
  Result<std::string> filter = seccomp_filter();
  if (!filter.ok()) return std::move(filter).error();
  std::unique_ptr<Sandbox> sandbox(new Sandbox(limits, std::move(filter).value()));
  Result<std::unique_ptr<CgroupParent>> groups = CgroupParent::find();
  sandbox->bounds_ = groups.ok() ? "cgroup " + (*groups)->path() : "rlimits (" + groups.error().message + ")";
  if (groups.ok()) {
    sandbox->groups_ = std::move(groups).value();
    const Result<ProcessEnd> in_group = sandbox->run({"/usr/bin/true"}, {});
    if (in_group.ok() && in_group->why == ProcessEnd::Why::kExit && in_group->code == 0) return sandbox;
    sandbox->groups_.reset();  // it looked as if it were ours
    sandbox->bounds_ = "rlimits (no control group: one was made, but a process could not be put into it)";
  }
  const Result<ProcessEnd> tried = sandbox->run({"/usr/bin/true"}, {});
  if (!tried.ok()) return tried.error();
  if (tried->why != ProcessEnd::Why::kExit || tried->code != 0) {
    std::string said = tried->err.substr(0, tried->err.find('\n'));
    return Error{ErrorCode::kUnavailable, "no sandbox: bubblewrap cannot make its namespaces here (" + (said.empty() ? "it said nothing" : said) + ")"};
  }
  return sandbox;
}

Result<ProcessEnd> Sandbox::run(const std::vector<std::string>& argv, std::string_view input, const std::function<bool()>& cancelled) const {
  {
    MutexLock lock(mutex_);
    while (n_running_ >= limits_.n_at_once_max) freed_.wait(mutex_);
    ++n_running_;
  }
  const int filter_fd = filter_file(filter_);
  Result<ProcessEnd> end = Error{ErrorCode::kUnavailable, "no sandbox: the filter of system calls could not be handed over"};
  if (filter_fd >= 0) {
    std::vector<std::string> words = wrapper(limits_, filter_fd);
    words.insert(words.end(), argv.begin(), argv.end());
    ProcessLimits bounds;
    bounds.wall_ms = limits_.wall_ms;
    bounds.output_bytes = limits_.output_bytes;
    bounds.resident_bytes = limits_.memory_bytes;
    bounds.address_bytes = 2 * limits_.memory_bytes;
    bounds.file_bytes = limits_.scratch_bytes;
    bounds.cpu_s = static_cast<uint64_t>(limits_.wall_ms / 1000) + 1;
    bounds.n_files = 256;
    bounds.drops_root = true;
    std::unique_ptr<Cgroup> group;
    Status bounded;
    if (groups_ != nullptr) {
      // A little beyond the limits inside: the wrapper's own processes count, too.
      Result<std::unique_ptr<Cgroup>> made = groups_->make({.memory_bytes = limits_.memory_bytes + limits_.scratch_bytes, .n_processes = limits_.n_processes + 8, .cpu_percent = limits_.cpu_percent});
      if (made.ok()) group = std::move(made).value();
      else bounded = made.error();
    }
    if (group != nullptr) bounds.cgroup_procs_fd = group->procs_fd();
    if (bounded.ok()) end = run_process(words, {}, input, bounds, {filter_fd}, cancelled);
    else end = bounded.error();
    if (group != nullptr && end.ok() && end->why != ProcessEnd::Why::kCancelled && group->ran_out_of_memory()) end->why = ProcessEnd::Why::kMemory;
    close(filter_fd);
  }
  MutexLock lock(mutex_);
  --n_running_;
  freed_.notify_one();
  return end;
}

}  // namespace firesteel
