#include "load_model.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <map>
#include <optional>
#include <thread>

#include "base/json.h"
#include "base/mapped_file.h"
#include "embedded_model.h"
#include "model_store.h"
#include "terminal.h"
#include "vision.h"

namespace firesteel {
namespace {

constexpr uint64_t kTemplateBytesMax = 1u << 20;

bool is_folder(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

bool is_embedded(const std::string& path) { return has_embedded_model() && path == kEmbeddedModelName; }

bool begins_as_gguf(const std::string& path) {
  const Result<MappedFile> file = MappedFile::open(path);
  return file.ok() && file->bytes().size() >= 4 && std::memcmp(file->bytes().data(), "GGUF", 4) == 0;
}

// The tokenizer's views point into the checkpoint's metadata, so it keeps the checkpoint alive.
Result<std::shared_ptr<const Tokenizer>> make_tokenizer(const std::shared_ptr<const Checkpoint>& checkpoint) {
  Result<std::unique_ptr<const Tokenizer>> loaded = Error{};
  if (checkpoint->metadata().has("tokenizer.ggml.model")) {
    loaded = Tokenizer::from_metadata(checkpoint->metadata());
  } else if (is_folder(checkpoint->path())) {
    loaded = Tokenizer::from_file(checkpoint->path());
  } else {
    return std::shared_ptr<const Tokenizer>();
  }
  if (!loaded.ok()) {
    Error error = std::move(loaded).error();
    if (error.message.find(checkpoint->path()) == std::string::npos) error.message = checkpoint->path() + ": " + error.message;
    return error;
  }
  const Tokenizer* tokenizer = std::move(loaded).value().release();
  return std::shared_ptr<const Tokenizer>(tokenizer, [checkpoint](const Tokenizer* pointer) { delete pointer; });
}

Result<std::shared_ptr<const ChatTemplate>> make_template(const Checkpoint& checkpoint, const std::string& override_file) {
  FS_TRY(const std::string source, chat_template_source(checkpoint, override_file));
  if (source.empty()) return std::shared_ptr<const ChatTemplate>();
  Result<std::unique_ptr<const ChatTemplate>> compiled = ChatTemplate::compile(source);
  if (!compiled.ok()) {
    Error error = std::move(compiled).error();
    error.message = (override_file.empty() ? checkpoint.path() : override_file) + ": chat template: " + error.message;
    return error;
  }
  return std::shared_ptr<const ChatTemplate>(std::move(compiled).value());
}

// What the engine cannot know: facts of the file. Its name is the file's or folder's.
Result<ModelInfo> describe(const LoadedModel& loaded, const ModelOptions& options) {
  const Checkpoint& checkpoint = *loaded.checkpoint;
  ModelInfo info;
  info.name = std::filesystem::path(checkpoint.path()).filename().replace_extension().string();
  std::map<DType, uint64_t> bytes_of_type;
  for (const TensorInfo& tensor : checkpoint.tensors()) {
    info.n_parameters += tensor.n_elements();
    bytes_of_type[tensor.dtype] += tensor.n_bytes;
  }
  const auto most = std::max_element(bytes_of_type.begin(), bytes_of_type.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  if (most != bytes_of_type.end()) info.quantisation = dtype_info(most->first).name;
  info.sampling = loaded.sampling;
  info.file_bytes = static_cast<int64_t>(checkpoint.file_bytes());
  struct stat file {};
  const std::string path = is_embedded(checkpoint.path()) ? "/proc/self/exe" : checkpoint.path();
  if (stat(path.c_str(), &file) == 0) info.created_unix_s = int64_t{file.st_mtime};
  if (loaded.chat_template != nullptr) {
    FS_TRY(info.chat_template, chat_template_source(checkpoint, options.chat_template_file));
  }
  return info;
}

}  // namespace

void add_model_option(Command* command, ModelOptions* options) {
  command->text("-m,--model", &options->model, "A .gguf file, a folder with safetensors, or a name (see models list); default: the one built in", "FIRESTEEL_MODEL");
}

void add_vision_option(Command* command, ModelOptions* options) {
  command->text("--mmproj", &options->mmproj, "File of the model's vision part, or none (default: NAME.mmproj.gguf beside NAME.gguf)", "FIRESTEEL_MMPROJ");
}

void add_adapter_option(Command* command, ModelOptions* options) {
  command->text("--adapter", &options->adapter, "GGUF file of a LoRA adapter made for this model (see tune)", "FIRESTEEL_ADAPTER");
}

std::string adapter_store(const std::string& state_dir) { return state_dir + "/adapters"; }

Result<std::string> store_adapter(const std::string& file, const LoadedModel& loaded, const std::string& state_dir) {
  FS_TRY(const std::shared_ptr<const Adapter> adapter, loaded.model->load_adapter(file));
  FS_TRY(const std::string bytes, read_file(file, uint64_t{4} << 30));
  std::error_code error;
  std::filesystem::create_directories(adapter_store(state_dir), error);
  if (error) return Error{ErrorCode::kIo, adapter_store(state_dir) + ": " + error.message()};
  const std::string path = adapter_store(state_dir) + "/" + adapter->digest() + ".gguf";
  FS_TRY_VOID(write_file_atomic(path, bytes));
  FS_TRY(const std::shared_ptr<const Adapter> stored, loaded.model->load_adapter(path));
  if (stored->digest() != adapter->digest()) return Error{ErrorCode::kFailedPrecondition, file + ": changed while it was read"};
  return adapter->digest();
}

Result<std::string> use_adapter(Engine* engine, const ModelOptions& options) {
  if (options.adapter.empty()) return std::string();
  FS_TRY(AdapterInfo info, engine->load_adapter(options.adapter));
  return std::move(info.digest);
}

void add_engine_options(Command* command, ModelOptions* options) {
  command->integer("-t,--threads", &options->n_threads, 1, 256, "Threads of the forward pass (default: the CPUs this process may use)",
                   "FIRESTEEL_THREADS");
  command->choice("--kv", &options->kv, {"f32", "bf16", "int8"}, "Type of cached keys and values (default: the model's)", "FIRESTEEL_KV");
  command->choice("--precision", &options->precision, {"fast", "high"}, "high: f32 arithmetic throughout, slow, for reference",
                  "FIRESTEEL_PRECISION");
  command->integer("--draft", &options->n_draft, 0, 16, "Tokens guessed ahead from what was there before, where it pays; changes no answer; 0: none (default 4; bench: 0)",
                   "FIRESTEEL_DRAFT");
  command->integer("--ctx", &options->context_length, 1, 1 << 24, "Context length in tokens (default: the model's)", "FIRESTEEL_CTX");
}

bool is_kindling(const Checkpoint& checkpoint) {
  const auto& items = checkpoint.metadata().items();
  return std::any_of(items.begin(), items.end(), [](const Metadata::Item& item) { return item.first.starts_with("kindling."); });
}

Result<SamplingDefaults> sampling_defaults(const Checkpoint& checkpoint) {
  SamplingDefaults out;
  if (is_kindling(checkpoint)) out.temperature = 0;  // small models lose more by chance than they gain
  const auto read = [&](const char* key, double low, double high, std::optional<double>* value) -> Status {
    FS_TRY(const std::optional<double> found, checkpoint.metadata().get_float(key));
    if (!found) return {};
    if (!(*found >= low && *found <= high)) {
      return Error{ErrorCode::kDataLoss, checkpoint.path() + ": " + key + ": expected " + std::to_string(low) + " to " + std::to_string(high) + ", found " + std::to_string(*found)};
    }
    *value = *found;
    return {};
  };
  FS_TRY_VOID(read("general.sampling.temp", 0, 100, &out.temperature));
  FS_TRY_VOID(read("general.sampling.top_p", 0, 1, &out.top_p));
  FS_TRY_VOID(read("general.sampling.min_p", 0, 1, &out.min_p));
  FS_TRY_VOID(read("general.sampling.penalty_repeat", 0.01, 100, &out.repetition_penalty));
  std::optional<double> top_k;
  FS_TRY_VOID(read("general.sampling.top_k", 0, 1 << 24, &top_k));
  if (top_k) out.top_k = static_cast<int>(*top_k);
  return out;
}

Result<std::string> chat_template_source(const Checkpoint& checkpoint, const std::string& override_file) {
  if (!override_file.empty()) return read_file(override_file, kTemplateBytesMax);
  FS_TRY(const std::optional<std::string_view> stored, checkpoint.metadata().get_string("tokenizer.chat_template"));
  if (stored) return std::string(*stored);
  if (!is_folder(checkpoint.path())) return std::string();
  // A Hugging Face folder has it in a file of its own, or in tokenizer_config.json as a string or a list of named ones.
  Result<std::string> own_file = read_file(checkpoint.path() + "/chat_template.jinja", kTemplateBytesMax);
  if (own_file.ok()) return own_file;
  const Result<std::string> text = read_file(checkpoint.path() + "/tokenizer_config.json", 64u << 20);
  if (!text.ok()) return std::string();
  FS_TRY(const Json config, Json::parse(*text));
  const Json* found = config.find("chat_template");
  if (found != nullptr && found->is_string()) return found->as_string();
  if (found != nullptr && found->is_array()) {
    for (const Json& item : found->as_array()) {
      const Json* name = item.find("name");
      const Json* source = item.find("template");
      if (name != nullptr && *name == Json("default") && source != nullptr && source->is_string()) return source->as_string();
    }
  }
  return std::string();
}

Result<LoadedModel> load_model(const ModelOptions& options, bool want_template) {
  LoadedModel loaded;
  FS_TRY(loaded.path, resolve_model(options.model));
  FS_TRY(loaded.checkpoint, open_model(loaded.path));

  // A large vocabulary takes tens of milliseconds to index; reading the tensor table meanwhile costs nothing.
  Result<std::shared_ptr<const Tokenizer>> tokenizer = Error{};
  Result<std::shared_ptr<const ChatTemplate>> chat_template = std::shared_ptr<const ChatTemplate>();
  std::thread text_thread([&] {
    if (want_template) chat_template = make_template(*loaded.checkpoint, options.chat_template_file);
    tokenizer = make_tokenizer(loaded.checkpoint);
  });
  Model::Options model_options;
  model_options.precision = options.precision == "high" ? Precision::kHigh : Precision::kFast;
  Result<std::shared_ptr<const Model>> model = Model::load(loaded.checkpoint, model_options);
  text_thread.join();

  if (!model.ok()) return std::move(model).error();
  FS_TRY(loaded.vision, load_vision(loaded.path, options.mmproj));
  loaded.model = std::move(model).value();
  FS_TRY(loaded.sampling, sampling_defaults(*loaded.checkpoint));
  if (!tokenizer.ok()) return std::move(tokenizer).error();
  loaded.tokenizer = std::move(tokenizer).value();
  if (!chat_template.ok()) return std::move(chat_template).error();
  loaded.chat_template = std::move(chat_template).value();
  if (loaded.tokenizer != nullptr) {
    Result<std::shared_ptr<const NumberBinding>> numbers = NumberBinding::from_metadata(loaded.checkpoint->metadata(), *loaded.tokenizer);
    if (!numbers.ok()) return Error{numbers.error().code, loaded.path + ": " + numbers.error().message};
    loaded.numbers = std::move(numbers).value();
  }
  return loaded;
}

Result<std::shared_ptr<const Tokenizer>> load_tokenizer(const ModelOptions& options) {
  FS_TRY(const std::string path, resolve_model(options.model));
  // What is not GGUF is a tokenizer's own file, or a folder that may hold a tokenizer without weights.
  if (!is_embedded(path) && (is_folder(path) || !begins_as_gguf(path))) {
    Result<std::unique_ptr<const Tokenizer>> loaded = Tokenizer::from_file(path);
    if (!loaded.ok()) return std::move(loaded).error();
    return std::shared_ptr<const Tokenizer>(std::move(loaded).value());
  }
  FS_TRY(const std::shared_ptr<const Checkpoint> checkpoint, open_model(path));
  FS_TRY(std::shared_ptr<const Tokenizer> tokenizer, make_tokenizer(checkpoint));
  if (tokenizer == nullptr) return Error{ErrorCode::kNotFound, path + ": has no tokenizer"};
  return tokenizer;
}

int threads_to_use(const ModelOptions& options) {
  return options.n_threads > 0 ? static_cast<int>(options.n_threads) : n_usable_cpus();
}

KvType kv_type_to_use(const ModelOptions& options, KvType otherwise) {
  for (const KvType type : {KvType::kF32, KvType::kBF16, KvType::kInt8}) {
    if (options.kv == kv_type_name(type)) return type;
  }
  return otherwise;
}

Result<std::unique_ptr<Engine>> create_engine(const LoadedModel& loaded, const ModelOptions& options, Engine::Options engine_options) {
  engine_options.n_threads = threads_to_use(options);
  if (options.context_length > 0) engine_options.context_length = options.context_length;
  engine_options.kv_type = kv_type_to_use(options, loaded.model->default_kv_type());
  engine_options.max_draft = static_cast<int>(options.n_draft);
  engine_options.numbers = loaded.numbers;
  engine_options.vision = loaded.vision;
  FS_TRY(engine_options.info, describe(loaded, options));
  return Engine::create(loaded.model, loaded.tokenizer, loaded.chat_template, engine_options);
}

}  // namespace firesteel
