#include "kernels/matmul.h"

#include <algorithm>
#include <array>
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
// How far ahead narrow products ask for weights, in whole panels. One thread, one column, Q4_K, k = 2048: 18 KiB 23 GB/s, 36 KiB 26.
constexpr size_t kLeadBytes = 48 << 10;
constexpr size_t kAccBytes = kMaxCols * kPanelRows * sizeof(float);
constexpr size_t kTileBytes = std::max(sizeof(QTile), kTileK * kPanelRows * sizeof(float));

// Up to how many column tiles each decodes the weights for itself; beyond that, decoding once for all of them wins. With minima, two tiles
// already: Q4_K at 13, 17, 24 columns 360, 406, 423 against 410, 465, 508 GMAC/s (2 threads, family 26).
int64_t mul_tiles_max(DType weights) { return is_quantised(weights) && tile_kind(weights) == kMin32 ? 1 : 2; }

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
  std::array<const uint8_t*, kGroup> ahead;  // per panel, for narrow products: the panel to ask for meanwhile, or null

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

// One panel's sums of a column to where they belong: 16 whole rows, which is what compilers turn into a few vector instructions.
// As a loop over n_rows with its conditions inside this was 13 % of a prefill.
void store_whole(const float* sum, const float* bias, bool add, float* out) {
  std::array<float, kPanelRows> value, other;
  std::memcpy(value.data(), sum, sizeof value);
  if (bias != nullptr) {
    std::memcpy(other.data(), bias, sizeof other);
    for (size_t r = 0; r < kPanelRows; ++r) value[r] += other[r];
  }
  if (add) {
    std::memcpy(other.data(), out, sizeof other);
    for (size_t r = 0; r < kPanelRows; ++r) value[r] = other[r] + value[r];
  }
  std::memcpy(out, value.data(), sizeof value);
}

// A column's rows of all panels together: columns lie far apart.
void store(const Group& g, int64_t col_tile, const float* sums) {
  const int w = g.x.tile_width(col_tile);
  for (int n = 0; n < w; ++n) {
    for (int panel = 0; panel < g.n_panels; ++panel) {
      const int64_t row = (g.first_panel + panel) * kPanelRows;
      const float* sum = sums + (panel * kMaxCols + n) * kPanelRows;
      float* out = g.job.out + (col_tile * kMaxCols + n) * g.job.ldo + row;
      const float* bias = g.job.bias != nullptr ? g.job.bias + row : nullptr;
      const int n_rows = g.n_rows(panel);
      if (n_rows == kPanelRows) {
        store_whole(sum, bias, g.job.add, out);
        continue;
      }
      for (int r = 0; r < n_rows; ++r) {
        const float value = bias != nullptr ? sum[r] + bias[r] : sum[r];
        out[r] = g.job.add ? out[r] + value : value;
      }
    }
  }
}

// Few column tiles, all of widths that the table multiplies without tiles of weights in between. Returns how much of k that covers.
int64_t run_qmul(const Group& g) {
  const WeightView& weights = g.job.weights;
  const size_t type = index_of(weights.dtype);
  if (!g.whole || g.x.n_tiles() > mul_tiles_max(weights.dtype) || g.x.kind() != act_kind(weights.dtype, Precision::kFast)) return 0;
  for (int64_t tile = 0; tile < g.x.n_tiles(); ++tile) {
    if ((g.table.qmul_widths[type] >> g.x.tile_width(tile) & 1) == 0) return 0;
  }
  const int64_t n_all = weights.k / kActBlock;
  const int64_t n_blocks = n_all % 4 == 0 || !is_quantised(weights.dtype) ? n_all : n_all / 8 * 8;
  for (int panel = 0; panel < g.n_panels; ++panel) {
    const uint8_t* next = g.ahead[static_cast<size_t>(panel)];
    for (int64_t tile = 0; tile < g.x.n_tiles(); ++tile, next = nullptr) {
      g.table.qmul[type](g.sums(tile, panel), g.x.tile_width(tile), g.rows(panel), weights.row_bytes(), n_blocks, g.x.tile(tile), next);
    }
  }
  return n_blocks * kActBlock;
}

