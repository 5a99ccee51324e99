#include "checkpoint/gguf_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <optional>
#include <unordered_set>
#include <utility>

#include "base/checked.h"
#include "base/utf8.h"
#include "checkpoint/gguf_format.h"
#include "checkpoint/hash128.h"

namespace firesteel {
namespace {

using gguf::ValueType;

// Bytes of one element in the file; 0 for strings and arrays.
size_t value_bytes(ValueType type) {
  switch (type) {
    case ValueType::kU8: case ValueType::kI8: case ValueType::kBool: return 1;
    case ValueType::kU16: case ValueType::kI16: return 2;
    case ValueType::kU32: case ValueType::kI32: case ValueType::kF32: return 4;
    case ValueType::kU64: case ValueType::kI64: case ValueType::kF64: return 8;
    case ValueType::kString: case ValueType::kArray: return 0;
  }
  return 0;
}

template <typename T>
T load(const std::byte* p) {  // nothing in a header is aligned
  T value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

// Names and keys go into messages: without control characters, not too long.
std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text.substr(0, 80)) out.push_back(static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? '?' : c);
  if (text.size() > 80) out += "...";
  return out + "\"";
}

class Parser {
 public:
  Parser(std::span<const std::byte> bytes, const std::string& name)
      : bytes_(bytes), name_(name), memory_left_(2 * uint64_t{bytes.size()} + (1u << 20)) {}

  Result<GgufFile> run() {
    FS_TRY_VOID(read_counts());
    FS_TRY_VOID(read_metadata());
    FS_TRY_VOID(read_alignment());
    FS_TRY_VOID(read_tensors());
    FS_TRY_VOID(place_tensors());
    return std::move(out_);
  }

 private:
  uint64_t left() const { return bytes_.size() - pos_; }

  Error error(ErrorCode code, const std::string& what) const { return Error{code, fmt::format("{}: offset {}: {}", name_, pos_, what)}; }
  Error damaged(const std::string& what) const { return error(ErrorCode::kDataLoss, what); }
  Error truncated(const std::string& what, uint64_t expected) const {
    return damaged(fmt::format("{}: expected {} more bytes, found {} (file truncated or length corrupt)", what, expected, left()));
  }

  // What the header expands to in memory is bounded by the file, however the file is made.
  Status charge(uint64_t n_bytes) {
    if (n_bytes > memory_left_) {
      return error(ErrorCode::kResourceExhausted, fmt::format("the header expands to more than twice the file of {} bytes", bytes_.size()));
    }
    memory_left_ -= n_bytes;
    return {};
  }

  template <typename T>
  Status read(T* value, const char* what) {
    if (left() < sizeof(T)) return truncated(what, sizeof(T));
    *value = load<T>(bytes_.data() + pos_);
    pos_ += sizeof(T);
    return {};
  }

  Status read_string(std::string_view* text, uint64_t max_bytes, const char* what) {
    uint64_t n = 0;
    FS_TRY_VOID(read(&n, what));
    if (n > left()) return truncated(what, n);
    if (n > max_bytes) return damaged(fmt::format("{}: expected at most {} bytes, found {}", what, max_bytes, n));
    *text = std::string_view(reinterpret_cast<const char*>(bytes_.data() + pos_), n);
    pos_ += n;
    return {};
  }

  Status read_counts() {
    uint32_t magic = 0;
    FS_TRY_VOID(read(&magic, "magic"));
    if (magic != gguf::kMagic) {
      pos_ = 0;
      return damaged(fmt::format("expected the magic \"GGUF\" (0x{:08x}), found 0x{:08x}: not a GGUF file", gguf::kMagic, magic));
    }
    FS_TRY_VOID(read(&out_.version, "version"));
    if ((out_.version & 0xFFFFu) == 0) {
      return error(ErrorCode::kUnsupported, fmt::format("version 0x{:08x}: big-endian GGUF file; convert it to little-endian", out_.version));
    }
    if (out_.version != 2 && out_.version != 3) {
      return error(ErrorCode::kUnsupported, fmt::format("expected GGUF version 2 or 3, found {}", out_.version));
    }
    FS_TRY_VOID(read(&n_tensors_, "tensor count"));
    FS_TRY_VOID(read(&n_keys_, "metadata count"));
    if (n_tensors_ > gguf::kMaxTensors) return damaged(fmt::format("tensor count: expected at most {}, found {}", gguf::kMaxTensors, n_tensors_));
    if (n_keys_ > gguf::kMaxKeys) return damaged(fmt::format("metadata count: expected at most {}, found {}", gguf::kMaxKeys, n_keys_));
    // Smallest entries: empty key, type, one byte; empty name, dimensions, one extent, type, offset.
    if (n_keys_ > left() / 13) return truncated(fmt::format("{} metadata entries", n_keys_), n_keys_ * 13);
    if (n_tensors_ > left() / 32) return truncated(fmt::format("{} tensor entries", n_tensors_), n_tensors_ * 32);
    return {};
  }

