#include "tools/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>

#include "base/clock.h"

namespace firesteel {
namespace {

constexpr int kTickMs = 10;
constexpr unsigned kNobody = 65534;
constexpr int kTreeMax = 512;  // processes that are looked at for memory

Error io_error(const std::string& what) { return {ErrorCode::kUnavailable, what + ": " + std::strerror(errno)}; }

class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() { reset(); }
  void reset() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }
  bool open() const { return fd_ >= 0; }

 private:
  int fd_;
};

struct Pipe {
  Descriptor read, write;
};

Result<Pipe> make_pipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return io_error("a pipe could not be made");
  return Pipe{Descriptor(ends[0]), Descriptor(ends[1])};
}

std::vector<char*> pointers(const std::vector<std::string>& words) {
  std::vector<char*> out;
  for (const std::string& word : words) out.push_back(const_cast<char*>(word.c_str()));  // NOLINT: execve takes them so and does not write
  out.push_back(nullptr);
  return out;
}

// In the child, after fork of a program with threads: only what is safe in a signal handler.
void limit(int what, uint64_t value) {
  if (value == 0) return;
  rlimit bounds{};
  if (getrlimit(static_cast<__rlimit_resource>(what), &bounds) != 0) return;
  const rlim_t wanted = std::min<rlim_t>(value, bounds.rlim_max);
  bounds.rlim_cur = bounds.rlim_max = wanted;
  setrlimit(static_cast<__rlimit_resource>(what), &bounds);
}

struct ChildSetup {
  int in, out, err;
  const std::vector<int>* inherited;  // ascending
  const ProcessLimits* limits;        // null: none
  bool dies_with_parent;
};

[[noreturn]] void become(const ChildSetup& setup, char* const* argv, char* const* environment) {
  setpgid(0, 0);
  if (setup.dies_with_parent) prctl(PR_SET_PDEATHSIG, SIGKILL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  signal(SIGPIPE, SIG_DFL);
  dup2(setup.in, STDIN_FILENO);
  dup2(setup.out, STDOUT_FILENO);
  dup2(setup.err, STDERR_FILENO);
  // Zero means the writer. While still who we were: the group is ours, not nobody's.
  if (setup.limits != nullptr && setup.limits->cgroup_procs_fd >= 0 && write(setup.limits->cgroup_procs_fd, "0", 1) != 1) _exit(126);
  unsigned first = 3;
  for (const int keep : *setup.inherited) {
    fcntl(keep, F_SETFD, 0);
    if (static_cast<unsigned>(keep) > first) syscall(SYS_close_range, first, static_cast<unsigned>(keep) - 1, 0u);
    first = static_cast<unsigned>(keep) + 1;
  }
  syscall(SYS_close_range, first, ~0u, 0u);
  if (setup.limits != nullptr) {
    limit(RLIMIT_CORE, 1);
    limit(RLIMIT_AS, setup.limits->address_bytes);
    limit(RLIMIT_FSIZE, setup.limits->file_bytes);
    limit(RLIMIT_CPU, setup.limits->cpu_s);
    limit(RLIMIT_NPROC, setup.limits->n_processes);
    limit(RLIMIT_NOFILE, setup.limits->n_files);
  }
  if (setup.limits != nullptr && setup.limits->drops_root && geteuid() == 0) {
    // By number, and for the whole process: the library's functions would tell other threads, which this child does not have.
    if (syscall(SYS_setgroups, 0, nullptr) != 0 || syscall(SYS_setresgid, kNobody, kNobody, kNobody) != 0 || syscall(SYS_setresuid, kNobody, kNobody, kNobody) != 0) _exit(126);
  }
  execve(argv[0], argv, environment);
  _exit(127);
}

std::optional<int64_t> number_in(const std::string& text, size_t field) {
  size_t at = 0;
  for (; field > 0; --field) {
    at = text.find(' ', at);
    if (at == std::string::npos) return std::nullopt;
    ++at;
  }
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data() + at, text.data() + text.size(), value);
  return error == std::errc() ? std::optional(value) : std::nullopt;
}

std::string read_proc(int pid, const char* name) {
  const std::string path = "/proc/" + std::to_string(pid) + "/" + name;
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string text(4096, '\0');
  const ssize_t n = file.open() ? ::read(file.get(), text.data(), text.size()) : -1;
  text.resize(n > 0 ? static_cast<size_t>(n) : 0);
  return text;
}

