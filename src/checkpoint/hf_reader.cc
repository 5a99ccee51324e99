#include "checkpoint/hf_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <utility>

#include "base/json.h"
#include "checkpoint/hash128.h"
#include "checkpoint/hf_config.h"
#include "checkpoint/hf_names.h"
#include "checkpoint/safetensors.h"
#include "tensor/quantise.h"

namespace firesteel {
namespace {

constexpr uint64_t kMaxConfigBytes = 4u << 20;   // configurations are kilobytes; tokenizer_config.json may list its added tokens
constexpr uint64_t kMaxIndexBytes = 64u << 20;
constexpr size_t kMaxFiles = 4096;

bool exists(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::is_regular_file(path, ignored);
}

Result<Json> read_json(const std::string& path, uint64_t max_bytes) {
  FS_TRY(const std::string text, read_file(path, max_bytes));
  // A value takes more memory than its text: real files have 20 bytes or more per value.
  auto json = Json::parse(text, Json::Limits{.depth = 32, .values = text.size() / 16 + 4096});
  if (!json.ok()) return Error{ErrorCode::kDataLoss, path + ": " + json.error().message};
  return std::move(json).value();
}

// Absent files are null; a broken one is an error, because ignoring it would change how the model is used.
Result<Json> read_json_if_there(const std::string& path, uint64_t max_bytes) {
  if (!exists(path)) return Json();
  return read_json(path, max_bytes);
}

// File names from an index are untrusted: only names inside the folder.
bool is_plain_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == std::string_view::npos && name.find('\0') == std::string_view::npos;
}

struct Index {
  std::vector<std::string> files;
  std::vector<std::pair<std::string, size_t>> tensors;  // expected, and in which file; empty without an index
};

Result<Index> find_files(const std::string& folder) {
  Index index;
  const std::string index_path = folder + "/model.safetensors.index.json";
  if (exists(index_path)) {
    FS_TRY(const Json json, read_json(index_path, kMaxIndexBytes));
    const Json* map = json.find("weight_map");
    if (map == nullptr || !map->is_object()) return Error{ErrorCode::kDataLoss, index_path + ": \"weight_map\": expected an object, found none"};
    std::map<std::string_view, size_t> numbers;
    for (const auto& [tensor, file] : map->as_object()) {
      if (!file.is_string() || !is_plain_name(file.as_string())) {
        return Error{ErrorCode::kDataLoss, fmt::format("{}: tensor \"{}\": expected the name of a file in the folder, found {}", index_path,
                                                       tensor.substr(0, 100), file.dump().substr(0, 100))};
      }
      const auto [it, is_new] = numbers.emplace(file.as_string(), index.files.size());
      if (is_new) index.files.push_back(file.as_string());
      if (index.files.size() > kMaxFiles) return Error{ErrorCode::kDataLoss, fmt::format("{}: expected at most {} files, found more", index_path, kMaxFiles)};
      index.tensors.emplace_back(tensor, it->second);
    }
    if (index.files.empty()) return Error{ErrorCode::kDataLoss, index_path + ": \"weight_map\": expected files, found none"};
    return index;
  }
  if (exists(folder + "/model.safetensors")) {
    index.files.emplace_back("model.safetensors");
    return index;
  }
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    if (entry.path().extension() == ".safetensors" && exists(entry.path().string())) index.files.push_back(entry.path().filename().string());
  }
  if (index.files.size() != 1) {
    return Error{ErrorCode::kNotFound, fmt::format("{}: expected model.safetensors, or model.safetensors.index.json with its parts, found neither{}", folder,
                                                   exists(folder + "/pytorch_model.bin") ? " (pytorch_model.bin is not read: it is a program, not data)" : "")};
  }
  return index;
}

std::string shape_text(const SafetensorsTensor& tensor) {
  std::string text = "[";
  for (int i = 0; i < tensor.n_dims; ++i) text += (i > 0 ? ", " : "") + std::to_string(tensor.shape[i]);
  return text + "]";
}

