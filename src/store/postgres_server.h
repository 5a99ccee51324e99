// For tests: a PostgreSQL server of one's own, in a folder of its own, reachable through a socket there only.
#pragma once

#include <pwd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "store/test_folder.h"

namespace firesteel {

class PostgresServer {
 public:
  // Empty when no server is installed.
  static std::string binary_folder() {
    std::error_code ignored;
    std::string newest;
    for (const auto& entry : std::filesystem::directory_iterator("/usr/lib/postgresql", ignored)) {
      const std::string folder = entry.path().string() + "/bin";
      if (std::filesystem::exists(folder + "/initdb", ignored)) newest = std::max(newest, folder);
    }
    return newest;
  }

  PostgresServer() : binaries_(binary_folder()) {
    // The server refuses to run as root: then as the user that its package has made.
    const passwd* const user = ::getuid() == 0 ? ::getpwnam("postgres") : nullptr;
    if (user != nullptr) {
      uid_ = user->pw_uid;
      gid_ = user->pw_gid;
    }
    if (::chown(folder_.path().c_str(), uid_, gid_) != 0) return;
    made_ = run({"initdb", "-D", data(), "-U", "firesteel", "--auth=trust", "-E", "UTF8", "--locale=C", "--no-sync"});
  }
  ~PostgresServer() { stop("immediate"); }
  PostgresServer(const PostgresServer&) = delete;
  PostgresServer& operator=(const PostgresServer&) = delete;

  bool start() {
    return made_ && run({"pg_ctl", "-w", "-D", data(), "-l", folder_.file("log"), "-o", "-c listen_addresses= -c fsync=on -k " + folder_.path(), "start"});
  }
  // "fast" ends connections, "immediate" is as a crash.
  bool stop(const std::string& mode) { return made_ && run({"pg_ctl", "-w", "-D", data(), "-m", mode, "stop"}); }
  std::string conninfo() const { return "host=" + folder_.path() + " user=firesteel dbname=postgres connect_timeout=5"; }

 private:
  std::string data() const { return folder_.file("data"); }

  bool run(std::vector<std::string> words) const {
    words[0] = binaries_ + "/" + words[0];
    const pid_t child = ::fork();
    if (child == 0) {
      if (::getuid() == 0 && (::setgid(gid_) != 0 || ::setuid(uid_) != 0)) ::_exit(126);
      if (std::freopen(folder_.file("out").c_str(), "ae", stdout) == nullptr) ::_exit(126);
      ::dup2(STDOUT_FILENO, STDERR_FILENO);
      std::vector<char*> argv;
      for (std::string& word : words) argv.push_back(word.data());
      argv.push_back(nullptr);
      ::execv(argv[0], argv.data());
      ::_exit(127);
    }
    int status = 0;
    return child > 0 && ::waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }

  TestFolder folder_;
  const std::string binaries_;
  uid_t uid_ = ::getuid();
  gid_t gid_ = ::getgid();
  bool made_ = false;
};

}  // namespace firesteel
