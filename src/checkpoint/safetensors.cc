#include "checkpoint/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <unordered_set>
#include <utility>

#include "base/checked.h"
#include "base/utf8.h"

namespace firesteel {
namespace {

constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // by the format
constexpr size_t kMaxNameBytes = 1024;
constexpr int kMaxDims = 4;

struct ElementType {
  std::string_view name;
  uint64_t n_bytes;
  std::optional<DType> dtype;
};
constexpr ElementType kElementTypes[] = {
    {"F32", 4, DType::kF32}, {"F16", 2, DType::kF16}, {"BF16", 2, DType::kBF16}, {"BOOL", 1, {}}, {"U8", 1, {}}, {"I8", 1, {}},
    {"F8_E4M3", 1, {}}, {"F8_E5M2", 1, {}}, {"F8_E8M0", 1, {}}, {"I16", 2, {}}, {"U16", 2, {}}, {"I32", 4, {}}, {"U32", 4, {}},
    {"F64", 8, {}}, {"I64", 8, {}}, {"U64", 8, {}},
};

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text.substr(0, 100)) out.push_back(static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? '?' : c);
  return out + "\"";
}

// A header is one object of small, known objects, possibly a hundred thousand of them: read in one pass, without a tree of values.
class HeaderParser {
 public:
  HeaderParser(std::span<const std::byte> bytes, const std::string& name)
      : bytes_(bytes), name_(name), memory_left_(2 * uint64_t{bytes.size()} + (1u << 20)) {}

  Result<SafetensorsFile> run() {
    uint64_t n = 0;
    if (bytes_.size() < sizeof n) return error("expected 8 bytes of header length, found the end of the file");
    std::memcpy(&n, bytes_.data(), sizeof n);
    if (n > kMaxHeaderBytes) return error(fmt::format("expected a header of at most {} bytes, found {}", kMaxHeaderBytes, n));
    if (n > bytes_.size() - sizeof n) return error(fmt::format("expected a header of {} bytes, found {} (file truncated)", n, bytes_.size() - sizeof n));
    text_ = std::string_view(reinterpret_cast<const char*>(bytes_.data()) + sizeof n, n);
    out_.data_start = sizeof n + n;
    data_ = bytes_.subspan(out_.data_start);
    FS_TRY_VOID(reserve());
    FS_TRY_VOID(read_object());
    FS_TRY_VOID(check_layout());
    return std::move(out_);
  }

 private:
  Error error(const std::string& what) const { return Error{ErrorCode::kDataLoss, fmt::format("{}: offset {}: {}", name_, 8 + pos_, what)}; }
  Error tensor_error(std::string_view tensor, const std::string& what) const {
    return Error{ErrorCode::kDataLoss, fmt::format("{}: tensor {}: {}", name_, quoted(tensor), what)};
  }
  Status charge(uint64_t n_bytes) {
    if (n_bytes > memory_left_) {
      return Error{ErrorCode::kResourceExhausted, fmt::format("{}: the header expands to more than twice the file of {} bytes", name_, bytes_.size())};
    }
    memory_left_ -= n_bytes;
    return {};
  }

  // Room for every tensor at once, so that growing never holds two tables.
  Status reserve() {
    constexpr std::string_view kMark = "\"data_offsets\"";
    uint64_t n = 0;
    for (size_t at = text_.find(kMark); at != std::string_view::npos; at = text_.find(kMark, at + kMark.size())) ++n;
    FS_TRY_VOID(charge(n * (sizeof(SafetensorsTensor) + 64)));  // and a node of the set of names
    out_.tensors.reserve(n);
    names_.reserve(n);
    return {};
  }

  void skip_space() {
    while (pos_ < text_.size() && (text_[pos_] == ' ' || text_[pos_] == '\n' || text_[pos_] == '\t' || text_[pos_] == '\r')) ++pos_;
  }
  bool at(char c) {
    skip_space();
    return pos_ < text_.size() && text_[pos_] == c;
  }
  Status expect(char c) {
    if (!at(c)) {
      return error(fmt::format("expected '{}' in the header, found {}", c, pos_ < text_.size() ? quoted(text_.substr(pos_, 1)) : "its end"));
    }
    ++pos_;
    return {};
  }

  // A string without its quotes; `scratch` holds it when there are escapes.
  Status read_string(std::string* scratch, std::string_view* out, size_t max_bytes) {
    FS_TRY_VOID(expect('"'));
    const size_t start = pos_;
    while (pos_ < text_.size() && text_[pos_] != '"' && text_[pos_] != '\\' && static_cast<unsigned char>(text_[pos_]) >= 0x20) ++pos_;
    if (pos_ < text_.size() && text_[pos_] == '"') {
      *out = text_.substr(start, pos_++ - start);
    } else {
      pos_ = start;
      FS_TRY_VOID(read_escaped(scratch));
      *out = *scratch;
    }
    if (out->size() > max_bytes) return error(fmt::format("expected a string of at most {} bytes, found {}", max_bytes, out->size()));
    if (!is_valid_utf8(*out)) return error("expected UTF-8 in a string, found other bytes");
    return {};
  }

