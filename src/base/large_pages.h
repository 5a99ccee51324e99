// Large pages: under mapped files, and under buffers of our own.
//
// How a file lies in the page cache was decided when it came there: what a mapping with MADV_HUGEPAGE reads comes in pages of 2 MiB (where
// the file system can), what a copy or a download wrote lies in small ones and stays so. Weights in small pages pass a core at 17 to 20
// GB/s, in large ones at 24 and more. Nothing but reading it again changes that, and nothing but the page cache changes: no byte of the
// file, and no copy of it. Linux; elsewhere nothing is known and nothing happens.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

namespace firesteel {

// What this process has mapped of a file, or of the files of a folder, and touched since.
struct MappedPages {
  uint64_t mapped_bytes = 0;
  uint64_t resident_bytes = 0;
  uint64_t large_bytes = 0;  // of the resident ones, those in large pages
};
MappedPages mapped_pages(const std::string& path);

// Drops small pages of the mapped files from the page cache, 2 MiB at a time, and reads them from the disk into large ones. Safe while
// other threads read the mapping: who comes to a piece that is not there waits for the disk. May be called again after an interruption.
// go_on: asked before each piece; false ends it. What cannot be read again now stays to be read when it is touched.
// Returns how many bytes were read. 0: nothing to gain (nine tenths lie in large pages already, or less than half was ever touched, so
// that nobody knows), the file was changed since it was mapped, or no system support.
uint64_t read_into_large_pages(const std::string& path, const std::function<bool()>& go_on);

// Asks for large pages under memory of our own that nobody has touched yet, from its second 2 MiB on: large batches write columns that lie far apart,
// and small ones never come that far, so that they pay for no page that they do not use.
void ask_for_large_pages(void* data, size_t n_bytes);

}  // namespace firesteel
