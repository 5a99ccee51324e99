#include "child_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace firesteel {

pid_t spawn_self(const std::vector<std::string>& words, int out, int err, int niceness) {
  std::vector<std::string> all = {"firesteel"};
  all.insert(all.end(), words.begin(), words.end());
  std::vector<char*> argv;
  for (std::string& word : all) argv.push_back(word.data());
  argv.push_back(nullptr);
  const pid_t child = ::fork();
  if (child != 0) return child;
  ::setpgid(0, 0);  // Ctrl-C is the parent's to answer
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);  // a server blocks SIGTERM in all its threads
  if (niceness != 0 && ::nice(niceness) == -1) {
    // no lower priority then
  }
  ::dup2(out, STDOUT_FILENO);
  ::dup2(err, STDERR_FILENO);
  const int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (null >= 0) ::dup2(null, STDIN_FILENO);
  ::execv("/proc/self/exe", argv.data());
  ::_exit(127);
}

Result<ChildProcess> ChildProcess::start_self(const std::vector<std::string>& words, const Options& options) {
  const int out = ::open(options.out_file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (out < 0) return Error{ErrorCode::kIo, options.out_file + ": " + std::strerror(errno)};
  const pid_t child = spawn_self(words, out, out, options.niceness);
  const int error = errno;
  ::close(out);
  if (child < 0) return Error{ErrorCode::kResourceExhausted, std::string("a process cannot be started: ") + std::strerror(error)};
  return ChildProcess(child);
}

void ChildProcess::ended(int status) {
  exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  pid_ = -1;
}

bool ChildProcess::poll() {
  if (pid_ <= 0) return true;
  int status = 0;
  if (::waitpid(pid_, &status, WNOHANG) != pid_) return false;
  ended(status);
  return true;
}

void ChildProcess::terminate() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGTERM);
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  ended(status);
}

}  // namespace firesteel
