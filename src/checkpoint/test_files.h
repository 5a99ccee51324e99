// Model files for this folder's tests: raw GGUF bytes, right or wrong on purpose, and folders that vanish with the test.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/gguf_format.h"

namespace firesteel {

// Optional test data beside the checkout; may not exist.
inline std::string shared_folder() {
  if (const char* path = std::getenv("FS_SHARED")) return path;
#ifdef FS_SHARED_DEFAULT
  return FS_SHARED_DEFAULT;
#else
  return "../shared";
#endif
}

class TestFolder {
 public:
  TestFolder() {
    // In memory where there is such a place: every committed file is synced, which a busy disk makes slow.
    std::error_code ignored;
    const std::filesystem::path memory = "/dev/shm";
    std::string pattern = ((std::filesystem::is_directory(memory, ignored) ? memory : std::filesystem::temp_directory_path()) / "firesteel_test_XXXXXX").string();
    if (::mkdtemp(pattern.data()) != nullptr) folder_ = pattern;
  }
  ~TestFolder() {
    std::error_code ignored;
    if (!folder_.empty()) std::filesystem::remove_all(folder_, ignored);
  }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;

  std::string path(const std::string& name = "") const { return folder_ + "/" + name; }
  std::string write(const std::string& name, std::string_view content) const {
    std::ofstream(path(name), std::ios::binary) << content;
    return path(name);
  }
  std::string read(const std::string& name) const {
    std::ifstream file(path(name), std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  }

 private:
  std::string folder_;
};

// Bytes of a GGUF file from parts, without any check: counts are those of the parts unless counts() says otherwise.
class RawGguf {
 public:
  explicit RawGguf(uint32_t version = gguf::kVersion) : version_(version) {}

  RawGguf& counts(uint64_t n_tensors, uint64_t n_keys) {
    forced_ = true;
    n_tensors_ = n_tensors;
    n_keys_ = n_keys;
    return *this;
  }
  RawGguf& key(std::string_view name, gguf::ValueType type) {
    if (!forced_) ++n_keys_;
    return str(name).num(static_cast<uint32_t>(type));
  }
  template <typename T>
  RawGguf& num(T value) {
    append(&metadata_, value);
    return *this;
  }
  RawGguf& str(std::string_view text) {
    append(&metadata_, uint64_t{text.size()});
    metadata_ += text;
    return *this;
  }
  RawGguf& tensor(std::string_view name, std::initializer_list<uint64_t> ne, uint32_t type, uint64_t offset) {
    if (!forced_) ++n_tensors_;
    append(&table_, uint64_t{name.size()});
    table_ += name;
    append(&table_, static_cast<uint32_t>(ne.size()));
    for (const uint64_t extent : ne) append(&table_, extent);
    append(&table_, type);
    append(&table_, offset);
    return *this;
  }
  // Header, table, padding to 32 (when there is data), and data_bytes zeros.
  std::string bytes(size_t data_bytes) const {
    std::string out = "GGUF";
    append(&out, version_);
    append(&out, n_tensors_);
    append(&out, n_keys_);
    out += metadata_ + table_;
    if (data_bytes > 0) out.resize((out.size() + 31) / 32 * 32 + data_bytes, '\0');
    return out;
  }

 private:
  template <typename T>
  static void append(std::string* out, T value) {
    char raw[sizeof value];
    std::memcpy(raw, &value, sizeof value);
    out->append(raw, sizeof raw);
  }

  uint32_t version_;
  bool forced_ = false;
  uint64_t n_tensors_ = 0, n_keys_ = 0;
  std::string metadata_, table_;
};

// Bytes of a safetensors file with the given tensors, contiguous, in order.
class RawSafetensors {
 public:
  RawSafetensors& f32(const std::string& name, const std::vector<int64_t>& shape, const std::vector<float>& values) {
    return add(name, "F32", shape, std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)));
  }
  // Small pseudo-random values.
  RawSafetensors& f32(const std::string& name, const std::vector<int64_t>& shape) {
    int64_t n = 1;
    for (const int64_t extent : shape) n *= extent;
    std::vector<float> values;
    for (int64_t i = 0; i < n; ++i) {
      state_ = state_ * 6364136223846793005u + 1442695040888963407u;
      values.push_back((static_cast<float>(state_ >> 40) / 16777216.0f - 0.5f) * 0.2f);
    }
    return f32(name, shape, values);
  }
  RawSafetensors& add(const std::string& name, const std::string& dtype, const std::vector<int64_t>& shape, const std::string& data) {
    std::string extents;
    for (const int64_t extent : shape) extents += (extents.empty() ? "" : ",") + std::to_string(extent);
    header_ += (header_.empty() ? "" : ",") + ("\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":[" + extents + "],\"data_offsets\":[" +
               std::to_string(data_.size()) + "," + std::to_string(data_.size() + data.size()) + "]}");
    data_ += data;
    return *this;
  }
  std::string bytes() const {
    std::string header = "{" + header_ + "}";
    header.resize((header.size() + 7) / 8 * 8, ' ');
    return with_header(header, data_);
  }
  static std::string with_header(const std::string& header, const std::string& data) {
    const uint64_t n = header.size();
    return std::string(reinterpret_cast<const char*>(&n), sizeof n) + header + data;
  }

 private:
  std::string header_, data_;
  uint64_t state_ = 1;
};

}  // namespace firesteel
