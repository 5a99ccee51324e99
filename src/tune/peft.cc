#include "tune/peft.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/mapped_file.h"
#include "checkpoint/gguf_reader.h"
#include "checkpoint/gguf_writer.h"
#include "checkpoint/safetensors.h"
#include "tensor/quantise.h"

namespace firesteel {
namespace {

constexpr std::array<const char*, kNAdapterTargets> kModules = {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
                                                                "mlp.gate_proj",    "mlp.up_proj",      "mlp.down_proj"};
constexpr uint64_t kConfigBytesMax = 1u << 20;
constexpr uint64_t kAdapterBytesMax = uint64_t{4} << 30;
constexpr const char* kFactPrefix = "firesteel.adapter.";
constexpr const char* kFactsFile = "firesteel.json";

bool is_rotated(const ModelConfig& config, AdapterTarget target) { return config.architecture == "llama" && target <= AdapterTarget::kK; }

// Rows of B as one side has them to the other's: within a head, GGUF's 2 j + p is Hugging Face's p * half + j.
std::vector<float> reorder(const std::vector<float>& b, int64_t n_rows, int64_t rank, int64_t head_dim, bool to_gguf) {
  std::vector<float> out(b.size());
  for (int64_t row = 0; row < n_rows; ++row) {
    const int64_t head = row / head_dim * head_dim, at = row % head_dim;  // GGUF's
    const int64_t other = head + at % 2 * (head_dim / 2) + at / 2;
    const int64_t from = to_gguf ? other : row, to = to_gguf ? row : other;
    std::copy_n(b.data() + from * rank, rank, out.data() + to * rank);
  }
  return out;
}

std::string last_part(std::string_view module) { return std::string(module.substr(module.rfind('.') + 1)); }

struct PeftPair {
  std::optional<SafetensorsTensor> a, b;
};

Result<std::vector<float>> values_of(const SafetensorsTensor& tensor, const std::string& file) {
  if (!tensor.dtype) return Error{ErrorCode::kUnsupported, file + ": \"" + tensor.name + "\": expected F32, F16 or BF16, found " + std::string(tensor.dtype_name)};
  std::vector<float> values(static_cast<size_t>(tensor.shape[0] * tensor.shape[1]));
  dequantise_row(*tensor.dtype, tensor.data, values.data(), static_cast<int64_t>(values.size()));
  return values;
}

}  // namespace

Status export_peft(const std::string& path, const ModelConfig& config, const std::string& base_name, const std::string& folder) {
  FS_TRY(const std::string bytes, read_file(path, kAdapterBytesMax));
  const auto span = std::as_bytes(std::span(bytes.data(), bytes.size()));
  FS_TRY(const std::shared_ptr<const Adapter> adapter, Adapter::parse(span, path, config));  // every number is looked at here
  FS_TRY(const GgufFile raw, parse_gguf(span, path));
  std::map<std::string_view, const TensorInfo*> by_name;
  for (const TensorInfo& tensor : raw.tensors) by_name.emplace(tensor.name, &tensor);
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return Error{ErrorCode::kIo, folder + ": " + error.message()};
  std::vector<std::pair<std::string, std::vector<float>>> data;
  Json header = Json::Object{};
  header.set("__metadata__", Json::Object{{"format", "pt"}});
  int64_t offset = 0;
  std::vector<bool> used(kNAdapterTargets);
  for (int layer = 0; layer < config.n_layers; ++layer) {
    for (int i = 0; i < kNAdapterTargets; ++i) {
      const auto target = static_cast<AdapterTarget>(i);
      const LoraPair* pair = adapter->find(layer, target);
      if (pair == nullptr) continue;
      if (pair->rank != adapter->rank()) return Error{ErrorCode::kUnsupported, "export: pairs of different ranks (" + std::to_string(pair->rank) + " and " + std::to_string(adapter->rank()) + ")"};
      used[static_cast<size_t>(i)] = true;
      const std::string stem = "base_model.model.model.layers." + std::to_string(layer) + "." + kModules[static_cast<size_t>(i)];
      const std::string here = "blk." + std::to_string(layer) + "." + adapter_tensor_stem(target) + ".weight.lora_";
      const auto add = [&](const char* letter, const std::string& name, int64_t rows, int64_t cols) {
        const TensorInfo& tensor = *by_name.at(here + letter);
        std::vector<float> values(static_cast<size_t>(rows * cols));
        for (int64_t row = 0; row < rows; ++row) dequantise_row(tensor.dtype, tensor.slices[0] + static_cast<size_t>(row) * tensor.row_bytes(), values.data() + row * cols, cols);
        if (*letter == 'b' && is_rotated(config, target)) values = reorder(values, rows, cols, config.head_dim, /*to_gguf=*/false);
        const auto n_bytes = static_cast<int64_t>(values.size() * sizeof(float));
        header.set(name, Json::Object{{"dtype", "F32"}, {"shape", Json::Array{rows, cols}}, {"data_offsets", Json::Array{offset, offset + n_bytes}}});
        offset += n_bytes;
        data.emplace_back(name, std::move(values));
      };
      add("a", stem + ".lora_A.weight", pair->rank, pair->k);
      add("b", stem + ".lora_B.weight", pair->n_rows, pair->rank);
    }
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  FS_TRY(AtomicFileWriter writer, AtomicFileWriter::create(folder + "/adapter_model.safetensors"));
  const auto n_header = uint64_t{text.size()};
  FS_TRY_VOID(writer.write(std::as_bytes(std::span(&n_header, 1))));
  FS_TRY_VOID(writer.write(text));
  for (const auto& [name, values] : data) FS_TRY_VOID(writer.write(std::as_bytes(std::span(values))));
  FS_TRY_VOID(writer.commit());
  Json::Array modules;
  for (int i = 0; i < kNAdapterTargets; ++i) {
    if (used[static_cast<size_t>(i)]) modules.push_back(last_part(kModules[static_cast<size_t>(i)]));
  }
  // Without a scale of its own (alpha 0) an adapter counts as it is: alpha = r says so there.
  const double alpha = adapter->alpha() != 0 ? adapter->alpha() : static_cast<double>(adapter->rank());
  Json made = Json::Object{{"peft_type", "LORA"}, {"task_type", "CAUSAL_LM"}, {"base_model_name_or_path", base_name}, {"r", adapter->rank()},
                                 {"lora_alpha", alpha}, {"lora_dropout", 0.0}, {"bias", "none"}, {"target_modules", std::move(modules)},
                                 {"use_rslora", false}, {"use_dora", false}, {"fan_in_fan_out", false}, {"inference_mode", true}};
  if (!adapter->activation().empty()) made.set("alora_invocation_tokens", Json::Array(adapter->activation().begin(), adapter->activation().end()));
  // What has no place in PEFT's files lies beside them, so that an import gives the same bytes again.
  Json facts = Json::Object{};
  for (const auto& [key, value] : raw.metadata.items()) {
    if (const auto* text_of = std::get_if<std::string_view>(&value); text_of != nullptr && (key == "general.name" || key.starts_with(kFactPrefix))) facts.set(key, std::string(*text_of));
  }
  FS_TRY_VOID(write_file_atomic(folder + "/" + kFactsFile, facts.dump(1) + "\n"));
  return write_file_atomic(folder + "/adapter_config.json", made.dump(2) + "\n");
}

namespace {

// Texts of the adapter's file, if the folder was written by export_peft.
Result<std::vector<std::pair<std::string, std::string>>> read_facts(const std::string& file) {
  std::vector<std::pair<std::string, std::string>> facts;
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored)) return facts;
  FS_TRY(const std::string text, read_file(file, kConfigBytesMax));
  const Result<Json> said = Json::parse(text, {.depth = 4, .values = 256});
  if (!said.ok()) return Error{ErrorCode::kDataLoss, file + ": " + said.error().message};
  if (!said->is_object()) return Error{ErrorCode::kDataLoss, file + ": expected an object"};
  for (const auto& [key, value] : said->as_object()) {
    if ((key != "general.name" && !key.starts_with(kFactPrefix)) || !value.is_string()) return Error{ErrorCode::kDataLoss, file + ": \"" + key + "\": expected general.name or " + kFactPrefix + "..., texts"};
    facts.emplace_back(key, value.as_string());
  }
  return facts;
}

Result<std::vector<uint32_t>> read_activation(const Json& said, const std::string& file, int64_t n_vocab) {
  std::vector<uint32_t> tokens;
  const Json* list = said.find("alora_invocation_tokens");
  if (list == nullptr || list->is_null()) return tokens;
  const auto bad = [&] { return Error{ErrorCode::kDataLoss, file + ": alora_invocation_tokens: expected 1 to " + std::to_string(kActivationTokensMax) + " token ids below " + std::to_string(n_vocab)}; };
  if (!list->is_array() || list->as_array().empty() || list->as_array().size() > kActivationTokensMax) return bad();
  for (const Json& id : list->as_array()) {
    if (!id.is_int() || id.as_int() < 0 || id.as_int() >= n_vocab) return bad();
    tokens.push_back(static_cast<uint32_t>(id.as_int()));
  }
  return tokens;
}

}  // namespace

