#include "kernels/matmul.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace firesteel {
namespace {

static_assert(kTypeF32 == static_cast<int>(DType::kF32) && kTypeQ8_0 == static_cast<int>(DType::kQ8_0) &&
              kTypeQ2_K == static_cast<int>(DType::kQ2_K) && kTypeQ6_K == static_cast<int>(DType::kQ6_K) &&
              kTypeIQ4_NL == static_cast<int>(DType::kIQ4_NL) && kTypeMXFP4 == static_cast<int>(DType::kMXFP4) && kNDTypes == 16);

size_t index_of(DType dtype) { return static_cast<size_t>(dtype); }

// Bytes that k values of w columns take.
size_t act_bytes(ActKind kind, int64_t k, int64_t w) {
  switch (kind) {
    case ActKind::kInt8: return static_cast<size_t>(k / kActBlock * kActBlockColBytes * w);
    case ActKind::kF32: return static_cast<size_t>(k * w * 4);
    case ActKind::kBF16: return static_cast<size_t>((k + 1) / 2 * w * 4);
  }
  return 0;
}

size_t round_up(size_t n, size_t unit) { return (n + unit - 1) / unit * unit; }

PackActsFn pack_fn(const KernelTable& table, ActKind kind) {
  switch (kind) {
    case ActKind::kInt8: return table.pack_acts_int8;
    case ActKind::kF32: return table.pack_acts_f32;
    case ActKind::kBF16: return table.pack_acts_bf16;
  }
  return nullptr;
}

// A panel's weights are unpacked 256 k at a time into a tile that stays in the first cache; every column tile then uses it.
constexpr int kGroup = 4;                    // panels that share one pass over the activations
constexpr int64_t kColTilesMax = 44;         // columns per pass: bounds the accumulators
constexpr size_t kAccBytes = kMaxCols * kPanelRows * sizeof(float);
constexpr size_t kTileBytes = std::max(sizeof(QTile), kTileK * kPanelRows * sizeof(float));

struct Pass {
  const KernelTable& table;
  const Activations& x;
  const MatmulJob& job;
  int64_t first_panel;
  int n_panels;        // <= kGroup
  int64_t first_tile;  // column tiles
  int64_t n_tiles;
  std::byte* tiles;  // [n_panels] kTileBytes
  float* acc;        // [n_tiles][n_panels][12][16]
};

void unpack(const Pass& pass, int panel, int64_t k0, int64_t n_k) {
  const WeightView& w = pass.job.weights;
  const int64_t row = (pass.first_panel + panel) * kPanelRows;
  const auto* src = reinterpret_cast<const uint8_t*>(w.data) + static_cast<size_t>(row) * w.row_bytes();
  const int n_rows = static_cast<int>(std::min<int64_t>(kPanelRows, w.n_rows - row));
  std::byte* tile = pass.tiles + static_cast<size_t>(panel) * kTileBytes;
  switch (pass.x.kind()) {
    case ActKind::kInt8:
      pass.table.unpack_q[index_of(w.dtype)](src, w.row_bytes(), n_rows, k0 / kTileK, static_cast<int>(n_k / kActBlock),
                                             reinterpret_cast<QTile*>(tile));
      return;
    case ActKind::kF32:
      pass.table.unpack_f32[index_of(w.dtype)](src, w.row_bytes(), n_rows, k0, n_k, reinterpret_cast<float*>(tile));
      return;
    case ActKind::kBF16:
      pass.table.unpack_bf16(src, w.row_bytes(), n_rows, k0, n_k, reinterpret_cast<uint16_t*>(tile));
      return;
  }
}

void dot(const Pass& pass, int64_t col_tile, int panel, int64_t k0, int64_t n_k) {
  const int w = pass.x.tile_width(pass.first_tile + col_tile);
  const std::byte* acts = pass.x.tile(pass.first_tile + col_tile) + act_bytes(pass.x.kind(), k0, w);
  const std::byte* tile = pass.tiles + static_cast<size_t>(panel) * kTileBytes;
  float* acc = pass.acc + static_cast<size_t>(col_tile * pass.n_panels + panel) * kMaxCols * kPanelRows;
  switch (pass.x.kind()) {
    case ActKind::kInt8:
      pass.table.qdot[tile_kind(pass.job.weights.dtype)](acc, w, reinterpret_cast<const QTile*>(tile), n_k / kActBlock, acts);
      return;
    case ActKind::kF32:
      pass.table.fdot(acc, w, reinterpret_cast<const float*>(tile), n_k, reinterpret_cast<const float*>(acts));
      return;
    case ActKind::kBF16:
      pass.table.bdot(acc, w, reinterpret_cast<const uint16_t*>(tile), (n_k + 1) / 2, reinterpret_cast<const uint16_t*>(acts));
      return;
  }
}

void store(const Pass& pass, int64_t col_tile, int panel) {
  const int64_t row = (pass.first_panel + panel) * kPanelRows;
  const int64_t n_rows = std::min<int64_t>(kPanelRows, pass.job.weights.n_rows - row);
  const float* acc = pass.acc + static_cast<size_t>(col_tile * pass.n_panels + panel) * kMaxCols * kPanelRows;
  const int w = pass.x.tile_width(pass.first_tile + col_tile);
  for (int n = 0; n < w; ++n, acc += kPanelRows) {
    float* out = pass.job.out + ((pass.first_tile + col_tile) * kMaxCols + n) * pass.job.ldo + row;
    const float* bias = pass.job.bias != nullptr ? pass.job.bias + row : nullptr;
    for (int64_t r = 0; r < n_rows; ++r) {
      const float value = bias != nullptr ? acc[r] + bias[r] : acc[r];
      out[r] = pass.job.add ? out[r] + value : value;
    }
  }
}

// One column tile of a width that the table multiplies in one pass: no tiles. Returns how much of k that covers.
int64_t run_qmul(const Pass& pass) {
  const WeightView& w = pass.job.weights;
  const int width = pass.x.tile_width(pass.first_tile);
  if (pass.x.kind() != ActKind::kInt8 || pass.x.n_tiles() > 1 || (pass.table.qmul_widths[index_of(w.dtype)] >> width & 1) == 0) return 0;
  if ((pass.first_panel + pass.n_panels) * kPanelRows > w.n_rows) return 0;  // the last panel is ragged
  const int64_t n_blocks = w.k / kActBlock % 4 == 0 ? w.k / kActBlock : w.k / kTileK * (kTileK / kActBlock);  // tiles take the rest
  const size_t panel_bytes = kPanelRows * w.row_bytes();
  for (int panel = 0; panel < pass.n_panels; ++panel) {
    const auto* src = reinterpret_cast<const uint8_t*>(w.data) + static_cast<size_t>(pass.first_panel + panel) * panel_bytes;
    const bool last = (pass.first_panel + panel + 2) * kPanelRows > w.n_rows;
    pass.table.qmul[index_of(w.dtype)](pass.acc + panel * kMaxCols * kPanelRows, width, src, w.row_bytes(), n_blocks, pass.x.tile(pass.first_tile),
                                       last ? nullptr : src + panel_bytes);
  }
  return n_blocks * kActBlock;
}

void run_pass(const Pass& pass) {
  std::memset(pass.acc, 0, static_cast<size_t>(pass.n_tiles * pass.n_panels) * kAccBytes);
  const int64_t k = pass.job.weights.k;
  for (int64_t k0 = run_qmul(pass); k0 < k; k0 += kTileK) {
    const int64_t n_k = std::min<int64_t>(kTileK, k - k0);
    for (int panel = 0; panel < pass.n_panels; ++panel) unpack(pass, panel, k0, n_k);
    for (int64_t tile = 0; tile < pass.n_tiles; ++tile) {
      for (int panel = 0; panel < pass.n_panels; ++panel) dot(pass, tile, panel, k0, n_k);
    }
  }
  for (int64_t tile = 0; tile < pass.n_tiles; ++tile) {
    for (int panel = 0; panel < pass.n_panels; ++panel) store(pass, tile, panel);
  }
}

int64_t n_panels_of(const MatmulJob& job) { return (job.weights.n_rows + kPanelRows - 1) / kPanelRows; }

}  // namespace