// Memory of a process and all below it. Shared pages count for each: an upper bound.
uint64_t resident_bytes_of(int root) {
  const auto page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  std::vector<int> open = {root};
  uint64_t sum = 0;
  for (size_t i = 0; i < open.size() && i < kTreeMax; ++i) {
    if (const auto pages = number_in(read_proc(open[i], "statm"), 1)) sum += static_cast<uint64_t>(*pages) * page;
    const std::string children = read_proc(open[i], ("task/" + std::to_string(open[i]) + "/children").c_str());
    for (size_t at = 0; at < children.size();) {
      int child = 0;
      const auto [end, error] = std::from_chars(children.data() + at, children.data() + children.size(), child);
      if (error != std::errc()) break;
      open.push_back(child);
      at = static_cast<size_t>(end - children.data()) + 1;
    }
  }
  return sum;
}

void kill_group(int pid) {
  ::kill(-pid, SIGKILL);
  ::kill(pid, SIGKILL);
}

// False at the end of the stream.
bool drain(const Descriptor& from, std::string* to, size_t n_left, bool* was_cut) {
  char bytes[16 << 10];
  const ssize_t n = ::read(from.get(), bytes, sizeof bytes);
  if (n < 0) return errno == EAGAIN || errno == EINTR;
  const size_t kept = std::min(static_cast<size_t>(n), n_left);
  to->append(bytes, kept);
  *was_cut = *was_cut || kept < static_cast<size_t>(n);
  return n > 0;
}

void set_nonblocking(const Descriptor& descriptor) { fcntl(descriptor.get(), F_SETFL, O_NONBLOCK); }

}  // namespace

Result<ProcessEnd> run_process(const std::vector<std::string>& argv, const std::vector<std::string>& environment, std::string_view input,
                               const ProcessLimits& limits, const std::vector<int>& inherited, const std::function<bool()>& cancelled) {
  if (argv.empty() || access(argv.front().c_str(), X_OK) != 0) {
    return Error{ErrorCode::kNotFound, "there is no program " + (argv.empty() ? std::string("(none)") : argv.front())};
  }
  FS_TRY(Pipe in, make_pipe());
  FS_TRY(Pipe out, make_pipe());
  FS_TRY(Pipe err, make_pipe());
  std::vector<int> kept = inherited;
  std::sort(kept.begin(), kept.end());
  const std::vector<char*> words = pointers(argv), variables = pointers(environment);
  const ChildSetup setup{in.read.get(), out.write.get(), err.write.get(), &kept, &limits, true};
  const pid_t pid = fork();
  if (pid < 0) return io_error("a process could not be started");
  if (pid == 0) become(setup, words.data(), variables.data());
  setpgid(pid, pid);
  in.read.reset();
  out.write.reset();
  err.write.reset();
  for (const Descriptor* const one : {&in.write, &out.read, &err.read}) set_nonblocking(*one);

  ProcessEnd end;
  const int64_t deadline_us = system_clock().now_us() + limits.wall_ms * 1000;
  size_t n_written = 0;
  int status = 0;
  bool exited = false;
  // What is in the pipes after the end is read, but nobody is waited for who still holds them.
  for (bool last_look = false; !last_look;) {
    last_look = exited;
    if (in.write.open() && n_written >= input.size()) in.write.reset();
    pollfd waits[3];
    nfds_t n = 0;
    for (const auto& [descriptor, events] : {std::pair(&in.write, POLLOUT), std::pair(&out.read, POLLIN), std::pair(&err.read, POLLIN)}) {
      if (descriptor->open()) waits[n++] = {descriptor->get(), static_cast<short>(events), 0};
    }
    ::poll(waits, n, last_look ? 0 : kTickMs);
    if (in.write.open()) {
      // SIGPIPE is not wanted: MSG_NOSIGNAL is for sockets, so the signal is blocked around the write.
      sigset_t pipe_signal, before;
      sigemptyset(&pipe_signal);
      sigaddset(&pipe_signal, SIGPIPE);
      pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
      const ssize_t wrote = ::write(in.write.get(), input.data() + n_written, input.size() - n_written);
      const int problem = wrote < 0 ? errno : 0;
      if (problem == EPIPE) {
        const timespec now{0, 0};
        sigtimedwait(&pipe_signal, nullptr, &now);
      }
      pthread_sigmask(SIG_SETMASK, &before, nullptr);
      if (wrote > 0) n_written += static_cast<size_t>(wrote);
      else if (problem != 0 && problem != EAGAIN && problem != EINTR) in.write.reset();
    }
    for (bool more = true; more;) {
      more = false;
      for (const auto& [descriptor, text] : {std::pair(&out.read, &end.out), std::pair(&err.read, &end.err)}) {
        if (!descriptor->open()) continue;
        const size_t n_before = end.out.size() + end.err.size();
        if (!drain(*descriptor, text, limits.output_bytes - std::min(limits.output_bytes, n_before), &end.was_cut)) descriptor->reset();
        else if (end.out.size() + end.err.size() > n_before) more = last_look;
      }
    }
    if (exited) continue;
    exited = waitpid(pid, &status, WNOHANG) == pid;
    if (exited) {
      ::kill(-pid, SIGKILL);
      continue;
    }
    const bool is_late = system_clock().now_us() >= deadline_us;
    const bool is_big = limits.resident_bytes > 0 && resident_bytes_of(pid) > limits.resident_bytes;
    const bool is_cancelled = cancelled && cancelled();
    if (is_late || is_big || is_cancelled) {
      end.why = is_late ? ProcessEnd::Why::kTime : is_big ? ProcessEnd::Why::kMemory : ProcessEnd::Why::kCancelled;
      kill_group(pid);
      while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
      }
      exited = true;
    }
  }
  if (end.why == ProcessEnd::Why::kExit) {
    end.why = WIFSIGNALED(status) ? ProcessEnd::Why::kSignal : ProcessEnd::Why::kExit;
    end.code = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
  }
  return end;
}

