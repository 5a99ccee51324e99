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

// Loops, from outside in: groups of panels (tasks), passes over at most kColTilesMax column tiles, chunks of k, column tiles, panels.
// A chunk of the group's weights is unpacked once and stays in the first cache while every column tile uses it; a chunk of a column
// tile is used by all panels of the group. Sums stay in memory between chunks, so an output is summed in order of k whatever the
// loops are.
constexpr int kGroup = 4;
constexpr int64_t kColTilesMax = 44;  // bounds the sums: 44 * 4 * 768 bytes stay in the second cache
constexpr int64_t kFloatK = 64;       // chunk of float tiles
constexpr size_t kAccBytes = kMaxCols * kPanelRows * sizeof(float);
constexpr size_t kTileBytes = std::max(sizeof(QTile), kTileK * kPanelRows * sizeof(float));

struct Group {
  const KernelTable& table;
  const Activations& x;
  const MatmulJob& job;
  int64_t first_panel;
  int n_panels;     // <= kGroup
  bool whole;       // no panel ends early
  std::byte* tiles;  // [n_panels] tiles of the kind in use
  float* acc;        // [column tile of the pass][n_panels][12][16]
  const std::byte* next;  // the weights after the group's, `next_bytes` of them: read soon
  size_t next_bytes;

  const uint8_t* rows(int panel) const {
    return reinterpret_cast<const uint8_t*>(job.weights.data) + static_cast<size_t>((first_panel + panel) * kPanelRows) * job.weights.row_bytes();
  }
  int n_rows(int panel) const {
    return static_cast<int>(std::min<int64_t>(kPanelRows, job.weights.n_rows - (first_panel + panel) * kPanelRows));
  }
  float* sums(int64_t tile_in_pass, int panel) const {
    return acc + static_cast<size_t>(tile_in_pass * n_panels + panel) * (kMaxCols * kPanelRows);
  }
};

// Asks for the part of the next weights that corresponds to [begin, end) of `total` steps. Into the second cache: see avx512/sink.h.
void prefetch_next(const Group& g, int64_t begin, int64_t end, int64_t total) {
  const size_t first = g.next_bytes * static_cast<size_t>(begin) / static_cast<size_t>(total) / 64 * 64;
  const size_t last = g.next_bytes * static_cast<size_t>(end) / static_cast<size_t>(total);
  for (size_t at = first; at < last; at += 64) __builtin_prefetch(g.next + at, 0, 2);
}

// k that one chunk covers.
int64_t chunk_k(const Group& g) {
  const bool floats = g.x.kind() != ActKind::kInt8;
  return floats && dtype_info(g.job.weights.dtype).block_elems < kTileK ? kFloatK : kTileK;
}

void unpack(const Group& g, int panel, int64_t k0, int64_t n_k) {
  const size_t type = index_of(g.job.weights.dtype);
  const size_t ld = g.job.weights.row_bytes();
  switch (g.x.kind()) {
    case ActKind::kInt8:
      g.table.unpack_q[type](g.rows(panel), ld, g.n_rows(panel), k0 / kTileK, static_cast<int>(n_k / kActBlock), reinterpret_cast<QTile*>(g.tiles) + panel);
      return;
    case ActKind::kF32:
      g.table.unpack_f32[type](g.rows(panel), ld, g.n_rows(panel), k0, n_k, reinterpret_cast<float*>(g.tiles) + panel * n_k * kPanelRows);
      return;
    case ActKind::kBF16:
      g.table.unpack_bf16(g.rows(panel), ld, g.n_rows(panel), k0, n_k, reinterpret_cast<uint16_t*>(g.tiles) + panel * ((n_k + 1) / 2) * 2 * kPanelRows);
      return;
  }
}

// All panels of the group times one column tile, over one chunk.
void dot(const Group& g, int64_t col_tile, float* sums, int64_t k0, int64_t n_k) {
  const int w = g.x.tile_width(col_tile);
  const std::byte* acts = g.x.tile(col_tile) + act_bytes(g.x.kind(), k0, w);
  switch (g.x.kind()) {
    case ActKind::kInt8:
      for (int panel = 0; panel < g.n_panels; ++panel) {
        g.table.qdot[tile_kind(g.job.weights.dtype)](sums + panel * kMaxCols * kPanelRows, w, reinterpret_cast<const QTile*>(g.tiles) + panel,
                                                     n_k / kActBlock, acts);
      }
      return;
    case ActKind::kF32:
      g.table.fdot(sums, w, g.n_panels, reinterpret_cast<const float*>(g.tiles), n_k, reinterpret_cast<const float*>(acts));
      return;
    case ActKind::kBF16:
      g.table.bdot(sums, w, g.n_panels, reinterpret_cast<const uint16_t*>(g.tiles), (n_k + 1) / 2, reinterpret_cast<const uint16_t*>(acts));
      return;
  }
}

void store(const Group& g, int64_t col_tile, int panel, const float* sums) {
  const int64_t row = (g.first_panel + panel) * kPanelRows;
  const int n_rows = g.n_rows(panel), w = g.x.tile_width(col_tile);
  for (int n = 0; n < w; ++n, sums += kPanelRows) {
    float* out = g.job.out + (col_tile * kMaxCols + n) * g.job.ldo + row;
    const float* bias = g.job.bias != nullptr ? g.job.bias + row : nullptr;
    for (int r = 0; r < n_rows; ++r) {
      const float value = bias != nullptr ? sums[r] + bias[r] : sums[r];
      out[r] = g.job.add ? out[r] + value : value;
    }
  }
}

