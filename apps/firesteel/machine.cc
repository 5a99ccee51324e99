#include "machine.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <barrier>
#include <cstdlib>
#include <filesystem>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/large_pages.h"
#include "base/mapped_file.h"

namespace firesteel {
namespace {

// "MemTotal:  24500000 kB"
uint64_t meminfo_bytes(const std::string& text, const char* key) {
  const size_t at = text.find(key);
  return at == std::string::npos ? 0 : std::strtoull(text.c_str() + at + std::char_traits<char>::length(key), nullptr, 10) * 1024;
}

// The control group of this process, version 2; the root of the hierarchy in a container.
std::string cgroup_file(const char* name) {
  const std::string self = system_file("/proc/self/cgroup");
  const size_t at = self.find("0::");
  if (at != std::string::npos) {
    const std::string group = self.substr(at + 3, self.find('\n', at) - at - 3);
    const std::string text = first_line("/sys/fs/cgroup" + group + "/" + name);
    if (!text.empty()) return text;
  }
  return first_line(std::string("/sys/fs/cgroup/") + name);
}

}  // namespace

std::string system_file(const std::string& path) {
  std::string text;
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return text;
  char buffer[4096];
  ssize_t n = 0;
  while (text.size() < (1u << 20) && (n = read(fd, buffer, sizeof buffer)) > 0) text.append(buffer, static_cast<size_t>(n));
  close(fd);
  return text;
}

std::string first_line(const std::string& path) {
  const std::string text = system_file(path);
  return text.substr(0, text.find('\n'));
}

std::string cpu_name() {
  const std::string info = system_file("/proc/cpuinfo");
  for (const char* const key : {"model name", "Processor", "CPU part"}) {
    const size_t at = info.find(key);
    if (at == std::string::npos) continue;
    const size_t colon = info.find(':', at);
    const size_t end = info.find('\n', at);
    if (colon == std::string::npos || end == std::string::npos || colon + 2 > end) continue;
    return info.substr(colon + 2, end - colon - 2);
  }
  return "unknown";
}

MemoryFacts memory_facts() {
  const std::string text = system_file("/proc/meminfo");
  MemoryFacts facts{meminfo_bytes(text, "MemTotal:"), meminfo_bytes(text, "MemAvailable:"), std::nullopt};
  const std::string limit = cgroup_file("memory.max");
  if (!limit.empty() && limit != "max") facts.cgroup_limit_bytes = std::strtoull(limit.c_str(), nullptr, 10);
  return facts;
}

std::optional<double> cgroup_cpus() {
  const std::string limit = cgroup_file("cpu.max");  // "200000 100000" or "max 100000"
  if (limit.empty() || limit.starts_with("max")) return std::nullopt;
  char* rest = nullptr;
  const double quota = std::strtod(limit.c_str(), &rest);
  const double period = std::strtod(rest, nullptr);
  return period > 0 ? std::optional(quota / period) : std::nullopt;
}

uint64_t peak_rss_bytes() { return meminfo_bytes(system_file("/proc/self/status"), "VmHWM:"); }

uint64_t last_level_cache_bytes() {
  const long l3 = sysconf(_SC_LEVEL3_CACHE_SIZE);
  const long l2 = sysconf(_SC_LEVEL2_CACHE_SIZE);
  return static_cast<uint64_t>(std::max({l3, l2, 0L}));
}

BandwidthProbe::BandwidthProbe(int n_threads) : n_threads_(n_threads) {
  const uint64_t wanted = std::clamp<uint64_t>(4 * last_level_cache_bytes(), 256u << 20, 512u << 20);
  part_bytes_ = wanted / static_cast<size_t>(n_threads) / 4096 * 4096;
  const size_t n_bytes = part_bytes_ * static_cast<size_t>(n_threads);
  if (memory_facts().available_bytes < 2 * n_bytes) return;
  void* const memory = mmap(nullptr, n_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return;
  madvise(memory, n_bytes, MADV_HUGEPAGE);
  std::fill_n(static_cast<uint64_t*>(memory), n_bytes / sizeof(uint64_t), uint64_t{1});
  memory_ = memory;
}

BandwidthProbe::~BandwidthProbe() {
  if (memory_ != nullptr) munmap(memory_, part_bytes_ * static_cast<size_t>(n_threads_));
}

double BandwidthProbe::measure(int n_rounds) const {
  if (memory_ == nullptr) return 0;
  std::barrier<> line(n_threads_ + 1);
  std::atomic<uint64_t> sink{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < n_threads_; ++t) {
    threads.emplace_back([&, t] {
      const size_t n = part_bytes_ / sizeof(uint64_t);
      const uint64_t* const words = static_cast<const uint64_t*>(memory_) + static_cast<size_t>(t) * n;
      for (int round = 0; round < n_rounds; ++round) {
        line.arrive_and_wait();
        uint64_t sums[8] = {};  // independent chains, which any vector unit can take
        for (size_t i = 0; i + 8 <= n; i += 8) {
          __builtin_prefetch(words + i + 512);  // 4 KiB ahead; past the end it does nothing
          for (size_t lane = 0; lane < 8; ++lane) sums[lane] += words[i + lane];
        }
        uint64_t sum = 0;
        for (const uint64_t lane : sums) sum += lane;
        sink += sum;
        line.arrive_and_wait();
      }
    });
  }
  int64_t best_us = INT64_MAX;
  for (int round = 0; round < n_rounds; ++round) {
    line.arrive_and_wait();
    const int64_t start_us = system_clock().now_us();
    line.arrive_and_wait();
    best_us = std::min(best_us, system_clock().now_us() - start_us);
  }
  for (std::thread& thread : threads) thread.join();
  const double n_bytes = static_cast<double>(part_bytes_) * n_threads_;
  return best_us > 0 ? n_bytes / static_cast<double>(best_us) * 1e-3 : 0;
}

std::optional<double> page_cache_share(const std::string& path) {
  const Result<MappedFile> file = MappedFile::open(path);
  if (!file.ok() || file->bytes().empty()) return std::nullopt;
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  std::vector<unsigned char> resident((file->bytes().size() + page - 1) / page);
  if (mincore(const_cast<std::byte*>(file->bytes().data()), file->bytes().size(), resident.data()) != 0) return std::nullopt;
  const auto n = std::count_if(resident.begin(), resident.end(), [](unsigned char flags) { return (flags & 1) != 0; });
  return static_cast<double>(n) / static_cast<double>(resident.size());
}

void warm_page_cache(const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    for (std::filesystem::directory_iterator it(path, error), end; !error && it != end; it.increment(error)) {
      if (it->path().extension() == ".safetensors") warm_page_cache(it->path().string());
    }
    return;
  }
  const Result<MappedFile> file = MappedFile::open(path);  // as the engine does, so that what is read now comes in large pages
  if (!file.ok()) return;
  unsigned sum = 0;
  for (size_t at = 0; at < file->bytes().size(); at += 4096) sum += static_cast<unsigned>(file->bytes()[at]);
  [[maybe_unused]] const volatile unsigned used = sum;
  static_cast<void>(read_into_large_pages(path, [] { return true; }));  // what was in the cache before, in small ones
}

}  // namespace firesteel