Result<std::unique_ptr<TalkingProcess>> TalkingProcess::start(const std::vector<std::string>& argv, const std::vector<std::string>& environment) {
  if (argv.empty() || access(argv.front().c_str(), X_OK) != 0) {
    return Error{ErrorCode::kNotFound, "there is no program " + (argv.empty() ? std::string("(none)") : argv.front())};
  }
  FS_TRY(Pipe in, make_pipe());
  FS_TRY(Pipe out, make_pipe());
  const Descriptor nowhere(open("/dev/null", O_WRONLY | O_CLOEXEC));
  const std::vector<char*> words = pointers(argv), variables = pointers(environment);
  const std::vector<int> none;
  const ChildSetup setup{in.read.get(), out.write.get(), nowhere.get(), &none, nullptr, false};
  const pid_t pid = fork();
  if (pid < 0) return io_error("a process could not be started");
  if (pid == 0) become(setup, words.data(), variables.data());
  setpgid(pid, pid);
  set_nonblocking(in.write);
  set_nonblocking(out.read);
  return std::unique_ptr<TalkingProcess>(new TalkingProcess(pid, in.write.release(), out.read.release()));
}

TalkingProcess::~TalkingProcess() {
  ::close(in_);
  ::close(out_);
  kill_group(pid_);
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
}

Status TalkingProcess::write(std::string_view bytes, int64_t timeout_ms) {
  const int64_t deadline_us = system_clock().now_us() + timeout_ms * 1000;
  sigset_t pipe_signal, before;
  sigemptyset(&pipe_signal);
  sigaddset(&pipe_signal, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
  Status status;
  while (!bytes.empty() && status.ok()) {
    const ssize_t n = ::write(in_, bytes.data(), bytes.size());
    if (n > 0) {
      bytes.remove_prefix(static_cast<size_t>(n));
    } else if (errno == EAGAIN) {
      const int64_t left_ms = (deadline_us - system_clock().now_us()) / 1000;
      pollfd wait{in_, POLLOUT, 0};
      if (left_ms <= 0 || ::poll(&wait, 1, static_cast<int>(std::min<int64_t>(left_ms, 1000))) < 0) status = Error{ErrorCode::kDeadlineExceeded, "it did not read what was sent in time"};
    } else if (errno != EINTR) {
      if (errno == EPIPE) {
        const timespec now{0, 0};
        sigtimedwait(&pipe_signal, nullptr, &now);
      }
      status = Error{ErrorCode::kUnavailable, "the program has ended"};
    }
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return status;
}

Result<std::string> TalkingProcess::read_line(size_t bytes_max, int64_t timeout_ms) {
  const int64_t deadline_us = system_clock().now_us() + timeout_ms * 1000;
  for (size_t looked = 0;;) {
    const size_t at = buffer_.find('\n', looked);
    if (at != std::string::npos && at <= bytes_max) {
      std::string line = buffer_.substr(0, at);
      buffer_.erase(0, at + 1);
      return line;
    }
    if (buffer_.size() > bytes_max) return Error{ErrorCode::kResourceExhausted, "a message is longer than " + std::to_string(bytes_max) + " bytes"};
    looked = buffer_.size();
    const int64_t left_ms = (deadline_us - system_clock().now_us()) / 1000;
    if (left_ms <= 0) return Error{ErrorCode::kDeadlineExceeded, "it did not answer within " + std::to_string(timeout_ms) + " ms"};
    pollfd wait{out_, POLLIN, 0};
    ::poll(&wait, 1, static_cast<int>(std::min<int64_t>(left_ms, 1000)));
    char bytes[16 << 10];
    const ssize_t n = ::read(out_, bytes, sizeof bytes);
    if (n > 0) buffer_.append(bytes, static_cast<size_t>(n));
    else if (n == 0 || (errno != EAGAIN && errno != EINTR)) return Error{ErrorCode::kUnavailable, "the program has ended"};
  }
}

}  // namespace firesteel