  Status read_metadata() {
    FS_TRY_VOID(charge(n_keys_ * (sizeof(Metadata::Item) + 64)));  // and a node of the set
    out_.metadata.reserve(n_keys_);
    std::unordered_set<std::string_view> seen;
    seen.reserve(n_keys_);
    for (uint64_t i = 0; i < n_keys_; ++i) {
      const uint64_t start = pos_;
      std::string_view key;
      FS_TRY_VOID(read_string(&key, gguf::kMaxKeyBytes, "metadata key"));
      key_ = key;
      if (key.empty() || !is_valid_utf8(key)) {
        pos_ = start;
        return damaged(fmt::format("metadata key {} of {}: expected non-empty UTF-8, found {} other bytes", i + 1, n_keys_, key.size()));
      }
      if (!seen.insert(key).second) {
        pos_ = start;
        return damaged(fmt::format("metadata key {}: expected unique keys, found it twice", quoted(key)));
      }
      if (key.size() > 15) FS_TRY_VOID(charge(key.size() + 17));
      uint32_t type = 0;
      FS_TRY_VOID(read(&type, "metadata value type"));
      std::optional<MetaValue> value;
      FS_TRY_VOID(read_value(type, &value));
      if (value) out_.metadata.append(std::string(key), std::move(*value));
    }
    return {};
  }

  Status check_type(uint32_t type) const {
    if (type < gguf::kNValueTypes) return {};
    return damaged(fmt::format("metadata {}: expected a value type below {}, found {}", quoted(key_), gguf::kNValueTypes, type));
  }

  Status read_value(uint32_t type_id, std::optional<MetaValue>* value) {
    FS_TRY_VOID(check_type(type_id));
    const auto type = static_cast<ValueType>(type_id);
    if (type == ValueType::kArray) return read_array(value, 1);
    if (type == ValueType::kString) {
      std::string_view text;
      FS_TRY_VOID(read_string(&text, UINT64_MAX, "string value"));
      *value = text;
      return {};
    }
    const size_t n = value_bytes(type);
    if (left() < n) return truncated("metadata " + quoted(key_), n);
    const std::byte* p = bytes_.data() + pos_;
    if (type == ValueType::kBool && load<uint8_t>(p) > 1) {
      return damaged(fmt::format("metadata {}: expected a bool of 0 or 1, found {}", quoted(key_), load<uint8_t>(p)));
    }
    switch (type) {
      case ValueType::kU8: *value = int64_t{load<uint8_t>(p)}; break;
      case ValueType::kI8: *value = int64_t{load<int8_t>(p)}; break;
      case ValueType::kU16: *value = int64_t{load<uint16_t>(p)}; break;
      case ValueType::kI16: *value = int64_t{load<int16_t>(p)}; break;
      case ValueType::kU32: *value = int64_t{load<uint32_t>(p)}; break;
      case ValueType::kI32: *value = int64_t{load<int32_t>(p)}; break;
      case ValueType::kU64: *value = uint64_t{load<uint64_t>(p)}; break;
      case ValueType::kI64: *value = int64_t{load<int64_t>(p)}; break;
      case ValueType::kF32: *value = static_cast<double>(load<float>(p)); break;
      case ValueType::kF64: *value = load<double>(p); break;
      case ValueType::kBool: *value = load<uint8_t>(p) != 0; break;
      case ValueType::kString: case ValueType::kArray: break;
    }
    pos_ += n;
    return {};
  }

