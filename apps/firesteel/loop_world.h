// What the demonstration of the improvement loop needs around the program: the program itself as a child, requests to it, and people.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "base/rng.h"
#include "eval/item.h"

namespace firesteel {

struct ChildOutput {
  int exit_code = 0;
  std::string out, err;
};
// Runs this program with the words and waits. kIo when it cannot be started.
Result<ChildOutput> run_self(const std::vector<std::string>& words);

// `firesteel serve` on a free port of the loopback, until this object is destroyed.
class ServedSelf {
 public:
  // kUnavailable with what it printed when it does not answer.
  static Result<ServedSelf> start(const std::string& state_dir, const std::string& log_path);
  ~ServedSelf();
  ServedSelf(ServedSelf&& other) noexcept;
  ServedSelf& operator=(ServedSelf&&) = delete;
  ServedSelf(const ServedSelf&) = delete;

  struct Answer {
    int status = 0;
    std::string request_id, variant;   // "helper@2 ..."
    Json body;
  };
  // One request on a connection of its own, with the admin key. Thread-safe.
  Result<Answer> ask(const std::string& method, const std::string& path, const Json& body) const;
  uint16_t port() const { return port_; }

 private:
  ServedSelf(pid_t pid, uint16_t port, std::string key) : pid_(pid), port_(port), key_(std::move(key)) {}
  pid_t pid_;
  uint16_t port_;
  std::string key_;
};

// What people wish for: both can be checked by a program, so that the demonstration knows whether it came true.
enum class Wish : uint8_t {
  kBareNumber,    // "Answer: 7", nothing behind the number: their spreadsheet reads it
  kRightNumber,   // the right one
};
bool fulfils(Wish wish, const EvalItem& item, std::string_view answer);
// What somebody writes who corrects an answer; empty when there is nothing better to say.
std::string correction_of(Wish wish, const EvalItem& item, std::string_view answer);

}  // namespace firesteel
