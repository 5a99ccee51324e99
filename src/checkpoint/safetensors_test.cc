#include "checkpoint/safetensors.h"

#include <gtest/gtest.h>

#include "checkpoint/test_files.h"

namespace firesteel {
namespace {

std::string message(const std::string& bytes) {
  const auto file = parse_safetensors(std::as_bytes(std::span(bytes.data(), bytes.size())), "m.safetensors");
  return file.ok() ? "ok" : file.error().message;
}
std::string of(const std::string& header, size_t n_data = 0) { return message(RawSafetensors::with_header(header, std::string(n_data, '\0'))); }

#define EXPECT_SAYS(found, part) EXPECT_NE((found).find(part), std::string::npos) << (found)

TEST(Safetensors, ReadsTensorsInDataOrder) {
  const std::string bytes = RawSafetensors::with_header(
      R"( { "__metadata__":{"format":"pt","a\"b":"\u00e9\ud83d\ude00"} , "b":{"data_offsets":[8,20],"shape":[2,3],"dtype":"F16"},)"
      R"("\u0061/é":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"c":{"dtype":"BOOL","shape":[4],"data_offsets":[4,8]} }   )",
      std::string(20, '\1'));
  const auto file = parse_safetensors(std::as_bytes(std::span(bytes.data(), bytes.size())), "m");
  ASSERT_TRUE(file.ok()) << file.error().message;
  ASSERT_EQ(file->tensors.size(), 3u);
  EXPECT_EQ(file->tensors[0].name, "a/é");
  EXPECT_EQ(file->tensors[0].n_dims, 0);
  EXPECT_EQ(file->tensors[1].dtype_name, "BOOL");
  EXPECT_FALSE(file->tensors[1].dtype.has_value());
  EXPECT_EQ(file->tensors[2].dtype, DType::kF16);
  EXPECT_EQ(file->tensors[2].shape[1], 3);
  EXPECT_EQ(file->tensors[2].data, std::as_bytes(std::span(bytes.data(), bytes.size())).data() + file->data_start + 8);
}

TEST(Safetensors, RefusesBrokenHeaders) {
  EXPECT_SAYS(message(""), "8 bytes of header length");
  EXPECT_SAYS(message(std::string(8, '\xFF')), "at most 100000000 bytes");
  EXPECT_SAYS(message(std::string("\x09\0\0\0\0\0\0\0{}", 10)), "file truncated");
  EXPECT_SAYS(of(""), "expected '{'");
  EXPECT_SAYS(of("{"), "expected '\"'");
  EXPECT_SAYS(of("{} x"), "expected the end of the header");
  EXPECT_EQ(of("{}"), "ok");
  EXPECT_SAYS(of("{}", 4), "expected 0 bytes of tensor data, found 4");
  EXPECT_SAYS(of(std::string(R"({"a)") + '\x01' + "\"}"), "control characters");
  EXPECT_SAYS(of("{\"\xFF\":{}}"), "UTF-8");
  EXPECT_SAYS(of(R"({"\x":{}})"), "JSON escape");
  EXPECT_SAYS(of(R"({"\ud800":{}})"), "surrogate");
  EXPECT_SAYS(of(R"({"":{}})"), "tensor name");
  EXPECT_SAYS(of(R"({"__metadata__":{"a":1}})"), "expected '\"'");
  EXPECT_SAYS(of(R"({"__metadata__":{},"__metadata__":{}})"), "twice");
  EXPECT_SAYS(of("{\"" + std::string(2000, 'x') + "\":{}}"), "at most 1024 bytes");
}

TEST(Safetensors, RefusesBrokenTensors) {
  EXPECT_SAYS(of(R"({"a":{"dtype":"F32","shape":[1]}})"), "expected dtype, shape and data_offsets, found one missing");
  EXPECT_SAYS(of(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1}})", 4), "found \"x\"");
  EXPECT_SAYS(of(R"({"a":{"dtype":"F32","dtype":"F32"}})"), "twice");
  EXPECT_SAYS(of(R"({"a":{"dtype":"Q9","shape":[1],"data_offsets":[0,4]}})", 4), "known dtype, found \"Q9\"");
  EXPECT_SAYS(of(R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", 4), "non-negative integer");
  EXPECT_SAYS(of(R"({"a":{"dtype":"F32","shape":[1,1,1,1,1],"data_offsets":[0,4]}})", 4), "at most 4 dimensions");
  EXPECT_SAYS(of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4), "expected 8 bytes");
  EXPECT_SAYS(of(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})", 4), "within the 4 bytes");
  EXPECT_SAYS(of(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,8]}})", 4), "truncated or corrupt");
  EXPECT_SAYS(of(R"({"a":{"dtype":"F32","shape":[281474976710656,281474976710656],"data_offsets":[0,4]}})", 4), "more than 2^64");
  EXPECT_SAYS(of(R"({"a":{"dtype":"F32","shape":[99999999999999999999999],"data_offsets":[0,4]}})", 4), "below 2^64");
  EXPECT_SAYS(of(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", 8), "twice");
  EXPECT_SAYS(of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", 8), "begin at 8");
  EXPECT_SAYS(of(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}})", 12), "begin at 4");
}

TEST(Safetensors, EveryTruncationIsATypedError) {
  const std::string bytes = RawSafetensors().f32("a", {2, 2}).f32("b", {3}).bytes();
  ASSERT_EQ(message(bytes), "ok");
  for (size_t n = 0; n < bytes.size(); ++n) EXPECT_NE(message(bytes.substr(0, n)), "ok") << n;
}

TEST(Safetensors, HeaderMemoryIsBoundedByTheFile) {
  std::string header = "{";
  for (int i = 0; i < 40000; ++i) header += "\"data_offsets\"";
  EXPECT_SAYS(of(header), "more than twice the file");
}

}  // namespace
}  // namespace firesteel
