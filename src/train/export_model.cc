#include "train/export_model.h"

#include <array>
#include <cstring>
#include <filesystem>
#include <vector>

#include "checkpoint/gguf_writer.h"
#include "tensor/quantise.h"

namespace firesteel {
namespace {

bool is_vision(const ParameterInfo& info) { return info.name.starts_with("v."); }

int64_t file_type(DType dtype) {  // general.file_type
  switch (dtype) {
    case DType::kF32: return 0;
    case DType::kF16: return 1;
    case DType::kQ8_0: return 7;
    default: return 32;
  }
}

DType type_of(const ParameterInfo& info, DType wanted) {
  if (is_vision(info) || info.kind == ParameterKind::kNorm || info.kind == ParameterKind::kBias) return DType::kF32;
  return info.cols % dtype_info(wanted).block_elems == 0 ? wanted : DType::kF32;
}

Status write_tensors(const ParameterLayout& layout, bool vision, std::span<const float> weights, DType wanted, GgufWriter* writer) {
  for (const ParameterInfo& info : layout.tensors) {
    if (is_vision(info) != vision) continue;
    const bool is_vector = info.kind == ParameterKind::kNorm || info.kind == ParameterKind::kBias;
    const std::array<int64_t, 2> ne = {info.cols, info.rows};
    writer->add_tensor(info.name, type_of(info, wanted), std::span(ne).first(is_vector ? 1 : 2));
  }
  FS_TRY_VOID(writer->begin());
  for (const ParameterInfo& info : layout.tensors) {
    if (is_vision(info) != vision) continue;
    const DType dtype = type_of(info, wanted);
    std::vector<std::byte> row(row_bytes(dtype, info.cols));
    for (int64_t r = 0; r < info.rows; ++r) {
      quantise_row(dtype, weights.data() + info.offset + r * info.cols, row.data(), info.cols);
      FS_TRY_VOID(writer->write(row));
    }
  }
  return writer->commit();
}

Status read_tensors(const Checkpoint& file, const ParameterLayout& layout, bool vision, std::span<float> weights) {
  for (const ParameterInfo& info : layout.tensors) {
    if (is_vision(info) != vision) continue;
    const TensorInfo* tensor = file.find(info.name);
    if (tensor == nullptr) return Error{ErrorCode::kInvalidArgument, file.path() + ": no tensor " + info.name};
    if (tensor->ne[0] != info.cols || tensor->n_elements() != info.n()) {
      return Error{ErrorCode::kInvalidArgument, file.path() + ": " + info.name + ": expected " + std::to_string(info.cols) + " x " +
                                                    std::to_string(info.rows) + " values, found " + std::to_string(tensor->ne[0]) + " x " +
                                                    std::to_string(tensor->n_elements() / tensor->ne[0])};
    }
    for (int64_t r = 0; r < info.rows; ++r) {
      dequantise_row(tensor->dtype, tensor->slices[0] + static_cast<size_t>(r) * tensor->row_bytes(), weights.data() + info.offset + r * info.cols, info.cols);
    }
  }
  return {};
}

}  // namespace

std::string mmproj_path(const std::string& model_path) {
  return (model_path.ends_with(".gguf") ? model_path.substr(0, model_path.size() - 5) : model_path) + ".mmproj.gguf";
}

Status export_model(const NetworkShape& shape, std::span<const float> weights, const Checkpoint& tokenizer, const ExportOptions& options,
                    const std::string& path) {
  const ParameterLayout layout = plan_parameters(shape);
  CHECK(static_cast<int64_t>(weights.size()) == layout.n);
  if (shape.vision) {
    FS_TRY(GgufWriter writer, GgufWriter::create(mmproj_path(path)));
    writer.add("general.architecture", std::string_view("kindling-vision"));
    writer.add("general.name", std::string_view(options.name));
    writer.add("kindling.vision.patch_size", int64_t{shape.patches.patch_size});
    writer.add("kindling.vision.pixels_per_patch", int64_t{shape.patches.pixels_per_patch});
    writer.add("kindling.vision.max_side", int64_t{shape.patches.max_side});
    if (shape.patches.split != 1) writer.add("kindling.vision.split", int64_t{shape.patches.split});
    writer.add("kindling.vision.max_patches", int64_t{shape.patches.max_patches});
    writer.add("kindling.vision.dim", shape.dim);
    FS_TRY_VOID(write_tensors(layout, true, weights, DType::kF32, &writer));
  }
  Metadata own;
  own.add("general.architecture", std::string_view("llama"));
  own.add("general.name", std::string_view(options.name));
  own.add("general.file_type", file_type(options.dtype));
  own.add("llama.block_count", shape.n_layers);
  own.add("llama.context_length", shape.context);
  own.add("llama.embedding_length", shape.dim);
  own.add("llama.feed_forward_length", shape.ffn_dim);
  own.add("llama.attention.head_count", shape.n_heads);
  own.add("llama.attention.head_count_kv", shape.n_kv_heads);
  own.add("llama.attention.key_length", shape.head_dim);
  own.add("llama.attention.value_length", shape.head_dim);
  own.add("llama.attention.layer_norm_rms_epsilon", shape.norm_eps);
  own.add("llama.rope.dimension_count", shape.head_dim);
  own.add("llama.rope.freq_base", shape.rope_theta);
  own.add("llama.vocab_size", shape.n_vocab);
  if (!options.run.empty()) own.add("kindling.run", std::string_view(options.run));
  FS_TRY(GgufWriter writer, GgufWriter::create(path));
  for (const auto& [key, value] : own.items()) writer.add(key, value);
  for (const auto& [key, value] : tokenizer.metadata().items()) {
    if (!own.has(key)) writer.add(key, value);
  }
  return write_tensors(layout, false, weights, options.dtype, &writer);
}

Status import_weights(const NetworkShape& shape, const Checkpoint& model, const Checkpoint* pictures, std::span<float> weights) {
  const ParameterLayout layout = plan_parameters(shape);
  CHECK(static_cast<int64_t>(weights.size()) == layout.n);
  FS_TRY_VOID(read_tensors(model, layout, false, weights));
  return pictures == nullptr ? Status() : read_tensors(*pictures, layout, true, weights);
}

Status import_model(const NetworkShape& shape, const std::string& path, std::span<float> weights, bool* vision) {
  const ParameterLayout layout = plan_parameters(shape);
  FS_TRY(const std::shared_ptr<const Checkpoint> file, Checkpoint::open(path));
  FS_TRY_VOID(read_tensors(*file, layout, false, weights));
  std::error_code ignored;
  *vision = shape.vision && std::filesystem::exists(mmproj_path(path), ignored);
  if (!*vision) return {};
  FS_TRY(const std::shared_ptr<const Checkpoint> pictures, Checkpoint::open(mmproj_path(path)));
  return read_tensors(*pictures, layout, true, weights);
}

}  // namespace firesteel
