#include "tools/cgroup.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

namespace firesteel {
namespace {

constexpr std::string_view kMain = "/firesteel-main";
constexpr const char* kControllers[] = {"memory", "pids", "cpu"};
constexpr const char* kHow = "; start it as a service with Delegate=yes, or with systemd-run --user --scope -p Delegate=yes";
constexpr int kRemoveTries = 50;

Error none(std::string why) { return {ErrorCode::kUnavailable, "no control group: " + std::move(why)}; }

// Files of the kernel say that they are empty, so they are read to their end.
std::string text_in(const std::string& path) {
  std::string text;
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  char bytes[4096];
  for (ssize_t n; fd >= 0 && text.size() < (1u << 16) && (n = read(fd, bytes, sizeof bytes)) > 0;) text.append(bytes, static_cast<size_t>(n));
  if (fd >= 0) close(fd);
  return text;
}

Status write_to(const std::string& path, std::string_view text, bool makes_file) {
  const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC | (makes_file ? O_CREAT | O_TRUNC : 0), 0600);
  if (fd < 0) return none(path + ": " + std::strerror(errno));
  const ssize_t n = write(fd, text.data(), text.size());
  const int problem = errno;
  close(fd);
  if (n != static_cast<ssize_t>(text.size())) return none(path + ": " + std::strerror(problem));
  return {};
}

// "0::/user.slice/..." among the lines of /proc/self/cgroup; those of the older version have a number and names.
std::string path_of_self(const std::string& text) {
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = std::string_view(text).substr(at, end - at);
    if (line.starts_with("0::/") && line.find("/..") == std::string_view::npos) return std::string(line.substr(3));
    at = end + 1;
  }
  return {};
}

bool has_word(std::string_view words, std::string_view word) {
  for (size_t at = 0; at < words.size();) {
    const size_t end = std::min(words.find_first_of(" \n", at), words.size());
    if (words.substr(at, end - at) == word) return true;
    at = end + 1;
  }
  return false;
}

}  // namespace

Cgroup::~Cgroup() {
  if (procs_fd_ >= 0) close(procs_fd_);
  static_cast<void>(write_to(path_ + "/cgroup.kill", "1", false));
  // The kernel lets it go when the last process has been buried, which takes a moment.
  for (int i = 0; i < kRemoveTries && rmdir(path_.c_str()) != 0 && errno == EBUSY; ++i) poll(nullptr, 0, 2);
}

bool Cgroup::ran_out_of_memory() const {
  const std::string events = text_in(path_ + "/memory.events");
  const size_t at = events.find("oom_kill ");
  return at != std::string::npos && events.substr(at + 9, 1) != "0";
}

Result<std::unique_ptr<CgroupParent>> CgroupParent::find(const CgroupPlace& place) {
  const std::string self = path_of_self(place.self.empty() ? text_in("/proc/self/cgroup") : place.self);
  if (self.empty()) return none("this process is in none of version 2");
  std::string path = place.root + (self == "/" ? "" : self);
  const bool is_moved = std::string_view(path).ends_with(kMain);
  if (is_moved) path.resize(path.size() - kMain.size());
  const std::string offered = text_in(path + "/cgroup.controllers");
  for (const char* const name : kControllers) {
    if (!has_word(offered, name)) return none(path + " does not offer " + name + kHow);
  }
  if (access((path + "/cgroup.subtree_control").c_str(), W_OK) != 0) return none(path + " is not this user's" + kHow);
  if (!is_moved) {
    const std::string pid = std::to_string(getpid());
    if (text_in(path + "/cgroup.procs") != pid + "\n") return none(path + " holds other processes, too" + kHow);
    const std::string main = path + std::string(kMain);
    if (mkdir(main.c_str(), 0755) != 0 && errno != EEXIST) return none(main + ": " + std::strerror(errno));
    FS_TRY_VOID(write_to(main + "/cgroup.procs", pid, place.makes_files));
  }
  FS_TRY_VOID(write_to(path + "/cgroup.subtree_control", "+memory +pids +cpu", place.makes_files));
  return std::unique_ptr<CgroupParent>(new CgroupParent(path, place.makes_files));
}

Result<std::unique_ptr<Cgroup>> CgroupParent::make(const CgroupLimits& limits) const {
  std::unique_ptr<Cgroup> group(new Cgroup(path_ + "/firesteel-" + std::to_string(getpid()) + "-" + std::to_string(++last_)));
  if (mkdir(group->path_.c_str(), 0755) != 0) return none(group->path_ + ": " + std::strerror(errno));
  const auto set = [&](const char* name, const std::string& value) { return write_to(group->path_ + "/" + name, value, makes_files_); };
  FS_TRY_VOID(set("memory.max", std::to_string(limits.memory_bytes)));
  static_cast<void>(set("memory.swap.max", "0"));  // not there without swap
  FS_TRY_VOID(set("memory.oom.group", "1"));       // all of it dies, not one process that others wait for
  FS_TRY_VOID(set("pids.max", std::to_string(limits.n_processes)));
  FS_TRY_VOID(set("cpu.max", std::to_string(limits.cpu_percent * 1000) + " 100000"));
  group->procs_fd_ = open((group->path_ + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC | (makes_files_ ? O_CREAT : 0), 0600);
  if (group->procs_fd_ < 0) return none(group->path_ + "/cgroup.procs: " + std::strerror(errno));
  return group;
}

}  // namespace firesteel