// Collects GGUF tensors out of Hugging Face ones.
class Assembler {
 public:
  Assembler(const HfConfig& config, std::vector<std::vector<std::byte>>* owned) : config_(config), owned_(owned) {}

  Status add(const SafetensorsTensor& tensor, const std::string& file) {
    const HfTensorName name = translate_hf_name(tensor.name, config_.family);
    if (name.kind == HfTensorName::Kind::kIgnored) return {};
    if (name.kind == HfTensorName::Kind::kUnknown) return error(ErrorCode::kUnsupported, tensor, file, fmt::format("is not part of a {} model as implemented", config_.architecture));
    if (!tensor.dtype) return error(ErrorCode::kUnsupported, tensor, file, fmt::format("type {} is not supported (F32, F16 and BF16 are)", tensor.dtype_name));
    if (name.layer >= config_.n_layers) {
      return error(ErrorCode::kDataLoss, tensor, file, fmt::format("expected layers below {} (num_hidden_layers), found {}", config_.n_layers, name.layer));
    }
    if (tensor.n_bytes == 0 || tensor.n_dims < 1 || tensor.n_dims > 2) {
      return error(ErrorCode::kDataLoss, tensor, file, "expected one or two dimensions, found shape " + shape_text(tensor));
    }
    TensorInfo info;
    info.name = name.gguf;
    info.dtype = *tensor.dtype;
    info.n_dims = tensor.n_dims;
    for (int i = 0; i < tensor.n_dims; ++i) info.ne[i] = tensor.shape[tensor.n_dims - 1 - i];
    info.n_bytes = tensor.n_bytes;
    if (config_.is_gemma() && name.is_norm) {
      FS_TRY(const std::byte* data, plus_one(tensor, file));
      info.dtype = DType::kF32;
      info.n_bytes = static_cast<uint64_t>(info.n_elements()) * sizeof(float);
      info.slices.push_back(data);
    } else {
      info.slices.push_back(aligned(tensor));
    }
    if (name.kind == HfTensorName::Kind::kExpert) return add_expert(std::move(info), name, tensor, file);
    if (!tensors_.emplace(name.gguf, std::move(info)).second) {
      return error(ErrorCode::kDataLoss, tensor, file, "expected one tensor for " + name.gguf + ", found two");
    }
    return {};
  }

  void add_owned(const std::string& name, const std::vector<float>& values) {
    if (values.empty()) return;
    TensorInfo info;
    info.name = name;
    info.n_dims = 1;
    info.ne[0] = static_cast<int64_t>(values.size());
    info.n_bytes = values.size() * sizeof(float);
    const auto bytes = std::as_bytes(std::span(values));
    info.slices.push_back(owned_->emplace_back(bytes.begin(), bytes.end()).data());
    tensors_.emplace(name, std::move(info));
  }

  // In the order of use.
  Result<std::vector<TensorInfo>> finish(const std::string& folder) {
    // Tied weights are stored once, under either name.
    if (config_.tied) {
      if (!tensors_.contains("token_embd.weight") && tensors_.contains("output.weight")) {
        auto node = tensors_.extract("output.weight");
        node.key() = "token_embd.weight";
        node.mapped().name = "token_embd.weight";
        tensors_.insert(std::move(node));
      }
      tensors_.erase("output.weight");
    } else if (!tensors_.contains("output.weight")) {
      return Error{ErrorCode::kDataLoss, folder + ": tensor \"lm_head.weight\": expected it (tie_word_embeddings is false), found none"};
    }
    for (const auto& [name, seen] : experts_) {
      if (seen.size() != static_cast<size_t>(config_.n_experts)) {
        return Error{ErrorCode::kDataLoss, fmt::format("{}: tensor \"{}\": expected {} experts, found {}", folder, name, config_.n_experts, seen.size())};
      }
    }
    std::vector<TensorInfo> out;
    out.reserve(tensors_.size());
    for (auto& [name, info] : tensors_) out.push_back(std::move(info));
    std::sort(out.begin(), out.end(), [](const TensorInfo& a, const TensorInfo& b) {
      const int64_t rank_a = rank(a.name), rank_b = rank(b.name);
      return rank_a != rank_b ? rank_a < rank_b : a.name < b.name;
    });
    return out;
  }