  Status read_escaped(std::string* out) {
    out->clear();
    while (pos_ < text_.size() && text_[pos_] != '"') {
      const char c = text_[pos_++];
      if (static_cast<unsigned char>(c) < 0x20) return error("expected no control characters in a string, found one");
      if (c != '\\') {
        out->push_back(c);
        continue;
      }
      if (pos_ >= text_.size()) break;
      const char kind = text_[pos_++];
      constexpr std::string_view kFrom = "\"\\/bfnrt", kTo = "\"\\/\b\f\n\r\t";
      if (const size_t i = kFrom.find(kind); i != std::string_view::npos) {
        out->push_back(kTo[i]);
      } else if (kind == 'u') {
        uint32_t code = 0;
        FS_TRY_VOID(read_hex4(&code));
        if (code >= 0xD800 && code < 0xDC00 && text_.substr(pos_, 2) == "\\u") {
          uint32_t low = 0;
          pos_ += 2;
          FS_TRY_VOID(read_hex4(&low));
          if (low < 0xDC00 || low >= 0xE000) return error("expected the second half of a surrogate pair, found another escape");
          code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        } else if (code >= 0xD800 && code < 0xE000) {
          return error("expected a surrogate pair, found half of one");
        }
        append_utf8(out, code);
      } else {
        return error("expected a JSON escape, found another");
      }
    }
    return expect('"');
  }

  Status read_hex4(uint32_t* code) {
    for (int i = 0; i < 4; ++i) {
      const char c = pos_ < text_.size() ? text_[pos_++] : '?';
      uint32_t digit = 0;
      if (c >= '0' && c <= '9') digit = static_cast<uint32_t>(c - '0');
      else if (c >= 'a' && c <= 'f') digit = static_cast<uint32_t>(c - 'a' + 10);
      else if (c >= 'A' && c <= 'F') digit = static_cast<uint32_t>(c - 'A' + 10);
      else return error("expected four hex digits after \\u, found other characters");
      *code = *code * 16 + digit;
    }
    return {};
  }

  Status read_count(uint64_t* value) {
    skip_space();
    const size_t start = pos_;
    std::optional<uint64_t> v = 0;
    for (; pos_ < text_.size() && text_[pos_] >= '0' && text_[pos_] <= '9'; ++pos_) {
      v = checked_mul(*v, 10);
      if (v) v = checked_add(*v, static_cast<uint64_t>(text_[pos_] - '0'));
      if (!v) return error("expected an integer below 2^64, found a larger one");
    }
    if (pos_ == start) return error("expected a non-negative integer, found something else");
    *value = *v;
    return {};
  }

  Status read_object() {
    FS_TRY_VOID(expect('{'));
    if (!at('}')) {
      FS_TRY_VOID(read_member());
      while (at(',')) {
        ++pos_;
        FS_TRY_VOID(read_member());
      }
    }
    FS_TRY_VOID(expect('}'));
    skip_space();
    while (pos_ < text_.size() && text_[pos_] == '\0') ++pos_;  // some writers pad with zeros
    if (pos_ != text_.size()) return error("expected the end of the header, found more text");
    return {};
  }

  Status read_member() {
    std::string scratch;
    std::string_view key;
    FS_TRY_VOID(read_string(&scratch, &key, kMaxNameBytes));
    FS_TRY_VOID(expect(':'));
    if (key == "__metadata__") {
      if (has_metadata_) return error("expected \"__metadata__\" once, found it twice");
      has_metadata_ = true;
      return skip_metadata();
    }
    if (key.empty()) return error("expected a tensor name, found an empty string");
    SafetensorsTensor tensor;
    tensor.name = key;
    FS_TRY_VOID(charge(tensor.name.size() + 17));
    FS_TRY_VOID(read_tensor(&tensor));
    if (out_.tensors.size() == out_.tensors.capacity()) return tensor_error(tensor.name, "expected \"data_offsets\", found none");
    out_.tensors.push_back(std::move(tensor));
    if (!names_.insert(out_.tensors.back().name).second) return tensor_error(out_.tensors.back().name, "expected unique names, found it twice");
    return {};
  }

  Status skip_metadata() {
    std::string scratch;
    std::string_view text;
    FS_TRY_VOID(expect('{'));
    if (at('}')) return expect('}');
    for (;;) {
      FS_TRY_VOID(read_string(&scratch, &text, SIZE_MAX));
      FS_TRY_VOID(expect(':'));
      FS_TRY_VOID(read_string(&scratch, &text, SIZE_MAX));
      if (!at(',')) return expect('}');
      ++pos_;
    }
  }

