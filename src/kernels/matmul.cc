#include "kernels/matmul.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/check.h"
#include "base/large_pages.h"

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

// Up to how many column tiles each decodes the weights for itself, panel after panel as they lie in memory; beyond that they are decoded once for all
// of them. 17 columns of llama-1b Q4_0, one thread: 243 tok/s, decoded once 234.
constexpr int64_t kMulTilesMax = 2;

struct Panel {
  const uint8_t* rows;
  int n_rows;  // of kPanelRows; 0: there is no such panel
};

Panel panel_of(const WeightView& weights, int64_t index) {
  const int64_t row = index * kPanelRows;
  if (row >= weights.n_rows) return {nullptr, 0};
  return {reinterpret_cast<const uint8_t*>(weights.data) + static_cast<size_t>(row) * weights.row_bytes(),
          static_cast<int>(std::min<int64_t>(kPanelRows, weights.n_rows - row))};
}

struct Bytes {
  const uint8_t* data = nullptr;
  size_t size = 0;
};

// Panels of one type and length that are multiplied together.
struct Group {
  const KernelTable& table;
  const Activations& x;
  const WeightView& weights;  // their type and length; they need not lie in it
  std::array<Panel, kGroup> panels;
  int n_panels;      // <= kGroup
  std::byte* tiles;  // [n_panels] tiles of the kind in use
  float* acc;        // [column tile of the pass][n_panels][12][16]
  std::array<Bytes, 2> next;                 // weights that are read soon after this group's, in one or two pieces
  std::array<const uint8_t*, kGroup> ahead;  // per panel, for narrow products: the panel to ask for meanwhile, or null

  const uint8_t* rows(int panel) const { return panels[static_cast<size_t>(panel)].rows; }
  int n_rows(int panel) const { return panels[static_cast<size_t>(panel)].n_rows; }
  bool whole() const {  // no panel ends early
    return std::all_of(panels.begin(), panels.begin() + n_panels, [](const Panel& panel) { return panel.n_rows == kPanelRows; });
  }
  float* sums(int64_t tile_in_pass, int panel) const {
    return acc + static_cast<size_t>(tile_in_pass * n_panels + panel) * (kMaxCols * kPanelRows);
  }
};

// Asks for the part of the next weights that corresponds to [begin, end) of `total` steps. Into the second cache: see avx512/sink.h.
// A few lines at a time, at each step of the work: a core has, by estimate, some 40 requests to memory at once (family 26), and drops prefetches beyond
// that without a trace. All of them at the unpacking, none during the products, was 9.3 instead of 10.4 GB/s at 16 columns of Q4_0 (one thread).
void prefetch_next(const Group& g, int64_t begin, int64_t end, int64_t total) {
  for (const Bytes& next : g.next) {
    const size_t first = next.size * static_cast<size_t>(begin) / static_cast<size_t>(total) / 64 * 64;
    const size_t last = next.size * static_cast<size_t>(end) / static_cast<size_t>(total);
    for (size_t at = first; at < last; at += 64) {
      __builtin_prefetch(next.data + at, 0, 2);
      asm volatile("");  // g++ 12 takes a function that only prefetches for one without effect, and drops its calls
    }
  }
}

// k that one chunk covers.
int64_t chunk_k(const Group& g) {
  const bool floats = g.x.kind() != ActKind::kInt8;
  return floats && dtype_info(g.weights.dtype).block_elems < kTileK ? kFloatK : kTileK;
}