// One column tile of a quantised matrix: a panel at a time, so that a single tile of weights is in use.
void run_one_tile(const Group& g, int64_t k0) {
  const WeightView& weights = g.job.weights;
  for (int panel = 0; panel < g.n_panels; ++panel) {
    Group one = g;
    one.first_panel += panel;
    one.n_panels = 1;
    for (int64_t k = k0; k < weights.k; k += kTileK) {
      const int64_t n_k = std::min<int64_t>(kTileK, weights.k - k);
      prefetch_next(g, panel * weights.k + k, panel * weights.k + k + n_k, g.n_panels * weights.k);
      unpack(one, 0, k, n_k);
      dot(one, 0, g.sums(0, panel), k, n_k);
    }
  }
}

void run_group(const Group& g) {
  const int64_t k = g.job.weights.k, n_k_max = chunk_k(g);
  for (int64_t first = 0; first < g.x.n_tiles(); first += kColTilesMax) {
    const int64_t n_tiles = std::min(kColTilesMax, g.x.n_tiles() - first);
    for (int64_t tile = 0; tile < n_tiles; ++tile) {
      const size_t n_bytes = static_cast<size_t>(g.x.tile_width(first + tile)) * kPanelRows * sizeof(float);
      for (int panel = 0; panel < g.n_panels; ++panel) std::memset(g.sums(tile, panel), 0, n_bytes);
    }
    const int64_t done = run_qmul(g);
    if (g.x.kind() == ActKind::kInt8 && g.x.n_tiles() == 1) {
      run_one_tile(g, done);
    } else {
      for (int64_t k0 = done; k0 < k; k0 += n_k_max) {
        const int64_t n_k = std::min<int64_t>(n_k_max, k - k0);
        for (int panel = 0; panel < g.n_panels; ++panel) {
          if (first == 0) prefetch_next(g, k0 * g.n_panels + panel * n_k, k0 * g.n_panels + (panel + 1) * n_k, k * g.n_panels);
          unpack(g, panel, k0, n_k);
        }
        for (int64_t tile = 0; tile < n_tiles; ++tile) dot(g, first + tile, g.sums(tile, 0), k0, n_k);
      }
    }
    for (int64_t tile = 0; tile < n_tiles; ++tile) store(g, first + tile, g.sums(tile, 0));
  }
}

int64_t n_panels_of(const WeightView& weights) { return (weights.n_rows + kPanelRows - 1) / kPanelRows; }
int64_t n_groups_of(const WeightView& weights) { return (n_panels_of(weights) + kGroup - 1) / kGroup; }

// The panel `n` panels on from the first one of group `group`, counted through all matrices; null if it is not there or not whole.
template <typename Matrix>
const uint8_t* panel_at(size_t n_matrices, Matrix&& matrix, int64_t group, int64_t n) {
  group += n / kGroup;
  for (size_t i = 0; i < n_matrices; ++i) {
    const WeightView& weights = matrix(i);
    const int64_t n_groups = n_groups_of(weights);
    if (group >= n_groups) {
      group -= n_groups;
      continue;
    }
    const int64_t row = (group * kGroup + n % kGroup) * kPanelRows;
    if (row + kPanelRows > weights.n_rows) return nullptr;
    return reinterpret_cast<const uint8_t*>(weights.data) + static_cast<size_t>(row) * weights.row_bytes();
  }
  return nullptr;
}

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

void Activations::begin(ActKind kind, int64_t n, int64_t k) {
  CHECK(n >= 0 && k > 0);
  CHECK(kind != ActKind::kInt8 || k % kActBlock == 0);
  kind_ = kind;
  n_ = n;
  k_ = k;
  const size_t needed = static_cast<size_t>(n_tiles()) * round_up(act_bytes(kind, k, kMaxCols), 64) + 64;
  if (storage_.size() < needed) reserve(n, k);
}

