#include "base/mapped_file.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

namespace firesteel {
namespace {

// A fresh folder that goes away with the test.
class TempFolder {
 public:
  TempFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "firesteel-test-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data()) == nullptr ? "" : pattern;
  }
  ~TempFolder() { std::filesystem::remove_all(path_); }
  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

TEST(MappedFile, MissingFileIsNotFoundAndNamed) {
  const TempFolder folder;
  const auto file = MappedFile::open(folder.file("absent"));
  ASSERT_FALSE(file.ok());
  EXPECT_EQ(file.error().code, ErrorCode::kNotFound);
  EXPECT_NE(file.error().message.find("absent"), std::string::npos);
}

TEST(MappedFile, FolderAndDeviceAreRefused) {
  EXPECT_EQ(MappedFile::open("/").error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(MappedFile::open("/dev/zero").error().code, ErrorCode::kInvalidArgument);
}

TEST(MappedFile, SeesTheBytesAndSurvivesAMove) {
  const TempFolder folder;
  ASSERT_TRUE(write_file_atomic(folder.file("a"), "hello").ok());
  auto opened = MappedFile::open(folder.file("a"));
  ASSERT_TRUE(opened.ok());
  const MappedFile moved = std::move(opened).value();
  ASSERT_EQ(moved.bytes().size(), 5u);
  EXPECT_EQ(static_cast<char>(moved.bytes()[4]), 'o');
}

TEST(MappedFile, EmptyFileIsAnEmptySpan) {
  const TempFolder folder;
  ASSERT_TRUE(write_file_atomic(folder.file("empty"), "").ok());
  const auto file = MappedFile::open(folder.file("empty"));
  ASSERT_TRUE(file.ok());
  EXPECT_TRUE(file->bytes().empty());
}

TEST(ReadFile, RefusesMoreThanTheLimitWithBothCounts) {
  const TempFolder folder;
  ASSERT_TRUE(write_file_atomic(folder.file("big"), std::string(100, 'x')).ok());
  const auto content = read_file(folder.file("big"), 99);
  ASSERT_FALSE(content.ok());
  EXPECT_EQ(content.error().code, ErrorCode::kResourceExhausted);
  EXPECT_NE(content.error().message.find("99"), std::string::npos);
  EXPECT_NE(content.error().message.find("100"), std::string::npos);
}

TEST(AtomicFileWriter, NothingAppearsWithoutCommit) {
  const TempFolder folder;
  {
    auto writer = AtomicFileWriter::create(folder.file("a"));
    ASSERT_TRUE(writer.ok());
    ASSERT_TRUE(writer->write("half").ok());
  }
  EXPECT_FALSE(std::filesystem::exists(folder.file("a")));
  EXPECT_FALSE(std::filesystem::exists(folder.file("a.tmp")));
}

TEST(AtomicFileWriter, CommitReplacesTheOldFileWhole) {
  const TempFolder folder;
  ASSERT_TRUE(write_file_atomic(folder.file("a"), "old and longer").ok());
  ASSERT_TRUE(write_file_atomic(folder.file("a"), "new").ok());
  EXPECT_EQ(read_file(folder.file("a"), 100).value(), "new");
}

// /dev/full takes the open and refuses every write, as a full disk does.
TEST(AtomicFileWriter, FullDiskIsAnErrorWithTheSystemsReason) {
  const TempFolder folder;
  std::filesystem::create_symlink("/dev/full", folder.file("a.tmp"));
  auto writer = AtomicFileWriter::create(folder.file("a"));
  ASSERT_TRUE(writer.ok());
  const Status status = writer->write("x");
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, ErrorCode::kIo);
  EXPECT_NE(status.error().message.find("No space left"), std::string::npos);
}

TEST(MappedFile, BorrowedBytesAreNotUnmapped) {
  static const std::byte kBytes[4096] = {std::byte{7}};
  {
    MappedFile file = MappedFile::borrow(kBytes, "inside", 5);
    MappedFile moved = std::move(file);
    file = std::move(moved);
    EXPECT_EQ(file.bytes().data(), kBytes);
    EXPECT_EQ(file.bytes().size(), sizeof kBytes);
    EXPECT_EQ(file.path(), "inside");
    EXPECT_EQ(file.mtime_ns(), 5);
  }
  EXPECT_EQ(kBytes[0], std::byte{7});
}

}  // namespace
}  // namespace firesteel
