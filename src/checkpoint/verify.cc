#include "checkpoint/verify.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <thread>
#include <utility>

#include "checkpoint/hash128.h"
#include "tensor/quantise.h"

namespace firesteel {
namespace {

constexpr int64_t kPieceElems = 16384;  // decoded at once: a multiple of every block length

// A slice is checked by one thread, piece by piece; its digest is of its bytes in order.
struct SliceResult {
  Hash128 hash;
  uint64_t n_bad_blocks = 0;
  int64_t first_bad = -1;
};

// Blocks are local, so a slice is one long row for the decoder.
void check_piece(DType dtype, const std::byte* data, int64_t begin, int64_t n, std::vector<float>* values, SliceResult* result) {
  const int64_t block = dtype_info(dtype).block_elems;
  result->hash.update(std::span(data, row_bytes(dtype, n)));
  values->resize(static_cast<size_t>(n));
  dequantise_row(dtype, data, values->data(), n);
  bool good = true;
  for (int64_t i = 0; i < n; ++i) good = good && std::isfinite((*values)[static_cast<size_t>(i)]);
  if (good) return;
  for (int64_t b = 0; b < n; b += block) {
    const auto first = values->begin() + b;
    if (std::all_of(first, first + block, [](float v) { return std::isfinite(v); })) continue;
    if (result->first_bad < 0) result->first_bad = begin + b;
    ++result->n_bad_blocks;
  }
}

struct Work {
  size_t tensor = 0, slice = 0;
};

}  // namespace

Result<VerifyReport> verify(const Checkpoint& checkpoint, const VerifyOptions& options) {
  VerifyReport report;
  std::vector<Work> work;
  for (size_t t = 0; t < checkpoint.tensors().size(); ++t) {
    report.n_bytes += checkpoint.tensors()[t].n_bytes;
    for (size_t s = 0; s < checkpoint.tensors()[t].slices.size(); ++s) work.push_back({t, s});
  }
  std::vector<SliceResult> results(work.size());
  std::atomic<size_t> next = 0;
  std::atomic<uint64_t> done_bytes = 0;
  std::atomic<bool> stop = false;
  const auto run = [&](bool reports) {
    std::vector<float> values;
    for (size_t w = next.fetch_add(1); w < work.size(); w = next.fetch_add(1)) {
      const TensorInfo& tensor = checkpoint.tensors()[work[w].tensor];
      const std::byte* data = tensor.slices[work[w].slice];
      const int64_t n = tensor.n_elements() / static_cast<int64_t>(tensor.slices.size());
      for (int64_t begin = 0; begin < n; begin += kPieceElems) {
        if (stop.load(std::memory_order_relaxed)) return;
        const int64_t piece = std::min(kPieceElems, n - begin);
        check_piece(tensor.dtype, data + row_bytes(tensor.dtype, begin), begin, piece, &values, &results[w]);
        const uint64_t done = done_bytes.fetch_add(row_bytes(tensor.dtype, piece)) + row_bytes(tensor.dtype, piece);
        if (reports && options.progress && begin / kPieceElems % 64 == 0 && !options.progress(done, report.n_bytes)) stop = true;
      }
    }
  };
  std::vector<std::thread> threads;
  for (int i = 1; i < options.n_threads; ++i) threads.emplace_back(run, false);
  run(true);
  for (std::thread& thread : threads) thread.join();
  if (stop) return Error{ErrorCode::kCancelled, checkpoint.path() + ": verification cancelled"};
  if (options.progress && !options.progress(report.n_bytes, report.n_bytes)) return Error{ErrorCode::kCancelled, checkpoint.path() + ": verification cancelled"};

  Hash128 whole;
  size_t w = 0;
  for (const TensorInfo& tensor : checkpoint.tensors()) {
    VerifyTensor out{tensor.name, tensor.dtype, tensor.n_bytes, "", 0, -1};
    Hash128 hash;
    const int64_t slice_elems = tensor.n_elements() / static_cast<int64_t>(tensor.slices.size());
    for (size_t s = 0; s < tensor.slices.size(); ++s, ++w) {
      std::string digest = results[w].hash.finish_hex();
      if (tensor.slices.size() == 1) {
        out.digest = std::move(digest);
      } else {
        hash.update(digest);
      }
      if (out.first_bad < 0 && results[w].first_bad >= 0) out.first_bad = static_cast<int64_t>(s) * slice_elems + results[w].first_bad;
      out.n_bad_blocks += results[w].n_bad_blocks;
    }
    if (tensor.slices.size() != 1) out.digest = hash.finish_hex();
    if (out.n_bad_blocks > 0) ++report.n_bad_tensors;
    whole.update(tensor.name);
    whole.update_u64(static_cast<uint64_t>(tensor.dtype));
    for (const int64_t extent : tensor.ne) whole.update_u64(static_cast<uint64_t>(extent));
    whole.update(out.digest);
    report.tensors.push_back(std::move(out));
  }
  report.digest = whole.finish_hex();
  return report;
}

}  // namespace firesteel
