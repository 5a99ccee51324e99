// The command line's vocabulary: commands with options, and one way to say that something was wrong. CLI11 stays behind this header
// (it costs seconds to compile). Values are checked while parsing; an unknown flag is refused with the nearest valid one.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace CLI {
class App;
}

namespace firesteel {

enum ExitCode : int { kExitOk = 0, kExitFailed = 1, kExitUsage = 2 };

// A handle, cheap to copy. Pointers passed to options must live until the program has run; their values are the defaults. `env`
// names a variable that counts when the flag is absent. Names as "-n,--name"; one without dashes is positional.
class Command {
 public:
  // exit_code: where run() leaves its result; both outlive this.
  Command(CLI::App* app, int* exit_code) : app_(app), exit_code_(exit_code) {}

  void flag(const char* names, bool* value, const char* help);
  void text(const char* names, std::string* value, const char* help, const char* env = nullptr);
  void texts(const char* names, std::vector<std::string>* values, const char* help);       // may be repeated
  void paths(const char* name, std::vector<std::string>* values, const char* help);        // positional, one or more
  void integer(const char* names, int64_t* value, int64_t min, int64_t max, const char* help, const char* env = nullptr);
  void integers(const char* names, std::vector<int64_t>* values, int64_t min, int64_t max, const char* help);  // comma-separated
  void number(const char* names, double* value, double min, double max, const char* help);
  void choice(const char* names, std::string* value, const std::vector<std::string>& allowed, const char* help, const char* env = nullptr);
  void required(const char* name);
  void excludes(const char* name, const char* other);
  bool was_given(const char* name) const;
  const char* origin(const char* name) const;  // "flag", "environment" or "default"

  void examples(const char* text);            // shown below the help
  Command subcommand(const char* name, const char* help);
  void run(std::function<int()> action);      // what it does without a subcommand; returns the exit code

 private:
  CLI::App* app_;
  int* exit_code_;
};

class CommandLine {
 public:
  CommandLine(const char* description, const char* version);
  ~CommandLine();
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;

  Command root();
  // Parses and runs the chosen command. Returns the exit code.
  int run(int argc, const char* const* argv);

 private:
  std::unique_ptr<CLI::App> app_;
  int exit_code_ = -1;  // -1: no command ran
};

// Prints "firesteel: message" to stderr; with json, {"error": {...}} to stdout as well. Returns kExitFailed, or kExitUsage for
// usage errors of a command that the parser could not see.
int fail(const Error& error, bool json = false);
int fail_usage(const std::string& message);

// The candidate with the fewest edits to `word`, or empty when none is near.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace firesteel
