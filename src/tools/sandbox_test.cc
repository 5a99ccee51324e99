// What code in the sandbox can and cannot do. The attempts to get out are in tests/data/sandbox_escapes.py.
#include "tools/sandbox.h"

#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <filesystem>
#include <string>
#include <thread>

#include "base/clock.h"
#include "base/mapped_file.h"
#include "tools/code_tools.h"
#include "tools/seccomp_filter.h"

namespace firesteel {
namespace {

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

class SandboxTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened = Sandbox::open(limits_);
    if (!opened.ok()) GTEST_SKIP() << opened.error().message;
    sandbox_ = std::shared_ptr<const Sandbox>(std::move(opened).value());
    if (access("/usr/bin/python3", X_OK) != 0) GTEST_SKIP() << "no /usr/bin/python3";
  }
  Result<std::string> python(const std::string& code) {
    const auto result = make_python(sandbox_)->run(Json::Object{{"code", code}}, {});
    if (!result.ok()) return result.error();
    return result->text;
  }
  Result<std::string> shell(const std::string& script) {
    const auto result = make_shell(sandbox_)->run(Json::Object{{"command", script}}, {});
    if (!result.ok()) return result.error();
    return result->text;
  }
  SandboxLimits limits_{.wall_ms = 60'000};
  std::shared_ptr<const Sandbox> sandbox_;
};

// Somebody outside who must not be reached.
struct Canary {
  Canary() {
    folder = std::filesystem::temp_directory_path().string() + "/firesteel-canary-" + std::to_string(getpid());
    std::filesystem::create_directories(folder);
    file = folder + "/file";
    std::FILE* const out = std::fopen(file.c_str(), "w");
    std::fputs("untouched", out);
    std::fclose(out);
    tcp = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    bind(tcp, reinterpret_cast<sockaddr*>(&address), size);
    listen(tcp, 8);
    getsockname(tcp, reinterpret_cast<sockaddr*>(&address), &size);
    port = ntohs(address.sin_port);
    by_path = listen_unix(folder + "/socket", false);
    by_name = listen_unix("firesteel-canary-" + std::to_string(getpid()), true);
    process = fork();
    if (process == 0) {
      for (;;) pause();
    }
  }
  ~Canary() {
    kill(process, SIGKILL);
    for (const int fd : {tcp, by_path, by_name}) close(fd);
    std::filesystem::remove_all(folder);
  }
  static int listen_unix(const std::string& name, bool abstract) {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    name.copy(address.sun_path + (abstract ? 1 : 0), sizeof address.sun_path - 2);
    bind(fd, reinterpret_cast<const sockaddr*>(&address), static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size() + 1));
    listen(fd, 8);
    return fd;
  }
  std::string folder, file;
  int tcp = -1, by_path = -1, by_name = -1;
  int port = 0;
  pid_t process = 0;
};

TEST_F(SandboxTest, NoAttemptGetsOut) {
  const auto source = read_file(std::string(FS_TEST_DATA) + "/sandbox_escapes.py", 1u << 20);
  ASSERT_TRUE(source.ok());
  const Canary canary;
  setenv("FIRESTEEL_CANARY", "canary-in-the-environment", 1);
  const std::string call = "\nrun_all(" + std::to_string(canary.port) + ", '" + canary.file + "', '" + canary.folder + "/socket', 'firesteel-canary-" + std::to_string(getpid()) + "', " +
                           std::to_string(canary.process) + ", 'canary-in-the-environment')\n";
  const auto result = python(*source + call);
  ASSERT_TRUE(result.ok()) << result.error().message;
  EXPECT_FALSE(has(*result, "ESCAPED")) << *result;
  int n_tried = 0;
  ASSERT_EQ(std::sscanf(result->c_str(), "tried %d", &n_tried), 1) << *result;
  EXPECT_GE(n_tried, 60);
  // Outside, nobody has noticed anything.
  EXPECT_EQ(kill(canary.process, 0), 0);
  EXPECT_EQ(*read_file(canary.file, 100), "untouched");
  for (const int fd : {canary.tcp, canary.by_path, canary.by_name}) EXPECT_LT(accept(fd, nullptr, nullptr), 0);
}

TEST_F(SandboxTest, ProgramsWork) {
  EXPECT_EQ(*python("print(sum(range(101)))"), "5050\n");
  EXPECT_EQ(*shell("echo a > x; cat x; pwd"), "a\n/scratch\n");
  EXPECT_TRUE(has(python("1/0").error().message, "ZeroDivisionError"));
  EXPECT_TRUE(has(shell("exit 7").error().message, "exit code 7"));
  EXPECT_EQ(*shell("ls -a; true"), ".\n..\n");  // nothing of the last call is there
}

