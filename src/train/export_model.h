// Weights to model files: NAME.gguf, an ordinary Llama model with the tokenizer's metadata, and NAME.mmproj.gguf for pictures. And back,
// to train on from shipped weights.
#pragma once

#include <span>
#include <string>

#include "base/result.h"
#include "checkpoint/checkpoint.h"
#include "tensor/dtype.h"
#include "train/network_shape.h"

namespace firesteel {

struct ExportOptions {
  std::string name;                 // general.name
  DType dtype = DType::kBF16;       // of matrices; norms are f32
  std::string run;                  // free text about the run, "kindling.run"
};

// path ends in ".gguf". Every key of the tokenizer's file is copied, except for those that the model says itself.
Status export_model(const NetworkShape& shape, std::span<const float> weights, const Checkpoint& tokenizer, const ExportOptions& options,
                    const std::string& path);

// Fills the weights from a model file and its mmproj (if the shape has vision and the file exists; else those weights stay as they
// are, and *vision is false). kInvalidArgument where a tensor is missing or has another size.
Status import_model(const NetworkShape& shape, const std::string& path, std::span<float> weights, bool* vision);

// The same from open files. pictures: null leaves the vision part as it is.
Status import_weights(const NetworkShape& shape, const Checkpoint& model, const Checkpoint* pictures, std::span<float> weights);

// "models/x.gguf" -> "models/x.mmproj.gguf".
std::string mmproj_path(const std::string& model_path);

}  // namespace firesteel
