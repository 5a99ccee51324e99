#include "cli_runner.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string_view>

#include "base/check.h"
#include "base/mapped_file.h"

namespace firesteel {

std::vector<std::string> program_words() {
  std::vector<std::string> words;
  std::string_view left = FS_EMULATOR;  // its words, with '|' between them
  while (!left.empty()) {
    const size_t end = std::min(left.find('|'), left.size());
    words.emplace_back(left.substr(0, end));
    left.remove_prefix(std::min(end + 1, left.size()));
  }
  words.emplace_back(FS_BINARY);
  return words;
}

CliResult run_cli(const std::vector<std::string>& arguments, const std::string& stdin_text, const std::vector<std::string>& environment) {
  // Files, not pipes: nobody waits for anybody.
  const TemporaryFile in("in", stdin_text), out("out"), err("err");
  posix_spawn_file_actions_t actions;
  CHECK(posix_spawn_file_actions_init(&actions) == 0);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, in.path().c_str(), O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, out.path().c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, err.path().c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);

  std::vector<std::string> words = program_words();
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  std::vector<std::string> variables = environment;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    if (!std::string_view(*variable).starts_with("FIRESTEEL_")) variables.emplace_back(*variable);
  }
  std::vector<char*> envp;
  for (std::string& variable : variables) envp.push_back(variable.data());
  envp.push_back(nullptr);

  pid_t child = 0;
  CHECK(posix_spawnp(&child, argv[0], &actions, nullptr, argv.data(), envp.data()) == 0);
  posix_spawn_file_actions_destroy(&actions);
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
  }
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), out.read(), err.read()};
}

TemporaryFile::TemporaryFile(const std::string& name, const std::string& content) {
  std::string pattern = (std::filesystem::temp_directory_path() / "firesteel-cli-XXXXXX").string();
  CHECK(mkdtemp(pattern.data()) != nullptr);
  folder_ = pattern;
  path_ = folder_ + "/" + name;
  std::FILE* const file = std::fopen(path_.c_str(), "wb");
  CHECK(file != nullptr);
  CHECK(std::fwrite(content.data(), 1, content.size(), file) == content.size());
  CHECK(std::fclose(file) == 0);
}

TemporaryFile::~TemporaryFile() {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

std::string TemporaryFile::read() const {
  const Result<std::string> text = read_file(path_, 1u << 30);
  return text.ok() ? *text : std::string();
}

}  // namespace firesteel
