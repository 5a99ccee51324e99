// Matrix products: GMAC/s, GB/s of weights, and the share of the machine's measured limits.
//
//   kernels_bench [--threads 1,2] [--isa NAME] [--types Q4_K,Q6_K] [--n 1,512] [--rows 8192] [--k 2048] [--mb 512] [--reps 9]
//
// One JSON line per case: the minimum and the median over the repetitions. Weights of `mb` MB are used in turn, so that small n
// streams them from memory. Peaks are probed first: bandwidth by reading, arithmetic from the cores' clock (see peak_gmacs).
#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <map>
#include <sstream>
#include <string>

#include "base/clock.h"
#include "kernels/dispatch.h"
#include "kernels/matmul.h"
#include "kernels/test_weights.h"

namespace firesteel {
namespace {

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  std::stringstream stream(text);
  for (std::string part; std::getline(stream, part, ',');) parts.push_back(part);
  return parts;
}

// Memory in 2 MiB pages where the system gives them, as a mapped model file has on most file systems.
std::byte* map_bytes(size_t n) {
  void* p = mmap(nullptr, n + (4u << 20), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) std::abort();
  auto* aligned = reinterpret_cast<std::byte*>((reinterpret_cast<uintptr_t>(p) + (2u << 20) - 1) / (2u << 20) * (2u << 20));
  madvise(aligned, n, MADV_HUGEPAGE);
  return aligned;
}

double read_gbps(Exec* exec, const std::byte* data, size_t n_bytes) {
  double best = 0;
  constexpr size_t chunk = 1u << 18, part = 1u << 24;
  for (size_t at = 0; at + part <= n_bytes; at += part) {
    const int64_t begin_us = system_clock().now_us();
    std::vector<uint64_t> sums(part / chunk);
    exec->parallel_for(static_cast<int64_t>(part / chunk), [&](int64_t task, int) {
      const std::byte* p = data + at + static_cast<size_t>(task) * chunk;
      uint64_t sum[8] = {};
      for (size_t i = 0; i < chunk; i += 64) {
        __builtin_prefetch(p + i + 4096);
        for (size_t j = 0; j < 8; ++j) {
          uint64_t word;
          std::memcpy(&word, p + i + 8 * j, 8);
          sum[j] += word;
        }
      }
      for (const uint64_t s : sum) sums[static_cast<size_t>(task)] += s;
    });
    const auto us = static_cast<double>(system_clock().now_us() - begin_us);
    best = std::max(best, static_cast<double>(part) / us / 1e3);
  }
  return best;
}

// Cycles per microsecond, from a chain of dependent additions (one cycle each).
double ghz() {
  double best = 0;
  for (int rep = 0; rep < 5; ++rep) {
    const int64_t begin_us = system_clock().now_us();
    uint64_t value = 1;
    for (int i = 0; i < 4'000'000; ++i) {
      value += 3;
      asm volatile("" : "+r"(value));
    }
    best = std::max(best, 4000.0 / static_cast<double>(system_clock().now_us() - begin_us));
  }
  return best;
}

// Multiply-adds per cycle and core of AVX-512: 64 int8, 32 bf16, 16 f32.
double macs_per_cycle(ActKind kind) { return kind == ActKind::kInt8 ? 64 : kind == ActKind::kBF16 ? 32 : 16; }

int run(const std::map<std::string, std::string>& options) {
  const auto option = [&options](const char* name, const char* fallback) {
    const auto it = options.find(name);
    return it != options.end() ? it->second : std::string(fallback);
  };
  const Result<const KernelTable*> table = kernel_table(option("isa", ""));
  if (!table.ok()) {
    fmt::print(stderr, "{}\n", table.error().message);
    return 2;
  }
  const size_t n_mb = std::stoul(option("mb", "512"));
  const int64_t rows = std::stol(option("rows", "8192")), k = std::stol(option("k", "2048"));
  const int reps = std::stoi(option("reps", "9"));
  std::byte* memory = map_bytes(n_mb << 20);
  std::memset(memory, 1, n_mb << 20);
  const double clock_ghz = ghz();
  for (const std::string& threads : split(option("threads", "1,2"))) {
    Exec exec(std::stoi(threads));
    const double gbps = read_gbps(&exec, memory, n_mb << 20);
    fmt::print("{{\"threads\": {}, \"read_GBps\": {:.1f}, \"clock_GHz\": {:.2f}}}\n", threads, gbps, clock_ghz);
    for (const std::string& type : split(option("types", "Q4_K,Q6_K,Q8_0,Q4_0,Q5_K,Q5_0,IQ4_NL,IQ4_XS,MXFP4,Q4_1,Q5_1,Q3_K,Q2_K,BF16,F16,F32"))) {
      const DType dtype = dtype_from_name(type).value();
      const ActKind kind = act_kind(dtype, Precision::kFast);
      Rng rng(1);
      const std::vector<uint8_t> panel = random_weights(dtype, 256, k, &rng);  // repeated: the values do not matter
      const size_t matrix_bytes = static_cast<size_t>(rows) * row_bytes(dtype, k);
      const size_t n_matrices = std::max<size_t>(1, (n_mb << 20) / matrix_bytes);
      if (n_matrices * matrix_bytes > n_mb << 20) continue;
      for (size_t at = 0; at + panel.size() <= n_matrices * matrix_bytes; at += panel.size()) std::memcpy(memory + at, panel.data(), panel.size());
      for (const std::string& columns : split(option("n", "1,2,4,8,12,512"))) {
        const int64_t n = std::stol(columns);
        std::vector<float> x(static_cast<size_t>(n * k)), out(static_cast<size_t>(n * rows));
        for (float& value : x) value = static_cast<float>(rng.uniform() - 0.5);
        Activations acts;
        acts.set(&exec, **table, kind, x.data(), k, nullptr, n, k);
        // A repetition is one matrix, the next one each time: a large set of weights comes from memory, and a short run has a chance
        // to be undisturbed on a busy machine.
        std::vector<double> seconds;
        const int n_reps = std::max(reps, static_cast<int>(n <= 16 ? n_matrices : 1));
        for (int rep = 0; rep < n_reps; ++rep) {
          const std::byte* weights = memory + static_cast<size_t>(rep) % n_matrices * matrix_bytes;
          const MatmulJob job = {{dtype, weights, rows, k}, out.data(), rows, nullptr, false};
          const auto begin = std::chrono::steady_clock::now();
          matmul(&exec, **table, acts, {&job, 1});
          seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
        }
        std::sort(seconds.begin(), seconds.end());
        const double macs = static_cast<double>(rows * k * n);
        const double bytes = static_cast<double>(matrix_bytes);
        const double peak = macs_per_cycle(kind) * clock_ghz * std::stod(threads);
        const double best = seconds.front(), median = seconds[seconds.size() / 2];
        fmt::print("{{\"name\": \"kernels/matmul/{}/n={}/k={}/{}\", \"threads\": {}, \"GMACps\": {:.1f}, \"GMACps_median\": {:.1f}, \"peak_share\": {:.3f}, "
                   "\"GBps\": {:.1f}, \"bandwidth_share\": {:.3f}}}\n",
                   type, n, k, (*table)->isa, threads, macs / best * 1e-9, macs / median * 1e-9, macs / best * 1e-9 / peak, bytes / best * 1e-9,
                   bytes / best * 1e-9 / gbps);
        std::fflush(stdout);
      }
    }
  }
  return 0;
}

}  // namespace
}  // namespace firesteel

int main(int argc, char** argv) {
  std::map<std::string, std::string> options;
  for (int i = 1; i + 1 < argc; i += 2) options[std::string(argv[i]).substr(2)] = argv[i + 1];
  return firesteel::run(options);
}
