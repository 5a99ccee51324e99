// Sets of pictures.
#include <zlib.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>
#include <string_view>

#include "eval/answer_text.h"
#include "eval/reader_impl.h"

namespace firesteel {
namespace {

constexpr size_t kInflatedBytesMax = size_t{256} << 20;
constexpr size_t kImagesMax = 1'000'000;
constexpr int64_t kSideMax = 4096;

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> out;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    out.push_back(trim(text.substr(at, end - at)));
    at = end + 1;
  }
  while (!out.empty() && out.back().empty()) out.pop_back();
  return out;
}

// "'shape': (1024, 30, 30, 3)" of a NumPy header.
std::vector<int64_t> shape_of(std::string_view header) {
  std::vector<int64_t> out;
  size_t at = header.find("'shape':");
  if (at == std::string_view::npos) return out;
  at = header.find('(', at);
  const size_t end = header.find(')', at);
  if (end == std::string_view::npos) return out;
  while (at < end) {
    ++at;
    while (at < end && header[at] == ' ') ++at;
    int64_t value = 0;
    const auto read = std::from_chars(header.data() + at, header.data() + end, value);
    if (read.ec != std::errc{} || value < 0) break;
    out.push_back(value);
    at = static_cast<size_t>(read.ptr - header.data());
  }
  return out;
}

Result<std::string> inflate_file(const std::string& path) {
  FS_TRY(const std::string packed, read_set(path));
  z_stream stream{};
  if (inflateInit2(&stream, 15 + 32) != Z_OK) return Error{ErrorCode::kInternal, path + ": zlib could not start"};
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));  // zlib does not write there
  stream.avail_in = static_cast<uInt>(packed.size());
  std::string out;
  int code = Z_OK;
  while (code == Z_OK && out.size() < kInflatedBytesMax) {
    const size_t before = out.size();
    out.resize(before + (size_t{1} << 16));
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + before);
    stream.avail_out = 1u << 16;
    code = inflate(&stream, Z_NO_FLUSH);
    out.resize(out.size() - stream.avail_out);
  }
  inflateEnd(&stream);
  if (code != Z_STREAM_END) return Error{ErrorCode::kDataLoss, path + ": the compressed data is damaged, cut off or too large"};
  return out;
}

uint32_t big_endian(std::string_view bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value = (value << 8) | static_cast<uint8_t>(bytes[at + i]);
  return value;
}

}  // namespace

