#include "checkpoint/gguf_reader.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "checkpoint/gguf_format.h"
#include "checkpoint/test_files.h"

namespace firesteel {
namespace {

using gguf::ValueType;

std::string message(const std::string& bytes) {
  const auto file = parse_gguf(std::as_bytes(std::span(bytes.data(), bytes.size())), "m.gguf");
  return file.ok() ? "ok" : file.error().message;
}

#define EXPECT_REFUSED(bytes, part) EXPECT_NE(message(bytes).find(part), std::string::npos) << message(bytes)

TEST(GgufReader, ReadsEveryKindOfValueAndTensors) {
  RawGguf raw;
  raw.key("general.architecture", ValueType::kString).str("llama");
  raw.key("a.u8", ValueType::kU8).num<uint8_t>(200);
  raw.key("a.i8", ValueType::kI8).num<int8_t>(-3);
  raw.key("a.u64", ValueType::kU64).num<uint64_t>(UINT64_MAX);
  raw.key("a.f32", ValueType::kF32).num(1.5f);
  raw.key("a.f64", ValueType::kF64).num(-0.25);
  raw.key("a.bool", ValueType::kBool).num<uint8_t>(1);
  raw.key("a.ints", ValueType::kArray).num<uint32_t>(3).num<uint64_t>(2).num<int16_t>(-1).num<int16_t>(7);
  raw.key("a.floats", ValueType::kArray).num<uint32_t>(6).num<uint64_t>(1).num(2.5f);
  raw.key("a.bools", ValueType::kArray).num<uint32_t>(7).num<uint64_t>(2).num<uint8_t>(0).num<uint8_t>(1);
  raw.key("a.strings", ValueType::kArray).num<uint32_t>(8).num<uint64_t>(2).str("x").str("");
  raw.key("a.nested", ValueType::kArray).num<uint32_t>(9).num<uint64_t>(1).num<uint32_t>(0).num<uint64_t>(3).num<uint8_t>(1).num<uint8_t>(2).num<uint8_t>(3);
  raw.tensor("w", {32, 3}, 8, 0).tensor("b", {5}, 0, 128);
  const std::string bytes = raw.bytes(128 + 32);
  const auto file = parse_gguf(std::as_bytes(std::span(bytes.data(), bytes.size())), "m.gguf");
  ASSERT_TRUE(file.ok()) << file.error().message;
  const Metadata& m = file->metadata;
  EXPECT_EQ(m.get_int("a.u8").value(), 200);
  EXPECT_EQ(m.get_int("a.i8").value(), -3);
  EXPECT_FALSE(m.get_int("a.u64").ok());
  EXPECT_EQ(m.get_float("a.f32").value(), 1.5);
  EXPECT_EQ(m.get_float("a.f64").value(), -0.25);
  EXPECT_EQ(m.get_bool("a.bool").value(), true);
  EXPECT_EQ(*m.ints("a.ints"), (std::vector<int64_t>{-1, 7}));
  EXPECT_EQ(*m.floats("a.floats"), std::vector<float>{2.5f});
  EXPECT_EQ(*m.bools("a.bools"), (std::vector<bool>{false, true}));
  EXPECT_EQ(*m.strings("a.strings"), (std::vector<std::string_view>{"x", ""}));
  EXPECT_FALSE(m.has("a.nested"));
  ASSERT_EQ(file->tensors.size(), 2u);
  EXPECT_EQ(file->tensors[0].dtype, DType::kQ8_0);
  EXPECT_EQ(file->tensors[0].n_bytes, 102u);
  EXPECT_EQ(file->tensors[1].slices[0] - file->tensors[0].slices[0], 128);
}

TEST(GgufReader, ExpertsAreSlicesOfOneTensor) {
  const std::string bytes = RawGguf().tensor("e", {32, 2, 3}, 8, 0).bytes(6 * 34);
  const auto file = parse_gguf(std::as_bytes(std::span(bytes.data(), bytes.size())), "m.gguf");
  ASSERT_TRUE(file.ok()) << file.error().message;
  const TensorInfo& tensor = file->tensors[0];
  ASSERT_EQ(tensor.slices.size(), 3u);
  EXPECT_EQ(tensor.slices[2] - tensor.slices[0], 4 * 34);
  EXPECT_REFUSED(RawGguf().tensor("e", {1, 1, 1u << 10, 1u << 12}, 1, 0).bytes(2u << 22), "more than twice the file");
}

TEST(GgufReader, RefusesOtherFormatsAndVersions) {
  EXPECT_REFUSED("", "offset 0");
  EXPECT_REFUSED("GGML....", "magic");
  EXPECT_REFUSED(RawGguf(1).bytes(0), "version 2 or 3, found 1");
  EXPECT_REFUSED(RawGguf(0x03000000).bytes(0), "big-endian");
  EXPECT_EQ(message(RawGguf(2).bytes(0)), "ok");
  EXPECT_EQ(message(RawGguf(3).bytes(0)), "ok");
}

TEST(GgufReader, RefusesAbsurdCountsAndLengths) {
  EXPECT_REFUSED(RawGguf().counts(uint64_t{1} << 60, 0).bytes(0), "tensor count");
  EXPECT_REFUSED(RawGguf().counts(0, uint64_t{1} << 60).bytes(0), "metadata count");
  EXPECT_REFUSED(RawGguf().counts(1u << 24, 0).bytes(0), "tensor entries");
  EXPECT_REFUSED(RawGguf().counts(0, 1u << 24).bytes(0), "metadata entries");
  EXPECT_REFUSED(RawGguf().key("s", ValueType::kString).num<uint64_t>(UINT64_MAX).num<uint8_t>(0).bytes(0), "expected 18446744073709551615 more bytes");
  EXPECT_REFUSED(RawGguf().key("s", ValueType::kArray).num<uint32_t>(8).num<uint64_t>(1).num<uint64_t>(UINT64_MAX - 3).bytes(0), "string 0 of 1");
  EXPECT_REFUSED(RawGguf().key("s", ValueType::kArray).num<uint32_t>(10).num<uint64_t>(1u << 24).bytes(0), "134217728 more bytes");
  EXPECT_REFUSED(RawGguf().key("s", ValueType::kArray).num<uint32_t>(10).num<uint64_t>(uint64_t{1} << 61).bytes(0), "array elements");
}

TEST(GgufReader, RefusesBadKeysAndValues) {
  EXPECT_REFUSED(RawGguf().key("a", ValueType::kU8).num<uint8_t>(1).key("a", ValueType::kU8).num<uint8_t>(1).bytes(0), "\"a\": expected unique");
  EXPECT_REFUSED(RawGguf().key("\xFF", ValueType::kU8).num<uint8_t>(1).bytes(0), "UTF-8");
  EXPECT_REFUSED(RawGguf().key("", ValueType::kU8).num<uint8_t>(1).bytes(0), "UTF-8");
  EXPECT_REFUSED(RawGguf().key("a", static_cast<ValueType>(13)).num<uint8_t>(1).bytes(0), "value type below 13, found 13");
  EXPECT_REFUSED(RawGguf().key("a", ValueType::kBool).num<uint8_t>(2).bytes(0), "bool");
  RawGguf deep;
  deep.key("a", ValueType::kArray);
  for (int i = 0; i < 5; ++i) deep.num<uint32_t>(9).num<uint64_t>(1);
  EXPECT_REFUSED(deep.num<uint32_t>(0).num<uint64_t>(0).bytes(0), "nested at most 4");
  EXPECT_REFUSED(RawGguf().key("general.alignment", ValueType::kU32).num<uint32_t>(48).bytes(0), "power of two");
  EXPECT_REFUSED(RawGguf().key("general.alignment", ValueType::kU32).num<uint32_t>(4).bytes(0), "power of two");
}

TEST(GgufReader, RefusesBadTensors) {
  EXPECT_REFUSED(RawGguf().tensor("w", {32}, 0, 8).bytes(1000), "multiple of 32");
  EXPECT_REFUSED(RawGguf().tensor("w", {33}, 8, 0).bytes(1000), "\"w\": expected rows of a multiple of 32 elements for Q8_0, found 33");
  EXPECT_REFUSED(RawGguf().tensor("w", {32}, 16, 0).bytes(1000), "\"w\": type 16 (IQ2_XXS) is not supported");
  EXPECT_REFUSED(RawGguf().tensor("w", {32}, 4, 0).bytes(1000), "removed from the format");
  EXPECT_REFUSED(RawGguf().tensor("w", {32}, 4000, 0).bytes(1000), "4000 (unknown)");
  EXPECT_REFUSED(RawGguf().tensor("w", {0}, 0, 0).bytes(1000), "extent");
  EXPECT_REFUSED(RawGguf().tensor("w", {uint64_t{1} << 63}, 0, 0).bytes(1000), "extent");
  EXPECT_REFUSED(RawGguf().tensor("w", {1u << 31, 1u << 31, 1u << 31, 1u << 31}, 0, 0).bytes(1000), "expected data of at most");
  EXPECT_REFUSED(RawGguf().tensor("w", {1, 1, 1, 1, 1}, 0, 0).bytes(1000), "1 to 4 dimensions, found 5");
  EXPECT_REFUSED(RawGguf().tensor("w", {}, 0, 0).bytes(1000), "1 to 4 dimensions, found 0");
  EXPECT_REFUSED(RawGguf().tensor("w", {32}, 0, 0).bytes(127), "128 bytes at data offset 0");
  EXPECT_REFUSED(RawGguf().tensor("w", {8}, 0, UINT64_MAX - 31).bytes(127), "to lie in");
  EXPECT_REFUSED(RawGguf().tensor("w", {32}, 0, 64).tensor("v", {32}, 0, 0).bytes(1000), "overlap");
  EXPECT_REFUSED(RawGguf().tensor("w", {32}, 0, 0).tensor("w", {32}, 0, 128).bytes(1000), "twice");
  EXPECT_REFUSED(RawGguf().tensor(std::string(65, 'w'), {32}, 0, 0).bytes(1000), "at most 64 bytes, found 65");
}

TEST(GgufReader, EveryTruncationIsATypedError) {
  RawGguf raw;
  raw.key("general.architecture", ValueType::kString).str("llama");
  raw.key("a.strings", ValueType::kArray).num<uint32_t>(8).num<uint64_t>(2).str("x").str("yy");
  raw.tensor("w", {32, 2}, 8, 0);
  const std::string bytes = raw.bytes(68);
  ASSERT_EQ(message(bytes), "ok");
  for (size_t n = 0; n < bytes.size(); ++n) EXPECT_NE(message(bytes.substr(0, n)), "ok") << n;
}

TEST(GgufReader, HeaderMemoryIsBoundedByTheFile) {
  // A million one-byte integers expand eight times: refused rather than kept.
  RawGguf raw;
  raw.key("a", ValueType::kArray).num<uint32_t>(0).num<uint64_t>(1u << 20);
  std::string bytes = raw.bytes(0) + std::string(1u << 20, '\1');
  EXPECT_REFUSED(bytes, "more than twice the file");
}

class SplitFiles : public testing::Test {
 protected:
  static std::string part(uint16_t no, uint16_t count, const std::string& tensor, int32_t n_tensors) {
    RawGguf raw;
    if (no == 0) raw.key("general.architecture", ValueType::kString).str("llama");
    raw.key("split.no", ValueType::kU16).num(no).key("split.count", ValueType::kU16).num(count);
    raw.key("split.tensors.count", ValueType::kI32).num(n_tensors);
    return raw.tensor(tensor, {8}, 0, 0).bytes(32);
  }
  std::string open(const std::string& file) {
    const auto checkpoint = Checkpoint::open(folder_.path(file));
    if (!checkpoint.ok()) return checkpoint.error().message;
    return (*checkpoint)->metadata().has("general.architecture") ? "ok " + std::to_string((*checkpoint)->tensors().size()) : "no metadata";
  }
  TestFolder folder_;
};

TEST_F(SplitFiles, OpenFromAnyPart) {
  folder_.write("m-00001-of-00002.gguf", part(0, 2, "a", 2));
  folder_.write("m-00002-of-00002.gguf", part(1, 2, "b", 2));
  EXPECT_EQ(open("m-00001-of-00002.gguf"), "ok 2");
  EXPECT_EQ(open("m-00002-of-00002.gguf"), "ok 2");
}

TEST_F(SplitFiles, RefuseMissingSwappedRenamedAndContradictingParts) {
  folder_.write("m-00001-of-00002.gguf", part(0, 2, "a", 2));
  EXPECT_NE(open("m-00001-of-00002.gguf").find("m-00002-of-00002.gguf: cannot open"), std::string::npos);
  folder_.write("m-00002-of-00002.gguf", part(0, 2, "b", 2));
  EXPECT_NE(open("m-00001-of-00002.gguf").find("expected part 1 of 2, found part 0 of 2"), std::string::npos);
  folder_.write("m-00002-of-00002.gguf", part(1, 2, "a", 2));
  EXPECT_NE(open("m-00001-of-00002.gguf").find("\"a\": expected unique names"), std::string::npos);
  folder_.write("m-00002-of-00002.gguf", part(1, 2, "b", 3));
  folder_.write("m-00001-of-00002.gguf", part(0, 2, "a", 3));
  EXPECT_NE(open("m-00001-of-00002.gguf").find("expected 3 tensors in 2 parts, found 2"), std::string::npos);
  folder_.write("renamed.gguf", part(0, 2, "a", 2));
  EXPECT_NE(open("renamed.gguf").find("expected a name that ends in -NNNNN-of-00002.gguf"), std::string::npos);
}

TEST(Checkpoint, OpensAFileInMemoryInPlace) {
  RawGguf raw;
  raw.key("general.architecture", ValueType::kString).str("llama");
  raw.tensor("w", {32, 3}, 8, 0);
  const std::string bytes = raw.bytes(128);
  alignas(64) static std::byte memory[4096];
  ASSERT_LE(bytes.size(), sizeof memory);
  std::memcpy(memory, bytes.data(), bytes.size());
  const std::span<const std::byte> file(memory, bytes.size());
  const auto checkpoint = Checkpoint::open_memory(file, "inside", 1);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().message;
  EXPECT_EQ((*checkpoint)->path(), "inside");
  EXPECT_EQ((*checkpoint)->file_bytes(), bytes.size());
  const std::byte* weights = (*checkpoint)->find("w")->slices[0];
  EXPECT_TRUE(weights > memory && weights < memory + bytes.size());
  // Other contents have another stamp, and so another identity.
  EXPECT_NE(Checkpoint::open_memory(file, "inside", 2).value()->identity(), (*checkpoint)->identity());
  EXPECT_EQ(Checkpoint::open_memory(file, "inside", 1).value()->identity(), (*checkpoint)->identity());
  EXPECT_EQ(Checkpoint::open_memory(file.first(20), "inside", 1).error().code, ErrorCode::kDataLoss);
}

TEST(Checkpoint, MissingFileIsNotFound) {
  const auto checkpoint = Checkpoint::open("no/such/file.gguf");
  ASSERT_FALSE(checkpoint.ok());
  EXPECT_EQ(checkpoint.error().code, ErrorCode::kNotFound);
}

TEST(Checkpoint, OpensTheParityFixtures) {
  const std::string folder = shared_folder() + "/fixtures/parity";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "no shared test data";
  int n = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".gguf") continue;
    const auto checkpoint = Checkpoint::open(entry.path().string());
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.error().message;
    EXPECT_NE((*checkpoint)->find("blk.2.ffn_down.weight"), nullptr);
    EXPECT_EQ((*checkpoint)->metadata().strings("tokenizer.ggml.tokens")->size(), 1024u);
    EXPECT_EQ((*checkpoint)->identity().size(), 32u);
    ++n;
  }
  EXPECT_GT(n, 0);
}

}  // namespace
}  // namespace firesteel