void Activations::pack(const KernelTable& table, int64_t tile_index, int64_t k0, int64_t n_k, const float* x, int64_t ldx,
                       const int32_t* index) {
  DCHECK(k0 % kActBlock == 0 && k0 + n_k <= k_);
  const int w = tile_width(tile_index);
  std::byte* out = storage_.data() + storage_offset_ + (tile(tile_index) - tile(0)) + act_bytes(kind_, k0, w);
  pack_fn(table, kind_)(x, ldx, index != nullptr ? index + tile_index * kMaxCols : nullptr, w, n_k, out);
}

void Activations::set(Exec* exec, const KernelTable& table, ActKind kind, const float* x, int64_t ldx, const int32_t* index, int64_t n,
                      int64_t k) {
  begin(kind, n, k);
  constexpr int64_t kChunk = 1024;
  const int64_t n_chunks = (k + kChunk - 1) / kChunk;
  exec->parallel_for(n_tiles() * n_chunks, [&](int64_t task, int) {
    const int64_t t = task / n_chunks, k0 = task % n_chunks * kChunk;
    const float* rows = index != nullptr ? x : x + t * kMaxCols * ldx;
    pack(table, t, k0, std::min(kChunk, k - k0), rows + k0, ldx, index);
  });
}

void matmul(Exec* exec, const KernelTable& table, const Activations& x, std::span<const MatmulJob> jobs, std::span<const WeightView> then) {
  int64_t n_groups = 0, n_groups_then = 0;
  for (const MatmulJob& job : jobs) {
    CHECK(job.weights.k == x.k());
    CHECK(x.kind() == ActKind::kF32 || x.kind() == act_kind(job.weights.dtype, Precision::kFast));
    n_groups += n_groups_of(job.weights);
  }
  for (const WeightView& weights : then) n_groups_then += n_groups_of(weights);
  if (x.n() == 0) return;
  const size_t scratch_bytes = kGroup * kTileBytes + static_cast<size_t>(std::min(kColTilesMax, x.n_tiles())) * kGroup * kAccBytes;
  const int64_t n_threads = exec->n_threads();
  exec->parallel_for(n_groups, [&](int64_t task, int thread) {
    size_t j = 0;
    int64_t group = task;
    while (group >= n_groups_of(jobs[j].weights)) group -= n_groups_of(jobs[j++].weights);
    const MatmulJob& job = jobs[j];
    const int64_t first = group * kGroup;
    const int n_panels = static_cast<int>(std::min<int64_t>(kGroup, n_panels_of(job.weights) - first));
    // A thread runs through its share (Exec); what another one reads is not worth asking for: the next product's part of it is.
    std::array<const uint8_t*, kGroup> ahead{};
    if (x.n_tiles() <= mul_tiles_max(job.weights.dtype)) {
      const size_t panel_bytes = static_cast<size_t>(kPanelRows) * job.weights.row_bytes();
      const auto lead = static_cast<int64_t>((kLeadBytes + panel_bytes - 1) / panel_bytes);
      int64_t share = 0;
      while (n_groups * (share + 1) / n_threads <= task) ++share;
      const int64_t left = (n_groups * (share + 1) / n_threads - task) * kGroup;
      for (int panel = 0; panel < n_panels; ++panel) {
        const int64_t at = panel + lead;
        ahead[static_cast<size_t>(panel)] =
            at < left ? panel_at(jobs.size(), [&](size_t i) -> const WeightView& { return jobs[i].weights; }, task, at)
                      : panel_at(then.size(), [&](size_t i) -> const WeightView& { return then[i]; }, n_groups_then * share / n_threads, at - left);
      }
    }
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
               reinterpret_cast<float*>(scratch + kGroup * kTileBytes), next, next_bytes, ahead});
  });
}

}  // namespace firesteel
