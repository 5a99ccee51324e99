#include "tune/frozen_matrix.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/check.h"

namespace firesteel {
namespace {

constexpr int64_t kRowTile = 14;         // tokens of one register tile
constexpr int64_t kRowsPerChunk = 512;   // of W, the contraction of one backward piece: 256 KB of panels for 256 columns
constexpr int64_t kColumns = 256;        // of one backward task: the smallest piece of a K-quant's row
constexpr size_t kPanelBytes = 512 << 10;  // of one forward task
constexpr int64_t kPanelsMax = 64;
constexpr int64_t kKeptTokens = 126, kKeptPanels = 8;  // of a task where panels are kept

// What a task unpacks at once: 16 rows x 256 k, as f32 and as operands; two of them for a forward panel.
constexpr size_t kTileFloats = size_t{kTileK} * kPanelRows;
constexpr size_t kScratchBytes = kTileFloats * sizeof(float) * 3;

const uint8_t* row_at(const WeightView& w, int64_t row) { return reinterpret_cast<const uint8_t*>(w.data) + static_cast<size_t>(row) * w.row_bytes(); }

// 16 rows from `row` on, k0 .. k0 + n_k, as operands [n_k][16]. Rows beyond the last repeat it: nobody uses what they give.
void unpack_tile(const TrainOps& ops, const WeightView& w, int64_t row, int64_t k0, int64_t n_k, float* values, std::byte* out) {
  const int64_t first = std::min(row, w.n_rows - 1);
  const int n = static_cast<int>(std::clamp<int64_t>(w.n_rows - row, 1, kPanelRows));
  ops.table->unpack_f32[static_cast<size_t>(w.dtype)](row_at(w, first), w.row_bytes(), n, k0, n_k, values);
  ops.typed().store(values, n_k * kPanelRows, out);
}

// Two tiles of 16 rows become n_k of one panel: units of two neighbouring k (bf16), or of one.
void interleave(const TrainOps& ops, const std::byte* low, const std::byte* high, int64_t n_k, std::byte* out) {
  auto* words = reinterpret_cast<uint32_t*>(out);
  if (ops.type == kTrainF32) {
    for (int64_t k = 0; k < n_k; ++k) {
      std::memcpy(words + k * kTrainPanel, low + static_cast<size_t>(k * kPanelRows) * 4, kPanelRows * 4);
      std::memcpy(words + k * kTrainPanel + kPanelRows, high + static_cast<size_t>(k * kPanelRows) * 4, kPanelRows * 4);
    }
    return;
  }
  for (const std::byte* half : {low, high}) {
    const auto* x = reinterpret_cast<const uint16_t*>(half);
    uint32_t* to = words + (half == low ? 0 : kPanelRows);
    for (int64_t u = 0; u < n_k / 2; ++u, x += 2 * kPanelRows, to += kTrainPanel) {
      for (int i = 0; i < kPanelRows; ++i) to[i] = static_cast<uint32_t>(x[i]) | static_cast<uint32_t>(x[i + kPanelRows]) << 16;
    }
  }
}

}  // namespace

size_t FrozenMatrix::kept_bytes(const TrainOps& ops) const {
  return static_cast<size_t>(n_panels(n_rows())) * ops.panel_bytes(k()) + static_cast<size_t>(n_panels(k())) * ops.panel_bytes((n_rows() + 15) / 16 * 16);
}

const std::byte* FrozenMatrix::forward_panel(const TrainOps& ops, int64_t panel, std::byte* scratch, std::byte* out) const {
  if (is_kept()) return forward_.data() + static_cast<size_t>(panel) * ops.panel_bytes(k());
  auto* values = reinterpret_cast<float*>(scratch);
  std::byte *low = scratch + kTileFloats * sizeof(float), *high = low + kTileFloats * sizeof(float);
  for (int64_t k0 = 0; k0 < k(); k0 += kTileK) {
    const int64_t n_k = std::min<int64_t>(kTileK, k() - k0);
    unpack_tile(ops, weights_, panel * kTrainPanel, k0, n_k, values, low);
    unpack_tile(ops, weights_, panel * kTrainPanel + kPanelRows, k0, n_k, values, high);
    interleave(ops, low, high, n_k, out + ops.panel_bytes(k0));
  }
  return out;
}

void FrozenMatrix::backward_panels(const TrainOps& ops, int64_t row, int64_t n, int64_t col, int64_t n_cols, std::byte* scratch, std::byte* out, size_t stride) const {
  auto* values = reinterpret_cast<float*>(scratch);
  std::byte* tile = scratch + kTileFloats * sizeof(float);
  for (int64_t r = 0; r < n; r += kPanelRows) {
    unpack_tile(ops, weights_, row + r, col, n_cols, values, tile);
    for (int64_t j = 0; j < n_cols; j += kTrainPanel) {
      const int width = static_cast<int>(std::min<int64_t>(kTrainPanel, n_cols - j));
      ops.typed().pack_transposed(tile + static_cast<size_t>(j * kPanelRows) * ops.element_bytes(), kPanelRows, width, kPanelRows,
                                  out + static_cast<size_t>(j / kTrainPanel) * stride + ops.panel_bytes(r));
    }
  }
}

const std::byte* FrozenMatrix::kept_backward(const TrainOps& ops, int64_t panel, int64_t row) const {
  return backward_.data() + static_cast<size_t>(panel) * ops.panel_bytes((n_rows() + 15) / 16 * 16) + ops.panel_bytes(row);
}

void FrozenMatrix::keep(Exec* exec, const TrainOps& ops) {
  AlignedBytes forward, backward;
  forward.reset(static_cast<size_t>(n_panels(n_rows())) * ops.panel_bytes(k()));
  const size_t stride = ops.panel_bytes((n_rows() + 15) / 16 * 16);
  backward.reset(static_cast<size_t>(n_panels(k())) * stride);
  const int64_t n_forward = n_panels(n_rows()), n_backward = (k() + kColumns - 1) / kColumns;
  exec->parallel_for(n_forward + n_backward, [&](int64_t task, int thread) {
    std::byte* scratch = exec->scratch(thread, kScratchBytes);
    if (task < n_forward) {
      forward_panel(ops, task, scratch, forward.data() + static_cast<size_t>(task) * ops.panel_bytes(k()));
      return;
    }
    const int64_t col = (task - n_forward) * kColumns;
    backward_panels(ops, 0, n_rows(), col, std::min(kColumns, k() - col), scratch, backward.data() + static_cast<size_t>(col / kTrainPanel) * stride, stride);
  });
  forward_ = std::move(forward);
  backward_ = std::move(backward);
}

void frozen_forward(Exec* exec, const TrainOps& ops, const OperandRows& x, int64_t n_tokens, std::span<const FrozenForward> jobs) {
  struct Task {
    const FrozenForward* job;
    int64_t panel, n_panels, t0, n;
  };
  std::vector<Task> tasks;
  size_t group_bytes = 0;
  for (const FrozenForward& job : jobs) {
    const size_t bytes = ops.panel_bytes(job.w->k());
    const bool kept = job.w->is_kept();
    const int64_t group = kept ? kKeptPanels : std::clamp<int64_t>(static_cast<int64_t>(kPanelBytes / bytes), 1, kPanelsMax);
    if (!kept) group_bytes = std::max(group_bytes, static_cast<size_t>(group) * bytes);
    for (int64_t p = 0; p < n_panels(job.w->n_rows()); p += group) {
      for (int64_t t0 = 0; t0 < n_tokens; t0 += kept ? kKeptTokens : n_tokens) {
        tasks.push_back({&job, p, std::min(group, n_panels(job.w->n_rows()) - p), t0, kept ? std::min(kKeptTokens, n_tokens - t0) : n_tokens});
      }
    }
  }
  exec->parallel_for(static_cast<int64_t>(tasks.size()), [&](int64_t index, int thread) {
    const Task& task = tasks[static_cast<size_t>(index)];
    const FrozenForward& job = *task.job;
    const FrozenMatrix& w = *job.w;
    std::byte* scratch = exec->scratch(thread, kScratchBytes + group_bytes);
    const std::byte* panels[kPanelsMax];
    for (int64_t i = 0; i < task.n_panels; ++i) {
      panels[i] = w.forward_panel(ops, task.panel + i, scratch, scratch + kScratchBytes + static_cast<size_t>(i) * ops.panel_bytes(w.k()));
    }
    for (int64_t t = task.t0; t < task.t0 + task.n; t += kRowTile) {
      const int64_t n = std::min(kRowTile, task.t0 + task.n - t);
      for (int64_t i = 0; i < task.n_panels; ++i) {
        const int64_t col = (task.panel + i) * kTrainPanel;
        const int width = static_cast<int>(std::min<int64_t>(kTrainPanel, w.n_rows() - col));
        float* y = job.y + t * job.ldy;
        ops.typed().mul(x.at(ops, t), ops.row_units(x.ld), 1, n, panels[i], ops.units(w.k()), y + col, job.ldy, width, job.add ? 1 : 0);
        if (job.b != nullptr) job.b->forward_panel(ops, job.mid, t, n, task.panel + i, y, job.ldy, true);
        if (w.bias() == nullptr) continue;
        for (int64_t r = 0; r < n; ++r) ops.table->add(y + r * job.ldy + col, w.bias() + col, width);
      }
    }
  });
}

void frozen_backward(Exec* exec, const TrainOps& ops, int64_t n_tokens, std::span<const FrozenBackward> jobs, float* dx, int64_t ldx) {
  const int64_t k = jobs[0].w->k();
  bool kept = true;
  for (const FrozenBackward& job : jobs) {
    CHECK(job.w->k() == k);
    kept = kept && job.w->is_kept();
  }
  struct Task {
    int64_t col, n_cols, t0, n;
  };
  std::vector<Task> tasks;
  const int64_t columns = kept ? kTrainPanel * 4 : kColumns;
  for (int64_t col = 0; col < k; col += columns) {
    for (int64_t t0 = 0; t0 < n_tokens; t0 += kept ? kKeptTokens : n_tokens) {
      tasks.push_back({col, std::min(columns, k - col), t0, kept ? std::min(kKeptTokens, n_tokens - t0) : n_tokens});
    }
  }
  const size_t stride = ops.panel_bytes(kRowsPerChunk);
  exec->parallel_for(static_cast<int64_t>(tasks.size()), [&](int64_t index, int thread) {
    const Task& task = tasks[static_cast<size_t>(index)];
    std::byte* scratch = exec->scratch(thread, kScratchBytes + static_cast<size_t>(kColumns / kTrainPanel) * stride);
    std::byte* own = scratch + kScratchBytes;
    const int64_t n_tiles = n_panels(task.n_cols);
    for (const FrozenBackward& job : jobs) {
      for (int64_t r0 = 0; r0 < job.w->n_rows(); r0 += kRowsPerChunk) {
        const int64_t n_r = std::min(kRowsPerChunk, job.w->n_rows() - r0);
        if (!job.w->is_kept()) job.w->backward_panels(ops, r0, n_r, task.col, task.n_cols, scratch, own, stride);
        const int accumulate = &job != &jobs[0] || r0 > 0 ? 1 : 0;
        for (int64_t t = task.t0; t < task.t0 + task.n; t += kRowTile) {
          const int64_t n = std::min(kRowTile, task.t0 + task.n - t);
          for (int64_t j = 0; j < n_tiles; ++j) {
            const int64_t col = task.col + j * kTrainPanel;
            const int width = static_cast<int>(std::min<int64_t>(kTrainPanel, k - col));
            const std::byte* panel = job.w->is_kept() ? job.w->kept_backward(ops, col / kTrainPanel, r0) : own + static_cast<size_t>(j) * stride;
            ops.typed().mul(job.dy.at(ops, t, r0), ops.row_units(job.dy.ld), 1, n, panel, ops.units(n_r), dx + t * ldx + col, ldx, width, accumulate);
          }
        }
      }
      if (job.a == nullptr) continue;
      for (int64_t t = task.t0; t < task.t0 + task.n; t += kRowTile) {
        const int64_t n = std::min(kRowTile, task.t0 + task.n - t);
        for (int64_t j = 0; j < n_tiles; ++j) job.a->backward_panel(ops, job.d_mid, t, n, task.col / kTrainPanel + j, dx + t * ldx, ldx, true);
      }
    }
  });
}

void add_token_products(Exec* exec, const TrainOps& ops, const OperandRows& right, int64_t cols, int64_t n_tokens, std::span<const TokenProduct> products) {
  if (n_tokens == 0) return;
  exec->parallel_for(n_panels(cols), [&](int64_t p, int thread) {
    std::byte* panel = exec->scratch(thread, ops.panel_bytes(n_tokens));
    const int64_t col = p * kTrainPanel;
    const int width = static_cast<int>(std::min<int64_t>(kTrainPanel, cols - col));
    ops.typed().pack(right.at(ops, 0, col), right.ld, n_tokens, width, panel);
    float sums[kTrainPanel * kTrainPanel];
    for (const TokenProduct& product : products) {
      const int64_t rank = product.left->cols;
      for (int64_t i = 0; i < n_panels(rank); ++i) {
        const int64_t n = std::min<int64_t>(kTrainPanel, rank - i * kTrainPanel);
        ops.typed().mul(product.left->panel(ops, i), 1, kTrainPanel, n, panel, ops.units(n_tokens), sums, kTrainPanel, width, 0);
        for (int64_t r = 0; r < n; ++r) {
          for (int64_t j = 0; j < width; ++j) {
            float& to = product.transposed ? product.dst[(col + j) * rank + i * kTrainPanel + r] : product.dst[(i * kTrainPanel + r) * cols + col + j];
            to += sums[r * kTrainPanel + j];
          }
        }
      }
    }
  });
}

}  // namespace firesteel