void unpack(const Group& g, int panel, int64_t k0, int64_t n_k) {
  const size_t type = index_of(g.weights.dtype);
  const size_t ld = g.weights.row_bytes();
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
      g.table.qdot[tile_kind(g.weights.dtype)](sums, w, g.n_panels, reinterpret_cast<const QTile*>(g.tiles), n_k / kActBlock, acts);
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

// A column's rows of all panels together: columns lie far apart. The first panel is panel `first_panel` of the job's matrix.
void store(const Group& g, const MatmulJob& job, int64_t first_panel, int64_t col_tile, const float* sums) {
  const int w = g.x.tile_width(col_tile);
  for (int n = 0; n < w; ++n) {
    for (int panel = 0; panel < g.n_panels; ++panel) {
      const int64_t row = (first_panel + panel) * kPanelRows;
      const float* sum = sums + (panel * kMaxCols + n) * kPanelRows;
      float* out = job.out + (col_tile * kMaxCols + n) * job.ldo + row;
      const float* bias = job.bias != nullptr ? job.bias + row : nullptr;
      const int n_rows = g.n_rows(panel);
      if (n_rows == kPanelRows) {
        store_whole(sum, bias, job.add, out);
        continue;
      }
      for (int r = 0; r < n_rows; ++r) {
        const float value = bias != nullptr ? sum[r] + bias[r] : sum[r];
        out[r] = job.add ? out[r] + value : value;
      }
    }
  }
}

// Few column tiles, all of widths that the table multiplies without tiles of weights in between. Returns how much of k that covers.
int64_t run_qmul(const Group& g) {
  const WeightView& weights = g.weights;
  const size_t type = index_of(weights.dtype);
  if (!g.whole() || g.x.n_tiles() > kMulTilesMax || g.x.kind() != act_kind(weights.dtype, Precision::kFast)) return 0;
  for (int64_t tile = 0; tile < g.x.n_tiles(); ++tile) {
    if ((g.table.qmul_widths[type] >> g.x.tile_width(tile) & 1) == 0) return 0;
  }
  const int64_t n_all = weights.k / kActBlock;
  const int64_t n_blocks = n_all % 4 == 0 || !is_quantised(weights.dtype) ? n_all : n_all / 8 * 8;
  for (int panel = 0; panel < g.n_panels; ++panel) {
    const uint8_t* next = g.ahead[static_cast<size_t>(panel)];
    // Asked for beside the last tile's products: 16 columns of Q4_0 from memory 9.3 to 9.8 GB/s (one thread) against beside the first's.
    for (int64_t tile = 0; tile < g.x.n_tiles(); ++tile) {
      const bool last = tile + 1 == g.x.n_tiles();
      g.table.qmul[type](g.sums(tile, panel), g.x.tile_width(tile), g.rows(panel), weights.row_bytes(), n_blocks, g.x.tile(tile), last ? next : nullptr);
    }
  }
  return n_blocks * kActBlock;
}

// One column tile of a quantised matrix: two panels at a time, which share what is loaded of the activations.
void run_one_tile(const Group& g, int64_t k0) {
  const WeightView& weights = g.weights;
  for (int panel = 0; panel < g.n_panels; panel += 2) {
    Group pair = g;
    std::copy(g.panels.begin() + panel, g.panels.end(), pair.panels.begin());
    pair.n_panels = std::min(2, g.n_panels - panel);
    for (int64_t k = k0; k < weights.k; k += kTileK) {
      const int64_t n_k = std::min<int64_t>(kTileK, weights.k - k);
      const int64_t n_steps = pair.n_panels + 1;
      int64_t at = (panel * weights.k + pair.n_panels * k) * n_steps;
      const auto ask = [&] {
        prefetch_next(g, at, at + pair.n_panels * n_k, g.n_panels * weights.k * n_steps);
        at += pair.n_panels * n_k;
      };
      for (int i = 0; i < pair.n_panels; ++i) {
        ask();
        unpack(pair, i, k, n_k);
      }
      ask();
      dot(pair, 0, g.sums(0, panel), k, n_k);
    }
  }
}

// finish(column tile, sums) for each column tile.
template <typename Done>
void run_group(const Group& g, Done&& finish) {
  const int64_t k = g.weights.k, n_k_max = chunk_k(g);
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
      const int64_t n_steps = g.n_panels + n_tiles;  // of a chunk
      for (int64_t k0 = done; k0 < k; k0 += n_k_max) {
        const int64_t n_k = std::min<int64_t>(n_k_max, k - k0);
        int64_t at = k0 * n_steps;
        const auto ask = [&] {
          if (first == 0) prefetch_next(g, at, at + n_k, k * n_steps);
          at += n_k;
        };
        for (int panel = 0; panel < g.n_panels; ++panel) {
          ask();
          unpack(g, panel, k0, n_k);
        }
        for (int64_t tile = 0; tile < n_tiles; ++tile) {
          ask();
          dot(g, first + tile, g.sums(tile, 0), k0, n_k);
        }
      }
    }
    for (int64_t tile = 0; tile < n_tiles; ++tile) finish(first + tile, g.sums(tile, 0));
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
    const Panel panel = panel_of(weights, group * kGroup + n % kGroup);
    return panel.n_rows == kPanelRows ? panel.rows : nullptr;
  }
  return nullptr;
}

// The same among groups of two panels each of two matrices.
const uint8_t* paired_panel_at(const WeightView& a, const WeightView& b, int64_t group, int64_t n) {
  const int64_t in_group = n % kGroup;
  const Panel panel = panel_of(in_group < kGroup / 2 ? a : b, (group + n / kGroup) * (kGroup / 2) + in_group % (kGroup / 2));
  return panel.n_rows == kPanelRows ? panel.rows : nullptr;
}