  Status read_tensor(SafetensorsTensor* tensor) {
    bool has_dtype = false, has_shape = false, has_offsets = false;
    uint64_t element_bytes = 0, begin = 0, end = 0;
    std::string scratch;
    FS_TRY_VOID(expect('{'));
    for (;;) {
      std::string_view field;
      FS_TRY_VOID(read_string(&scratch, &field, kMaxNameBytes));
      bool* seen = field == "dtype" ? &has_dtype : field == "shape" ? &has_shape : field == "data_offsets" ? &has_offsets : nullptr;
      if (seen == nullptr) return tensor_error(tensor->name, "expected dtype, shape and data_offsets, found " + quoted(field));
      if (*seen) return tensor_error(tensor->name, "expected " + quoted(field) + " once, found it twice");
      *seen = true;
      FS_TRY_VOID(expect(':'));
      if (seen == &has_dtype) {
        std::string_view type;
        FS_TRY_VOID(read_string(&scratch, &type, kMaxNameBytes));
        for (const ElementType& known : kElementTypes) {
          if (known.name != type) continue;
          tensor->dtype_name = known.name;
          tensor->dtype = known.dtype;
          element_bytes = known.n_bytes;
        }
        if (element_bytes == 0) return tensor_error(tensor->name, "expected a known dtype, found " + quoted(type));
      } else if (seen == &has_shape) {
        FS_TRY_VOID(read_shape(tensor));
      } else {
        FS_TRY_VOID(expect('['));
        FS_TRY_VOID(read_count(&begin));
        FS_TRY_VOID(expect(','));
        FS_TRY_VOID(read_count(&end));
        FS_TRY_VOID(expect(']'));
      }
      if (!at(',')) break;
      ++pos_;
    }
    FS_TRY_VOID(expect('}'));
    if (!has_dtype || !has_shape || !has_offsets) return tensor_error(tensor->name, "expected dtype, shape and data_offsets, found one missing");
    return place(tensor, element_bytes, begin, end);
  }

  Status read_shape(SafetensorsTensor* tensor) {
    FS_TRY_VOID(expect('['));
    if (at(']')) return expect(']');
    for (;;) {
      uint64_t extent = 0;
      FS_TRY_VOID(read_count(&extent));
      if (tensor->n_dims == kMaxDims) return tensor_error(tensor->name, fmt::format("expected at most {} dimensions, found more", kMaxDims));
      if (extent > (uint64_t{1} << 48)) return tensor_error(tensor->name, fmt::format("expected extents of at most 2^48, found {}", extent));
      tensor->shape[tensor->n_dims++] = static_cast<int64_t>(extent);
      if (!at(',')) return expect(']');
      ++pos_;
    }
  }

  Status place(SafetensorsTensor* tensor, uint64_t element_bytes, uint64_t begin, uint64_t end) {
    if (begin > end || end > data_.size()) {
      return tensor_error(tensor->name, fmt::format("expected data_offsets within the {} bytes of data, found [{}, {}] (file truncated or corrupt)",
                                                    data_.size(), begin, end));
    }
    std::optional<uint64_t> n_bytes = element_bytes;
    for (const int64_t extent : tensor->shape) {
      if (n_bytes) n_bytes = checked_mul(*n_bytes, static_cast<uint64_t>(extent));
    }
    if (!n_bytes || *n_bytes != end - begin) {
      return tensor_error(tensor->name, fmt::format("expected {} bytes for its shape and dtype {}, found data_offsets [{}, {}]",
                                                    n_bytes ? std::to_string(*n_bytes) : "more than 2^64", tensor->dtype_name, begin, end));
    }
    tensor->data = data_.data() + begin;
    tensor->n_bytes = end - begin;
    return {};
  }

  Status check_layout() {
    auto& tensors = out_.tensors;
    names_.clear();  // views of names that now move
    std::sort(tensors.begin(), tensors.end(), [](const SafetensorsTensor& a, const SafetensorsTensor& b) {
      return std::pair(a.data, a.n_bytes) < std::pair(b.data, b.n_bytes);
    });
    uint64_t end = 0;
    for (const SafetensorsTensor& tensor : tensors) {
      const auto begin = static_cast<uint64_t>(tensor.data - data_.data());
      if (begin != end) return tensor_error(tensor.name, fmt::format("expected its data to begin at {}, where the one before ends, found {}", end, begin));
      end = begin + tensor.n_bytes;
    }
    if (end != data_.size()) {
      return Error{ErrorCode::kDataLoss, fmt::format("{}: expected {} bytes of tensor data, found {}", name_, end, data_.size())};
    }
    return {};
  }

  const std::span<const std::byte> bytes_;
  const std::string& name_;
  uint64_t memory_left_;
  std::string_view text_;
  std::span<const std::byte> data_;
  size_t pos_ = 0;
  bool has_metadata_ = false;
  std::unordered_set<std::string_view> names_;
  SafetensorsFile out_;
};

}  // namespace

Result<SafetensorsFile> parse_safetensors(std::span<const std::byte> bytes, const std::string& name) { return HeaderParser(bytes, name).run(); }

}  // namespace firesteel