// SHAPES (Andreas et al. 2016): PATH.input.npy with [n, 30, 30, 3] bytes in the order B G R, PATH.query_str.txt and PATH.output by line.
ItemsResult read_shapes_set(const SuiteSource&, const std::string& path) {
  FS_TRY(const std::string array, read_set(path + ".input.npy"));
  FS_TRY(const std::string queries, read_set(path + ".query_str.txt"));
  FS_TRY(const std::string answers, read_set(path + ".output"));
  const auto fail = [&](const std::string& what) { return Error{ErrorCode::kDataLoss, path + ": " + what}; };
  if (array.size() < 10 || array.compare(0, 6, "\x93NUMPY") != 0 || array[6] != 1) return fail("expected a NumPy array, version 1");
  const size_t begin = 10 + static_cast<uint8_t>(array[8]) + 256u * static_cast<uint8_t>(array[9]);
  if (begin > array.size()) return fail("the array's header is cut off");
  const std::string_view header = std::string_view(array).substr(10, begin - 10);
  const std::vector<int64_t> shape = shape_of(header);
  if (header.find("'|u1'") == std::string_view::npos || header.find("'fortran_order': False") == std::string_view::npos || shape.size() != 4 || shape[3] != 3 ||
      shape[1] <= 0 || shape[1] > kSideMax || shape[2] <= 0 || shape[2] > kSideMax) {
    return fail("expected bytes of the shape [n, height, width, 3]");
  }
  const std::vector<std::string_view> query_lines = lines_of(queries), answer_lines = lines_of(answers);
  const auto n = static_cast<size_t>(shape[0]);
  const size_t n_bytes = static_cast<size_t>(shape[1] * shape[2] * 3);
  if (n > kImagesMax || array.size() - begin != n * n_bytes || query_lines.size() != n || answer_lines.size() != n) {
    return fail("expected as many pictures as questions and answers, found " + std::to_string(n) + ", " + std::to_string(query_lines.size()) + " and " +
                std::to_string(answer_lines.size()));
  }
  std::vector<EvalItem> items;
  for (size_t i = 0; i < n; ++i) {
    EvalItem item;
    item.id = std::to_string(i + 1);
    RgbImage image;
    image.height = static_cast<int32_t>(shape[1]);
    image.width = static_cast<int32_t>(shape[2]);
    const auto* bytes = reinterpret_cast<const uint8_t*>(array.data()) + begin + i * n_bytes;
    image.pixels.assign(bytes, bytes + n_bytes);
    for (size_t p = 0; p < n_bytes; p += 3) std::swap(image.pixels[p], image.pixels[p + 2]);
    item.images.push_back(std::move(image));
    // As data/pictures/shapes.h asks: "is a circle red" becomes "Is a circle red?"
    std::string question(query_lines[i]);
    if (!question.empty() && question[0] >= 'a' && question[0] <= 'z') question[0] = static_cast<char>(question[0] - 'a' + 'A');
    item.messages.push_back({"user", question + "?", {0}});
    if (answer_lines[i] != "true" && answer_lines[i] != "false") return fail("answer " + std::to_string(i + 1) + ": expected true or false");
    item.grading.answers.emplace_back(answer_lines[i] == "true" ? "yes" : "no");
    const auto n_relations = static_cast<size_t>(std::count(question.begin(), question.end(), ' '));
    item.slices.emplace_back("words", std::to_string(n_relations + 1));
    item.slices.emplace_back("answer", item.grading.answers.front());
    items.push_back(std::move(item));
  }
  return items;
}

// MNIST (LeCun et al. 1998): a folder with images-idx3-ubyte.gz and labels-idx1-ubyte.gz. White on black becomes black on white.
ItemsResult read_mnist(const SuiteSource& source, const std::string& path) {
  FS_TRY(const std::string images, inflate_file(path + "/images-idx3-ubyte.gz"));
  FS_TRY(const std::string labels, inflate_file(path + "/labels-idx1-ubyte.gz"));
  const auto fail = [&](const std::string& what) { return Error{ErrorCode::kDataLoss, path + ": " + what}; };
  if (images.size() < 16 || big_endian(images, 0) != 0x803 || labels.size() < 8 || big_endian(labels, 0) != 0x801) return fail("expected IDX files of bytes");
  const size_t n = big_endian(images, 4), height = big_endian(images, 8), width = big_endian(images, 12);
  if (n > kImagesMax || height == 0 || height > kSideMax || width == 0 || width > kSideMax || images.size() - 16 != n * height * width ||
      big_endian(labels, 4) != n || labels.size() - 8 != n) {
    return fail("the sizes in the headers and of the files differ");
  }
  std::vector<EvalItem> items;
  for (size_t i = 0; i < n; ++i) {
    EvalItem item;
    item.id = std::to_string(i);
    RgbImage image;
    image.width = static_cast<int32_t>(width);
    image.height = static_cast<int32_t>(height);
    for (size_t p = 0; p < height * width; ++p) image.pixels.insert(image.pixels.end(), 3, static_cast<uint8_t>(~static_cast<uint8_t>(images[16 + i * height * width + p])));
    item.images.push_back(std::move(image));
    item.messages.push_back({"user", source.question.empty() ? "Which digit is this?" : source.question, {0}});
    item.grading.kind = Grading::Kind::kNumber;
    item.grading.answers.push_back(std::to_string(static_cast<int>(static_cast<uint8_t>(labels[8 + i]))));
    item.slices.emplace_back("digit", item.grading.answers.front());
    items.push_back(std::move(item));
  }
  return items;
}

}  // namespace firesteel