ActKind act_kind(DType weights, Precision precision) {
  if (precision == Precision::kHigh) return ActKind::kF32;
  if (is_quantised(weights)) return ActKind::kInt8;
  return weights == DType::kBF16 ? ActKind::kBF16 : ActKind::kF32;
}

QTileKind tile_kind(DType weights) {
  switch (weights) {
    case DType::kQ4_1:
    case DType::kQ5_1:
    case DType::kQ4_K:
    case DType::kQ5_K: return kMin32;
    case DType::kQ2_K: return kMin16;
    case DType::kQ3_K:
    case DType::kQ6_K: return kBiased16;
    default: return kBiased32;
  }
}

void Activations::reserve(int64_t n_max, int64_t k_max) {
  CHECK(n_max >= 0 && k_max >= 0);
  const size_t tile_bytes = round_up(act_bytes(ActKind::kF32, k_max, kMaxCols), 64);  // the largest kind
  const size_t n_bytes = static_cast<size_t>((n_max + kMaxCols - 1) / kMaxCols) * tile_bytes + 64;
  if (storage_.size() < n_bytes) storage_.resize(n_bytes);
  storage_offset_ = (64 - reinterpret_cast<uintptr_t>(storage_.data()) % 64) % 64;
}

int Activations::tile_width(int64_t tile) const { return static_cast<int>(std::min<int64_t>(kMaxCols, n_ - tile * kMaxCols)); }

