// firesteel serve as an operator meets it: first start, the key, a request, SIGTERM, and what it refuses.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <charconv>
#include <memory>

#include "base/mapped_file.h"
#include "cli_runner.h"
#include "server/test_client.h"
#include "tiny_model.h"

namespace firesteel {
namespace {

const std::string& tiny_model() {
  static const TinyModelFile file(tiny_spec("llama"));
  return file.path();
}

// The program in the background; its first line of output says where it answers.
class Served {
 public:
  explicit Served(std::vector<std::string> arguments) {
    int out[2];
    if (pipe(out) != 0) return;
    std::vector<char*> words;
    arguments.insert(arguments.begin(), {"serve", "--model", tiny_model(), "--listen", "127.0.0.1:0"});
    const std::vector<std::string> program = program_words();
    arguments.insert(arguments.begin(), program.begin(), program.end());
    for (std::string& word : arguments) words.push_back(word.data());
    words.push_back(nullptr);
    pid_ = fork();
    if (pid_ == 0) {
      dup2(out[1], STDOUT_FILENO);
      dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
      ::close(out[0]);
      execvp(words[0], words.data());
      _exit(127);
    }
    ::close(out[1]);
    char byte = 0;
    while (output_.find("\n\n") == std::string::npos && read(out[0], &byte, 1) == 1) output_ += byte;
    ::close(out[0]);  // what it prints after this is lost, and does not stop it
    const size_t at = output_.find("127.0.0.1:");
    if (at != std::string::npos) std::from_chars(output_.data() + at + 10, output_.data() + output_.size(), port_);
  }
  ~Served() {
    if (pid_ > 0) end(SIGKILL);
  }
  Served(const Served&) = delete;
  Served& operator=(const Served&) = delete;
  int end(int signal) {
    kill(pid_, signal);
    int status = 0;
    waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  const std::string& output() const { return output_; }
  uint16_t port() const { return port_; }

 private:
  pid_t pid_ = -1;
  uint16_t port_ = 0;
  std::string output_;
};

TEST(CliServe, FirstStartMakesAKeyAndAnswers) {
  const TemporaryFile place("unused");
  const std::string state = place.folder() + "/state";
  std::string key;
  {
    Served served({"--state-dir", state});
    ASSERT_NE(served.port(), 0) << served.output();
    EXPECT_NE(served.output().find("made just now"), std::string::npos) << served.output();
    struct stat info {};
    ASSERT_EQ(stat((state + "/admin.key").c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777u, 0600u);
    key = read_file(state + "/admin.key", 1000).value();
    key.resize(key.find('\n'));
    const std::string body = R"({"prompt": "once", "max_tokens": 3, "seed": 1})";
    EXPECT_EQ(ask_once(served.port(), http_request("POST", "/v1/completions", body))->status, 401);
    const std::optional<HttpResponse> answer = ask_once(served.port(), http_request("POST", "/v1/completions", body, "x-api-key: " + key + "\r\n"));
    ASSERT_TRUE(answer.has_value());
    EXPECT_EQ(answer->status, 200) << answer->body;
    EXPECT_NE(answer->body.find("\"completion_tokens\":3"), std::string::npos) << answer->body;
    EXPECT_EQ(served.end(SIGTERM), 0);
  }
  // The same key and what was used are there after a restart, also after kill -9.
  {
    Served served({"--state-dir", state});
    EXPECT_EQ(served.output().find("made just now"), std::string::npos) << served.output();
    const std::optional<HttpResponse> usage =
        ask_once(served.port(), http_request("GET", "/firesteel/v1/admin/usage?group=model", {}, "x-api-key: " + key + "\r\n"));
    ASSERT_TRUE(usage.has_value());
    EXPECT_NE(usage->body.find("\"completion_tokens\":3"), std::string::npos) << usage->body;
    served.end(SIGKILL);
  }
  Served served({"--state-dir", state, "--no-auth"});
  EXPECT_EQ(ask_once(served.port(), http_request("GET", "/v1/models"))->status, 200);
}

TEST(CliServe, RefusesToListenToOthersWithoutTlsAndKeys) {
  const TemporaryFile place("unused");
  const std::vector<std::vector<std::string>> refused = {
      {"--listen", "0.0.0.0:0"}, {"--listen", "[::]:0"}, {"--listen", "0.0.0.0:0", "--tls-at-proxy", "--no-auth"}, {"--listen", "nonsense"},
      {"--listen", "127.0.0.1:99999"}, {"--tls-cert", "absent.pem", "--tls-key", "absent.pem"}};
  for (std::vector<std::string> arguments : refused) {
    arguments.insert(arguments.begin(), {"serve", "--model", tiny_model(), "--state-dir", place.folder() + "/state"});
    const CliResult result = run_cli(arguments);
    EXPECT_EQ(result.exit_code, 2) << arguments.back() << result.err;
    EXPECT_FALSE(result.err.empty());
  }
}

}  // namespace
}  // namespace firesteel
