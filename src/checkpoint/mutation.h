// Hostile bytes for tests: damaged copies of a good file, and what reading one may cost. Include in one file per test binary: it
// replaces the global operator new to count memory.
#pragma once

#include <malloc.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>
#include <vector>

#include "base/rng.h"

namespace firesteel::mutation {

inline std::atomic<int64_t> live_bytes = 0;
inline std::atomic<int64_t> peak_bytes = 0;

inline void* allocate(size_t n) {
  void* p = std::malloc(n);
  if (p == nullptr) std::abort();
  const int64_t now = live_bytes.fetch_add(static_cast<int64_t>(malloc_usable_size(p))) + static_cast<int64_t>(malloc_usable_size(p));
  int64_t peak = peak_bytes.load();
  while (now > peak && !peak_bytes.compare_exchange_weak(peak, now)) {
  }
  return p;
}
inline void release(void* p) {
  if (p == nullptr) return;
  live_bytes.fetch_sub(static_cast<int64_t>(malloc_usable_size(p)));
  std::free(p);
}

struct Cost {
  int64_t memory_bytes = 0;  // above what was there before
  double cpu_s = 0;          // of this thread: does not depend on what else the machine does
};
template <typename F>
Cost measure(F&& work) {
  const auto now = [] {
    timespec t{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
  };
  const int64_t before = live_bytes.load();
  peak_bytes.store(before);
  const double start = now();
  work();
  return {peak_bytes.load() - before, now() - start};
}

// Values that break arithmetic when they are believed.
inline uint64_t absurd(Rng* rng, uint64_t size) {
  const uint64_t values[] = {0, 1, 2, 0x7F, 0xFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, uint64_t{1} << 32, (uint64_t{1} << 24) + 1,
                             uint64_t{1} << 31, uint64_t{1} << 48, uint64_t{1} << 61, uint64_t{1} << 62, uint64_t{1} << 63, UINT64_MAX, UINT64_MAX - 7,
                             UINT64_MAX - 31, size, size - 1, size + 1, size / 2, rng->next_u64()};
  return values[rng->below(std::size(values))];
}

inline void put(std::string* bytes, size_t at, uint64_t value, size_t n) {
  for (size_t i = 0; i < n && at + i < bytes->size(); ++i) (*bytes)[at + i] = static_cast<char>(value >> (8 * i));
}

// A damaged copy; most damage lies in the first n_header bytes.
inline std::string mutate(const std::string& good, size_t n_header, Rng* rng) {
  std::string bytes = good;
  const auto place = [&] { return rng->below(std::max<size_t>(1, std::min(rng->below(10) == 0 ? bytes.size() : n_header, bytes.size()))); };
  const uint64_t n_changes = 1 + rng->below(3);
  for (uint64_t change = 0; change < n_changes && !bytes.empty(); ++change) {
    switch (rng->below(7)) {
      case 0: bytes.resize(place()); break;
      case 1: for (uint64_t i = 0; i < 1 + rng->below(8) && !bytes.empty(); ++i) bytes[place()] ^= static_cast<char>(1 << rng->below(8)); break;
      case 2: put(&bytes, place(), absurd(rng, good.size()), 8); break;
      case 3: put(&bytes, place(), absurd(rng, good.size()), 4); break;
      case 4: bytes.erase(place(), rng->below(16)); break;
      case 5: bytes.insert(place(), std::string(rng->below(16), static_cast<char>(rng->below(256)))); break;
      case 6: {
        const size_t n = std::min<size_t>(rng->below(64), bytes.size());
        const std::string piece = bytes.substr(rng->below(bytes.size() - n + 1), n);
        bytes.replace(rng->below(bytes.size() - n + 1), n, piece);
        break;
      }
      default: break;
    }
  }
  return bytes;
}

}  // namespace firesteel::mutation

// NOLINTBEGIN: these are the signatures of the language
void* operator new(std::size_t n) { return firesteel::mutation::allocate(n); }
void* operator new[](std::size_t n) { return firesteel::mutation::allocate(n); }
void* operator new(std::size_t n, const std::nothrow_t&) noexcept { return firesteel::mutation::allocate(n); }
void* operator new[](std::size_t n, const std::nothrow_t&) noexcept { return firesteel::mutation::allocate(n); }
void operator delete(void* p) noexcept { firesteel::mutation::release(p); }
void operator delete[](void* p) noexcept { firesteel::mutation::release(p); }
void operator delete(void* p, std::size_t) noexcept { firesteel::mutation::release(p); }
void operator delete[](void* p, std::size_t) noexcept { firesteel::mutation::release(p); }
// NOLINTEND
