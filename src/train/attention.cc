#include "train/attention.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace firesteel {
namespace {

constexpr int64_t kBlock = kTrainPanel;  // queries at a time

int64_t padded(int64_t n) { return n_panels(n) * kTrainPanel; }

// Panels whose columns are the sample's rows, `cols` values from column `col` on: one after the other.
void pack_columns(const TrainOps& ops, const OperandRows& rows, int64_t row0, int64_t n, int64_t col, int64_t cols, std::byte* out) {
  for (int64_t j = 0; j < n; j += kTrainPanel) {
    const int width = static_cast<int>(std::min<int64_t>(kTrainPanel, n - j));
    ops.typed().pack_transposed(rows.at(ops, row0 + j, col), rows.ld, width, cols, out);
    out += ops.panel_bytes(cols);
  }
}

void pack_rows(const TrainOps& ops, const OperandRows& rows, int64_t row0, int64_t n, int64_t col, const OperandPanels& out) {
  const OperandRows part{rows.at(ops, 0, col), rows.ld};
  out.pack(ops, part, row0, n, 0);
}

// out[i][j] = rows i0 .. i0 + n of `left` (head columns) times the tokens j that these queries may see, padded to whole panels.
void against_tokens(const TrainOps& ops, const std::byte* left, int64_t ld, int64_t n, int64_t n_keys, const std::byte* columns, int64_t head_dim, float* out,
                    int64_t ldo) {
  for (int64_t j = 0; j < n_keys; j += kTrainPanel) {
    ops.typed().mul(left, ops.row_units(ld), 1, n, columns, ops.units(head_dim), out + j, ldo, kTrainPanel, 0);
    columns += ops.panel_bytes(head_dim);
  }
}

// out [n][head_dim] (+)= weights [n][n_keys] times the head columns of these tokens.
void over_tokens(const TrainOps& ops, const std::byte* weights, int64_t ld, int64_t n, int64_t n_keys, const OperandPanels& panels, float* out, int64_t ldo) {
  for (int64_t p = 0; p < n_panels(panels.cols); ++p) {
    const int width = static_cast<int>(std::min<int64_t>(kTrainPanel, panels.cols - p * kTrainPanel));
    ops.typed().mul(weights, ops.row_units(ld), 1, n, panels.panel(ops, p), ops.units(n_keys), out + p * kTrainPanel, ldo, width, 0);
  }
}

// dst [n keys][head_dim] += weights^T times panels: for each key, the queries from its block on.
void over_queries(const TrainOps& ops, const OperandRows& weights, int64_t n, const OperandPanels& panels, std::byte* column_panel, float* dst, int64_t ld) {
  for (int64_t j = 0; j < n; j += kTrainPanel) {
    const int64_t n_keys = std::min<int64_t>(kTrainPanel, n - j);
    ops.typed().pack(weights.at(ops, j, j), weights.ld, n - j, kTrainPanel, column_panel);
    for (int64_t p = 0; p < n_panels(panels.cols); ++p) {
      const int width = static_cast<int>(std::min<int64_t>(kTrainPanel, panels.cols - p * kTrainPanel));
      ops.typed().mul(column_panel, 1, kTrainPanel, n_keys, panels.panel(ops, p, j), ops.units(n - j), dst + j * ld + p * kTrainPanel, ld, width, 1);
    }
  }
}

}  // namespace

AttentionWorkspace AttentionWorkspace::plan(const TrainOps& ops, const AttentionShape& shape, int64_t n_max, Arena* arena) {
  const int64_t n = padded(n_max);
  const auto rows = [&](int64_t n_rows, int64_t ld) {
    return OperandRows{arena->take(static_cast<size_t>(n_rows * ld) * ops.element_bytes()), ld};
  };
  const auto panels = [&] {
    OperandPanels p{nullptr, shape.head_dim, n};
    p.data = arena->take(p.n_bytes(ops));
    return p;
  };
  AttentionWorkspace w;
  w.n_max = n_max;
  w.scores = arena->floats(kBlock * n);
  w.d_scores = arena->floats(kBlock * n);
  w.rows = arena->floats(kBlock * shape.head_dim);
  w.p_block = rows(kBlock, n);
  w.p_all = rows(n, n);
  w.ds_all = rows(n, n);
  w.k_rows = panels();
  w.v_rows = panels();
  w.q_rows = panels();
  w.do_rows = panels();
  w.k_columns = arena->take(static_cast<size_t>(n_panels(n)) * ops.panel_bytes(shape.head_dim));
  w.v_columns = arena->take(static_cast<size_t>(n_panels(n)) * ops.panel_bytes(shape.head_dim));
  w.column_panel = arena->take(ops.panel_bytes(n));
  return w;
}