  Status read_array(std::optional<MetaValue>* value, uint32_t depth) {
    if (depth > gguf::kMaxArrayDepth) {
      return damaged(fmt::format("metadata {}: expected arrays nested at most {} deep, found more", quoted(key_), gguf::kMaxArrayDepth));
    }
    uint32_t type_id = 0;
    uint64_t n = 0;
    FS_TRY_VOID(read(&type_id, "array element type"));
    FS_TRY_VOID(check_type(type_id));
    FS_TRY_VOID(read(&n, "array length"));
    const auto type = static_cast<ValueType>(type_id);
    if (n > gguf::kMaxArray) {
      return damaged(fmt::format("metadata {}: expected at most {} array elements, found {}", quoted(key_), gguf::kMaxArray, n));
    }
    const uint64_t min_bytes = type == ValueType::kString ? 8 : type == ValueType::kArray ? 12 : value_bytes(type);
    if (n * min_bytes > left()) return truncated(fmt::format("metadata {}: {} array elements", quoted(key_), n), n * min_bytes);
    const size_t count = n;
    if (type == ValueType::kArray) {  // checked, not kept
      for (size_t i = 0; i < count; ++i) FS_TRY_VOID(read_array(nullptr, depth + 1));
      return {};
    }
    if (type == ValueType::kString) return read_strings(value, count);
    const std::byte* p = bytes_.data() + pos_;
    pos_ += count * value_bytes(type);
    if (value == nullptr) return {};
    switch (type) {
      case ValueType::kU8: return keep_ints<uint8_t>(p, count, value);
      case ValueType::kI8: return keep_ints<int8_t>(p, count, value);
      case ValueType::kU16: return keep_ints<uint16_t>(p, count, value);
      case ValueType::kI16: return keep_ints<int16_t>(p, count, value);
      case ValueType::kU32: return keep_ints<uint32_t>(p, count, value);
      case ValueType::kI32: return keep_ints<int32_t>(p, count, value);
      case ValueType::kI64: return keep_ints<int64_t>(p, count, value);
      case ValueType::kU64: return keep_ints<uint64_t>(p, count, value);
      case ValueType::kF32: return keep_floats<float>(p, count, value);
      case ValueType::kF64: return keep_floats<double>(p, count, value);
      case ValueType::kBool: {
        FS_TRY_VOID(charge(count / 8 + 8));
        std::vector<bool> bools(count);
        for (size_t i = 0; i < count; ++i) {
          const auto byte = load<uint8_t>(p + i);
          if (byte > 1) return damaged(fmt::format("metadata {}: element {}: expected a bool of 0 or 1, found {}", quoted(key_), i, byte));
          bools[i] = byte != 0;
        }
        *value = std::move(bools);
        return {};
      }
      case ValueType::kString: case ValueType::kArray: break;
    }
    return {};
  }

  template <typename T>
  Status keep_ints(const std::byte* p, size_t n, std::optional<MetaValue>* value) {
    FS_TRY_VOID(charge(n * sizeof(int64_t)));
    std::vector<int64_t> ints(n);
    for (size_t i = 0; i < n; ++i) {
      const T x = load<T>(p + i * sizeof(T));
      if (!std::in_range<int64_t>(x)) return damaged(fmt::format("metadata {}: element {}: expected a value below 2^63, found {}", quoted(key_), i, x));
      ints[i] = static_cast<int64_t>(x);
    }
    *value = std::move(ints);
    return {};
  }

  template <typename T>
  Status keep_floats(const std::byte* p, size_t n, std::optional<MetaValue>* value) {
    FS_TRY_VOID(charge(n * sizeof(float)));
    std::vector<float> floats(n);
    for (size_t i = 0; i < n; ++i) floats[i] = static_cast<float>(load<T>(p + i * sizeof(T)));
    *value = std::move(floats);
    return {};
  }

  Status read_strings(std::optional<MetaValue>* value, size_t n) {
    std::vector<std::string_view> texts;
    if (value != nullptr) {
      FS_TRY_VOID(charge(n * sizeof(std::string_view)));
      texts.reserve(n);
    }
    for (size_t i = 0; i < n; ++i) {
      const uint64_t n_bytes = left() < 8 ? UINT64_MAX : load<uint64_t>(bytes_.data() + pos_);
      if (left() < 8 || n_bytes > left() - 8) {
        return damaged(fmt::format("metadata {}: string {} of {}: expected a length within the {} bytes left, found {}", quoted(key_), i, n,
                                   left(), left() < 8 ? "the end of the file" : std::to_string(n_bytes)));
      }
      pos_ += 8;
      if (value != nullptr) texts.emplace_back(reinterpret_cast<const char*>(bytes_.data() + pos_), n_bytes);
      pos_ += n_bytes;
    }
    if (value != nullptr) *value = std::move(texts);
    return {};
  }