// For narrow products: which panel to ask for while panel i of task `task` of n_tasks is multiplied. A thread runs through its share (Exec); what another
// one reads is not worth asking for: the next product's part of it is. `own(task, n)`: the panel n panels on from the task's first one.
template <typename Own>
std::array<const uint8_t*, kGroup> panels_ahead(const WeightView& weights, int64_t task, int64_t n_tasks, int64_t n_threads, std::span<const WeightView> then, Own&& own) {
  int64_t n_groups_then = 0;
  for (const WeightView& next : then) n_groups_then += n_groups_of(next);
  const size_t panel_bytes = static_cast<size_t>(kPanelRows) * weights.row_bytes();
  const auto lead = static_cast<int64_t>((kLeadBytes + panel_bytes - 1) / panel_bytes);
  int64_t share = 0;
  while (n_tasks * (share + 1) / n_threads <= task) ++share;
  const int64_t left = (n_tasks * (share + 1) / n_threads - task) * kGroup;
  std::array<const uint8_t*, kGroup> ahead{};
  for (int panel = 0; panel < kGroup; ++panel) {
    const int64_t at = panel + lead;
    ahead[static_cast<size_t>(panel)] =
        at < left ? own(task, at) : panel_at(then.size(), [&](size_t i) -> const WeightView& { return then[i]; }, n_groups_then * share / n_threads, at - left);
  }
  return ahead;
}

// At most n_rows rows from `row` on.
Bytes rows_from(const WeightView& weights, int64_t row, int64_t n_rows) {
  if (row >= weights.n_rows) return {};
  return {reinterpret_cast<const uint8_t*>(weights.data) + static_cast<size_t>(row) * weights.row_bytes(),
          static_cast<size_t>(std::min(n_rows, weights.n_rows - row)) * weights.row_bytes()};
}

size_t scratch_for(const Activations& x) {
  return kGroup * kTileBytes + static_cast<size_t>(std::min(kColTilesMax, x.n_tiles())) * kGroup * kAccBytes;
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
  const size_t n_bytes = static_cast<size_t>((n_max + kMaxCols - 1) / kMaxCols) * tile_bytes;
  if (n_reserved_ >= n_bytes) return;
  storage_.reset(static_cast<std::byte*>(::operator new(n_bytes, std::align_val_t{64})));
  n_reserved_ = n_bytes;
  ask_for_large_pages(storage_.get(), n_bytes);
}

int Activations::tile_width(int64_t tile) const { return static_cast<int>(std::min<int64_t>(kMaxCols, n_ - tile * kMaxCols)); }

const std::byte* Activations::tile(int64_t tile) const {
  return storage_.get() + static_cast<size_t>(tile) * round_up(act_bytes(kind_, k_, kMaxCols), 64);
}

void Activations::begin(ActKind kind, int64_t n, int64_t k) {
  CHECK(n >= 0 && k > 0);
  CHECK(kind != ActKind::kInt8 || k % kActBlock == 0);
  kind_ = kind;
  n_ = n;
  k_ = k;
  const size_t needed = static_cast<size_t>(n_tiles()) * round_up(act_bytes(kind, k, kMaxCols), 64);
  if (n_reserved_ < needed) reserve(n, k);
}