void attention_forward(const TrainOps& ops, const AttentionShape& shape, const OperandRows& qkv, const OperandRows& out, int64_t row0, int64_t n,
                       KvHeads heads, const AttentionWorkspace& w) {
  CHECK(n <= w.n_max);
  const int64_t hd = shape.head_dim, group = shape.n_heads / shape.n_kv_heads, ld = padded(n);
  const float scale = 1.0f / std::sqrt(static_cast<float>(hd));
  for (int64_t kv = heads.first; kv < heads.first + heads.n; ++kv) {
    pack_columns(ops, qkv, row0, n, shape.q_dim() + kv * hd, hd, w.k_columns);
    pack_rows(ops, qkv, row0, n, shape.q_dim() + shape.kv_dim() + kv * hd, w.v_rows);
    for (int64_t head = kv * group; head < (kv + 1) * group; ++head) {
      for (int64_t i0 = 0; i0 < n; i0 += kBlock) {
        const int64_t n_q = std::min(kBlock, n - i0), n_keys = i0 + n_q;
        against_tokens(ops, qkv.at(ops, row0 + i0, head * hd), qkv.ld, n_q, n_keys, w.k_columns, hd, w.scores, ld);
        for (int64_t i = 0; i < n_q; ++i) ops.train().softmax(w.scores + i * ld, i0 + i + 1, padded(n_keys), scale);
        for (int64_t i = 0; i < n_q; ++i) ops.typed().store(w.scores + i * ld, padded(n_keys), w.p_block.data + static_cast<size_t>(i * ld) * ops.element_bytes());
        over_tokens(ops, w.p_block.data, ld, n_q, n_keys, w.v_rows, w.rows, hd);
        for (int64_t i = 0; i < n_q; ++i) ops.typed().store(w.rows + i * hd, hd, out.at(ops, row0 + i0 + i, head * hd));
      }
    }
  }
}

void attention_backward(const TrainOps& ops, const AttentionShape& shape, const OperandRows& qkv, const OperandRows& d_out, float* d_qkv, int64_t row0,
                        int64_t n, KvHeads heads, const AttentionWorkspace& w) {
  CHECK(n <= w.n_max);
  const int64_t hd = shape.head_dim, group = shape.n_heads / shape.n_kv_heads, ld = padded(n);
  const int64_t ldd = shape.q_dim() + 2 * shape.kv_dim();
  const float scale = 1.0f / std::sqrt(static_cast<float>(hd));
  const OperandRows p{w.p_all.data, ld}, ds{w.ds_all.data, ld};
  for (int64_t kv = heads.first; kv < heads.first + heads.n; ++kv) {
    const int64_t k_col = shape.q_dim() + kv * hd, v_col = k_col + shape.kv_dim();
    for (int64_t i = 0; i < n; ++i) {
      for (const int64_t col : {k_col, v_col}) std::memset(d_qkv + i * ldd + col, 0, static_cast<size_t>(hd) * sizeof(float));
    }
    pack_columns(ops, qkv, row0, n, k_col, hd, w.k_columns);
    pack_columns(ops, qkv, row0, n, v_col, hd, w.v_columns);
    pack_rows(ops, qkv, row0, n, k_col, w.k_rows);
    for (int64_t head = kv * group; head < (kv + 1) * group; ++head) {
      for (int64_t i0 = 0; i0 < n; i0 += kBlock) {
        const int64_t n_q = std::min(kBlock, n - i0), n_keys = i0 + n_q;
        against_tokens(ops, qkv.at(ops, row0 + i0, head * hd), qkv.ld, n_q, n_keys, w.k_columns, hd, w.scores, ld);
        against_tokens(ops, d_out.at(ops, row0 + i0, head * hd), d_out.ld, n_q, n_keys, w.v_columns, hd, w.d_scores, ld);
        for (int64_t i = 0; i < n_q; ++i) {
          ops.train().softmax(w.scores + i * ld, i0 + i + 1, padded(n_keys), scale);
          ops.train().softmax_backward(w.d_scores + i * ld, w.scores + i * ld, i0 + i + 1, padded(n_keys), scale);
          ops.typed().store(w.scores + i * ld, padded(n_keys), p.at(ops, i0 + i));
          ops.typed().store(w.d_scores + i * ld, padded(n_keys), ds.at(ops, i0 + i));
        }
        over_tokens(ops, ds.at(ops, i0), ld, n_q, n_keys, w.k_rows, d_qkv + i0 * ldd + head * hd, ldd);
      }
      pack_rows(ops, qkv, row0, n, head * hd, w.q_rows);
      pack_rows(ops, d_out, row0, n, head * hd, w.do_rows);
      over_queries(ops, ds, n, w.q_rows, w.column_panel, d_qkv + k_col, ldd);
      over_queries(ops, p, n, w.do_rows, w.column_panel, d_qkv + v_col, ldd);
    }
  }
}

}  // namespace firesteel
