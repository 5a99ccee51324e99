#include "model/forward.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/check.h"
#include "model/experts.h"
#include "tensor/quantise.h"

namespace firesteel {
namespace {

// Below this much row work (floats touched), waking the other threads costs more than it saves: a barrier is about 1 us, a core
// passes about 8 floats per ns through a row-wise op in cache.
constexpr int64_t kParallelFloats = 32768;

class Step {
 public:
  Step(const ForwardModel& model, Exec* exec, const KernelTable& table, ForwardWorkspace* workspace, const KvLayout& layout,
       const ForwardBatch& batch)
      : config_(model.config), weights_(model.weights), precision_(model.precision), exec_(exec), table_(table), ws_(*workspace),
        layout_(layout), batch_(batch), n_rows_(static_cast<int64_t>(batch.rows.size())) {}

  void run(float* logits) {
    check_batch();
    group_adapters();
    embed();
    angles();
    for (int layer = 0; layer < config_.n_layers; ++layer) {
      attend(layer);
      if (config_.moe.n_experts > 0) {
        feed_experts(layer);
      } else {
        feed_forward(layer);
      }
    }
    read_out(logits);
  }

 private:
  // fn(task, thread) for all tasks, on all threads if the floats that they touch are worth it.
  template <typename Fn>
  void run_tasks(int64_t n_tasks, int64_t n_floats, Fn&& fn) {
    if (n_floats < kParallelFloats) {
      for (int64_t task = 0; task < n_tasks; ++task) fn(task, 0);
    } else {
      exec_->parallel_for(n_tasks, fn);
    }
  }

  // fn(row) for all rows; `width`: floats that a row touches.
  template <typename Fn>
  void for_rows(int64_t n, int64_t width, Fn&& fn) {
    run_tasks(n, n * width, [&fn](int64_t row, int) { fn(row); });
  }

  // All jobs on the same n rows of k values: fill(row, k0, n_k, out) makes them, `piece` at a time (a multiple of 32), in a thread's
  // scratch memory, where they are packed at once; they never travel through memory as floats. Weights of different types may want
  // different representations: the rows are then made once for each.
  template <typename Fill, size_t n_jobs>
  void project_made(int64_t n, int64_t k, int64_t piece, Fill&& fill, const std::array<MatmulJob, n_jobs>& jobs) {
    project(ws_.acts, jobs, [&](ActKind kind) { pack_made(&ws_.acts, kind, n, k, piece, fill); });
  }

  template <typename Fill>
  void pack_made(Activations* acts, ActKind kind, int64_t n, int64_t k, int64_t piece, Fill&& fill) {
    const int64_t ld = (piece + 15) / 16 * 16 + 16;
    const int64_t n_pieces = (k + piece - 1) / piece;
    acts->begin(kind, n, k);
    const auto make = [&](int64_t task, int thread) {
      const int64_t tile = task / n_pieces;
      const int64_t k0 = task % n_pieces * piece;
      const int64_t n_k = std::min(piece, k - k0);
      auto* values = reinterpret_cast<float*>(exec_->scratch(thread, static_cast<size_t>(kMaxCols * ld) * sizeof(float)));
      for (int i = 0; i < acts->tile_width(tile); ++i) fill(tile * kMaxCols + i, k0, n_k, values + i * ld);
      acts->pack(table_, tile, k0, n_k, values, ld, nullptr);
    };
    run_tasks(acts->n_tiles() * n_pieces, n * k, make);
  }

  // The same for rows in memory: x[i], or x[index[i]].
  template <size_t n_jobs>
  void project_rows(const float* x, int64_t ldx, const int32_t* index, int64_t n, int64_t k, const std::array<MatmulJob, n_jobs>& jobs) {
    project(ws_.acts, jobs, [&](ActKind kind) { pack_rows(kind, x, ldx, index, n, k); });
  }