 private:
  static Error error(ErrorCode code, const SafetensorsTensor& tensor, const std::string& file, const std::string& what) {
    return Error{code, fmt::format("{}: tensor \"{}\": {}", file, tensor.name.substr(0, 100), what)};
  }

  static int64_t rank(const std::string& name) {
    if (!name.starts_with("blk.")) return name.starts_with("output") ? INT64_MAX : -1;
    int64_t layer = 0;
    for (size_t i = 4; i < name.size() && name[i] != '.'; ++i) layer = layer * 10 + (name[i] - '0');
    return layer;
  }

  // Kernels read elements with aligned loads; headers are nearly always padded so that this is a view.
  const std::byte* aligned(const SafetensorsTensor& tensor) {
    const uintptr_t element = tensor.dtype == DType::kF32 ? 4 : 2;
    if (reinterpret_cast<uintptr_t>(tensor.data) % element == 0) return tensor.data;
    return owned_->emplace_back(tensor.data, tensor.data + tensor.n_bytes).data();
  }

  // Gemma multiplies by 1 + weight; GGUF stores the sum.
  Result<const std::byte*> plus_one(const SafetensorsTensor& tensor, const std::string& file) {
    if (tensor.n_dims != 1) return error(ErrorCode::kDataLoss, tensor, file, "expected one dimension, found shape " + shape_text(tensor));
    std::vector<float> values(static_cast<size_t>(tensor.shape[0]));
    dequantise_row(*tensor.dtype, tensor.data, values.data(), tensor.shape[0]);
    for (float& value : values) value += 1.0f;
    const auto bytes = std::as_bytes(std::span(values));
    return static_cast<const std::byte*>(owned_->emplace_back(bytes.begin(), bytes.end()).data());
  }

  Status add_expert(TensorInfo info, const HfTensorName& name, const SafetensorsTensor& tensor, const std::string& file) {
    if (name.expert >= config_.n_experts) {
      return error(ErrorCode::kDataLoss, tensor, file, fmt::format("expected experts below {}, found {}", config_.n_experts, name.expert));
    }
    if (info.n_dims != 2) return error(ErrorCode::kDataLoss, tensor, file, "expected two dimensions, found shape " + shape_text(tensor));
    const std::byte* data = info.slices[0];
    const auto [it, is_new] = tensors_.try_emplace(name.gguf);
    TensorInfo& whole = it->second;
    if (is_new) {
      whole = std::move(info);
      whole.n_dims = 3;
      whole.ne[2] = config_.n_experts;
      whole.n_bytes *= static_cast<uint64_t>(config_.n_experts);
      whole.slices.assign(static_cast<size_t>(config_.n_experts), nullptr);
    } else if (whole.dtype != info.dtype || whole.ne[0] != info.ne[0] || whole.ne[1] != info.ne[1]) {
      return error(ErrorCode::kDataLoss, tensor, file, fmt::format("expected the type and shape of the other experts, {} [{}, {}], found {} {}",
                                                                   dtype_info(whole.dtype).name, whole.ne[1], whole.ne[0], tensor.dtype_name, shape_text(tensor)));
    }
    whole.slices[static_cast<size_t>(name.expert)] = data;
    if (!experts_[name.gguf].insert(name.expert).second) return error(ErrorCode::kDataLoss, tensor, file, "expected each expert once, found it twice");
    return {};
  }

  const HfConfig& config_;
  std::vector<std::vector<std::byte>>* owned_;
  std::map<std::string, TensorInfo> tensors_;
  std::map<std::string, std::set<int64_t>> experts_;
};

}  // namespace

