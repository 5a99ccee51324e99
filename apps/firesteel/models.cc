// firesteel models: look into model files, check them, make others of them.
#include <cstdio>
#include <map>
#include <memory>

#include <fmt/format.h>

#include "base/json.h"
#include "commands.h"
#include "embedded_model.h"
#include "load_model.h"
#include "model_store.h"
#include "terminal.h"

namespace firesteel {
namespace {

struct InspectOptions {
  ModelOptions model;
  bool tensors = false, metadata = false, chat_template = false, json = false;
};

std::string shape_text(const TensorInfo& tensor) {
  std::string text;
  for (int i = 0; i < std::max(tensor.n_dims, 1); ++i) text += (i > 0 ? " x " : "") + std::to_string(tensor.ne[i]);
  return text;
}

// Long arrays and texts by their size: nobody reads 128,256 tokens.
std::string value_text(const MetaValue& value) {
  constexpr size_t kTextMax = 200;
  return std::visit(
      [](const auto& v) -> std::string {
        using T = std::decay_t<decltype(v)>;
        if constexpr (std::is_same_v<T, bool>) {
          return v ? "true" : "false";
        } else if constexpr (std::is_same_v<T, std::string_view>) {
          std::string text;
          append_json_string(&text, v.substr(0, kTextMax));
          return v.size() > kTextMax ? fmt::format("{}... ({} bytes)", text, v.size()) : text;
        } else if constexpr (std::is_arithmetic_v<T>) {
          return fmt::format("{}", v);
        } else {
          if (v.size() > 8) return fmt::format("[{} values]", v.size());
          std::string text;
          for (const auto& item : v) {
            if constexpr (std::is_same_v<std::decay_t<decltype(item)>, std::string_view>) {
              text += (text.empty() ? "" : ", ") + std::string(item.substr(0, 40));
            } else {
              text += (text.empty() ? "" : ", ") + fmt::format("{}", item);
            }
          }
          return "[" + text + "]";
        }
      },
      value);
}

struct TypeCount {
  int64_t n_tensors = 0, n_elements = 0;
  uint64_t n_bytes = 0;
};

std::map<std::string, TypeCount> count_types(const Checkpoint& checkpoint) {
  std::map<std::string, TypeCount> types;
  for (const TensorInfo& tensor : checkpoint.tensors()) {
    TypeCount& type = types[dtype_info(tensor.dtype).name];
    ++type.n_tensors;
    type.n_elements += tensor.n_elements();
    type.n_bytes += tensor.n_bytes;
  }
  return types;
}

class Inspection {
 public:
  Inspection(const InspectOptions& options, const LoadedModel& loaded) : options_(options), loaded_(loaded) {
    context_ = options.model.context_length > 0 ? options.model.context_length : loaded.model->config().context_length;
    kv_ = loaded.model->kv_layout(kv_type_to_use(options.model, loaded.model->default_kv_type()));
    const int64_t n_blocks = (context_ + kKvBlockTokens - 1) / kKvBlockTokens;
    kv_bytes_ = static_cast<uint64_t>(n_blocks) * kv_.block_bytes();
    for (const TensorInfo& tensor : loaded.checkpoint->tensors()) n_parameters_ += tensor.n_elements();
  }
  void print() const;
  void print_json() const;