  void pack_rows(ActKind kind, const float* x, int64_t ldx, const int32_t* index, int64_t n, int64_t k) {
    constexpr int64_t kPiece = 1024;
    const int64_t n_pieces = (k + kPiece - 1) / kPiece;
    ws_.acts.begin(kind, n, k);
    run_tasks(ws_.acts.n_tiles() * n_pieces, n * k, [&](int64_t task, int) {
      const int64_t tile = task / n_pieces;
      const int64_t k0 = task % n_pieces * kPiece;
      const float* rows = index != nullptr ? x : x + tile * kMaxCols * ldx;
      ws_.acts.pack(table_, tile, k0, std::min(kPiece, k - k0), rows + k0, ldx, index);
    });
  }

  // pack(kind) prepares the activations `acts` once for each kind that the jobs' weights want.
  template <size_t n_jobs, typename Pack>
  void project(const Activations& acts, const std::array<MatmulJob, n_jobs>& jobs, Pack&& pack) {
    uint32_t done = 0;
    for (size_t i = 0; i < n_jobs; ++i) {
      if ((done >> i & 1) != 0) continue;
      const ActKind kind = act_kind(jobs[i].weights.dtype, precision_);
      std::array<MatmulJob, n_jobs> same;
      size_t n_same = 0;
      for (size_t j = i; j < n_jobs; ++j) {
        if (act_kind(jobs[j].weights.dtype, precision_) != kind) continue;
        same[n_same++] = jobs[j];
        done |= 1u << j;
      }
      pack(kind);
      matmul(exec_, table_, acts, std::span(same.data(), n_same), std::span(then_.data(), n_then_));
    }
  }

  // Names the weights of the product after the next one: the threads ask for their first lines of them in time.
  template <typename... Maps>
  void announce(const Maps&... maps) {
    then_ = {maps.weights...};
    n_then_ = sizeof...(maps);
  }

  // The rows of rms_norm(x), made on the way into the product; row_of(i) is the row of x.
  template <typename RowOf, size_t n_jobs>
  void project_normed(int64_t n, const float* weight, RowOf&& row_of, const std::array<MatmulJob, n_jobs>& jobs) {
    project_made(n, config_.dim, config_.dim, [&](int64_t i, int64_t, int64_t, float* out) {
      table_.rms_norm(out, x_row(row_of(i)), weight, config_.dim, norm_eps());
    }, jobs);
  }

  // The rows of act(gate) * up.
  template <size_t n_jobs>
  void project_activated(const float* gate_up, int64_t ld, int64_t n, int64_t ffn_dim, const std::array<MatmulJob, n_jobs>& jobs) {
    const GluFn glu = config_.activation == Activation::kSilu ? table_.silu_mul : table_.gelu_mul;
    project(ws_.acts_wide, jobs, [&](ActKind kind) {
      pack_made(&ws_.acts_wide, kind, n, ffn_dim, 1024, [=](int64_t i, int64_t k0, int64_t n_k, float* out) {
        const float* gate = gate_up + i * ld + k0;
        glu(out, gate, gate + ffn_dim, n_k);
      });
    });
  }

  // act(gate) * up of rows that pack(kind) packs into ws_.acts, into ws_.acts_wide as what `down` wants. False where the two products cannot be made together.
  template <typename Pack>
  bool activate(const Linear& gate, const Linear& up, const Linear& down, int64_t n, Pack&& pack) {
    if (!can_pair(gate.weights, up.weights)) return false;
    pack(act_kind(gate.weights.dtype, precision_));
    ws_.acts_wide.begin(act_kind(down.weights.dtype, precision_), n, gate.weights.n_rows);
    const GluJob job{.gate = gate.weights, .up = up.weights, .gate_bias = gate.bias, .up_bias = up.bias,
                     .glu = config_.activation == Activation::kSilu ? table_.silu_mul : table_.gelu_mul, .out = &ws_.acts_wide};
    matmul_glu(exec_, table_, ws_.acts, job, std::span(then_.data(), n_then_));
    return true;
  }

