#include "checkpoint/convert.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <deque>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "checkpoint/gguf_writer.h"
#include "checkpoint/hf_tokenizer_metadata.h"
#include "checkpoint/quantise_plan.h"
#include "tensor/quantise.h"

namespace firesteel {
namespace {

// Blocks do not know their row, so rows are cut: bounded memory whatever their length. A multiple of every block length.
constexpr int64_t kSegmentElems = 16384;
constexpr size_t kChunkBytes = 8u << 20;  // of output, written at once

// Rotary pairs of a head: Hugging Face keeps (i, i + n/2), GGUF's llama (2i, 2i + 1). Row of the source for a row of the output.
struct RowOrder {
  int64_t head_dim = 0;  // 0: as it is
  int64_t n_rotated = 0;

  int64_t source(int64_t row) const {
    if (head_dim == 0) return row;
    const int64_t in_head = row % head_dim;
    if (in_head >= n_rotated) return row;
    return row - in_head + (in_head % 2) * (n_rotated / 2) + in_head / 2;
  }
};

struct Job {
  const TensorInfo* tensor = nullptr;
  DType out = DType::kF32;
  RowOrder order;
  float own_share = 1;
  struct Part {
    const TensorInfo* tensor = nullptr;
    float share = 0;
  };
  std::vector<Part> mix = {};
};

struct BadWeight {
  int64_t row = INT64_MAX, column = 0;
  float value = 0;
};

// Encodes runs of segments on several threads.
class Encoder {
 public:
  Encoder(const Job& job, int n_threads) : job_(job), n_threads_(std::max(1, n_threads)) {
    const TensorInfo& t = *job.tensor;
    n_rows_ = t.ne[1] * t.ne[2] * t.ne[3];
    // A vector whose elements move is a column of rows of one element.
    if (t.n_dims == 1 && job.order.head_dim != 0) {
      n_rows_ = t.ne[0];
      row_elems_ = 1;
    } else {
      row_elems_ = t.ne[0];
    }
    rows_per_slice_ = n_rows_ / static_cast<int64_t>(t.slices.size());
    segments_per_row_ = (row_elems_ + kSegmentElems - 1) / kSegmentElems;
  }

  int64_t n_segments() const { return n_rows_ * segments_per_row_; }
  int64_t chunk_segments() const {
    const size_t segment_bytes = row_bytes(job_.out, std::min(row_elems_, kSegmentElems));
    return std::max<int64_t>(1, static_cast<int64_t>(kChunkBytes / segment_bytes));
  }

  // Segments [first, last) into `out`, which is resized to what they take.
  void encode(int64_t first, int64_t last, std::vector<std::byte>* out) FS_EXCLUDES(mutex_) {
    const size_t start = offset(first);
    out->resize(offset(last) - start);
    std::atomic<int64_t> next = first;
    const auto work = [&] {
      std::vector<float> values(static_cast<size_t>(std::min(row_elems_, kSegmentElems)));
      constexpr int64_t kBatch = 8;
      for (int64_t begin = next.fetch_add(kBatch); begin < last; begin = next.fetch_add(kBatch)) {
        for (int64_t s = begin; s < std::min(last, begin + kBatch); ++s) encode_segment(s, values.data(), out->data() + (offset(s) - start));
      }
    };
    std::vector<std::thread> threads;
    const int64_t useful = (last - first + 7) / 8;
    for (int i = 1; i < n_threads_ && i < useful; ++i) threads.emplace_back(work);
    work();
    for (std::thread& thread : threads) thread.join();
  }

  BadWeight bad() FS_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    return bad_;
  }

 private:
  size_t offset(int64_t segment) const {
    const int64_t row = segment / segments_per_row_, column = std::min(segment % segments_per_row_ * kSegmentElems, row_elems_);
    return static_cast<size_t>(row) * row_bytes(job_.out, row_elems_) + row_bytes(job_.out, column);
  }

  void encode_segment(int64_t segment, float* values, std::byte* out) {
    const TensorInfo& t = *job_.tensor;
    const int64_t row = segment / segments_per_row_, column = segment % segments_per_row_ * kSegmentElems;
    const int64_t n = std::min(kSegmentElems, row_elems_ - column);
    read_segment(t, row, column, values, n);
    if (!job_.mix.empty()) {
      for (int64_t i = 0; i < n; ++i) values[i] *= job_.own_share;
      std::vector<float> theirs(static_cast<size_t>(n));
      for (const Job::Part& part : job_.mix) {
        read_segment(*part.tensor, row, column, theirs.data(), n);
        for (int64_t i = 0; i < n; ++i) values[i] += part.share * theirs[static_cast<size_t>(i)];
      }
    }
    const float largest = job_.out == DType::kF16 ? 65504.0f : std::numeric_limits<float>::max();
    bool good = true;
    for (int64_t i = 0; i < n; ++i) good = good && std::fabs(values[i]) <= largest;  // false for NaN
    if (!good) report(row, column, values, n, largest);
    quantise_row(job_.out, values, out, n);
  }