 private:
  const InspectOptions& options_;
  const LoadedModel& loaded_;
  int64_t context_ = 0;
  KvLayout kv_;
  uint64_t kv_bytes_ = 0;
  int64_t n_parameters_ = 0;
};

void Inspection::print() const {
  const ModelConfig& config = loaded_.model->config();
  const Checkpoint& checkpoint = *loaded_.checkpoint;
  const auto row = [](const char* name, const std::string& text) { fmt::print("  {:20} {}\n", name, text); };
  fmt::print("file\n");
  row("path", loaded_.path);
  row("format", checkpoint.format());
  row("size", format_bytes(checkpoint.file_bytes()));
  row("identity", checkpoint.identity());
  fmt::print("\nmodel\n");
  row("architecture", config.architecture);
  if (!config.name.empty()) row("name", config.name);
  row("parameters", format_count(static_cast<uint64_t>(n_parameters_)));
  row("layers", std::to_string(config.n_layers));
  row("width", fmt::format("{} (ffn {})", config.dim, config.ffn_dim));
  row("heads", fmt::format("{} of {}, {} for keys and values", config.n_heads, config.head_dim, config.n_kv_heads));
  if (config.moe.n_experts > 0) row("experts", fmt::format("{}, {} per token, ffn {}", config.moe.n_experts, config.moe.n_used, config.moe.ffn_dim));
  if (config.window > 0) row("sliding window", std::to_string(config.window));
  row("context", fmt::format("{} tokens", config.context_length));
  row("rope", fmt::format("{} dims, theta {}{}", config.rope.n_dims, config.rope.theta,
                          config.rope.factor != 1 ? fmt::format(", scaled by {}", config.rope.factor) : ""));
  fmt::print("\ntensors\n");
  for (const auto& [name, type] : count_types(checkpoint)) {
    row(name.c_str(), fmt::format("{:4} tensors, {:>15} values, {:>10}", type.n_tensors, format_count(static_cast<uint64_t>(type.n_elements)),
                                  format_bytes(type.n_bytes)));
  }
  fmt::print("\ntext\n");
  if (loaded_.tokenizer == nullptr) {
    row("tokenizer", "none");
  } else {
    const Tokenizer& tokenizer = *loaded_.tokenizer;
    row("tokenizer", fmt::format("{}, {} tokens", tokenizer.kind(), tokenizer.n_vocab()));
    const auto special = [&](std::optional<TokenId> id) { return id ? fmt::format("{} {}", *id, tokenizer.text(*id)) : std::string("none"); };
    row("begin of text", special(tokenizer.bos()) + (tokenizer.adds_bos() ? " (added)" : ""));
    row("end of text", special(tokenizer.eos()));
  }
  if (loaded_.chat_template == nullptr) {
    row("chat template", "none: use ask --raw");
  } else {
    std::string uses;
    for (const char* variable : {"tools", "enable_thinking"}) {
      if (loaded_.chat_template->mentions(variable)) uses += std::string(uses.empty() ? "yes, knows " : ", ") + variable;
    }
    row("chat template", uses.empty() ? "yes" : uses);
  }
  if (loaded_.vision != nullptr) {
    const VisionModel& vision = *loaded_.vision;
    fmt::print("\npictures\n");
    row("path", vision.checkpoint().path());
    row("parameters", format_count(static_cast<uint64_t>(vision.n_parameters())));
    row("patches", fmt::format("{4} x {0} pixels, one for every {5} x {1}, at most {2} a column and {3} a picture", vision.params().patch_size,
                               vision.params().pixels_per_patch, vision.params().max_side, vision.params().max_patches, vision.params().patch_width(),
                               vision.params().pixels_per_patch / vision.params().split));
  }
  fmt::print("\nmemory needed\n");
  row("weights (mapped)", format_bytes(checkpoint.file_bytes()));
  row("read per token", format_bytes(loaded_.model->weight_bytes_per_token()));
  row("keys and values", fmt::format("{} for {} tokens as {}, {} per token", format_bytes(kv_bytes_), context_, kv_type_name(kv_.type),
                                     format_bytes(kv_.block_bytes() / kKvBlockTokens)));
  if (options_.metadata) {
    fmt::print("\nmetadata\n");
    for (const auto& [key, value] : checkpoint.metadata().items()) fmt::print("  {} = {}\n", key, value_text(value));
  }
  if (options_.tensors) {
    fmt::print("\ntensor list\n");
    for (const TensorInfo& tensor : checkpoint.tensors()) {
      fmt::print("  {:44} {:6} {:24} {:>10}\n", tensor.name, dtype_info(tensor.dtype).name, shape_text(tensor), format_bytes(tensor.n_bytes));
    }
  }
}

void Inspection::print_json() const {
  const ModelConfig& config = loaded_.model->config();
  const Checkpoint& checkpoint = *loaded_.checkpoint;
  Json model;
  model.set("architecture", config.architecture);
  model.set("name", config.name);
  model.set("n_parameters", n_parameters_);
  model.set("n_layers", config.n_layers);
  model.set("dim", config.dim);
  model.set("ffn_dim", config.ffn_dim);
  model.set("n_heads", config.n_heads);
  model.set("n_kv_heads", config.n_kv_heads);
  model.set("head_dim", config.head_dim);
  model.set("n_vocab", config.n_vocab);
  model.set("context_length", config.context_length);
  model.set("n_experts", config.moe.n_experts);
  model.set("window", config.window);
  Json types;
  for (const auto& [name, type] : count_types(checkpoint)) {
    types.set(name, Json::Object{{"n_tensors", type.n_tensors}, {"n_values", type.n_elements}, {"n_bytes", static_cast<int64_t>(type.n_bytes)}});
  }
  Json memory;
  memory.set("weight_bytes", static_cast<int64_t>(checkpoint.file_bytes()));
  memory.set("weight_bytes_per_token", static_cast<int64_t>(loaded_.model->weight_bytes_per_token()));
  memory.set("kv_type", kv_type_name(kv_.type));
  memory.set("kv_context", context_);
  memory.set("kv_bytes", static_cast<int64_t>(kv_bytes_));
  Json out;
  out.set("path", loaded_.path);
  out.set("format", checkpoint.format());
  out.set("n_bytes", static_cast<int64_t>(checkpoint.file_bytes()));
  out.set("identity", checkpoint.identity());
  out.set("model", std::move(model));
  out.set("types", std::move(types));
  if (loaded_.tokenizer != nullptr) {
    const Tokenizer& tokenizer = *loaded_.tokenizer;
    Json text;
    text.set("kind", tokenizer.kind());
    text.set("n_vocab", tokenizer.n_vocab());
    text.set("bos", tokenizer.bos() ? Json(*tokenizer.bos()) : Json());
    text.set("eos", tokenizer.eos() ? Json(*tokenizer.eos()) : Json());
    text.set("adds_bos", tokenizer.adds_bos());
    out.set("tokenizer", std::move(text));
  }
  if (loaded_.vision != nullptr) {
    Json vision;
    vision.set("path", loaded_.vision->checkpoint().path());
    vision.set("n_parameters", loaded_.vision->n_parameters());
    vision.set("patch_size", loaded_.vision->params().patch_size);
    vision.set("pixels_per_patch", loaded_.vision->params().pixels_per_patch);
    vision.set("max_patches", loaded_.vision->params().max_patches);
    out.set("vision", std::move(vision));
  }
  out.set("has_chat_template", loaded_.chat_template != nullptr);
  out.set("memory", std::move(memory));
  if (options_.metadata) {
    Json metadata;
    for (const auto& [key, value] : checkpoint.metadata().items()) metadata.set(key, value_text(value));
    out.set("metadata", std::move(metadata));
  }
  if (options_.tensors) {
    Json::Array tensors;
    for (const TensorInfo& tensor : checkpoint.tensors()) {
      Json::Array shape;
      for (int i = 0; i < tensor.n_dims; ++i) shape.emplace_back(tensor.ne[i]);
      tensors.push_back(Json::Object{{"name", tensor.name}, {"type", dtype_info(tensor.dtype).name}, {"shape", std::move(shape)},
                                     {"n_bytes", static_cast<int64_t>(tensor.n_bytes)}});
    }
    out.set("tensors", std::move(tensors));
  }
  fmt::print("{}\n", out.dump());
}

Status inspect(const InspectOptions& options) {
  if (options.chat_template) {
    FS_TRY(const std::string path, resolve_model(options.model.model));
    FS_TRY(const std::shared_ptr<const Checkpoint> checkpoint, open_model(path));
    FS_TRY(const std::string source, chat_template_source(*checkpoint, ""));
    if (source.empty()) return Error{ErrorCode::kNotFound, path + ": has no chat template"};
    fmt::print("{}{}", source, source.ends_with('\n') ? "" : "\n");
    return {};
  }
  FS_TRY(const LoadedModel loaded, load_model(options.model, /*want_template=*/true));
  const Inspection inspection(options, loaded);
  options.json ? inspection.print_json() : inspection.print();
  return {};
}

void add_inspect(Command models) {
  const auto options = std::make_shared<InspectOptions>();
  Command command = models.subcommand("inspect", "Show header, tensors, tokenizer, template and memory needed");
  command.text("model", &options->model.model, "A .gguf file, a folder with safetensors, or a name");
  command.required("model");
  add_vision_option(&command, &options->model);
  command.integer("--ctx", &options->model.context_length, 1, 1 << 24, "Context length to count memory for (default: the model's)");
  command.choice("--kv", &options->model.kv, {"f32", "bf16", "int8"}, "Type of keys and values to count memory for");
  command.flag("--tensors", &options->tensors, "Also list every tensor");
  command.flag("--metadata", &options->metadata, "Also list all metadata");
  command.flag("--chat-template", &options->chat_template, "Print only the chat template");
  command.flag("--json", &options->json, "Print one JSON object");
  command.examples(
      "  firesteel models inspect MODEL.gguf\n"
      "  firesteel models inspect MODEL.gguf --tensors --metadata\n"
      "  firesteel models inspect MODEL_FOLDER --ctx 4096 --json");
  command.run([options] {
    const Status status = inspect(*options);
    return status.ok() ? kExitOk : fail(status.error(), options->json);
  });
}

void add_list(Command models) {
  const auto json = std::make_shared<bool>(false);
  Command command = models.subcommand("list", "List the models: the one built in, those in the store and in the hub cache");
  command.flag("--json", json.get(), "Print one JSON object");
  command.examples("  firesteel models list");
  command.run([json] {
    const std::vector<StoredModel> found = list_models();
    if (*json) {
      Json::Array out;
      for (const StoredModel& model : found) {
        out.push_back(Json::Object{{"name", model.name}, {"path", model.path}, {"source", model.source}, {"n_bytes", static_cast<int64_t>(model.n_bytes)}});
      }
      fmt::print("{}\n", Json(Json::Object{{"models", std::move(out)}}).dump());
    } else if (found.empty()) {
      fmt::print(stderr, "No models in {} or {}.\n", model_store_dir(), hub_cache_dir());
    } else {
      for (const StoredModel& model : found) fmt::print("{:48} {:>10}  {}\n", model.name, format_bytes(model.n_bytes), model.source);
    }
    return static_cast<int>(kExitOk);
  });
}

}  // namespace

void add_models(Command root) {
  Command models = root.subcommand("models", "Look into model files, check them, make others of them");
  models.examples("  firesteel models list\n  firesteel models inspect kindling\n  firesteel models inspect MODEL.gguf");
  add_list(models);
  add_inspect(models);
  add_models_verify(models);
  add_models_convert(models);
  add_models_quantize(models);
  add_models_average(models);
}

}  // namespace firesteel