Status import_peft(const std::string& folder, const ModelConfig& config, const std::string& path) {
  const std::string config_file = folder + "/adapter_config.json", file = folder + "/adapter_model.safetensors";
  FS_TRY(const std::string text, read_file(config_file, kConfigBytesMax));
  Result<Json> said = Json::parse(text, {.depth = 32, .values = 1u << 16});
  if (!said.ok()) return Error{ErrorCode::kDataLoss, config_file + ": " + said.error().message};
  const auto unsupported = [&](const std::string& what) { return Error{ErrorCode::kUnsupported, config_file + ": " + what + " has no place in a GGUF adapter"}; };
  const auto is_set = [&](const char* key) {
    const Json* value = said->find(key);
    if (value == nullptr || value->is_null() || *value == Json(false)) return false;
    if (value->is_object()) return !value->as_object().empty();
    return !value->is_array() || !value->as_array().empty();
  };
  const Json* type = said->find("peft_type");
  if (type == nullptr || *type != Json("LORA")) return unsupported("another type than LORA");
  for (const char* key : {"use_dora", "modules_to_save", "rank_pattern", "alpha_pattern", "fan_in_fan_out"}) {
    if (is_set(key)) return unsupported(key);
  }
  if (const Json* bias = said->find("bias"); bias != nullptr && *bias != Json("none")) return unsupported("bias");
  const Json *rank = said->find("r"), *alpha = said->find("lora_alpha");
  if (rank == nullptr || !rank->is_int() || rank->as_int() < 1 || rank->as_int() > kAdapterRankMax || alpha == nullptr || !alpha->is_number()) {
    return Error{ErrorCode::kDataLoss, config_file + ": expected r from 1 to " + std::to_string(kAdapterRankMax) + " and lora_alpha"};
  }
  const int64_t r = rank->as_int();
  const double scale_alpha = is_set("use_rslora") ? alpha->as_double() * std::sqrt(static_cast<double>(r)) : alpha->as_double();
  if (config.moe.n_experts > 0) return unsupported("an adapter of experts");
  FS_TRY(const std::vector<uint32_t> activation, read_activation(*said, config_file, config.n_vocab));
  FS_TRY(const auto facts, read_facts(folder + "/" + kFactsFile));

  FS_TRY(const MappedFile mapped, MappedFile::open(file));
  FS_TRY(const SafetensorsFile tensors, parse_safetensors(mapped.bytes(), file));
  std::vector<PeftPair> pairs(static_cast<size_t>(config.n_layers) * kNAdapterTargets);
  for (const SafetensorsTensor& tensor : tensors.tensors) {
    const auto bad = [&](ErrorCode code, const std::string& what) { return Error{code, file + ": \"" + tensor.name + "\": " + what}; };
    std::string_view name = tensor.name;
    const size_t layers = name.find("model.layers.");
    if (layers == std::string_view::npos) return bad(ErrorCode::kUnsupported, "expected a pair of a layer's matrix");
    name.remove_prefix(layers + 13);
    int64_t layer = 0;
    size_t digits = 0;
    for (; digits < name.size() && digits < 6 && name[digits] >= '0' && name[digits] <= '9'; ++digits) layer = layer * 10 + (name[digits] - '0');
    if (digits == 0 || layer >= config.n_layers || digits >= name.size()) return bad(ErrorCode::kDataLoss, "the model has " + std::to_string(config.n_layers) + " layers");
    name.remove_prefix(digits + 1);
    std::optional<AdapterTarget> target;
    bool is_b = false;
    for (int i = 0; i < kNAdapterTargets; ++i) {
      const std::string stem = kModules[static_cast<size_t>(i)];
      for (const char* middle : {"", ".default"}) {
        if (name == stem + ".lora_A" + middle + ".weight") target = static_cast<AdapterTarget>(i);
        if (name == stem + ".lora_B" + middle + ".weight") {
          target = static_cast<AdapterTarget>(i);
          is_b = true;
        }
      }
    }
    if (!target) return bad(ErrorCode::kUnsupported, "no matrix that an adapter can change here");
    const MatrixShape shape = adapter_target_shape(config, *target);
    const int64_t rows = is_b ? shape.n_rows : r, cols = is_b ? r : shape.k;
    if (tensor.n_dims != 2 || tensor.shape[0] != rows || tensor.shape[1] != cols) {
      return bad(ErrorCode::kDataLoss, "expected " + std::to_string(rows) + " x " + std::to_string(cols) + ", found " + std::to_string(tensor.shape[0]) + " x " + std::to_string(tensor.shape[1]));
    }
    PeftPair& pair = pairs[static_cast<size_t>(layer * kNAdapterTargets) + static_cast<size_t>(*target)];
    (is_b ? pair.b : pair.a) = tensor;
  }

  FS_TRY(GgufWriter writer, GgufWriter::create(path));
  std::string name = std::filesystem::path(folder).lexically_normal().filename().string();
  for (const auto& [key, value] : facts) name = key == "general.name" ? value : name;
  writer.add("general.type", std::string_view("adapter"));
  writer.add("general.architecture", std::string_view(config.architecture));
  writer.add("general.name", std::string_view(name));
  writer.add("adapter.type", std::string_view("lora"));
  writer.add("adapter.lora.alpha", scale_alpha);
  if (!activation.empty()) writer.add_u32s(kActivationKey, activation);
  for (const auto& [key, value] : facts) {
    if (key != "general.name") writer.add(key, std::string_view(value));
  }
  std::vector<std::vector<float>> data;
  for (size_t i = 0; i < pairs.size(); ++i) {
    const PeftPair& pair = pairs[i];
    if (!pair.a && !pair.b) continue;
    const auto target = static_cast<AdapterTarget>(i % kNAdapterTargets);
    const std::string stem = "blk." + std::to_string(i / kNAdapterTargets) + "." + adapter_tensor_stem(target) + ".weight";
    if (!pair.a || !pair.b) return Error{ErrorCode::kDataLoss, file + ": of " + stem + " only " + (pair.a ? "lora_A" : "lora_B") + " is there"};
    const MatrixShape shape = adapter_target_shape(config, target);
    FS_TRY(data.emplace_back(), values_of(*pair.a, file));
    FS_TRY(std::vector<float> b, values_of(*pair.b, file));
    data.push_back(is_rotated(config, target) ? reorder(b, shape.n_rows, r, config.head_dim, /*to_gguf=*/true) : std::move(b));
    const std::array<int64_t, 2> ne_a = {shape.k, r}, ne_b = {r, shape.n_rows};
    writer.add_tensor(stem + ".lora_a", DType::kF32, ne_a);
    writer.add_tensor(stem + ".lora_b", DType::kF32, ne_b);
  }
  if (data.empty()) return Error{ErrorCode::kDataLoss, file + ": no pairs"};
  FS_TRY_VOID(writer.begin());
  for (const std::vector<float>& values : data) FS_TRY_VOID(writer.write(std::as_bytes(std::span(values))));
  return writer.commit();
}

}  // namespace firesteel