  void read_segment(const TensorInfo& t, int64_t row, int64_t column, float* values, int64_t n) const {
    const std::byte* src = t.slices[static_cast<size_t>(row / rows_per_slice_)] +
                           static_cast<size_t>(job_.order.source(row % rows_per_slice_)) * row_bytes(t.dtype, row_elems_) + row_bytes(t.dtype, column);
    dequantise_row(t.dtype, src, values, n);
  }

  void report(int64_t row, int64_t column, const float* values, int64_t n, float largest) FS_EXCLUDES(mutex_) {
    int64_t i = 0;
    while (i < n && std::fabs(values[i]) <= largest) ++i;
    const MutexLock lock(mutex_);
    if (std::pair(row, column + i) < std::pair(bad_.row, bad_.column)) bad_ = {row, column + i, values[i]};
  }

  const Job& job_;
  const int n_threads_;
  int64_t n_rows_ = 0, row_elems_ = 0, rows_per_slice_ = 0, segments_per_row_ = 0;
  Mutex mutex_;
  BadWeight bad_ FS_GUARDED_BY(mutex_);
};

// The keys of the output; those that describe the container or this program's way of reading folders are left behind.
Result<Metadata> output_metadata(const Checkpoint& in, const ConvertOptions& options, uint32_t file_type, std::deque<std::string>* strings) {
  Metadata out;
  for (const auto& [key, value] : in.metadata().items()) {
    if (key.starts_with("split.") || key.starts_with("firesteel.") || key == "general.alignment" || key == "general.file_type" || key == "general.quantization_version") {
      continue;
    }
    out.append(key, value);
  }
  out.append("general.file_type", int64_t{file_type});
  out.append("general.quantization_version", int64_t{2});
  FS_TRY(const auto folder, in.metadata().get_string("firesteel.tokenizer.folder"));
  const TensorInfo* embedding = in.find("token_embd.weight");
  if (folder && embedding != nullptr && !out.has("tokenizer.ggml.tokens")) {
    FS_TRY_VOID(add_hf_tokenizer(std::string(*folder), embedding->ne[1], options.pre_tokenizer, &out, strings));
  }
  return out;
}

// Other readers of Gemma know its period of window layers and expect no list of flags.
bool is_default_window_pattern(std::string_view architecture, const std::vector<bool>& layers) {
  const size_t period = architecture == "gemma3" ? 6 : architecture == "gemma2" ? 2 : 0;
  if (period == 0) return false;
  for (size_t i = 0; i < layers.size(); ++i) {
    if (layers[i] != ((i + 1) % period != 0)) return false;
  }
  return true;
}

Result<RowOrder> row_order(const Checkpoint& in, const TensorInfo& tensor, std::string_view architecture) {
  FS_TRY(const auto neox, in.metadata().get_bool("firesteel.rope.neox"));
  const std::string_view name = tensor.name;
  const bool rotated = name.ends_with(".attn_q.weight") || name.ends_with(".attn_k.weight") || name.ends_with(".attn_q.bias") || name.ends_with(".attn_k.bias");
  if (architecture != "llama" || !neox.value_or(false) || !rotated) return RowOrder();
  FS_TRY(const auto head_dim, in.metadata().get_int("llama.attention.key_length"));
  FS_TRY(const auto n_rotated, in.metadata().get_int("llama.rope.dimension_count"));
  const int64_t n_rows = tensor.n_dims == 1 ? tensor.ne[0] : tensor.ne[1];
  if (!head_dim || *head_dim < 1 || n_rows % *head_dim != 0 || is_quantised(tensor.dtype) || tensor.n_dims > 2) {
    return Error{ErrorCode::kDataLoss, fmt::format("{}: tensor \"{}\": expected rows of whole heads of {}, found {}", in.path(), name, head_dim.value_or(0), n_rows)};
  }
  const int64_t n = n_rotated.value_or(*head_dim);
  if (n < 0 || n > *head_dim || n % 2 != 0) return Error{ErrorCode::kDataLoss, fmt::format("{}: \"llama.rope.dimension_count\": expected an even number up to {}, found {}", in.path(), *head_dim, n)};
  return RowOrder{*head_dim, n};
}

Status check_finite(const Checkpoint& in, const Job& job, const BadWeight& bad) {
  if (bad.row == INT64_MAX) return {};
  const bool overflow = std::isfinite(bad.value);
  return Error{ErrorCode::kDataLoss, fmt::format("{}: tensor \"{}\": row {}, column {}: expected a {}, found {}", in.path(), job.tensor->name, bad.row, bad.column,
                                                 overflow ? "weight within the range of F16 (choose BF16)" : "finite weight", bad.value)};
}

// The tensors of the same name in the parts of a mix.
Status find_parts(const ConvertOptions& options, Job* job) {
  job->own_share = options.own_share;
  for (const MixPart& part : options.mix) {
    const TensorInfo* other = part.model->find(job->tensor->name);
    const auto fail = [&](const std::string& what) { return Error{ErrorCode::kInvalidArgument, fmt::format("{}: tensor \"{}\": {}", part.model->path(), job->tensor->name, what)}; };
    if (other == nullptr) return fail("expected one as in the first model, found none");
    if (!std::equal(std::begin(other->ne), std::end(other->ne), std::begin(job->tensor->ne)) || other->slices.size() != job->tensor->slices.size()) {
      return fail(fmt::format("expected the first model's shape {}, found {}", fmt::join(job->tensor->ne, " x "), fmt::join(other->ne, " x ")));
    }
    job->mix.push_back({other, part.share});
  }
  return {};
}

}  // namespace