  Status read_alignment() {
    const MetaValue* value = out_.metadata.find("general.alignment");
    if (value == nullptr) return {};
    const auto* n = std::get_if<int64_t>(value);
    if (n == nullptr || *n < 8 || *n > (int64_t{1} << 30) || (*n & (*n - 1)) != 0) {
      return damaged(fmt::format("metadata \"general.alignment\": expected a power of two of at least 8, found {}",
                                 n == nullptr ? "another type" : std::to_string(*n)));
    }
    alignment_ = static_cast<uint64_t>(*n);
    return {};
  }

  Status read_tensors() {
    // The entry, its slice, and nodes of two hash tables (one here, one in Checkpoint).
    FS_TRY_VOID(charge(n_tensors_ * (sizeof(TensorInfo) + 32 + 2 * 64 + sizeof(uint64_t))));
    out_.tensors.reserve(n_tensors_);
    offsets_.reserve(n_tensors_);
    std::unordered_set<std::string_view> seen;
    seen.reserve(n_tensors_);
    for (uint64_t i = 0; i < n_tensors_; ++i) {
      std::string_view name;
      FS_TRY_VOID(read_string(&name, gguf::kMaxNameBytes, "tensor name"));
      if (name.empty() || !is_valid_utf8(name)) {
        return damaged(fmt::format("tensor {} of {}: expected a non-empty UTF-8 name, found {} other bytes", i + 1, n_tensors_, name.size()));
      }
      if (!seen.insert(name).second) return damaged(fmt::format("tensor {}: expected unique names, found it twice", quoted(name)));
      if (name.size() > 15) FS_TRY_VOID(charge(name.size() + 17));
      TensorInfo tensor;
      tensor.name = name;
      FS_TRY_VOID(read_shape_and_type(&tensor));
      uint64_t offset = 0;
      FS_TRY_VOID(read(&offset, "tensor offset"));
      if (offset % alignment_ != 0) {
        return damaged(fmt::format("tensor {}: expected a data offset that is a multiple of {}, found {}", quoted(name), alignment_, offset));
      }
      offsets_.push_back(offset);
      out_.tensors.push_back(std::move(tensor));
    }
    return {};
  }

  Status read_shape_and_type(TensorInfo* tensor) {
    uint32_t n_dims = 0, type_id = 0;
    FS_TRY_VOID(read(&n_dims, "tensor dimensions"));
    if (n_dims < 1 || n_dims > gguf::kMaxDims) {
      return damaged(fmt::format("tensor {}: expected 1 to {} dimensions, found {}", quoted(tensor->name), gguf::kMaxDims, n_dims));
    }
    tensor->n_dims = static_cast<int>(n_dims);
    for (uint32_t k = 0; k < n_dims; ++k) {
      uint64_t extent = 0;
      FS_TRY_VOID(read(&extent, "tensor extent"));
      // No file has more; and the product below is checked besides.
      if (extent == 0 || extent > (uint64_t{1} << 48)) {
        return damaged(fmt::format("tensor {}: dimension {}: expected an extent of 1 to 2^48, found {}", quoted(tensor->name), k, extent));
      }
      tensor->ne[k] = static_cast<int64_t>(extent);
    }
    FS_TRY_VOID(read(&type_id, "tensor type"));
    const auto dtype = dtype_from_gguf_id(type_id);
    if (!dtype) {
      return error(ErrorCode::kUnsupported, fmt::format("tensor {}: type {} ({}) is not supported; convert the model to another type",
                                                        quoted(tensor->name), type_id, gguf::type_name(type_id)));
    }
    tensor->dtype = *dtype;
    const DTypeInfo& info = dtype_info(*dtype);
    if (tensor->ne[0] % info.block_elems != 0) {
      return damaged(fmt::format("tensor {}: expected rows of a multiple of {} elements for {}, found {}", quoted(tensor->name),
                                 info.block_elems, info.name, tensor->ne[0]));
    }
    std::optional<uint64_t> n_bytes = checked_mul(static_cast<uint64_t>(tensor->ne[0] / info.block_elems), static_cast<uint64_t>(info.block_bytes));
    for (int k = 1; k < 4 && n_bytes; ++k) n_bytes = checked_mul(*n_bytes, static_cast<uint64_t>(tensor->ne[k]));
    if (!n_bytes || *n_bytes > bytes_.size()) {
      return damaged(fmt::format("tensor {}: expected data of at most the file's {} bytes, found a shape of {} x {} x {} x {} {}", quoted(tensor->name),
                                 bytes_.size(), tensor->ne[0], tensor->ne[1], tensor->ne[2], tensor->ne[3], info.name));
    }
    tensor->n_bytes = *n_bytes;
    return {};
  }

