#include "base/large_pages.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <string>

#include "base/mapped_file.h"

namespace firesteel {
namespace {

// A file of 9 MiB (so not a whole number of large pages), written in small pieces, whose every 8 bytes are different.
std::string write_file(const std::string& name) {
  const std::string path = ::testing::TempDir() + "firesteel_" + name + "_" + std::to_string(getpid());
  std::FILE* file = std::fopen(path.c_str(), "wb");
  for (uint64_t i = 0; i < (9u << 20) / 8; ++i) std::fwrite(&i, 8, 1, file);
  std::fflush(file);
  fsync(fileno(file));  // a page that is not on the disk yet stays where it is
  std::fclose(file);
  return path;
}

uint64_t first_difference(const MappedFile& file) {
  for (uint64_t i = 0; i < file.bytes().size() / 8; ++i) {
    uint64_t value = 0;
    __builtin_memcpy(&value, file.bytes().data() + 8 * i, 8);
    if (value != i) return i;
  }
  return file.bytes().size() / 8;
}

TEST(LargePages, ReadAgainHasTheSameBytes) {
  const std::string path = write_file("large_pages");
  const auto file = MappedFile::open(path);
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(read_into_large_pages(path, [] { return true; }), 0u);  // nothing was touched: nobody knows
  EXPECT_EQ(first_difference(*file), (9u << 20) / 8);
  const MappedPages before = mapped_pages(path);
  if (before.mapped_bytes == 0) GTEST_SKIP() << "no /proc/self/smaps here";
  EXPECT_GE(before.mapped_bytes, 9u << 20);
  EXPECT_GE(before.resident_bytes, 8u << 20);
  const uint64_t n_read = read_into_large_pages(path, [] { return true; });
  EXPECT_TRUE(n_read == 0 || n_read == (8u << 20)) << n_read;  // 0: large already, or an old kernel
  EXPECT_EQ(first_difference(*file), (9u << 20) / 8);
  EXPECT_GE(mapped_pages(path).large_bytes, before.large_bytes);
  std::remove(path.c_str());
}

TEST(LargePages, AnInterruptionLeavesTheBytesAsTheyWere) {
  const std::string path = write_file("large_pages_stop");
  const auto file = MappedFile::open(path);
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(first_difference(*file), (9u << 20) / 8);
  int n_asked = 0;
  EXPECT_LE(read_into_large_pages(path, [&] { return ++n_asked <= 1; }), 2u << 20);
  EXPECT_LE(n_asked, 2);
  EXPECT_EQ(first_difference(*file), (9u << 20) / 8);
  std::remove(path.c_str());
}

// The name is another file's by now: that one must not be touched through the old mapping.
TEST(LargePages, AReplacedFileIsLeftAlone) {
  const std::string path = write_file("large_pages_replaced");
  const auto file = MappedFile::open(path);
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(first_difference(*file), (9u << 20) / 8);
  ASSERT_TRUE(write_file_atomic(path, "another").ok());
  EXPECT_EQ(read_into_large_pages(path, [] { return true; }), 0u);
  EXPECT_EQ(first_difference(*file), (9u << 20) / 8);
  EXPECT_EQ(mapped_pages("/nowhere/at/all").mapped_bytes, 0u);
  std::remove(path.c_str());
}

}  // namespace
}  // namespace firesteel
