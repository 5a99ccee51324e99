// Runs the firesteel binary as a user does.
#pragma once

#include <string>
#include <vector>

namespace firesteel {

struct CliResult {
  int exit_code = -1;  // 128 + signal when one ended it
  std::string out, err;
};

// What runs the program: its path, behind an emulator's words where it was built for another machine.
std::vector<std::string> program_words();

// stdin_text is written and closed; environment entries ("NAME=value") are added to this process's, without FIRESTEEL_* of it.
CliResult run_cli(const std::vector<std::string>& arguments, const std::string& stdin_text = {},
                  const std::vector<std::string>& environment = {});

// A file in a folder of its own that disappears with this object.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& name, const std::string& content = {});
  ~TemporaryFile();
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  const std::string& path() const { return path_; }
  const std::string& folder() const { return folder_; }
  std::string read() const;

 private:
  std::string folder_, path_;
};

}  // namespace firesteel