void Activations::pack(const KernelTable& table, int64_t tile_index, int64_t k0, int64_t n_k, const float* x, int64_t ldx,
                       const int32_t* index) {
  DCHECK(k0 % kActBlock == 0 && k0 + n_k <= k_);
  const int w = tile_width(tile_index);
  std::byte* out = storage_.get() + (tile(tile_index) - tile(0)) + act_bytes(kind_, k0, w);
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
  int64_t n_groups = 0;
  for (const MatmulJob& job : jobs) {
    CHECK(job.weights.k == x.k());
    CHECK(x.kind() == ActKind::kF32 || x.kind() == act_kind(job.weights.dtype, Precision::kFast));
    n_groups += n_groups_of(job.weights);
  }
  if (x.n() == 0) return;
  exec->parallel_for(n_groups, [&](int64_t task, int thread) {
    size_t j = 0;
    int64_t group = task;
    while (group >= n_groups_of(jobs[j].weights)) group -= n_groups_of(jobs[j++].weights);
    const MatmulJob& job = jobs[j];
    const int64_t first = group * kGroup;
    std::byte* scratch = exec->scratch(thread, scratch_for(x));
    Group g{.table = table, .x = x, .weights = job.weights, .panels = {}, .n_panels = static_cast<int>(std::min<int64_t>(kGroup, n_panels_of(job.weights) - first)),
            .tiles = scratch, .acc = reinterpret_cast<float*>(scratch + kGroup * kTileBytes), .next = {}, .ahead = {}};
    for (int panel = 0; panel < g.n_panels; ++panel) g.panels[static_cast<size_t>(panel)] = panel_of(job.weights, first + panel);
    if (x.n_tiles() <= kMulTilesMax) {
      g.ahead = panels_ahead(job.weights, task, n_groups, exec->n_threads(), then, [&](int64_t own, int64_t n) {
        return panel_at(jobs.size(), [&](size_t i) -> const WeightView& { return jobs[i].weights; }, own, n);
      });
    }
    // What follows in this matrix, else the beginning of the next one.
    g.next[0] = rows_from(job.weights, (group + 1) * kGroup * kPanelRows, kGroup * kPanelRows);
    if (g.next[0].size == 0 && j + 1 < jobs.size()) g.next[0] = rows_from(jobs[j + 1].weights, 0, kGroup * kPanelRows);
    run_group(g, [&](int64_t col_tile, const float* sums) { store(g, job, first, col_tile, sums); });
  });
}

bool can_pair(const WeightView& gate, const WeightView& up) {
  return gate.dtype == up.dtype && gate.k == up.k && gate.n_rows == up.n_rows && gate.n_rows % kActBlock == 0;
}

void matmul_glu(Exec* exec, const KernelTable& table, const Activations& x, const GluJob& job, std::span<const WeightView> then) {
  CHECK(can_pair(job.gate, job.up) && job.gate.k == x.k() && job.out->n() == x.n() && job.out->k() == job.gate.n_rows);
  CHECK(x.kind() == ActKind::kF32 || x.kind() == act_kind(job.gate.dtype, Precision::kFast));
  constexpr int kHalf = kGroup / 2;
  static_assert(kHalf * kPanelRows == kActBlock);
  if (x.n() == 0) return;
  const int64_t n_groups = job.gate.n_rows / kActBlock;
  exec->parallel_for(n_groups, [&](int64_t group, int thread) {
    std::byte* scratch = exec->scratch(thread, scratch_for(x));
    Group g{.table = table, .x = x, .weights = job.gate, .panels = {}, .n_panels = kGroup,
            .tiles = scratch, .acc = reinterpret_cast<float*>(scratch + kGroup * kTileBytes), .next = {}, .ahead = {}};
    for (int panel = 0; panel < kHalf; ++panel) {
      g.panels[static_cast<size_t>(panel)] = panel_of(job.gate, group * kHalf + panel);
      g.panels[static_cast<size_t>(kHalf + panel)] = panel_of(job.up, group * kHalf + panel);
    }
    if (x.n_tiles() <= kMulTilesMax) {
      g.ahead = panels_ahead(job.gate, group, n_groups, exec->n_threads(), then,
                             [&](int64_t own, int64_t n) { return paired_panel_at(job.gate, job.up, own, n); });
    }
    g.next = {rows_from(job.gate, (group + 1) * kActBlock, kActBlock), rows_from(job.up, (group + 1) * kActBlock, kActBlock)};
    const int64_t row = group * kActBlock;
    run_group(g, [&](int64_t col_tile, const float* sums) {
      const int w = x.tile_width(col_tile);
      alignas(64) std::array<float, size_t{kMaxCols} * kActBlock> gate, up;  // [w][32]
      for (int n = 0; n < w; ++n) {
        for (int panel = 0; panel < kHalf; ++panel) {
          const float* sum = sums + (panel * kMaxCols + n) * kPanelRows;
          const int64_t at = n * kActBlock + panel * kPanelRows;
          const int64_t bias = row + panel * kPanelRows;
          store_whole(sum, job.gate_bias != nullptr ? job.gate_bias + bias : nullptr, false, gate.data() + at);
          store_whole(sum + kHalf * kMaxCols * kPanelRows, job.up_bias != nullptr ? job.up_bias + bias : nullptr, false, up.data() + at);
        }
      }
      job.glu(gate.data(), gate.data(), up.data(), int64_t{w} * kActBlock);
      job.out->pack(table, col_tile, row, kActBlock, gate.data(), kActBlock, nullptr);
    });
  });
}

}  // namespace firesteel