// One column tile, of a width that the table multiplies without tiles in between. Returns how much of k that covers.
int64_t run_qmul(const Group& g) {
  const WeightView& weights = g.job.weights;
  const int w = g.x.tile_width(0);
  if (g.x.kind() != ActKind::kInt8 || g.x.n_tiles() > 1 || !g.whole || (g.table.qmul_widths[index_of(weights.dtype)] >> w & 1) == 0) return 0;
  const int64_t n_all = weights.k / kActBlock;
  const int64_t n_blocks = n_all % 4 == 0 ? n_all : n_all / 8 * 8;  // tiles take the rest
  // So many blocks of activations stay in the first cache while all panels use them.
  const int64_t step = std::max<int64_t>(8, 8192 / (kActBlockColBytes * w) / 8 * 8);
  const size_t panel_bytes = static_cast<size_t>(kPanelRows) * weights.row_bytes();
  for (int64_t b = 0; b < n_blocks; b += step) {
    const size_t offset = row_bytes(weights.dtype, b * kActBlock);
    for (int panel = 0; panel < g.n_panels; ++panel) {
      const size_t ahead = static_cast<size_t>(panel) * panel_bytes + kPanelRows * offset;
      g.table.qmul[index_of(weights.dtype)](g.sums(0, panel), w, g.rows(panel) + offset, weights.row_bytes(), std::min(step, n_blocks - b),
                                            g.x.tile(0) + act_bytes(ActKind::kInt8, b * kActBlock, w),
                                            ahead < g.next_bytes ? reinterpret_cast<const uint8_t*>(g.next) + ahead : nullptr);
    }
  }
  return n_blocks * kActBlock;
}

void run_group(const Group& g) {
  const int64_t k = g.job.weights.k, n_k_max = chunk_k(g);
  for (int64_t first = 0; first < g.x.n_tiles(); first += kColTilesMax) {
    const int64_t n_tiles = std::min(kColTilesMax, g.x.n_tiles() - first);
    std::memset(g.acc, 0, static_cast<size_t>(n_tiles * g.n_panels) * kAccBytes);
    for (int64_t k0 = run_qmul(g); k0 < k; k0 += n_k_max) {
      const int64_t n_k = std::min<int64_t>(n_k_max, k - k0);
      for (int panel = 0; panel < g.n_panels; ++panel) {
        if (first == 0) prefetch_next(g, k0 * g.n_panels + panel * n_k, k0 * g.n_panels + (panel + 1) * n_k, k * g.n_panels);
        unpack(g, panel, k0, n_k);
      }
      for (int64_t tile = 0; tile < n_tiles; ++tile) dot(g, first + tile, g.sums(tile, 0), k0, n_k);
    }
    for (int64_t tile = 0; tile < n_tiles; ++tile) {
      for (int panel = 0; panel < g.n_panels; ++panel) store(g, first + tile, panel, g.sums(tile, panel));
    }
  }
}

int64_t n_panels_of(const MatmulJob& job) { return (job.weights.n_rows + kPanelRows - 1) / kPanelRows; }
int64_t n_groups_of(const MatmulJob& job) { return (n_panels_of(job) + kGroup - 1) / kGroup; }

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
    n_groups += n_groups_of(job);
  }
  if (x.n() == 0) return;
  const size_t scratch_bytes = kGroup * kTileBytes + static_cast<size_t>(std::min(kColTilesMax, x.n_tiles())) * kGroup * kAccBytes;
  exec->parallel_for(n_groups, [&](int64_t group, int thread) {
    size_t j = 0;
    while (group >= n_groups_of(jobs[j])) group -= n_groups_of(jobs[j++]);
    const MatmulJob& job = jobs[j];
    const int64_t first = group * kGroup;
    const int n_panels = static_cast<int>(std::min<int64_t>(kGroup, n_panels_of(job) - first));
    // What follows in this matrix, else the beginning of the next one.
    const size_t group_bytes = static_cast<size_t>(kGroup * kPanelRows) * job.weights.row_bytes();
    const size_t total_bytes = static_cast<size_t>(job.weights.n_rows) * job.weights.row_bytes();
    const size_t end = static_cast<size_t>(group + 1) * group_bytes;
    const std::byte* next = job.weights.data + end;
    size_t next_bytes = end < total_bytes ? std::min(group_bytes, total_bytes - end) : 0;
    if (next_bytes == 0 && j + 1 < jobs.size()) {
      next = jobs[j + 1].weights.data;
      next_bytes = std::min(group_bytes, static_cast<size_t>(jobs[j + 1].weights.n_rows) * jobs[j + 1].weights.row_bytes());
    }
    std::byte* scratch = exec->scratch(thread, scratch_bytes);
    run_group({table, x, job, first, n_panels, (first + n_panels) * kPanelRows <= job.weights.n_rows, scratch,
               reinterpret_cast<float*>(scratch + kGroup * kTileBytes), next, next_bytes});
  });
}

}  // namespace firesteel