  static MatmulJob job(const Linear& map, float* out, int64_t ldo, bool add = false) {
    return {.weights = map.weights, .out = out, .ldo = ldo, .bias = map.bias, .add = add};
  }

  float norm_eps() const { return static_cast<float>(config_.norm_eps); }
  float* x_row(int64_t row) { return ws_.x.data() + row * ws_.ld_dim; }
  float* h_row(int64_t row) { return ws_.h.data() + row * ws_.ld_dim; }

  // x += rms_norm(h): Gemma norms what a block adds.
  void add_normed(const float* weight) {
    for_rows(n_rows_, 2 * config_.dim, [this, weight](int64_t row) {
      table_.rms_norm(h_row(row), h_row(row), weight, config_.dim, norm_eps());
      table_.add(x_row(row), h_row(row), config_.dim);
    });
  }

  // What an adapter adds to one product: out[row] += B (A x_row).
  struct Delta {
    AdapterTarget target;
    float* out;
    int64_t ldo, n_out;
  };
  // For the rows that have an adapter: make(row, x) writes the k values that the product had as its input. Each row is computed by
  // itself, in f32, whoever else has which adapter. At most three products.
  template <typename Make, size_t n_deltas>
  void adapt(int layer, int64_t k, Make&& make, const std::array<Delta, n_deltas>& deltas) {
    static_assert(n_deltas <= 3);
    for (const AdapterRows& group : ws_.adapter_groups) {
      std::array<MatmulJob, n_deltas> downs;
      std::array<const LoraPair*, n_deltas> pairs{};
      std::array<size_t, n_deltas> of{};
      size_t n_jobs = 0;
      int64_t at = 0;
      for (size_t i = 0; i < n_deltas; ++i) {
        const LoraPair* pair = group.adapter->find(layer, deltas[i].target);
        if (pair == nullptr) continue;
        of[n_jobs] = i;
        pairs[n_jobs] = pair;
        downs[n_jobs++] = {.weights = pair->a_view(), .out = ws_.lora_mid.data() + at, .ldo = ws_.ld_ranks};
        at += pair->rank;
      }
      if (n_jobs == 0) continue;
      const int32_t* rows = ws_.adapter_rows.data() + group.first;
      for_rows(group.n, k, [&](int64_t i) { make(int64_t{rows[i]}, ws_.lora_in.data() + i * ws_.ld_wide); });
      ws_.acts_wide.set(exec_, table_, ActKind::kF32, ws_.lora_in.data(), ws_.ld_wide, nullptr, group.n, k);
      matmul(exec_, table_, ws_.acts_wide, std::span(downs.data(), n_jobs));
      for (size_t j = 0; j < n_jobs; ++j) {
        const Delta& delta = deltas[of[j]];
        const LoraPair& pair = *pairs[j];
        ws_.acts_wide.set(exec_, table_, ActKind::kF32, downs[j].out, ws_.ld_ranks, nullptr, group.n, pair.rank);
        const MatmulJob up{.weights = pair.b_view(), .out = ws_.lora_out.data(), .ldo = ws_.ld_wide};
        matmul(exec_, table_, ws_.acts_wide, std::span(&up, 1));
        for_rows(group.n, 2 * delta.n_out, [&](int64_t i) { table_.add(delta.out + rows[i] * delta.ldo, ws_.lora_out.data() + i * ws_.ld_wide, delta.n_out); });
      }
    }
  }
  // The rows of rms_norm(x), as a product's input.
  auto normed(const float* weight) {
    return [this, weight](int64_t row, float* out) { table_.rms_norm(out, x_row(row), weight, config_.dim, norm_eps()); };
  }

  void check_batch();
  void group_adapters();
  void embed();
  void angles();
  void attend(int layer);
  void feed_forward(int layer);
  void feed_experts(int layer);
  void read_out(float* logits);

