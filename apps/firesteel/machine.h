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

// CPUs' worth of time that the control group grants; nullopt: no limit.
std::optional<double> cgroup_cpus();

// First line of a small file such as those in /sys, trimmed; empty when unreadable.
std::string first_line(const std::string& path);

uint64_t last_level_cache_bytes();  // 0: unknown

// Read bandwidth of memory: n_threads threads sum a buffer of four times the last level cache (256 MiB .. 1 GiB), each its own
// contiguous part, best of `n_rounds` rounds. GB/s (10^9). 0 when the memory is not there.
double probe_read_bandwidth(int n_threads, int n_rounds);

// Share of a file's pages that the page cache holds, 0..1; nullopt when it cannot be told.
std::optional<double> page_cache_share(const std::string& path);

// Reads a file once, so that a measurement starts with a warm page cache.
void warm_page_cache(const std::string& path);

}  // namespace firesteel