Result<ConvertReport> convert(const Checkpoint& in, const std::string& out, const ConvertOptions& options) {
  ConvertReport report;
  std::vector<DType> types;
  uint32_t file_type = 0;
  if (options.type.empty()) {
    std::optional<DType> first;
    for (const TensorInfo& tensor : in.tensors()) {
      const bool keep = is_quantisable(tensor) || is_quantised(tensor.dtype);
      types.push_back(keep ? tensor.dtype : DType::kF32);
      if (is_quantisable(tensor) && !first) first = tensor.dtype;
    }
    for (const QuantisePreset& preset : quantise_presets()) {
      if (first == preset.base) {
        file_type = preset.file_type;
        break;
      }
    }
  } else {
    FS_TRY(const QuantisePreset preset, find_preset(options.type));
    types = plan_types(in, preset, options.pure, &report.n_fallbacks);
    file_type = preset.file_type;
  }

  std::deque<std::string> strings;
  FS_TRY(const Metadata metadata, output_metadata(in, options, file_type, &strings));
  FS_TRY(const auto architecture, in.metadata().get_string("general.architecture"));
  FS_TRY(GgufWriter writer, GgufWriter::create(out));
  for (const auto& [key, value] : metadata.items()) {
    const auto* layers = std::get_if<std::vector<bool>>(&value);
    if (layers != nullptr && key.ends_with(".attention.sliding_window_pattern") && is_default_window_pattern(architecture.value_or(""), *layers)) continue;
    writer.add(key, value);
  }
  for (const MixPart& part : options.mix) {
    if (part.model->tensors().size() != in.tensors().size()) {
      return Error{ErrorCode::kInvalidArgument, fmt::format("{}: expected the first model's {} tensors, found {}", part.model->path(), in.tensors().size(), part.model->tensors().size())};
    }
    if (part.model->format() != in.format()) return Error{ErrorCode::kInvalidArgument, fmt::format("{}: expected the first model's format, {}, found {}", part.model->path(), in.format(), part.model->format())};
  }
  std::vector<Job> jobs;
  ConvertProgress progress;
  for (size_t i = 0; i < types.size(); ++i) {
    const TensorInfo& tensor = in.tensors()[i];
    FS_TRY(const RowOrder order, row_order(in, tensor, architecture.value_or("")));
    jobs.push_back({&tensor, types[i], order});
    FS_TRY_VOID(find_parts(options, &jobs.back()));
    writer.add_tensor(tensor.name, types[i], std::span(tensor.ne, static_cast<size_t>(tensor.n_dims)));
    if (is_quantised(tensor.dtype) && tensor.dtype != types[i]) ++report.n_requantised;
    progress.total_bytes += tensor.n_bytes;
  }
  FS_TRY_VOID(writer.begin());
  progress.n_tensors = jobs.size();
  const auto keep_going = [&]() -> Status {
    if (!options.progress || options.progress(progress)) return {};
    return Error{ErrorCode::kCancelled, out + ": conversion cancelled; nothing was written"};
  };
  std::vector<std::byte> buffer;
  for (const Job& job : jobs) {
    progress.name = job.tensor->name;
    FS_TRY_VOID(keep_going());
    const uint64_t before = progress.done_bytes;
    if (is_quantised(job.out) && job.out == job.tensor->dtype && job.mix.empty()) {  // blocks as they are
      const uint64_t slice_bytes = job.tensor->n_bytes / job.tensor->slices.size();
      for (const std::byte* slice : job.tensor->slices) {
        for (uint64_t done = 0; done < slice_bytes; done += kChunkBytes) {
          FS_TRY_VOID(writer.write(std::span(slice + done, std::min<uint64_t>(kChunkBytes, slice_bytes - done))));
          progress.done_bytes += std::min<uint64_t>(kChunkBytes, slice_bytes - done);
          FS_TRY_VOID(keep_going());
        }
      }
    } else {
      Encoder encoder(job, options.n_threads);
      const int64_t n = encoder.n_segments(), step = encoder.chunk_segments();
      for (int64_t first = 0; first < n; first += step) {
        const int64_t last = std::min(n, first + step);
        encoder.encode(first, last, &buffer);
        FS_TRY_VOID(check_finite(in, job, encoder.bad()));
        FS_TRY_VOID(writer.write(buffer));
        progress.done_bytes = before + static_cast<uint64_t>(static_cast<double>(job.tensor->n_bytes) * static_cast<double>(last) / static_cast<double>(n));
        FS_TRY_VOID(keep_going());
      }
    }
    ++progress.tensor;
  }
  FS_TRY_VOID(writer.commit());
  report.in_bytes = progress.total_bytes;
  report.out_bytes = writer.n_bytes();
  report.n_tensors = jobs.size();
  return report;
}

}  // namespace firesteel
