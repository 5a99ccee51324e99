#include "tune/merge.h"

#include <map>
#include <utility>
#include <vector>

#include "base/check.h"
#include "checkpoint/gguf_writer.h"
#include "tensor/quantise.h"

namespace firesteel {
namespace {

// Row `row` of W + B A.
void merge_row(const TensorInfo& tensor, const LoraPair& pair, int64_t row, std::vector<double>* sums, std::vector<float>* out) {
  dequantise_row(tensor.dtype, tensor.slices[0] + static_cast<size_t>(row) * tensor.row_bytes(), out->data(), pair.k);
  sums->assign(out->begin(), out->end());
  for (int64_t r = 0; r < pair.rank; ++r) {
    const auto b = static_cast<double>(pair.b[static_cast<size_t>(row * pair.rank + r)]);
    const float* a = pair.a.data() + r * pair.k;
    for (int64_t i = 0; i < pair.k; ++i) (*sums)[static_cast<size_t>(i)] += b * static_cast<double>(a[i]);
  }
  for (size_t i = 0; i < sums->size(); ++i) (*out)[i] = static_cast<float>((*sums)[i]);
}

}  // namespace

Status merge_adapter(const Checkpoint& base, const ModelConfig& config, const Adapter& adapter, std::optional<DType> type, const std::string& name, const std::string& path) {
  std::map<std::string_view, const LoraPair*> changed;
  if (!adapter.activation().empty()) {
    return Error{ErrorCode::kUnsupported, "merge: an activated adapter counts from its marker in the prompt on only; merged weights would count everywhere"};
  }
  std::vector<std::string> names;
  names.reserve(static_cast<size_t>(config.n_layers * kNAdapterTargets));
  for (int layer = 0; layer < config.n_layers; ++layer) {
    for (int i = 0; i < kNAdapterTargets; ++i) {
      const auto target = static_cast<AdapterTarget>(i);
      const LoraPair* pair = adapter.find(layer, target);
      if (pair == nullptr) continue;
      names.push_back("blk." + std::to_string(layer) + "." + adapter_tensor_stem(target) + ".weight");
      const TensorInfo* tensor = base.find(names.back());
      if (tensor == nullptr || tensor->ne[0] != pair->k || tensor->ne[1] != pair->n_rows) {
        return Error{ErrorCode::kUnsupported, base.path() + ": \"" + names.back() + "\": expected a matrix of its own, " + std::to_string(pair->n_rows) + " x " +
                                                  std::to_string(pair->k) + ", to merge into"};
      }
      changed.emplace(names.back(), pair);
    }
  }
  const auto type_of = [&](const TensorInfo& tensor) {
    if (!changed.contains(tensor.name)) return tensor.dtype;
    const DType wanted = type.value_or(tensor.dtype);
    return tensor.ne[0] % dtype_info(wanted).block_elems == 0 ? wanted : DType::kF32;
  };

  FS_TRY(GgufWriter writer, GgufWriter::create(path));
  for (const auto& [key, value] : base.metadata().items()) {
    if (key != "general.name") writer.add(key, value);
  }
  writer.add("general.name", std::string_view(name));
  if (!base.metadata().has("firesteel.merged_adapter")) writer.add("firesteel.merged_adapter", std::string_view(adapter.digest()));
  for (const TensorInfo& tensor : base.tensors()) writer.add_tensor(tensor.name, type_of(tensor), std::span(tensor.ne, static_cast<size_t>(std::max(tensor.n_dims, 1))));
  FS_TRY_VOID(writer.begin());
  std::vector<double> sums;
  for (const TensorInfo& tensor : base.tensors()) {
    const auto it = changed.find(tensor.name);
    if (it == changed.end()) {
      const size_t slice_bytes = tensor.n_bytes / tensor.slices.size();
      for (const std::byte* slice : tensor.slices) FS_TRY_VOID(writer.write({slice, slice_bytes}));
      continue;
    }
    const DType dtype = type_of(tensor);
    std::vector<float> row(static_cast<size_t>(tensor.ne[0]));
    std::vector<std::byte> packed(row_bytes(dtype, tensor.ne[0]));
    for (int64_t r = 0; r < tensor.ne[1]; ++r) {
      merge_row(tensor, *it->second, r, &sums, &row);
      quantise_row(dtype, row.data(), packed.data(), tensor.ne[0]);
      FS_TRY_VOID(writer.write(packed));
    }
  }
  return writer.commit();
}

}  // namespace firesteel
