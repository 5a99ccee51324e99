#include "model_store.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <optional>

#include "base/mapped_file.h"
#include "command_line.h"
#include "embedded_model.h"

namespace firesteel {
namespace {

namespace fs = std::filesystem;

std::string env_or(const char* name, const std::string& otherwise) {
  const char* value = std::getenv(name);
  return value != nullptr && value[0] != '\0' ? value : otherwise;
}

std::string home() { return env_or("HOME", "."); }

bool is_folder(const fs::path& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}
bool path_exists(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error);
}

std::vector<fs::path> entries(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end && found.size() < 100'000; it.increment(error)) {
    found.push_back(it->path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

// Split models count by their first part; what sees for a model lies beside it and is none itself.
std::vector<fs::path> gguf_files(const fs::path& folder) {
  std::vector<fs::path> found;
  for (const fs::path& path : entries(folder)) {
    if (path.extension() != ".gguf") continue;
    const std::string name = path.filename().string();
    if (name.ends_with(".mmproj.gguf")) continue;
    const size_t of = name.rfind("-of-");
    if (of != std::string::npos && of >= 5 && name.substr(of - 5, 5) != "00001") continue;
    found.push_back(path);
  }
  return found;
}

// The snapshot of a hub cache folder that refs/main names, else the newest.
std::optional<fs::path> hub_snapshot(const fs::path& repo) {
  const Result<std::string> ref = read_file((repo / "refs" / "main").string(), 4096);
  if (ref.ok()) {
    const fs::path snapshot = repo / "snapshots" / ref->substr(0, ref->find_last_not_of(" \n\r") + 1);
    if (is_folder(snapshot)) return snapshot;
  }
  std::optional<fs::path> newest;
  fs::file_time_type newest_time{};
  for (const fs::path& path : entries(repo / "snapshots")) {
    std::error_code error;
    const auto time = fs::last_write_time(path, error);
    if (!error && is_folder(path) && (!newest || time > newest_time)) {
      newest = path;
      newest_time = time;
    }
  }
  return newest;
}

// A folder to what Checkpoint::open takes.
Result<std::string> resolve_folder(const fs::path& folder, const std::string& file) {
  if (file.empty() && path_exists(folder / "config.json")) return folder.string();
  std::vector<fs::path> fitting = gguf_files(folder);
  if (!file.empty()) {
    std::erase_if(fitting, [&](const fs::path& path) {
      return path.filename() != file && path.filename().string().find(file) == std::string::npos;
    });
    const auto exact = std::find_if(fitting.begin(), fitting.end(), [&](const fs::path& path) { return path.filename() == file; });
    if (exact != fitting.end()) return exact->string();
  }
  if (fitting.size() == 1) return fitting.front().string();
  if (fitting.empty()) {
    return Error{ErrorCode::kNotFound, folder.string() + ": a folder without " + (file.empty() ? "config.json or a .gguf file" : "'" + file + "'")};
  }
  std::string names;
  for (const fs::path& path : fitting) names += (names.empty() ? "" : ", ") + path.filename().string();
  return Error{ErrorCode::kInvalidArgument, folder.string() + " holds several models; name one of: " + names};
}

Result<std::string> resolve_existing(const fs::path& path) {
  if (!is_folder(path)) return path.string();
  if (path.filename().string().starts_with("models--")) {
    const std::optional<fs::path> snapshot = hub_snapshot(path);
    if (!snapshot) return Error{ErrorCode::kNotFound, path.string() + ": a hub cache folder without a snapshot"};
    return resolve_folder(*snapshot, "");
  }
  return resolve_folder(path, "");
}

uint64_t size_of(const fs::path& path) {
  std::error_code error;
  if (!is_folder(path)) {
    const uintmax_t size = fs::file_size(path, error);
    return error ? 0 : size;
  }
  uint64_t total = 0;
  for (const fs::path& file : entries(path)) {
    if (!is_folder(file)) total += size_of(file);
  }
  return total;
}

}  // namespace

std::string model_store_dir() { return env_or("XDG_DATA_HOME", home() + "/.local/share") + "/firesteel/models"; }

std::string hub_cache_dir() {
  const std::string from_home = env_or("HF_HOME", env_or("XDG_CACHE_HOME", home() + "/.cache") + "/huggingface") + "/hub";
  return env_or("HF_HUB_CACHE", from_home);
}

Result<std::string> resolve_model(const std::string& name) {
  if (has_embedded_model() && (name.empty() || name == kEmbeddedModelName)) return std::string(kEmbeddedModelName);
  if (name.empty()) {
    return Error{ErrorCode::kInvalidArgument,
                 "no model given, and this program was built without models/kindling.gguf: use --model PATH (a .gguf file or a folder with "
                 "safetensors) or set FIRESTEEL_MODEL"};
  }
  if (path_exists(name)) return resolve_existing(fs::path(name).has_filename() ? fs::path(name) : fs::path(name).parent_path());

  const fs::path store = model_store_dir();
  for (const std::string& candidate : {name, name + ".gguf"}) {
    if (path_exists(store / candidate)) return resolve_existing(store / candidate);
  }
  const size_t slash = name.find('/');
  if (slash != std::string::npos && slash > 0 && slash == name.rfind('/')) {
    const size_t colon = name.find(':', slash);
    const std::string repo = name.substr(slash + 1, colon == std::string::npos ? std::string::npos : colon - slash - 1);
    const std::string file = colon == std::string::npos ? "" : name.substr(colon + 1);
    const fs::path folder = fs::path(hub_cache_dir()) / ("models--" + name.substr(0, slash) + "--" + repo);
    if (const std::optional<fs::path> snapshot = hub_snapshot(folder)) return resolve_folder(*snapshot, file);
  }
  std::vector<std::string> known;
  for (const StoredModel& model : list_models()) {
    known.push_back(model.name.ends_with(".gguf") ? model.name.substr(0, model.name.size() - 5) : model.name);
  }
  const std::string near = nearest(name, known);
  return Error{ErrorCode::kNotFound, "no model '" + name + "': no such file or folder, not in the store (" + store.string() +
                                         "), not in the hub cache (" + hub_cache_dir() + ")" +
                                         (near.empty() ? "" : "; did you mean " + near + "?")};
}

std::vector<StoredModel> list_models() {
  std::vector<StoredModel> models;
  if (has_embedded_model()) {
    const uint64_t n_bytes = embedded_text_model().bytes.size() + embedded_vision_model().bytes.size();
    models.push_back({kEmbeddedModelName, kEmbeddedModelName, "built in", n_bytes});
  }
  for (const fs::path& path : entries(model_store_dir())) {
    if (path.string().ends_with(".mmproj.gguf")) continue;
    const bool usable = path.extension() == ".gguf" || path_exists(path / "config.json") || gguf_files(path).size() == 1;
    if (usable) models.push_back({path.filename().string(), path.string(), "store", size_of(path)});
  }
  for (const fs::path& repo : entries(hub_cache_dir())) {
    const std::string folder = repo.filename().string();
    constexpr std::string_view kPrefix = "models--";
    const size_t separator = folder.find("--", kPrefix.size());
    if (!folder.starts_with(kPrefix) || separator == std::string::npos) continue;
    const std::string id = folder.substr(kPrefix.size(), separator - kPrefix.size()) + "/" + folder.substr(separator + 2);
    const std::optional<fs::path> snapshot = hub_snapshot(repo);
    if (!snapshot) continue;
    if (path_exists(*snapshot / "config.json")) models.push_back({id, snapshot->string(), "hub", size_of(*snapshot)});
    const std::vector<fs::path> files = gguf_files(*snapshot);
    for (const fs::path& file : files) {
      models.push_back({files.size() == 1 ? id : id + ":" + file.filename().string(), file.string(), "hub", size_of(file)});
    }
  }
  return models;
}

}  // namespace firesteel