  Status place_tensors() {
    const auto data_start = checked_align_up(pos_, alignment_);
    if (!data_start) return damaged("the tensor data begins beyond 2^64");
    out_.data_start = std::min<uint64_t>(*data_start, bytes_.size());
    const uint64_t data_bytes = bytes_.size() - out_.data_start;
    for (size_t i = 0; i < out_.tensors.size(); ++i) {
      TensorInfo& tensor = out_.tensors[i];
      if (tensor.n_bytes > data_bytes || offsets_[i] > data_bytes - tensor.n_bytes) {
        return damaged(fmt::format("tensor {}: expected its {} bytes at data offset {} to lie in the {} bytes of tensor data, found the end of the "
                                   "file (truncated or corrupt)", quoted(tensor.name), tensor.n_bytes, offsets_[i], data_bytes));
      }
      const uint64_t n_slices = static_cast<uint64_t>(tensor.ne[2]) * static_cast<uint64_t>(tensor.ne[3]);
      const uint64_t slice_bytes = tensor.n_bytes / n_slices;
      FS_TRY_VOID(charge(n_slices * sizeof(std::byte*)));
      tensor.slices.reserve(n_slices);
      for (uint64_t k = 0; k < n_slices; ++k) tensor.slices.push_back(bytes_.data() + out_.data_start + offsets_[i] + k * slice_bytes);
    }
    FS_TRY_VOID(charge(n_tensors_ * sizeof(uint32_t)));
    std::vector<uint32_t> order(out_.tensors.size());
    std::iota(order.begin(), order.end(), 0u);
    if (!std::is_sorted(offsets_.begin(), offsets_.end())) {
      std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return offsets_[a] < offsets_[b]; });
    }
    for (size_t i = 1; i < order.size(); ++i) {
      const TensorInfo& before = out_.tensors[order[i - 1]];
      const uint64_t end = offsets_[order[i - 1]] + before.n_bytes;
      if (end > offsets_[order[i]]) {
        return damaged(fmt::format("tensor {}: expected its data to begin at or after {}, the end of {}, found an overlap at {}",
                                   quoted(out_.tensors[order[i]].name), end, quoted(before.name), offsets_[order[i]]));
      }
    }
    return {};
  }

  const std::span<const std::byte> bytes_;
  const std::string& name_;
  uint64_t memory_left_;
  uint64_t pos_ = 0;
  uint64_t n_tensors_ = 0;
  uint64_t n_keys_ = 0;
  uint64_t alignment_ = gguf::kDefaultAlignment;
  std::string_view key_;  // being read, for messages
  std::vector<uint64_t> offsets_;
  GgufFile out_;
};

struct SplitName {
  std::string prefix;  // up to the part's number
  uint64_t index = 0, count = 0;
};

std::optional<uint64_t> five_digits(std::string_view text) {
  uint64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + static_cast<uint64_t>(c - '0');
  }
  return value;
}

// "model-00002-of-00005.gguf"; the number in the name counts from 1.
std::optional<SplitName> parse_split_name(const std::string& path) {
  constexpr std::string_view kShape = "-00001-of-00001.gguf";
  if (path.size() < kShape.size()) return std::nullopt;
  const std::string_view tail = std::string_view(path).substr(path.size() - kShape.size());
  if (tail[0] != '-' || tail.substr(6, 4) != "-of-" || tail.substr(15) != ".gguf") return std::nullopt;
  const auto index = five_digits(tail.substr(1, 5)), count = five_digits(tail.substr(10, 5));
  if (!index || !count || *index < 1 || *index > *count) return std::nullopt;
  return SplitName{path.substr(0, path.size() - kShape.size()), *index - 1, *count};
}

std::string split_path(const SplitName& name, uint64_t index) { return fmt::format("{}-{:05}-of-{:05}.gguf", name.prefix, index + 1, name.count); }