const std::byte* Activations::tile(int64_t tile) const {
  return storage_.data() + storage_offset_ + static_cast<size_t>(tile) * round_up(act_bytes(kind_, k_, kMaxCols), 64);
}

void Activations::set(Exec* exec, const KernelTable& table, ActKind kind, const float* x, int64_t ldx, const int32_t* index, int64_t n,
                      int64_t k) {
  CHECK(n >= 0 && k > 0);
  CHECK(kind != ActKind::kInt8 || k % kActBlock == 0);
  kind_ = kind;
  n_ = n;
  k_ = k;
  const size_t needed = static_cast<size_t>(n_tiles()) * round_up(act_bytes(kind, k, kMaxCols), 64) + 64;
  if (storage_.size() < needed) reserve(n, k);
  const PackActsFn pack = pack_fn(table, kind);
  constexpr int64_t kChunk = 1024;
  const int64_t n_chunks = (k + kChunk - 1) / kChunk;
  exec->parallel_for(n_tiles() * n_chunks, [&](int64_t task, int) {
    const int64_t t = task / n_chunks, k0 = task % n_chunks * kChunk;
    const int w = tile_width(t);
    std::byte* out = storage_.data() + storage_offset_ + (tile(t) - tile(0)) + act_bytes(kind, k0, w);
    const float* rows = index != nullptr ? x : x + t * kMaxCols * ldx;
    pack(rows + k0, ldx, index != nullptr ? index + t * kMaxCols : nullptr, w, std::min(kChunk, k - k0), out);
  });
}

void matmul(Exec* exec, const KernelTable& table, const Activations& x, std::span<const MatmulJob> jobs) {
  int64_t n_groups = 0;
  for (const MatmulJob& job : jobs) {
    CHECK(job.weights.k == x.k());
    CHECK(x.kind() == ActKind::kF32 || x.kind() == act_kind(job.weights.dtype, Precision::kFast));
    n_groups += (n_panels_of(job) + kGroup - 1) / kGroup;
  }
  if (x.n() == 0) return;
  exec->parallel_for(n_groups, [&](int64_t group, int thread) {
    size_t j = 0;
    for (; group >= (n_panels_of(jobs[j]) + kGroup - 1) / kGroup; ++j) group -= (n_panels_of(jobs[j]) + kGroup - 1) / kGroup;
    const int64_t first = group * kGroup;
    const int n_panels = static_cast<int>(std::min<int64_t>(kGroup, n_panels_of(jobs[j]) - first));
    std::byte* scratch = exec->scratch(thread, kGroup * (kTileBytes + kColTilesMax * kAccBytes));
    for (int64_t tile = 0; tile < x.n_tiles(); tile += kColTilesMax) {
      run_pass({table, x, jobs[j], first, n_panels, tile, std::min(kColTilesMax, x.n_tiles() - tile), scratch,
                reinterpret_cast<float*>(scratch + kGroup * kTileBytes)});
    }
  });
}

}  // namespace firesteel
