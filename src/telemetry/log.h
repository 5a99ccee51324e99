// A structured log: one JSON object per line with time, level and event, then the fields of the event. No content of requests, no
// secrets: callers pass ids, counts and codes.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>

#include "base/json.h"
#include "base/queue.h"

namespace firesteel {

enum class LogLevel : uint8_t { kDebug, kInfo, kWarning, kError };

// Thread-safe. Lines are written by a thread of its own; when they come faster than they can be written they are dropped, and the
// next line that goes through says how many ("dropped").
class Log {
 public:
  using Sink = std::function<void(const std::string& line)>;  // line ends with a newline
  explicit Log(Sink sink, LogLevel lowest = LogLevel::kInfo);
  ~Log();  // writes what is queued
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  void write(LogLevel level, const char* event, Json::Object fields);
  bool shows(LogLevel level) const { return level >= lowest_; }

 private:
  const Sink sink_;
  const LogLevel lowest_;
  BoundedQueue<std::string> queue_{4096};
  std::atomic<uint64_t> n_dropped_{0};
  std::thread thread_;
};

Log::Sink stderr_sink();
// "2026-11-23T05:07:09.123Z"
std::string iso_time_ms(int64_t unix_ms);

}  // namespace firesteel