Result<uint64_t> split_key(const GgufFile& file, const char* key, const std::string& path) {
  auto value = file.metadata.get_int(key);
  if (!value.ok()) return Error{ErrorCode::kDataLoss, path + ": " + value.error().message};
  if (!*value || **value < 0) return Error{ErrorCode::kDataLoss, fmt::format("{}: expected the metadata key \"{}\" of a split model, found none", path, key)};
  return static_cast<uint64_t>(**value);
}

}  // namespace

Result<GgufFile> parse_gguf(std::span<const std::byte> bytes, const std::string& name) { return Parser(bytes, name).run(); }

Result<std::shared_ptr<const Checkpoint>> GgufReader::open(const std::string& path) {
  FS_TRY(MappedFile mapped, MappedFile::open(path));
  return open(std::move(mapped));
}

Result<std::shared_ptr<const Checkpoint>> GgufReader::open(MappedFile mapped) {
  const std::string path = mapped.path();
  FS_TRY(GgufFile first, parse_gguf(mapped.bytes(), path));
  uint64_t n_parts = 1;
  if (first.metadata.has("split.count")) {
    FS_TRY(n_parts, split_key(first, "split.count", path));
    if (n_parts > gguf::kMaxSplits) {
      return Error{ErrorCode::kDataLoss, fmt::format("{}: \"split.count\": expected at most {}, found {}", path, gguf::kMaxSplits, n_parts)};
    }
    n_parts = std::max<uint64_t>(n_parts, 1);
  }

  std::shared_ptr<Checkpoint> checkpoint(new Checkpoint());
  checkpoint->path_ = path;
  checkpoint->format_ = fmt::format("GGUF v{}", first.version);
  std::vector<GgufFile> parts;
  if (n_parts == 1) {
    checkpoint->files_.push_back(std::move(mapped));
    parts.push_back(std::move(first));
  } else {
    const auto name = parse_split_name(path);
    if (!name || name->count != n_parts) {
      return Error{ErrorCode::kDataLoss, fmt::format("{}: one of {} parts: expected a name that ends in -NNNNN-of-{:05}.gguf", path, n_parts, n_parts)};
    }
    for (uint64_t i = 0; i < n_parts; ++i) {
      const std::string part_path = split_path(*name, i);
      if (i == name->index) {
        checkpoint->files_.push_back(std::move(mapped));
        parts.push_back(std::move(first));
      } else {
        FS_TRY(MappedFile part, MappedFile::open(part_path));
        FS_TRY(GgufFile parsed, parse_gguf(part.bytes(), part_path));
        checkpoint->files_.push_back(std::move(part));
        parts.push_back(std::move(parsed));
      }
      FS_TRY(const uint64_t number, split_key(parts.back(), "split.no", part_path));
      FS_TRY(const uint64_t count, split_key(parts.back(), "split.count", part_path));
      if (number != i || count != n_parts) {
        return Error{ErrorCode::kDataLoss, fmt::format("{}: expected part {} of {}, found part {} of {}", part_path, i, n_parts, number, count)};
      }
    }
  }

  Hash128 hash;
  for (size_t i = 0; i < parts.size(); ++i) {
    const MappedFile& file = checkpoint->files_[i];
    hash.update_u64(file.bytes().size());
    hash.update_u64(static_cast<uint64_t>(file.mtime_ns()));
    hash.update(file.bytes().first(parts[i].data_start));
    if (i == 0) {
      checkpoint->tensors_ = std::move(parts[i].tensors);
    } else {
      for (TensorInfo& tensor : parts[i].tensors) checkpoint->tensors_.push_back(std::move(tensor));
    }
  }
  checkpoint->identity_ = hash.finish_hex();
  checkpoint->metadata_ = std::move(parts[0].metadata);
  if (n_parts > 1 && checkpoint->metadata_.has("split.tensors.count")) {
    FS_TRY(const auto expected, checkpoint->metadata_.get_int("split.tensors.count"));
    if (expected != static_cast<int64_t>(checkpoint->tensors_.size())) {
      return Error{ErrorCode::kDataLoss, fmt::format("{}: expected {} tensors in {} parts, found {}", path, *expected, n_parts, checkpoint->tensors_.size())};
    }
  }
  FS_TRY_VOID(checkpoint->index_tensors());
  return std::shared_ptr<const Checkpoint>(std::move(checkpoint));
}

}  // namespace firesteel