TEST_F(SandboxTest, LimitsHold) {
  auto opened = Sandbox::open({.wall_ms = 700, .memory_bytes = 100u << 20, .n_processes = 16, .output_bytes = 1000});
  ASSERT_TRUE(opened.ok());
  sandbox_ = std::shared_ptr<const Sandbox>(std::move(opened).value());
  const int64_t start_us = system_clock().now_us();
  EXPECT_TRUE(has(shell("while :; do :; done").error().message, "700 ms, the limit"));
  const auto big = python("x = [bytearray(10 << 20) for _ in range(50)]\nprint(len(x))");  // by address space or by what is resident
  EXPECT_FALSE(big.ok()) << *big;
  EXPECT_TRUE(has(*shell("head -c 100000 /dev/zero | tr '\\0' x"), "[cut at 1000 bytes]"));
  const auto bomb = shell("f() { f | f & }; f; sleep 5; echo survived");
  EXPECT_FALSE(bomb.ok());
  EXPECT_LT(system_clock().now_us() - start_us, 30'000'000);
}

// The arguments of a process, "" where it has just ended: then the read fails, and a stream's buffer would throw.
std::string arguments_of(const char* process_id) {
  const int fd = open((std::string("/proc/") + process_id + "/cmdline").c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return "";
  std::string words;
  char piece[4096];
  for (ssize_t n = 0; (n = read(fd, piece, sizeof piece)) > 0;) words.append(piece, static_cast<size_t>(n));
  close(fd);
  return words;
}

// Processes of /proc with this word among their arguments.
int n_running_with(const std::string& word) {
  DIR* const folder = opendir("/proc");
  if (folder == nullptr) return 0;
  int n = 0;
  while (const dirent* const entry = readdir(folder)) {
    if (entry->d_name[0] < '0' || entry->d_name[0] > '9') continue;
    const std::string words = arguments_of(entry->d_name);
    n += has(words, word) && !has(words, "bwrap") ? 1 : 0;
  }
  closedir(folder);
  return n;
}

// The kernel kills a namespace when its first process ends, and the call may return a moment before that is done: soon nothing is left.
TEST_F(SandboxTest, NothingOutlivesTheCall) {
  std::atomic<bool> over{false};
  int n_seen = 0;
  std::thread watcher([&] {
    while (!over) n_seen = std::max(n_seen, n_running_with("86413"));
  });
  const bool ran = shell("(setsid sleep 86413 >&- 2>&- <&- &); for i in 1 2 3 4 5 6 7 8 9; do sleep 0.1; done; echo started").ok();
  over = true;
  watcher.join();
  ASSERT_TRUE(ran);
  EXPECT_GE(n_seen, 1);  // else it would not be seen afterwards either
  const int64_t deadline_us = system_clock().now_us() + 10'000'000;
  while (n_running_with("86413") > 0 && system_clock().now_us() < deadline_us) std::this_thread::yield();
  EXPECT_EQ(n_running_with("86413"), 0);
}

TEST_F(SandboxTest, CancelEndsIt) {
  const int64_t start_us = system_clock().now_us();
  int n_asked = 0;
  const auto end = sandbox_->run({"/bin/sleep", "50"}, {}, [&] { return ++n_asked > 3; });
  ASSERT_TRUE(end.ok());
  EXPECT_EQ(end->why, ProcessEnd::Why::kCancelled);
  EXPECT_LT(system_clock().now_us() - start_us, 20'000'000);
}

TEST(SeccompFilter, RefusesWhatItSays) {
  const auto filter = seccomp_filter();
  if (!filter.ok()) GTEST_SKIP() << filter.error().message;
  const uint32_t here = native_audit_architecture();
  const auto verdict = [&](int number, uint64_t a = 0, uint64_t b = 0) {
    const uint64_t arguments[6] = {a, b, 0, 0, 0, 0};
    return run_seccomp_filter(*filter, here, static_cast<uint32_t>(number), arguments);
  };
  for (const int number : {SYS_read, SYS_write, SYS_execve, SYS_exit_group, SYS_mmap, SYS_wait4}) EXPECT_EQ(verdict(number), SECCOMP_RET_ALLOW) << number;
  for (const int number : {SYS_mount, SYS_ptrace, SYS_bpf, SYS_io_uring_setup, SYS_setns, SYS_unshare, SYS_keyctl}) EXPECT_EQ(verdict(number), SECCOMP_RET_ERRNO | EPERM) << number;
  EXPECT_EQ(verdict(SYS_socket, AF_UNIX), SECCOMP_RET_ALLOW);
  EXPECT_EQ(verdict(SYS_socket, AF_INET), SECCOMP_RET_ERRNO | EPERM);
  EXPECT_EQ(verdict(SYS_clone, SIGCHLD), SECCOMP_RET_ALLOW);
  EXPECT_EQ(verdict(SYS_clone, SIGCHLD | 0x10000000), SECCOMP_RET_ERRNO | EPERM);
  EXPECT_EQ(verdict(SYS_ioctl, 0, 0x5412), SECCOMP_RET_ERRNO | EPERM);
  EXPECT_EQ(verdict(SYS_ioctl, 0, 0x5401), SECCOMP_RET_ALLOW);
  const uint64_t none[6] = {};
  EXPECT_EQ(run_seccomp_filter(*filter, AUDIT_ARCH_I386, 1, none), SECCOMP_RET_KILL_PROCESS);
}

}  // namespace
}  // namespace firesteel
