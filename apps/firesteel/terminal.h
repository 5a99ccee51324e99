// What a person sees while something runs, and facts about this process and machine.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace firesteel {

bool is_terminal(int fd);

// Long work: a bar on a terminal, a plain line every tenth elsewhere. Writes to stderr, so that results stay alone on stdout.
class Progress {
 public:
  // total 0: unknown. quiet: nothing at all (--json keeps stderr for errors).
  Progress(std::string label, uint64_t total, bool quiet = false);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void update(uint64_t done, std::string_view note = {});
  void update(uint64_t done, uint64_t total, std::string_view note);  // for work that learns its size as it goes
  void clear();  // takes the bar away, before something else is printed

 private:
  void draw(std::string_view note);
  std::string label_;
  uint64_t total_;
  uint64_t done_ = 0;
  bool quiet_;
  bool on_terminal_;
  bool drawn_ = false;
  int64_t start_us_;
  int64_t last_draw_us_ = 0;
  uint64_t next_line_tenth_ = 1;
};

std::string format_bytes(uint64_t bytes);  // "698.9 MiB"
std::string format_count(uint64_t n);      // "1,235,814,400"

struct Spread {
  double median = 0, min = 0, max = 0;
};
Spread spread_of(std::vector<double> values);  // not empty

int n_usable_cpus();

}  // namespace firesteel
