// From what a user calls a model to a path: a path, a name in the model store, or a hub id whose cache other tools share.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace firesteel {

std::string model_store_dir();  // $XDG_DATA_HOME/firesteel/models, else ~/.local/share/firesteel/models
std::string hub_cache_dir();    // $HF_HUB_CACHE, $HF_HOME/hub, else ~/.cache/huggingface/hub

// name: empty or "kindling": the model inside the program, where it has one (result: "kindling", see embedded_model.h); a file, a folder (with config.json, or holding one .gguf), NAME or NAME.gguf in the store, or ORG/REPO[:FILE] in the hub
// cache (its folder is models--ORG--REPO; FILE is a .gguf or a part of its name, "Q4_K_M"). Result: a .gguf file or a folder with
// config.json. kInvalidArgument when several files fit, naming them; kNotFound says where it looked.
Result<std::string> resolve_model(const std::string& name);

struct StoredModel {
  std::string name;  // what --model takes
  std::string path;
  std::string source;  // "built in", "store", "hub"
  uint64_t n_bytes = 0;
};
// What resolve_model would find, by name. Unreadable folders are left out.
std::vector<StoredModel> list_models();

}  // namespace firesteel
