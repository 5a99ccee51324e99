// For tests: where vectors and vocabularies lie, and the formats they come in.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/mapped_file.h"
#include "tokenizer/tokenizer.h"

namespace firesteel::testing_vectors {

struct Vector {
  std::string text;
  std::vector<TokenId> ids;
};

// Folder of optional data, or "" where it is absent.
inline std::string shared_tokenizers() {
  const char* folder = std::getenv("FS_SHARED");
  const std::string path = std::string(folder != nullptr ? folder : FS_SHARED_DEFAULT) + "/data/tokenizers";
  return std::filesystem::is_directory(path) ? path : "";
}

inline std::string committed() { return std::string(FS_TEST_DATA) + "/tokenizers"; }

inline std::string read_text(const std::string& path) {
  auto text = read_file(path, 64u << 20);
  return text.ok() ? std::move(*text) : std::string();
}

inline std::vector<TokenId> encode(const Tokenizer& tokenizer, std::string_view text, EncodeOptions options = {}) {
  std::vector<TokenId> ids;
  if (!tokenizer.encode(text, options, &ids).ok()) ids.assign(1, -1);
  return ids;
}

// llama.cpp's: texts separated by a line, ids of one text a line.
inline std::vector<Vector> read_ggml(const std::string& inp_path, const std::string& out_path) {
  constexpr std::string_view kSeparator = "\n__ggml_vocab_test__\n";
  std::vector<Vector> vectors;
  const std::string inp = read_text(inp_path);
  const std::string out = read_text(out_path);
  size_t line = 0;
  for (size_t at = 0; at < inp.size();) {
    const size_t end = inp.find(kSeparator, at);
    if (end == std::string::npos) break;
    Vector vector{inp.substr(at, end - at), {}};
    at = end + kSeparator.size();
    const size_t stop = std::min(out.find('\n', line), out.size());
    for (size_t i = line; i < stop;) {
      while (i < stop && out[i] == ' ') ++i;
      TokenId id = 0;
      const size_t first = i;
      while (i < stop && out[i] != ' ') id = id * 10 + (out[i++] - '0');
      if (i > first) vector.ids.push_back(id);
    }
    line = std::min(stop + 1, out.size());
    vectors.push_back(std::move(vector));
  }
  return vectors;
}

// gpt-tokenizer's TestPlans.txt: "EncodingName: NAME\nSample: TEXT\nEncoded: [ids]\n\n".
inline std::vector<Vector> read_test_plans(const std::string& path, std::string_view encoding) {
  std::vector<Vector> vectors;
  const std::string text = read_text(path);
  const std::string head = "EncodingName: ";
  for (size_t at = text.find(head); at != std::string::npos;) {
    const size_t next = text.find("\n" + head, at + 1);
    const std::string block = text.substr(at, next == std::string::npos ? next : next - at);
    at = next == std::string::npos ? next : next + 1;
    const size_t sample = block.find("\nSample: ");
    const size_t encoded = block.rfind("\nEncoded: [");
    if (block.substr(head.size(), sample - head.size()) != encoding) continue;
    Vector vector{block.substr(sample + 9, encoded - sample - 9), {}};
    const auto ids = Json::parse(block.substr(encoded + 10, block.find(']', encoded) - encoded - 9));
    for (const Json& id : ids->as_array()) vector.ids.push_back(static_cast<TokenId>(id.as_int()));
    vectors.push_back(std::move(vector));
  }
  return vectors;
}

inline std::vector<Vector> read_extra(const std::string& path, std::string_view name) {
  std::vector<Vector> vectors;
  const auto json = Json::parse(read_text(path));
  const Json* all = json->find("vectors")->find(name);
  for (const Json& entry : all->as_array()) {
    Vector vector{entry.find("text")->as_string(), {}};
    for (const Json& id : entry.find("ids")->as_array()) vector.ids.push_back(static_cast<TokenId>(id.as_int()));
    vectors.push_back(std::move(vector));
  }
  return vectors;
}

}  // namespace firesteel::testing_vectors