Result<std::shared_ptr<const Checkpoint>> HfReader::open(const std::string& folder) {
  const std::string config_path = folder + "/config.json";
  if (!exists(config_path)) return Error{ErrorCode::kNotFound, folder + ": expected a model folder with config.json, found none"};
  HfSideFiles side;
  FS_TRY(side.config, read_json(config_path, kMaxConfigBytes));
  std::shared_ptr<Checkpoint> checkpoint(new Checkpoint());
  checkpoint->path_ = folder;
  checkpoint->format_ = "safetensors";
  Metadata& metadata = checkpoint->metadata_;
  FS_TRY(const HfConfig config, read_hf_config(side.config, config_path, &metadata));
  FS_TRY(side.generation_config, read_json_if_there(folder + "/generation_config.json", kMaxConfigBytes));
  FS_TRY(side.tokenizer_config, read_json_if_there(folder + "/tokenizer_config.json", kMaxConfigBytes));
  FS_TRY(side.chat_template_json, read_json_if_there(folder + "/chat_template.json", kMaxConfigBytes));
  if (exists(folder + "/chat_template.jinja")) {
    FS_TRY(side.chat_template_jinja, read_file(folder + "/chat_template.jinja", kMaxConfigBytes));
  }
  add_hf_side_files(side, &metadata, &checkpoint->owned_strings_);
  std::filesystem::path name(folder);
  if (!name.has_filename()) name = name.parent_path();
  metadata.set("general.name", std::string_view(checkpoint->owned_strings_.emplace_back(name.filename().string())));
  bool has_tokenizer = exists(folder + "/tokenizer.json") || exists(folder + "/tokenizer.model");
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) has_tokenizer = has_tokenizer || entry.path().extension() == ".tiktoken";
  if (has_tokenizer) metadata.set("firesteel.tokenizer.folder", std::string_view(checkpoint->owned_strings_.emplace_back(folder)));

  FS_TRY(const Index index, find_files(folder));
  Hash128 hash;
  hash.update(side.config.dump());
  Assembler assembler(config, &checkpoint->owned_);
  std::vector<std::set<std::string, std::less<>>> names(index.tensors.empty() ? 0 : index.files.size());
  for (size_t i = 0; i < index.files.size(); ++i) {
    const std::string path = folder + "/" + index.files[i];
    FS_TRY(MappedFile mapped, MappedFile::open(path));
    FS_TRY(const SafetensorsFile file, parse_safetensors(mapped.bytes(), path));
    for (const SafetensorsTensor& tensor : file.tensors) {
      FS_TRY_VOID(assembler.add(tensor, path));
      if (!names.empty()) names[i].insert(tensor.name);
    }
    hash.update_u64(mapped.bytes().size());
    hash.update_u64(static_cast<uint64_t>(mapped.mtime_ns()));
    hash.update(mapped.bytes().first(file.data_start));
    checkpoint->files_.push_back(std::move(mapped));
  }
  for (const auto& [tensor, file] : index.tensors) {
    if (!names[file].contains(tensor)) {
      return Error{ErrorCode::kDataLoss, fmt::format("{}/{}: tensor \"{}\": expected it there by the index, found none", folder, index.files[file], tensor.substr(0, 100))};
    }
  }
  checkpoint->identity_ = hash.finish_hex();
  assembler.add_owned("rope_freqs.weight", config.rope_freqs);
  assembler.add_owned("rope_factors_short.weight", config.rope_factors_short);
  assembler.add_owned("rope_factors_long.weight", config.rope_factors_long);
  FS_TRY(checkpoint->tensors_, assembler.finish(folder));
  FS_TRY_VOID(checkpoint->index_tensors());
  const TensorInfo* embedding = checkpoint->find("token_embd.weight");
  if (embedding == nullptr) return Error{ErrorCode::kDataLoss, folder + ": tensor \"model.embed_tokens.weight\": expected it, found none"};
  metadata.set(config.architecture + ".vocab_size", embedding->ne[1]);
  return std::shared_ptr<const Checkpoint>(std::move(checkpoint));
}

}  // namespace firesteel
