#include "data/sample_json.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "base/json.h"

namespace firesteel {
namespace {

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr int64_t kSideMax = 4096;

Error damaged(std::string_view what) { return Error{ErrorCode::kDataLoss, fmt::format("expected {}", what)}; }

Result<std::string> text(const Json& object, std::string_view name) {
  const Json* member = object.find(name);
  if (member == nullptr || !member->is_string()) return damaged(fmt::format("a text \"{}\"", name));
  return member->as_string();
}

Result<bool> truth(const Json& object, std::string_view name) {
  const Json* member = object.find(name);
  if (member == nullptr || !member->is_bool()) return damaged(fmt::format("true or false \"{}\"", name));
  return member->as_bool();
}

Result<RgbImage> image(const Json& value) {
  const Json* width = value.find("width");
  const Json* height = value.find("height");
  if (width == nullptr || height == nullptr || !width->is_int() || !height->is_int() || width->as_int() < 1 || height->as_int() < 1 ||
      width->as_int() > kSideMax || height->as_int() > kSideMax) {
    return damaged(fmt::format("a picture's \"width\" and \"height\" from 1 to {}", kSideMax));
  }
  FS_TRY(const std::string encoded, text(value, "rgb"));
  FS_TRY(const std::string bytes, base64_decode(encoded));
  RgbImage result{static_cast<int32_t>(width->as_int()), static_cast<int32_t>(height->as_int()), {}};
  const size_t n_bytes = 3 * static_cast<size_t>(result.width) * static_cast<size_t>(result.height);
  if (bytes.size() != n_bytes) return damaged(fmt::format("{} bytes of pixels, found {}", n_bytes, bytes.size()));
  result.pixels.assign(bytes.begin(), bytes.end());
  return result;
}

Result<SampleMessage> message(const Json& value, size_t n_images) {
  SampleMessage result;
  FS_TRY(result.role, text(value, "role"));
  FS_TRY(result.text, text(value, "text"));
  const Json* images = value.find("images");
  if (images == nullptr) return result;
  if (!images->is_array()) return damaged("an array \"images\"");
  for (const Json& index : images->as_array()) {
    if (!index.is_int() || index.as_int() < 0 || static_cast<uint64_t>(index.as_int()) >= n_images) return damaged("the index of a picture");
    result.images.push_back(static_cast<size_t>(index.as_int()));
  }
  return result;
}

}  // namespace

std::string base64_encode(std::string_view bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    for (size_t k = 0; k < 3; ++k) group = group << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    for (size_t k = 0; k < 4; ++k) out += i + k > bytes.size() ? '=' : kAlphabet[(group >> (18 - 6 * k)) & 63];
  }
  return out;
}

Result<std::string> base64_decode(std::string_view text) {
  static constexpr auto kValues = [] {
    std::array<int8_t, 256> values{};
    values.fill(-1);
    for (size_t i = 0; i < kAlphabet.size(); ++i) values[static_cast<unsigned char>(kAlphabet[i])] = static_cast<int8_t>(i);
    return values;
  }();
  if (text.size() % 4 != 0) return damaged("base64 in groups of four");
  std::string out;
  out.reserve(text.size() / 4 * 3);
  for (size_t i = 0; i < text.size(); i += 4) {
    const bool last = i + 4 == text.size();
    const size_t n_pad = !last ? 0 : text[i + 2] == '=' ? 2 : text[i + 3] == '=' ? 1 : 0;
    uint32_t group = 0;
    for (size_t k = 0; k < 4; ++k) {
      const int value = k >= 4 - n_pad ? (text[i + k] == '=' ? 0 : -1) : kValues[static_cast<unsigned char>(text[i + k])];
      if (value < 0) return damaged("base64");
      group = group << 6 | static_cast<uint32_t>(value);
    }
    for (size_t k = 0; k < 3 - n_pad; ++k) out += static_cast<char>((group >> (16 - 8 * k)) & 255);
  }
  return out;
}

// Written without a tree in between: a picture is most of its line.
std::string sample_line(const Sample& sample) {
  std::string out;
  const auto member = [&out](std::string_view name) {
    out += out.back() == '{' ? "" : ",";
    append_json_string(&out, name);
    out += ':';
  };
  const auto text_member = [&](std::string_view name, std::string_view value) {
    member(name);
    append_json_string(&out, value);
  };
  const auto separate = [&out] { out += out.back() == '[' ? "" : ","; };
  out += '{';
  text_member("kind", sample.kind);
  member("messages");
  out += '[';
  for (const SampleMessage& one : sample.messages) {
    separate();
    out += '{';
    text_member("role", one.role);
    text_member("text", one.text);
    if (!one.images.empty()) out += fmt::format(",\"images\":[{}]", fmt::join(one.images, ","));
    out += '}';
  }
  out += ']';
  if (!sample.images.empty()) {
    member("images");
    out += '[';
    for (const RgbImage& one : sample.images) {
      separate();
      out += fmt::format("{{\"width\":{},\"height\":{},\"rgb\":\"", one.width, one.height);
      out += base64_encode(std::string_view(reinterpret_cast<const char*>(one.pixels.data()), one.pixels.size()));
      out += "\"}";
    }
    out += ']';
  }
  member("thinking");
  out += sample.thinking ? "true" : "false";
  member("tools");
  out += sample.tools ? "true" : "false";
  text_member("target", sample.target);
  text_member("answer", sample.answer);
  text_member("grader", sample.grader);
  return out + '}';
}

Result<Sample> parse_sample_line(std::string_view line) {
  const Result<Json> parsed = Json::parse(line);
  if (!parsed.ok()) return Error{ErrorCode::kDataLoss, parsed.error().message};
  if (!parsed->is_object()) return damaged("an object");
  Sample sample;
  FS_TRY(sample.kind, text(*parsed, "kind"));
  if (const Json* images = parsed->find("images"); images != nullptr) {
    if (!images->is_array()) return damaged("an array \"images\"");
    for (const Json& value : images->as_array()) {
      FS_TRY(RgbImage one, image(value));
      sample.images.push_back(std::move(one));
    }
  }
  const Json* messages = parsed->find("messages");
  if (messages == nullptr || !messages->is_array() || messages->as_array().empty()) return damaged("an array \"messages\"");
  for (const Json& value : messages->as_array()) {
    FS_TRY(SampleMessage one, message(value, sample.images.size()));
    sample.messages.push_back(std::move(one));
  }
  FS_TRY(sample.thinking, truth(*parsed, "thinking"));
  FS_TRY(sample.tools, truth(*parsed, "tools"));
  FS_TRY(sample.target, text(*parsed, "target"));
  FS_TRY(sample.answer, text(*parsed, "answer"));
  FS_TRY(sample.grader, text(*parsed, "grader"));
  return sample;
}

}  // namespace firesteel
