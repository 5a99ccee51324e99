// Facts about the machine: what doctor shows and what bench divides by.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace firesteel {

struct MemoryFacts {
  uint64_t total_bytes = 0, available_bytes = 0;
  std::optional<uint64_t> cgroup_limit_bytes;  // nullopt: none
};
MemoryFacts memory_facts();

// Most memory this program has had, mapped weights included. Not getrusage's figure: that one begins with the memory of the process
// that started this one.
uint64_t peak_rss_bytes();

// CPUs' worth of time that the control group grants; nullopt: no limit.
std::optional<double> cgroup_cpus();

// Text of a file in /proc or /sys (their size is not known before reading; at most 1 MiB is read); empty when unreadable.
std::string system_file(const std::string& path);
std::string first_line(const std::string& path);
std::string cpu_name();

uint64_t last_level_cache_bytes();  // 0: unknown

// Read bandwidth of memory: n_threads threads sum a buffer larger than the last level cache (256 to 512 MiB), each its own contiguous
// part. The buffer is filled once: touching fresh memory costs more than reading it many times.
class BandwidthProbe {
 public:
  explicit BandwidthProbe(int n_threads);
  ~BandwidthProbe();
  BandwidthProbe(const BandwidthProbe&) = delete;
  BandwidthProbe& operator=(const BandwidthProbe&) = delete;

  // Best of n_rounds, GB/s (10^9). 0 when the memory for the buffer is not there.
  double measure(int n_rounds) const;

 private:
  int n_threads_;
  size_t part_bytes_ = 0;
  void* memory_ = nullptr;
};

// Share of a file's pages that the page cache holds, 0..1; nullopt when it cannot be told.
std::optional<double> page_cache_share(const std::string& path);

// Reads a file once, so that a measurement starts with a warm page cache.
void warm_page_cache(const std::string& path);

}  // namespace firesteel
