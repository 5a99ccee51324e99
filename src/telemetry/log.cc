#include "telemetry/log.h"

#include <cstdio>
#include <ctime>
#include <utility>

#include <fmt/format.h>

#include "base/clock.h"

namespace firesteel {

std::string iso_time_ms(int64_t unix_ms) {
  const std::time_t seconds = unix_ms / 1000;
  std::tm tm{};
  gmtime_r(&seconds, &tm);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
                     tm.tm_sec, unix_ms % 1000);
}

Log::Sink stderr_sink() {
  return [](const std::string& line) { std::fwrite(line.data(), 1, line.size(), stderr); };
}

Log::Log(Sink sink, LogLevel lowest) : sink_(std::move(sink)), lowest_(lowest) {
  thread_ = std::thread([this] {
    while (std::optional<std::string> line = queue_.pop()) sink_(*line);
  });
}

Log::~Log() {
  queue_.close();
  thread_.join();
}

void Log::write(LogLevel level, const char* event, Json::Object fields) {
  if (!shows(level)) return;
  static constexpr const char* kLevels[] = {"debug", "info", "warning", "error"};
  Json::Object line;
  line.reserve(fields.size() + 4);
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  line.emplace_back("time", iso_time_ms(int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000));
  line.emplace_back("level", kLevels[static_cast<size_t>(level)]);
  line.emplace_back("event", event);
  for (Json::Member& field : fields) line.push_back(std::move(field));
  const uint64_t dropped = n_dropped_.exchange(0);
  if (dropped > 0) line.emplace_back("dropped", static_cast<int64_t>(dropped));
  if (!queue_.try_push(Json(std::move(line)).dump() + "\n")) n_dropped_.fetch_add(dropped + 1);
}

}  // namespace firesteel
