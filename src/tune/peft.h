// Adapters in PEFT's layout (a folder with adapter_config.json and adapter_model.safetensors), in and out.
// Source: the peft library's checkpoint format, https://huggingface.co/docs/peft/developer_guides/checkpoint.
#pragma once

#include <string>

#include "base/result.h"
#include "model/adapter.h"
#include "model/config.h"

namespace firesteel {

// Writes the folder from a GGUF adapter (each file whole or not at all). base_name: base_model_name_or_path. Q and K of Llama are put into the
// row order of Hugging Face. A third file, firesteel.json, has name and origin: import_peft gives the bytes of an adapter back that was
// trained here (f32).
Status export_peft(const std::string& path, const ModelConfig& config, const std::string& base_name, const std::string& folder);

// Reads the folder, all of it untrusted, and writes a GGUF adapter. kUnsupported names what GGUF adapters do not have: DoRA, biases, whole
// modules beside the pairs, ranks that differ between modules, other modules than those of AdapterTarget; kDataLoss: damaged or not of this
// shape. rsLoRA's scale becomes the alpha that has the same effect.
Status import_peft(const std::string& folder, const ModelConfig& config, const std::string& path);

}  // namespace firesteel
