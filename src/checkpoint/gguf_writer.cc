#include "checkpoint/gguf_writer.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "checkpoint/gguf_format.h"

namespace firesteel {
namespace {

using gguf::ValueType;

template <typename T>
void put(std::string* out, T value) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  out->append(bytes, sizeof bytes);
}
void put_string(std::string* out, std::string_view text) {
  put(out, uint64_t{text.size()});
  out->append(text);
}
void put_type(std::string* out, ValueType type) { put(out, static_cast<uint32_t>(type)); }
void put_array(std::string* out, ValueType element, size_t n) {
  put_type(out, ValueType::kArray);
  put_type(out, element);
  put(out, uint64_t{n});
}

struct PutValue {
  std::string* out;

  void operator()(bool value) const {
    put_type(out, ValueType::kBool);
    put(out, static_cast<uint8_t>(value));
  }
  void operator()(uint64_t value) const {
    if (value <= UINT32_MAX) {
      put_type(out, ValueType::kU32);
      put(out, static_cast<uint32_t>(value));
    } else {
      put_type(out, ValueType::kU64);
      put(out, value);
    }
  }
  void operator()(int64_t value) const {
    if (value >= 0) return (*this)(static_cast<uint64_t>(value));
    if (value >= INT32_MIN) {
      put_type(out, ValueType::kI32);
      put(out, static_cast<int32_t>(value));
    } else {
      put_type(out, ValueType::kI64);
      put(out, value);
    }
  }
  void operator()(double value) const {
    put_type(out, ValueType::kF32);
    put(out, static_cast<float>(value));
  }
  void operator()(std::string_view value) const {
    put_type(out, ValueType::kString);
    put_string(out, value);
  }
  void operator()(const std::vector<bool>& values) const {
    put_array(out, ValueType::kBool, values.size());
    for (const bool value : values) put(out, static_cast<uint8_t>(value));
  }
  void operator()(const std::vector<int64_t>& values) const {
    const bool small = std::all_of(values.begin(), values.end(), [](int64_t v) { return std::in_range<int32_t>(v); });
    put_array(out, small ? ValueType::kI32 : ValueType::kI64, values.size());
    for (const int64_t value : values) small ? put(out, static_cast<int32_t>(value)) : put(out, value);
  }
  void operator()(const std::vector<float>& values) const {
    put_array(out, ValueType::kF32, values.size());
    for (const float value : values) put(out, value);
  }
  void operator()(const std::vector<std::string_view>& values) const {
    put_array(out, ValueType::kString, values.size());
    for (const std::string_view value : values) put_string(out, value);
  }
};

constexpr uint64_t align_up(uint64_t value) { return (value + gguf::kDefaultAlignment - 1) / gguf::kDefaultAlignment * gguf::kDefaultAlignment; }

}  // namespace

Result<GgufWriter> GgufWriter::create(const std::string& path) {
  FS_TRY(AtomicFileWriter file, AtomicFileWriter::create(path));
  return GgufWriter(std::move(file));
}

void GgufWriter::add(std::string_view key, const MetaValue& value) {
  put_string(&metadata_, key);
  std::visit(PutValue{&metadata_}, value);
  ++n_keys_;
}

void GgufWriter::add_u32s(std::string_view key, std::span<const uint32_t> values) {
  put_string(&metadata_, key);
  put_array(&metadata_, ValueType::kU32, values.size());
  for (const uint32_t value : values) put(&metadata_, value);
  ++n_keys_;
}

void GgufWriter::add_tensor(std::string_view name, DType dtype, std::span<const int64_t> ne) {
  CHECK(!ne.empty() && ne.size() <= gguf::kMaxDims && name.size() <= gguf::kMaxNameBytes && ne[0] % dtype_info(dtype).block_elems == 0);
  uint64_t n_bytes = row_bytes(dtype, ne[0]);
  put_string(&table_, name);
  put(&table_, static_cast<uint32_t>(ne.size()));
  for (size_t i = 0; i < ne.size(); ++i) {
    put(&table_, static_cast<uint64_t>(ne[i]));
    if (i > 0) n_bytes *= static_cast<uint64_t>(ne[i]);
  }
  put(&table_, dtype_info(dtype).gguf_id);
  put(&table_, data_end_);
  tensors_.push_back({data_end_, n_bytes});
  data_end_ = align_up(data_end_ + n_bytes);
}

Status GgufWriter::begin() {
  std::string header;
  put(&header, gguf::kMagic);
  put(&header, gguf::kVersion);
  put(&header, uint64_t{tensors_.size()});
  put(&header, n_keys_);
  FS_TRY_VOID(file_.write(header));
  FS_TRY_VOID(file_.write(metadata_));
  FS_TRY_VOID(file_.write(table_));
  return pad();
}

Status GgufWriter::pad() {
  static constexpr char kZeros[gguf::kDefaultAlignment] = {};
  return file_.write(std::string_view(kZeros, align_up(file_.offset()) - file_.offset()));
}

Status GgufWriter::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    CHECK(current_ < tensors_.size());
    const uint64_t take = std::min<uint64_t>(bytes.size(), tensors_[current_].n_bytes - current_bytes_);
    FS_TRY_VOID(file_.write(bytes.first(take)));
    bytes = bytes.subspan(take);
    current_bytes_ += take;
    if (current_bytes_ == tensors_[current_].n_bytes) {
      FS_TRY_VOID(pad());
      ++current_;
      current_bytes_ = 0;
    }
  }
  return {};
}

Status GgufWriter::commit() {
  CHECK(current_ == tensors_.size());
  return file_.commit();
}

}  // namespace firesteel
