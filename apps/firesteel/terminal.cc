#include "terminal.h"

#include <sched.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include <fmt/format.h>

#include "base/check.h"
#include "base/clock.h"

namespace firesteel {

bool is_terminal(int fd) { return isatty(fd) == 1; }

Progress::Progress(std::string label, uint64_t total, bool quiet)
    : label_(std::move(label)), total_(total), quiet_(quiet), on_terminal_(is_terminal(STDERR_FILENO)), start_us_(system_clock().now_us()) {}

Progress::~Progress() { clear(); }

void Progress::clear() {
  if (drawn_) std::fputs("\r\033[K", stderr);
  drawn_ = false;
}

void Progress::update(uint64_t done, uint64_t total, std::string_view note) {
  total_ = total;
  update(done, note);
}

void Progress::update(uint64_t done, std::string_view note) {
  done_ = done;
  if (!quiet_) draw(note);
}

void Progress::draw(std::string_view note) {
  const int64_t now_us = system_clock().now_us();
  const double seconds = static_cast<double>(now_us - start_us_) * 1e-6;
  const double share = total_ == 0 ? 0 : std::min(1.0, static_cast<double>(done_) / static_cast<double>(total_));
  if (on_terminal_) {
    if (drawn_ && now_us - last_draw_us_ < 100'000 && done_ < total_) return;
    last_draw_us_ = now_us;
    drawn_ = true;
    winsize size{};
    const size_t n_columns = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 80;
    constexpr size_t kBarWidth = 24;
    const auto filled = static_cast<size_t>(share * kBarWidth);
    std::string left = share > 0.01 ? fmt::format(", {:.0f} s left", seconds / share * (1 - share)) : std::string();
    std::string line = fmt::format("{} [{}{}] {:3.0f} %{} {}", label_, std::string(filled, '='), std::string(kBarWidth - filled, ' '),
                                   share * 100, left, note);
    if (line.size() >= n_columns) line.resize(n_columns - 1);
    std::fprintf(stderr, "\r%s\033[K", line.c_str());
    std::fflush(stderr);
    return;
  }
  // Elsewhere a line every tenth, but only of work that takes longer than a moment.
  const auto tenth = static_cast<uint64_t>(share * 10);
  if (tenth < next_line_tenth_ || seconds < 1) return;
  next_line_tenth_ = tenth + 1;
  fmt::print(stderr, "{}: {:.0f} %, {:.1f} s {}\n", label_, share * 100, seconds, note);
}

std::string format_bytes(uint64_t bytes) {
  const char* const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1024 && unit < 4) {
    value /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, units[unit]);
}

std::string format_count(uint64_t n) {
  std::string digits = std::to_string(n);
  for (size_t i = digits.size(); i > 3; i -= 3) digits.insert(i - 3, ",");
  return digits;
}

Spread spread_of(std::vector<double> values) {
  CHECK(!values.empty());
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  const double median = values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
  return {median, values.front(), values.back()};
}

int n_usable_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

}  // namespace firesteel