  const ModelConfig& config_;
  const ModelWeights& weights_;
  const Precision precision_;
  Exec* const exec_;
  const KernelTable& table_;
  ForwardWorkspace& ws_;
  const KvLayout& layout_;
  const ForwardBatch& batch_;
  const int64_t n_rows_;
  std::array<WeightView, 3> then_{};  // see announce
  size_t n_then_ = 0;
};

void Step::check_batch() {
  CHECK(n_rows_ > 0 && n_rows_ <= ws_.max_rows());
  CHECK(layout_.n_layers == config_.n_layers && layout_.n_kv_heads == config_.n_kv_heads && layout_.head_dim == config_.head_dim);
  int64_t n_wanted = 0;
  for (int64_t row = 0; row < n_rows_; ++row) {
    const ForwardRow& r = batch_.rows[static_cast<size_t>(row)];
    CHECK(r.embedding != nullptr || (r.token >= 0 && r.token < config_.n_vocab));
    CHECK(r.seq >= 0 && static_cast<size_t>(r.seq) < batch_.seqs.size());
    CHECK(r.position >= 0 && r.position < ws_.max_context());
    CHECK(r.position / kKvBlockTokens < batch_.seqs[static_cast<size_t>(r.seq)].n_blocks);
    n_wanted += r.wants_logits ? 1 : 0;
  }
  CHECK(n_wanted <= ws_.max_logit_rows());
}

// Rows by adapter, in order of the first row that has it.
void Step::group_adapters() {
  ws_.adapter_groups.clear();
  if (batch_.adapters.empty()) return;
  CHECK(batch_.adapters.size() == batch_.seqs.size());
  const auto adapter_of = [this](int64_t row) -> const Adapter* {
    const ForwardRow& r = batch_.rows[static_cast<size_t>(row)];
    return r.base_only ? nullptr : batch_.adapters[static_cast<size_t>(r.seq)];
  };
  int32_t at = 0;
  for (int64_t first = 0; first < n_rows_; ++first) {
    const Adapter* adapter = adapter_of(first);
    const auto same = [adapter](const AdapterRows& group) { return group.adapter == adapter; };
    if (adapter == nullptr || std::any_of(ws_.adapter_groups.begin(), ws_.adapter_groups.end(), same)) continue;
    AdapterRows group{.adapter = adapter, .first = at};
    for (int64_t row = first; row < n_rows_; ++row) {
      if (adapter_of(row) == adapter) ws_.adapter_rows[static_cast<size_t>(at++)] = static_cast<int32_t>(row);
    }
    group.n = at - group.first;
    ws_.adapter_groups.push_back(group);
  }
}

// x = embedding[token] * embedding_scale, or what the row brings along
void Step::embed() {
  const WeightView& embedding = weights_.embedding;
  const float scale = static_cast<float>(config_.embedding_scale);
  for_rows(n_rows_, config_.dim, [this, &embedding, scale](int64_t row) {
    const ForwardRow& r = batch_.rows[static_cast<size_t>(row)];
    float* x = x_row(row);
    if (r.embedding != nullptr) {
      std::copy_n(r.embedding, config_.dim, x);
      return;
    }
    const size_t token = static_cast<size_t>(r.token);
    dequantise_row(embedding.dtype, embedding.data + token * embedding.row_bytes(), x, config_.dim);
    if (scale == 1.0f) return;
    for (int64_t i = 0; i < config_.dim; ++i) x[i] *= scale;
  });
}

// Rope angles of every row, shared by all heads and layers.
void Step::angles() {
  const int64_t n_floats = config_.rope.n_dims;
  const bool own_window = ws_.cs_window.n_bytes() > 0;
  for_rows(n_rows_, 32 * n_floats, [this, n_floats, own_window](int64_t row) {  // a sine costs about as much as 32 floats passed
    const ForwardRow& r = batch_.rows[static_cast<size_t>(row)];
    ws_.attn_rows[static_cast<size_t>(row)] = {.seq = r.seq, .position = r.position};
    weights_.rope.fill(r.position, ws_.cs.data() + row * n_floats);
    if (own_window) weights_.rope_window.fill(r.position, ws_.cs_window.data() + row * n_floats);
  });
}

// x += post_norm(Wo attention(rope(norm(Wq h)), rope(norm(Wk h)), Wv h)), h = rms_norm(x)
void Step::attend(int layer) {
  const LayerWeights& w = weights_.layers[static_cast<size_t>(layer)];
  const int64_t head_dim = config_.head_dim;
  const int64_t q_dim = config_.n_heads * head_dim;
  const int64_t kv_dim = config_.n_kv_heads * head_dim;
  const bool in_window = config_.layer_has_window(layer);
  float* q = ws_.inner.data();  // [n_rows][q | k | v]
  float* k = q + q_dim;
  float* v = k + kv_dim;
  float* att = ws_.inner.data() + n_rows_ * ws_.ld_qkv;  // [n_rows][n_heads * head_dim]

  announce(w.o);
  project_normed(n_rows_, w.attn_norm, [](int64_t row) { return row; },
                 std::array{job(w.q, q, ws_.ld_qkv), job(w.k, k, ws_.ld_qkv), job(w.v, v, ws_.ld_qkv)});
  adapt(layer, config_.dim, normed(w.attn_norm),
        std::array{Delta{AdapterTarget::kQ, q, ws_.ld_qkv, q_dim}, Delta{AdapterTarget::kK, k, ws_.ld_qkv, kv_dim}, Delta{AdapterTarget::kV, v, ws_.ld_qkv, kv_dim}});

  const float* cs = in_window && ws_.cs_window.n_bytes() > 0 ? ws_.cs_window.data() : ws_.cs.data();
  for_rows(n_rows_, q_dim + kv_dim, [&](int64_t row) {
    const float* row_cs = cs + row * config_.rope.n_dims;
    float* heads = q + row * ws_.ld_qkv;  // those of q, then of k
    for (int head = 0; head < config_.n_heads + config_.n_kv_heads; ++head) {
      float* values = heads + head * head_dim;
      if (config_.qk_norm) {
        table_.rms_norm(values, values, head < config_.n_heads ? w.q_norm : w.k_norm, head_dim, norm_eps());
      }
      table_.rope(values, row_cs, config_.rope.n_dims / 2, config_.rope.neox ? 1 : 0);
    }
  });

  const AttnArgs args{.layout = layout_,
                      .layer = layer,
                      .n_heads = config_.n_heads,
                      .scale = static_cast<float>(config_.attention_scale),
                      .softcap = static_cast<float>(config_.attn_softcap),
                      .window = in_window ? config_.window : 0};
  const std::span<const AttnRow> rows(ws_.attn_rows.data(), static_cast<size_t>(n_rows_));
  kv_store(exec_, table_, args, rows, batch_.seqs, k, v, ws_.ld_qkv);
  attention(exec_, table_, args, rows, batch_.seqs, q, ws_.ld_qkv, att, ws_.ld_att);

  const auto adapt_output = [&](float* out) {
    adapt(layer, q_dim, [&](int64_t row, float* x) { std::copy_n(att + row * ws_.ld_att, q_dim, x); }, std::array{Delta{AdapterTarget::kO, out, ws_.ld_dim, config_.dim}});
  };
  if (config_.moe.n_experts > 0) {
    announce();
  } else {
    announce(w.gate, w.up);
  }
  if (config_.post_norms) {
    project_rows(att, ws_.ld_att, nullptr, n_rows_, q_dim, std::array{job(w.o, ws_.h.data(), ws_.ld_dim)});
    adapt_output(ws_.h.data());
    add_normed(w.post_attn_norm);
  } else {
    project_rows(att, ws_.ld_att, nullptr, n_rows_, q_dim, std::array{job(w.o, ws_.x.data(), ws_.ld_dim, true)});
    adapt_output(ws_.x.data());
  }
}

// x += post_norm(Wdown(act(Wgate h) * Wup h)), h = rms_norm(x)
void Step::feed_forward(int layer) {
  const LayerWeights& w = weights_.layers[static_cast<size_t>(layer)];
  const int64_t ffn_dim = config_.ffn_dim;
  float* gate = ws_.inner.data();  // [n_rows][gate | up]

  announce(w.down);
  // Adapters add to gate and up what they make of single rows: only without them can the two become activations at once.
  const bool activated = ws_.adapter_groups.empty() && activate(w.gate, w.up, w.down, n_rows_, [&](ActKind kind) {
    pack_made(&ws_.acts, kind, n_rows_, config_.dim, config_.dim, [&](int64_t row, int64_t, int64_t, float* out) {
      table_.rms_norm(out, x_row(row), w.ffn_norm, config_.dim, norm_eps());
    });
  });
  if (!activated) {
    project_normed(n_rows_, w.ffn_norm, [](int64_t row) { return row; },
                   std::array{job(w.gate, gate, ws_.ld_ffn), job(w.up, gate + ffn_dim, ws_.ld_ffn)});
  }
  adapt(layer, config_.dim, normed(w.ffn_norm),
        std::array{Delta{AdapterTarget::kGate, gate, ws_.ld_ffn, ffn_dim}, Delta{AdapterTarget::kUp, gate + ffn_dim, ws_.ld_ffn, ffn_dim}});
  const auto adapt_output = [&](float* out) {
    const GluFn glu = config_.activation == Activation::kSilu ? table_.silu_mul : table_.gelu_mul;
    adapt(layer, ffn_dim, [&](int64_t row, float* x) { glu(x, gate + row * ws_.ld_ffn, gate + row * ws_.ld_ffn + ffn_dim, ffn_dim); },
          std::array{Delta{AdapterTarget::kDown, out, ws_.ld_dim, config_.dim}});
  };
  if (layer + 1 < config_.n_layers) {
    const LayerWeights& next = weights_.layers[static_cast<size_t>(layer) + 1];
    announce(next.q, next.k, next.v);
  } else {
    announce(Linear{.weights = weights_.output});
  }
  float* const out = config_.post_norms ? ws_.h.data() : ws_.x.data();
  const MatmulJob down = job(w.down, out, ws_.ld_dim, /*add=*/!config_.post_norms);
  if (activated) {
    matmul(exec_, table_, ws_.acts_wide, std::span(&down, 1), std::span(then_.data(), n_then_));
  } else {
    project_activated(gate, ws_.ld_ffn, n_rows_, ffn_dim, std::array{down});
  }
  adapt_output(out);
  if (config_.post_norms) add_normed(w.post_ffn_norm);
}

// x += sum over the chosen experts of weight * ffn_e(h), h = rms_norm(x). The experts run in ascending order over the rows that
// chose them: a token's sum has the order of its own expert ids, whoever else is in the batch.
void Step::feed_experts(int layer) {
  const LayerWeights& w = weights_.layers[static_cast<size_t>(layer)];
  const MoeConfig& moe = config_.moe;
  const int64_t ffn_dim = moe.ffn_dim;

  for_rows(n_rows_, config_.dim, [this, &w](int64_t row) {
    table_.rms_norm(h_row(row), x_row(row), w.ffn_norm, config_.dim, norm_eps());
  });
  // The router decides which weights a token meets: a rounding here is not a small error, so it is always f32.
  ws_.acts.set(exec_, table_, ActKind::kF32, ws_.h.data(), ws_.ld_dim, nullptr, n_rows_, config_.dim);
  const MatmulJob route{.weights = w.router, .out = ws_.router.data(), .ldo = moe.n_experts};
  matmul(exec_, table_, ws_.acts, std::span(&route, 1));
  for_rows(n_rows_, 16 * moe.n_experts, [this, &moe](int64_t row) {
    choose_experts(moe, ws_.router.data() + row * moe.n_experts, ws_.chosen.data() + row * moe.n_used,
                   ws_.chosen_weights.data() + row * moe.n_used);
  });
  group_by_expert(moe, n_rows_, ws_.chosen.data(), ws_.chosen_weights.data(), ws_.expert_first.data(), ws_.place_rows.data(),
                  ws_.place_weights.data());

  for (size_t e = 0; e < static_cast<size_t>(moe.n_experts); ++e) {
    const int32_t first = ws_.expert_first[e];
    const int64_t n = ws_.expert_first[e + 1] - first;
    if (n == 0) continue;
    const int32_t* rows = ws_.place_rows.data() + first;
    const float* row_weights = ws_.place_weights.data() + first;
    float* gate = ws_.inner.data();        // [n][gate | up]
    float* out = ws_.expert_out.data();    // [n][dim]
    const Linear gate_map{.weights = w.expert_gate[e]};
    const Linear up_map{.weights = w.expert_up[e]};
    const Linear down_map{.weights = w.expert_down[e]};
    const MatmulJob down = job(down_map, out, ws_.ld_dim);
    if (activate(gate_map, up_map, down_map, n, [&](ActKind kind) { pack_rows(kind, ws_.h.data(), ws_.ld_dim, rows, n, config_.dim); })) {
      matmul(exec_, table_, ws_.acts_wide, std::span(&down, 1));
    } else {
      project_rows(ws_.h.data(), ws_.ld_dim, rows, n, config_.dim,
                   std::array{job(gate_map, gate, ws_.ld_expert), job(up_map, gate + ffn_dim, ws_.ld_expert)});
      project_activated(gate, ws_.ld_expert, n, ffn_dim, std::array{down});
    }
    for_rows(n, 2 * config_.dim, [=, this](int64_t i) { table_.axpy(x_row(rows[i]), out + i * ws_.ld_dim, row_weights[i], config_.dim); });
  }
}

// logits = softcap(Wout rms_norm(x) * logit_scale), for the rows that want them; and what they are read from, where that is wanted.
void Step::read_out(float* logits) {
  float* hidden = batch_.hidden;
  for (int64_t row = 0; row < n_rows_; ++row) {
    if (!batch_.rows[static_cast<size_t>(row)].wants_hidden) continue;
    table_.rms_norm(hidden, x_row(row), weights_.output_norm, config_.dim, norm_eps());
    hidden += config_.dim;
  }
  int64_t n = 0;
  int32_t* wanted = ws_.wanted.data();
  for (int32_t row = 0; row < n_rows_; ++row) {
    if (batch_.rows[static_cast<size_t>(row)].wants_logits) wanted[n++] = row;
  }
  if (n == 0) return;
  announce();
  const Linear output{.weights = weights_.output};
  project_normed(n, weights_.output_norm, [wanted](int64_t i) { return wanted[i]; }, std::array{job(output, logits, config_.n_vocab)});

  const float scale = static_cast<float>(config_.logit_scale);
  const float cap = static_cast<float>(config_.final_softcap);
  if (scale == 1.0f && cap == 0.0f) return;
  for_rows(n, 16 * config_.n_vocab, [=, this](int64_t row) {
    float* values = logits + row * config_.n_vocab;
    for (int64_t i = 0; i < config_.n_vocab; ++i) {
      values[i] *= scale;
      if (cap > 0) values[i] = cap * std::tanh(values[i] / cap);
    }
  });
}

}  // namespace

void run_forward(const ForwardModel& model, Exec* exec, const KernelTable& table, ForwardWorkspace* workspace, const KvLayout& layout,
                 const ForwardBatch& batch, float* logits) {
  Step(model, exec, table, workspace, layout, batch).run(logits);
}

}  // namespace firesteel
