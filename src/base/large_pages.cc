#include "base/large_pages.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22  // since Linux 5.14; older kernels answer EINVAL
#endif

namespace firesteel {
namespace {

constexpr uint64_t kLargePage = uint64_t{2} << 20;

struct Mapping {
  uint64_t begin = 0, end = 0, offset = 0, inode = 0;
  std::string file;
  uint64_t resident_bytes = 0, large_bytes = 0;
};

// Mappings of the file, or of files in the folder, from /proc/self/smaps.
std::vector<Mapping> mappings_of(const std::string& path) {
  std::vector<Mapping> found;
  const std::unique_ptr<char, decltype(&std::free)> real(::realpath(path.c_str(), nullptr), &std::free);
  if (real == nullptr) return found;
  const std::string wanted = real.get();
  const std::unique_ptr<std::FILE, decltype(&std::fclose)> smaps(std::fopen("/proc/self/smaps", "re"), &std::fclose);
  if (smaps == nullptr) return found;
  char line[4352];
  bool inside = false;
  while (std::fgets(line, sizeof line, smaps.get()) != nullptr) {
    unsigned long long begin = 0, end = 0, offset = 0, inode = 0, kib = 0;
    int name = 0;
    // A mapping begins with its addresses; the lines about it begin with a capital.
    if (std::sscanf(line, "%llx-%llx %*4s %llx %*x:%*x %llu %n", &begin, &end, &offset, &inode, &name) == 4 && name > 0) {
      std::string file = line + name;
      while (!file.empty() && file.back() == '\n') file.pop_back();
      inside = file == wanted || file.starts_with(wanted + "/");
      if (inside) found.push_back({.begin = begin, .end = end, .offset = offset, .inode = inode, .file = std::move(file)});
    } else if (inside && std::sscanf(line, "Rss: %llu kB", &kib) == 1) {
      found.back().resident_bytes = uint64_t{kib} << 10;
    } else if (inside && std::sscanf(line, "FilePmdMapped: %llu kB", &kib) == 1) {
      found.back().large_bytes = uint64_t{kib} << 10;
    }
  }
  return found;
}

uint64_t read_again(const Mapping& mapping, const std::function<bool()>& go_on) {
  const int fd = ::open(mapping.file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return 0;
  struct stat status {};
  uint64_t done = 0;
  if (::fstat(fd, &status) == 0 && uint64_t{status.st_ino} == mapping.inode) {  // the name may be another file's by now
    const uint64_t size = std::min<uint64_t>(mapping.end - mapping.begin, static_cast<uint64_t>(status.st_size) - std::min(mapping.offset, static_cast<uint64_t>(status.st_size)));
    for (uint64_t at = 0; at + kLargePage <= size && go_on(); at += kLargePage) {
      void* const piece = reinterpret_cast<void*>(mapping.begin + at);
      // The page cache lets go of what nobody has mapped. Populating reads it back and, unlike a touch, reports failure as an error.
      if (::madvise(piece, kLargePage, MADV_DONTNEED) != 0) break;
      if (::posix_fadvise(fd, static_cast<off_t>(mapping.offset + at), static_cast<off_t>(kLargePage), POSIX_FADV_DONTNEED) != 0) break;
      if (::madvise(piece, kLargePage, MADV_POPULATE_READ) != 0) break;
      done += kLargePage;
    }
  }
  ::close(fd);
  return done;
}

}  // namespace

MappedPages mapped_pages(const std::string& path) {
  MappedPages sum;
  for (const Mapping& mapping : mappings_of(path)) {
    sum.mapped_bytes += mapping.end - mapping.begin;
    sum.resident_bytes += mapping.resident_bytes;
    sum.large_bytes += mapping.large_bytes;
  }
  return sum;
}

uint64_t read_into_large_pages(const std::string& path, const std::function<bool()>& go_on) {
  uint64_t done = 0;
  for (const Mapping& mapping : mappings_of(path)) {
    const uint64_t size = mapping.end - mapping.begin;
    if (mapping.resident_bytes < size / 2 || mapping.large_bytes >= mapping.resident_bytes / 10 * 9) continue;
    done += read_again(mapping, go_on);
  }
  return done;
}

void ask_for_large_pages(void* data, size_t n_bytes) {
  const auto begin = reinterpret_cast<uintptr_t>(data);
  const uintptr_t second = (begin + 2 * kLargePage - 1) / kLargePage * kLargePage;  // at least one large page away from the first byte
  const uintptr_t end = (begin + n_bytes) / kLargePage * kLargePage;
  if (second < end) ::madvise(reinterpret_cast<void*>(second), end - second, MADV_HUGEPAGE);  // best effort: only speed depends on it
}

}  // namespace firesteel
