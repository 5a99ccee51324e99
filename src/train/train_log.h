// log.jsonl of a run, and its curve as a self-contained page.
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>

#include "base/json.h"
#include "base/result.h"

namespace firesteel {

class TrainLog {
 public:
  // Opens folder/log.jsonl for appending; lines of steps beyond `last_step` (of an interrupted run) are dropped first.
  static Result<TrainLog> open(const std::string& folder, int64_t last_step);

  // line: an object with "step". Flushed: a reader sees whole lines.
  Status append(const Json& line);
  // folder/curve.html: loss and accuracies over tokens.
  Status draw(const std::string& title) const;

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::string folder_;
  std::unique_ptr<std::FILE, Close> file_;
};

}  // namespace firesteel
