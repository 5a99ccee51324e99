#include "documents/pdf.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include <fmt/format.h>

#include "base/clock.h"
#include "documents/text_builder.h"

namespace firesteel {
namespace {

constexpr unsigned kNobody = 65534;

std::string find_program(const std::string& given, const char* name) {
  if (!given.empty()) return ::access(given.c_str(), X_OK) == 0 ? given : "";
  for (const char* folder : {"/usr/bin/", "/usr/local/bin/"}) {
    std::string path = std::string(folder) + name;
    if (::access(path.c_str(), X_OK) == 0) return path;
  }
  return {};
}

struct RunResult {
  std::string output;
  int status = 0;
};

// Only async-signal-safe calls: the program may have other threads.
[[noreturn]] void run_child(int out, const PdfOptions& options, char* const* argv) {
  const int null = ::open("/dev/null", O_RDWR);
  ::dup2(null, STDIN_FILENO);
  ::dup2(out, STDOUT_FILENO);
  ::dup2(null, STDERR_FILENO);
  const rlimit memory{options.memory_bytes_max, options.memory_bytes_max};
  const auto seconds = static_cast<rlim_t>(options.timeout_ms / 1000 + 1);
  const rlimit cpu{seconds, seconds};
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_AS, &memory);
  ::setrlimit(RLIMIT_CPU, &cpu);
  ::setrlimit(RLIMIT_CORE, &none);
  // A root outside owns files of the kernel that a namespace does not hide. By number: the library's functions would tell other threads,
  // which this child does not have.
  if (::geteuid() == 0 && (::syscall(SYS_setgroups, 0, nullptr) != 0 || ::syscall(SYS_setresgid, kNobody, kNobody, kNobody) != 0 || ::syscall(SYS_setresuid, kNobody, kNobody, kNobody) != 0)) ::_exit(126);
  char* const environment[] = {nullptr};
  ::execve(argv[0], argv, environment);
  ::_exit(127);
}

Result<RunResult> run(const std::vector<std::string>& words, const DocumentLimits& limits, const PdfOptions& options) {
  std::vector<char*> argv;
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));  // execve takes them as they are
  argv.push_back(nullptr);
  int pipe_fds[2];
  if (::pipe2(pipe_fds, O_CLOEXEC) != 0) return Error{ErrorCode::kIo, std::string("pipe: ") + std::strerror(errno)};
  const pid_t child = ::fork();
  if (child < 0) {
    const Error error{ErrorCode::kIo, std::string("fork: ") + std::strerror(errno)};
    ::close(pipe_fds[0]);
    ::close(pipe_fds[1]);
    return error;
  }
  if (child == 0) run_child(pipe_fds[1], options, argv.data());
  ::close(pipe_fds[1]);

  RunResult result;
  Status problem;
  const int64_t deadline_us = system_clock().now_us() + options.timeout_ms * 1000;
  std::vector<char> buffer(size_t{1} << 16);
  for (;;) {
    const int64_t left_ms = (deadline_us - system_clock().now_us()) / 1000;
    if (left_ms <= 0) {
      problem = Error{ErrorCode::kDeadlineExceeded, fmt::format("pdftotext took longer than {} ms", options.timeout_ms)};
      break;
    }
    pollfd wait{pipe_fds[0], POLLIN, 0};
    const int ready = ::poll(&wait, 1, static_cast<int>(std::min<int64_t>(left_ms, 1000)));
    if (ready <= 0) continue;
    const ssize_t n = ::read(pipe_fds[0], buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    if (result.output.size() + static_cast<size_t>(n) > limits.text_bytes_max) {
      problem = Error{ErrorCode::kResourceExhausted, fmt::format("PDF has more than {} bytes of text", limits.text_bytes_max)};
      break;
    }
    result.output.append(buffer.data(), static_cast<size_t>(n));
  }
  ::close(pipe_fds[0]);
  if (!problem.ok()) ::kill(child, SIGKILL);  // bubblewrap takes what is inside with it (--die-with-parent)
  while (::waitpid(child, &result.status, 0) < 0 && errno == EINTR) {
  }
  if (!problem.ok()) return problem.error();
  return result;
}

}  // namespace

std::string pdf_missing(const PdfOptions& options) {
  if (find_program(options.bwrap, "bwrap").empty()) return "PDF files are read in a sandbox, and bubblewrap is not installed (Debian: apt-get install bubblewrap)";
  if (find_program(options.pdftotext, "pdftotext").empty()) return "PDF files are read by pdftotext, which is not installed (Debian: apt-get install poppler-utils)";
  return {};
}

Result<Document> read_pdf_file(const std::string& path, const DocumentLimits& limits, const PdfOptions& options) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return Error{errno == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo, path + ": " + std::strerror(errno)};
  if (!S_ISREG(info.st_mode)) return Error{ErrorCode::kInvalidArgument, path + ": not a regular file"};
  if (static_cast<uint64_t>(info.st_size) > limits.file_bytes_max) {
    return Error{ErrorCode::kResourceExhausted, fmt::format("{}: {} bytes, the limit is {}", path, info.st_size, limits.file_bytes_max)};
  }
  if (const std::string missing = pdf_missing(options); !missing.empty()) return Error{ErrorCode::kUnsupported, path + ": " + missing};
  char* const real = ::realpath(path.c_str(), nullptr);
  if (real == nullptr) return Error{ErrorCode::kIo, path + ": " + std::strerror(errno)};
  const std::string real_path = real;
  ::free(real);

  const std::string bwrap = find_program(options.bwrap, "bwrap"), tool = find_program(options.pdftotext, "pdftotext");
  std::vector<std::string> words = {bwrap, "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--ro-bind", "/usr", "/usr"};
  for (const char* folder : {"/lib", "/lib64", "/lib32"}) words.insert(words.end(), {"--ro-bind-try", folder, folder});
  words.insert(words.end(), {"--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache", "--dev", "/dev", "--tmpfs", "/tmp", "--chdir", "/tmp",
                             "--ro-bind", real_path, "/document.pdf", "--setenv", "LC_ALL", "C.UTF-8", tool, "-q", "-enc", "UTF-8", "/document.pdf", "-"});
  auto ran = run(words, limits, options);
  if (!ran.ok()) return Error{ran.error().code, path + ": " + ran.error().message};
  if (!WIFEXITED(ran->status) || WEXITSTATUS(ran->status) != 0) {
    const int code = WIFEXITED(ran->status) ? WEXITSTATUS(ran->status) : 128 + WTERMSIG(ran->status);
    const char* reason = code == 1 ? "it is damaged, encrypted or not a PDF" : code == 3 ? "its permissions forbid it" : "the sandbox or the reader failed";
    return Error{ErrorCode::kDataLoss, fmt::format("{}: pdftotext gave no text (exit code {}): {}", path, code, reason)};
  }
  TextBuilder out(limits);
  size_t page = 1, n_with_text = 0;
  const std::string_view text = ran->output;
  for (size_t begin = 0; begin < text.size(); ++page) {
    const size_t end = std::min(text.find('\f', begin), text.size());
    const std::string_view content = text.substr(begin, end - begin);
    if (content.find_first_not_of(" \t\r\n") != std::string_view::npos) {
      out.begin_heading(6);
      out.words(fmt::format("Page {}", page));
      out.end_heading();
      out.verbatim(content);
      ++n_with_text;
    }
    begin = end + 1;
  }
  if (n_with_text == 0) return Error{ErrorCode::kDataLoss, path + ": no text in it (scanned pages have none)"};
  return out.finish();
}

}  // namespace firesteel
