#include "train/network.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "train/attention.h"
#include "train/shard_workspace.h"

namespace firesteel {
namespace {

constexpr int64_t kBlock = 126;      // tokens at a time: nine register tiles of 14 rows
constexpr int64_t kHeadChunk = 256;  // targets whose d logits are held at once ...
constexpr int64_t kHeadBlock = 28;   // ... and whose logits are
constexpr int64_t kPatchChunk = 256; // patches at a time

AttentionShape attention_shape(const NetworkShape& s) { return {s.n_heads, s.n_kv_heads, s.head_dim}; }

}  // namespace

// ---- Workspace ----------------------------------------------------------------------------------------------------

void ShardWorkspace::plan(const Network& network, Arena* arena) {
  const NetworkShape& s = network.shape_;
  const TrainOps& ops = network.ops_;
  const int64_t t = network.limits_.n_tokens;
  const auto rows = [&](int64_t n, int64_t ld) { return OperandRows{arena->take(static_cast<size_t>(n * ld) * ops.element_bytes()), ld}; };
  const auto panels = [&](int64_t cols, int64_t n_k) {
    OperandPanels p{nullptr, cols, n_k + n_k % 2};
    p.data = arena->take(p.n_bytes(ops));
    return p;
  };
  saved_.resize(static_cast<size_t>(s.n_layers));
  for (Saved& v : saved_) {
    v.x1 = arena->floats(t * s.dim);
    v.x2 = arena->floats(t * s.dim);
    v.inv1 = arena->floats(t);
    v.inv2 = arena->floats(t);
    v.h1 = rows(t, s.dim);
    v.qkv = rows(t, s.qkv_dim());
    v.a = rows(t, s.q_dim());
    v.h2 = rows(t, s.dim);
    v.gate_up = rows(t, 2 * s.ffn_dim);
  }
  x = arena->floats(t * s.dim);
  dx = arena->floats(t * s.dim);
  t_dx = arena->floats(t * s.dim);
  m_x = arena->floats(t * s.dim);
  m_dx = arena->floats(t * s.dim);
  t_a = rows(t, s.q_dim());
  t_d_a = rows(t, s.q_dim());
  d_qkv = arena->floats(t * s.qkv_dim());
  position = reinterpret_cast<int32_t*>(arena->take(static_cast<size_t>(t) * sizeof(int32_t)));
  p_dim = panels(s.dim, t);
  p_dim2 = panels(s.dim, t);
  p_ffn = panels(s.ffn_dim, t);
  p_gate_up = panels(2 * s.ffn_dim, t);
  p_qkv = panels(s.qkv_dim(), t);
  p_q = panels(s.q_dim(), t);
  d_a = rows(t, s.q_dim());
  const int64_t wide = std::max(2 * s.ffn_dim, s.qkv_dim());
  b_dim = arena->floats(kBlock * std::max(s.dim, s.q_dim()));
  b_wide = arena->floats(kBlock * wide);
  b_wide2 = arena->floats(kBlock * wide);
  b_ffn = arena->floats(kBlock * s.ffn_dim);
  b_ffn2 = arena->floats(kBlock * s.ffn_dim);
  o_dim = rows(kBlock, s.dim);
  o_wide = rows(kBlock, wide);
  o_ffn = rows(kBlock, s.ffn_dim);
  h_logits = arena->floats(kHeadBlock * s.n_vocab);
  h_norm = arena->floats(s.dim);
  h_dh = arena->floats(kHeadChunk * s.dim);
  h_inv = arena->floats(kHeadChunk);
  h_rows = rows(kHeadChunk, s.dim);
  h_d_logits = rows(kHeadChunk, s.n_vocab);
  h_p_rows = panels(s.dim, kHeadChunk);
  h_p_logits = panels(s.n_vocab, kHeadChunk);
  if (s.vision) {
    v_out = arena->floats(t * s.dim);
    v_inv = arena->floats(t);
    v_d = arena->floats(kPatchChunk * s.dim);
    v_in = rows(kPatchChunk, s.patches.patch_dim());
    v_d_rows = rows(kPatchChunk, s.dim);
    v_p_in = panels(s.patches.patch_dim(), kPatchChunk);
    v_p_d = panels(s.dim, kPatchChunk);
  }
  attention = AttentionWorkspace::plan(ops, attention_shape(s), network.limits_.n_segment, arena);
}

ShardWorkspace::ShardWorkspace(const Network& network) {
  Arena measure;
  plan(network, &measure);
  memory_.reset(measure.used());
  Arena arena(memory_.data(), memory_.size());
  plan(network, &arena);
}

// ---- Network ------------------------------------------------------------------------------------------------------

Network::Network(const NetworkShape& shape, const KernelTable& table, TrainType type, ShardLimits limits)
    : shape_(shape), layout_(plan_parameters(shape)), ops_{&table, type}, limits_(limits), output_(shape.n_vocab, shape.dim, layout_.embedding),
      patch_(shape.vision ? shape.dim : 0, shape.vision ? shape.patches.patch_dim() : 0, layout_.patch_weight) {
  for (const LayerOffsets& o : layout_.layers) {
    layers_.push_back({LinearLayer(shape.qkv_dim(), shape.dim, o.qkv), LinearLayer(shape.dim, shape.q_dim(), o.attn_output),
                       LinearLayer(2 * shape.ffn_dim, shape.dim, o.gate_up), LinearLayer(shape.dim, shape.ffn_dim, o.down)});
  }
  for (Layer& layer : layers_) {
    for (LinearLayer* linear : {&layer.qkv, &layer.attn_output, &layer.gate_up, &layer.down}) linear->reserve(ops_);
  }
  output_.reserve(ops_);
  if (shape.vision) patch_.reserve(ops_);
  const int64_t half = shape.head_dim / 2;
  for (int64_t p = 0; p < limits.n_segment; ++p) {
    for (int64_t i = 0; i < half; ++i) {
      const double angle = static_cast<double>(p) * std::pow(shape.rope_theta, -2.0 * static_cast<double>(i) / static_cast<double>(shape.head_dim));
      const auto c = static_cast<float>(std::cos(angle)), s = static_cast<float>(std::sin(angle));
      angles_.insert(angles_.end(), {c, s});
      angles_back_.insert(angles_back_.end(), {c, -s});
    }
  }
}

Network::~Network() = default;

void Network::pack(Exec* exec, const float* parameters) {
  struct Part {
    LinearLayer* linear;
    int64_t part;
  };
  std::vector<Part> parts;
  const auto add = [&parts](LinearLayer* linear) {
    for (int64_t p = 0; p < linear->n_parts(); ++p) parts.push_back({linear, p});
  };
  for (Layer& layer : layers_) {
    for (LinearLayer* linear : {&layer.qkv, &layer.attn_output, &layer.gate_up, &layer.down}) add(linear);
  }
  add(&output_);
  if (shape_.vision) add(&patch_);
  exec->parallel_for(static_cast<int64_t>(parts.size()), [&](int64_t task, int thread) {
    const Part& part = parts[static_cast<size_t>(task)];
    part.linear->pack(ops_, parameters, part.part, exec->scratch(thread, part.linear->pack_scratch_bytes()));
  });
}

void Network::embed(const Shard& shard, const float* parameters, ShardWorkspace* w) const {
  const int64_t dim = shape_.dim;
  float* x = w->saved_[0].x1;
  const auto bytes = static_cast<size_t>(dim) * sizeof(float);
  for (size_t t = 0; t < shard.tokens.size(); ++t) {
    std::memcpy(x + static_cast<int64_t>(t) * dim, parameters + layout_.embedding + shard.tokens[t] * dim, bytes);
  }
  for (const ShardSegment& segment : shard.segments) {
    for (int32_t i = 0; i < segment.n_tokens; ++i) w->position[segment.start + i] = i;
  }
  const auto n_patches = static_cast<int64_t>(shard.patches.size());
  const int64_t patch_dim = shape_.patches.patch_dim();
  for (int64_t p0 = 0; p0 < n_patches; p0 += kPatchChunk) {
    const int64_t n = std::min(kPatchChunk, n_patches - p0);
    ops_.typed().store(shard.patch_values.data() + p0 * patch_dim, n * patch_dim, w->v_in.data);
    float* out = w->v_out + p0 * dim;
    for (int64_t i = 0; i < n; ++i) std::memcpy(out + i * dim, parameters + layout_.patch_bias, bytes);
    patch_.forward(ops_, w->v_in, 0, n, out, dim, true);
    for (int64_t i = 0; i < n; ++i) {
      const ShardPatch& patch = shard.patches[static_cast<size_t>(p0 + i)];
      float* row = x + patch.position * dim;
      w->v_inv[p0 + i] = ops_.train().norm(row, out + i * dim, parameters + layout_.patch_norm, dim, static_cast<float>(shape_.norm_eps));
      ops_.table->add(row, parameters + layout_.patch_row + patch.row * dim, dim);
      ops_.table->add(row, parameters + layout_.patch_column + patch.column * dim, dim);
    }
  }
}

void Network::embed_backward(const Shard& shard, const float* parameters, float* gradients, ShardWorkspace* w) const {
  const int64_t dim = shape_.dim;
  std::vector<bool> is_patch;
  if (!shard.patches.empty()) {
    is_patch.resize(shard.tokens.size());
    for (const ShardPatch& patch : shard.patches) is_patch[static_cast<size_t>(patch.position)] = true;
  }
  for (size_t t = 0; t < shard.tokens.size(); ++t) {
    if (!is_patch.empty() && is_patch[t]) continue;
    ops_.table->add(gradients + layout_.embedding + shard.tokens[t] * dim, w->dx + static_cast<int64_t>(t) * dim, dim);
  }
  const auto n_patches = static_cast<int64_t>(shard.patches.size());
  const int64_t patch_dim = shape_.patches.patch_dim();
  for (int64_t p0 = 0; p0 < n_patches; p0 += kPatchChunk) {
    const int64_t n = std::min(kPatchChunk, n_patches - p0);
    ops_.typed().store(shard.patch_values.data() + p0 * patch_dim, n * patch_dim, w->v_in.data);
    std::memset(w->v_d, 0, static_cast<size_t>(n * dim) * sizeof(float));
    for (int64_t i = 0; i < n; ++i) {
      const ShardPatch& patch = shard.patches[static_cast<size_t>(p0 + i)];
      const float* d = w->dx + patch.position * dim;
      ops_.table->add(gradients + layout_.patch_row + patch.row * dim, d, dim);
      ops_.table->add(gradients + layout_.patch_column + patch.column * dim, d, dim);
      ops_.train().norm_backward(w->v_d + i * dim, gradients + layout_.patch_norm, d, w->v_out + (p0 + i) * dim, parameters + layout_.patch_norm,
                                 w->v_inv[p0 + i], dim);
      ops_.table->add(gradients + layout_.patch_bias, w->v_d + i * dim, dim);
    }
    ops_.typed().store(w->v_d, n * dim, w->v_d_rows.data);
    w->v_p_d.pack(ops_, w->v_d_rows, 0, n, 0);
    w->v_p_in.pack(ops_, w->v_in, 0, n, 0);
    patch_.backward_weight(ops_, w->v_p_d, w->v_p_in, n, gradients);
  }
}

void Network::rope_block(float* qkv, int64_t row0, int64_t n, const float* angles, const ShardWorkspace& w) const {
  for (int64_t i = 0; i < n; ++i) {
    const float* cs = angles + w.position[row0 + i] * shape_.head_dim;
    for (int64_t head = 0; head < shape_.n_heads + shape_.n_kv_heads; ++head) {
      ops_.table->rope(qkv + i * shape_.qkv_dim() + head * shape_.head_dim, cs, shape_.head_dim / 2, 0);
    }
  }
}

void Network::forward_layer(size_t l, const Shard& shard, const float* parameters, ShardWorkspace* w) const {
  const int64_t dim = shape_.dim, ffn = shape_.ffn_dim, qkv = shape_.qkv_dim();
  const auto n_tokens = static_cast<int64_t>(shard.tokens.size());
  const LayerOffsets& offsets = layout_.layers[l];
  const Layer& layer = layers_[l];
  ShardWorkspace::Saved& s = w->saved_[l];
  float* next = l + 1 < layers_.size() ? w->saved_[l + 1].x1 : w->x;
  const auto eps = static_cast<float>(shape_.norm_eps);
  const TrainKernels& train = ops_.train();
  const TrainTypeKernels& typed = ops_.typed();
  for (int64_t t0 = 0; t0 < n_tokens; t0 += kBlock) {
    const int64_t n = std::min(kBlock, n_tokens - t0);
    for (int64_t i = 0; i < n; ++i) {
      s.inv1[t0 + i] = train.norm(w->b_dim + i * dim, s.x1 + (t0 + i) * dim, parameters + offsets.attn_norm, dim, eps);
    }
    typed.store(w->b_dim, n * dim, s.h1.at(ops_, t0));
    layer.qkv.forward(ops_, s.h1, t0, n, w->b_wide, qkv, false);
    rope_block(w->b_wide, t0, n, angles_.data(), *w);
    typed.store(w->b_wide, n * qkv, s.qkv.at(ops_, t0));
  }
  for (const ShardSegment& segment : shard.segments) {
    attention_forward(ops_, attention_shape(shape_), s.qkv, s.a, segment.start, segment.n_tokens, {0, shape_.n_kv_heads}, w->attention);
  }
  // After the last attention only rows with a target matter: from here on, row i is that of target i.
  const bool last = l + 1 == layers_.size();
  const int64_t n_rows = last ? static_cast<int64_t>(shard.targets.size()) : n_tokens;
  if (last) {
    const size_t a_bytes = static_cast<size_t>(shape_.q_dim()) * ops_.element_bytes();
    for (int64_t i = 0; i < n_rows; ++i) {
      const int64_t t = shard.targets[static_cast<size_t>(i)].position;
      std::memcpy(w->t_a.at(ops_, i), s.a.at(ops_, t), a_bytes);
      std::memcpy(s.x2 + i * dim, s.x1 + t * dim, static_cast<size_t>(dim) * sizeof(float));
    }
  }
  for (int64_t t0 = 0; t0 < n_rows; t0 += kBlock) {
    const int64_t n = std::min(kBlock, n_rows - t0);
    const auto bytes = static_cast<size_t>(n * dim) * sizeof(float);
    float* x2 = s.x2 + t0 * dim;
    if (!last) std::memcpy(x2, s.x1 + t0 * dim, bytes);
    layer.attn_output.forward(ops_, last ? w->t_a : s.a, t0, n, x2, dim, true);
    for (int64_t i = 0; i < n; ++i) s.inv2[t0 + i] = train.norm(w->b_dim + i * dim, x2 + i * dim, parameters + offsets.ffn_norm, dim, eps);
    typed.store(w->b_dim, n * dim, s.h2.at(ops_, t0));
    layer.gate_up.forward(ops_, s.h2, t0, n, w->b_wide, 2 * ffn, false);
    typed.store(w->b_wide, n * 2 * ffn, s.gate_up.at(ops_, t0));
    for (int64_t i = 0; i < n; ++i) ops_.table->silu_mul(w->b_ffn + i * ffn, w->b_wide + i * 2 * ffn, w->b_wide + i * 2 * ffn + ffn, ffn);
    typed.store(w->b_ffn, n * ffn, w->o_ffn.data);
    std::memcpy(next + t0 * dim, x2, bytes);
    layer.down.forward(ops_, w->o_ffn, 0, n, next + t0 * dim, dim, true);
  }
}

void Network::backward_layer(size_t l, const Shard& shard, const float* parameters, float* gradients, ShardWorkspace* w) const {
  const int64_t dim = shape_.dim, ffn = shape_.ffn_dim, qkv = shape_.qkv_dim(), q_dim = shape_.q_dim();
  const auto n_tokens = static_cast<int64_t>(shard.tokens.size());
  const LayerOffsets& offsets = layout_.layers[l];
  const Layer& layer = layers_[l];
  ShardWorkspace::Saved& s = w->saved_[l];
  const TrainKernels& train = ops_.train();
  const TrainTypeKernels& typed = ops_.typed();

  const bool last = l + 1 == layers_.size();  // row i is that of target i, as in the forward pass
  const int64_t n_rows = last ? static_cast<int64_t>(shard.targets.size()) : n_tokens;
  float* const dx_rows = last ? w->t_dx : w->dx;

  for (int64_t t0 = 0; t0 < n_rows; t0 += kBlock) {  // the feed-forward part
    const int64_t n = std::min(kBlock, n_rows - t0);
    float* dx = dx_rows + t0 * dim;
    typed.store(dx, n * dim, w->o_dim.data);
    w->p_dim.pack(ops_, w->o_dim, 0, n, t0);
    layer.down.backward_input(ops_, w->o_dim, 0, n, w->b_ffn, ffn, false);
    typed.load(s.gate_up.at(ops_, t0), n * 2 * ffn, w->b_wide);
    for (int64_t i = 0; i < n; ++i) {
      float *gate = w->b_wide + i * 2 * ffn, *d_gate = w->b_wide2 + i * 2 * ffn;
      train.swiglu_backward(w->b_ffn2 + i * ffn, d_gate, d_gate + ffn, w->b_ffn + i * ffn, gate, gate + ffn, ffn);
    }
    typed.store(w->b_ffn2, n * ffn, w->o_ffn.data);
    w->p_ffn.pack(ops_, w->o_ffn, 0, n, t0);
    const OperandRows d_gate_up{w->o_wide.data, 2 * ffn};
    typed.store(w->b_wide2, n * 2 * ffn, d_gate_up.data);
    w->p_gate_up.pack(ops_, d_gate_up, 0, n, t0);
    layer.gate_up.backward_input(ops_, d_gate_up, 0, n, w->b_dim, dim, false);
    for (int64_t i = 0; i < n; ++i) {
      train.norm_backward(dx + i * dim, gradients + offsets.ffn_norm, w->b_dim + i * dim, s.x2 + (t0 + i) * dim, parameters + offsets.ffn_norm,
                          s.inv2[t0 + i], dim);
    }
  }
  layer.down.backward_weight(ops_, w->p_dim, w->p_ffn, n_rows, gradients);
  w->p_dim2.pack(ops_, s.h2, 0, n_rows, 0);
  layer.gate_up.backward_weight(ops_, w->p_gate_up, w->p_dim2, n_rows, gradients);

  const OperandRows d_a = last ? w->t_d_a : w->d_a;
  for (int64_t t0 = 0; t0 < n_rows; t0 += kBlock) {  // attention
    const int64_t n = std::min(kBlock, n_rows - t0);
    typed.store(dx_rows + t0 * dim, n * dim, w->o_dim.data);
    w->p_dim.pack(ops_, w->o_dim, 0, n, t0);
    layer.attn_output.backward_input(ops_, w->o_dim, 0, n, w->b_dim, q_dim, false);
    typed.store(w->b_dim, n * q_dim, d_a.at(ops_, t0));
  }
  w->p_q.pack(ops_, last ? w->t_a : s.a, 0, n_rows, 0);
  layer.attn_output.backward_weight(ops_, w->p_dim, w->p_q, n_rows, gradients);
  if (last) {
    const size_t a_bytes = static_cast<size_t>(q_dim) * ops_.element_bytes();
    std::memset(w->dx, 0, static_cast<size_t>(n_tokens * dim) * sizeof(float));
    std::memset(w->d_a.data, 0, static_cast<size_t>(n_tokens) * a_bytes);
    for (int64_t i = 0; i < n_rows; ++i) {
      const int64_t t = shard.targets[static_cast<size_t>(i)].position;
      std::memcpy(w->d_a.at(ops_, t), w->t_d_a.at(ops_, i), a_bytes);
      std::memcpy(w->dx + t * dim, w->t_dx + i * dim, static_cast<size_t>(dim) * sizeof(float));
    }
  }
  for (const ShardSegment& segment : shard.segments) {
    attention_backward(ops_, attention_shape(shape_), s.qkv, w->d_a, w->d_qkv + segment.start * qkv, segment.start, segment.n_tokens, {0, shape_.n_kv_heads}, w->attention);
  }
  for (int64_t t0 = 0; t0 < n_tokens; t0 += kBlock) {
    const int64_t n = std::min(kBlock, n_tokens - t0);
    float* d = w->d_qkv + t0 * qkv;
    rope_block(d, t0, n, angles_back_.data(), *w);
    const OperandRows rows{w->o_wide.data, qkv};
    typed.store(d, n * qkv, rows.data);
    w->p_qkv.pack(ops_, rows, 0, n, t0);
    layer.qkv.backward_input(ops_, rows, 0, n, w->b_dim, dim, false);
    for (int64_t i = 0; i < n; ++i) {
      train.norm_backward(w->dx + (t0 + i) * dim, gradients + offsets.attn_norm, w->b_dim + i * dim, s.x1 + (t0 + i) * dim,
                          parameters + offsets.attn_norm, s.inv1[t0 + i], dim);
    }
  }
  w->p_dim2.pack(ops_, s.h1, 0, n_tokens, 0);
  layer.qkv.backward_weight(ops_, w->p_qkv, w->p_dim2, n_tokens, gradients);
}

void Network::forward(const Shard& shard, const float* parameters, ShardWorkspace* w) const {
  CHECK(static_cast<int64_t>(shard.tokens.size()) <= limits_.n_tokens);
  embed(shard, parameters, w);
  for (size_t l = 0; l < layers_.size(); ++l) forward_layer(l, shard, parameters, w);
}

// Norm, logits and loss of rows [n][dim]; with gradients also those of norm and embedding, and d_rows [n][dim] += ... of the rows.
template <typename Add>
void Network::head_rows(std::span<const ShardTarget> targets, const float* rows, const float* parameters, float loss_scale, float* gradients, float* d_rows,
                        ShardWorkspace* w, const Add& add) const {
  const int64_t dim = shape_.dim, n_vocab = shape_.n_vocab;
  const auto n_targets = static_cast<int64_t>(targets.size());
  const float* norm = parameters + layout_.output_norm;
  for (int64_t c0 = 0; c0 < n_targets; c0 += kHeadChunk) {
    const int64_t n = std::min(kHeadChunk, n_targets - c0);
    for (int64_t i = 0; i < n; ++i) {
      w->h_inv[i] = ops_.train().norm(w->h_norm, rows + (c0 + i) * dim, norm, dim, static_cast<float>(shape_.norm_eps));
      ops_.typed().store(w->h_norm, dim, w->h_rows.at(ops_, i));
    }
    for (int64_t b0 = 0; b0 < n; b0 += kHeadBlock) {
      const int64_t n_block = std::min(kHeadBlock, n - b0);
      output_.forward(ops_, w->h_rows, b0, n_block, w->h_logits, n_vocab, false);
      for (int64_t i = 0; i < n_block; ++i) {
        const auto target = static_cast<size_t>(c0 + b0 + i);
        int hit = 0;
        const double loss = ops_.train().cross_entropy(w->h_logits + i * n_vocab, n_vocab, targets[target].next, loss_scale * targets[target].weight, &hit);
        add(target, loss, hit);
      }
      if (gradients != nullptr) ops_.typed().store(w->h_logits, n_block * n_vocab, w->h_d_logits.at(ops_, b0));
    }
    if (gradients == nullptr) continue;
    output_.backward_input(ops_, w->h_d_logits, 0, n, w->h_dh, dim, false);
    w->h_p_logits.pack(ops_, w->h_d_logits, 0, n, 0);
    w->h_p_rows.pack(ops_, w->h_rows, 0, n, 0);
    output_.backward_weight(ops_, w->h_p_logits, w->h_p_rows, n, gradients);
    for (int64_t i = 0; i < n; ++i) {
      ops_.train().norm_backward(d_rows + (c0 + i) * dim, gradients + layout_.output_norm, w->h_dh + i * dim, rows + (c0 + i) * dim, norm, w->h_inv[i], dim);
    }
  }
}

void Network::head(const Shard& shard, const float* parameters, float loss_scale, float* gradients, ShardWorkspace* w,
                   std::span<SegmentResult> results) const {
  for (SegmentResult& result : results) result = {};
  size_t segment = 0;
  head_rows(shard.targets, w->x, parameters, loss_scale, gradients, w->t_dx, w, [&](size_t target, double loss, int hit) {
    while (target >= static_cast<size_t>(shard.segments[segment].first_target + shard.segments[segment].n_targets)) ++segment;
    results[segment].loss += loss;
    results[segment].n_hits += hit;
  });
  if (shard.marks.empty()) return;
  const float* x = w->saved_[static_cast<size_t>(mark_layer())].x1;
  for (size_t i = 0; i < shard.marks.size(); ++i) {
    std::memcpy(w->m_x + static_cast<int64_t>(i) * shape_.dim, x + shard.marks[i].position * shape_.dim, static_cast<size_t>(shape_.dim) * sizeof(float));
  }
  segment = 0;
  head_rows(shard.marks, w->m_x, parameters, loss_scale, gradients, w->m_dx, w, [&](size_t mark, double, int hit) {
    while (mark >= static_cast<size_t>(shard.segments[segment].first_mark + shard.segments[segment].n_marks)) ++segment;
    results[segment].n_mark_hits += hit;
  });
}

void Network::run(const Shard& shard, const float* parameters, float loss_scale, float* gradients, ShardWorkspace* w,
                  std::span<SegmentResult> results) const {
  CHECK(results.size() == shard.segments.size());
  forward(shard, parameters, w);
  if (gradients != nullptr) {
    std::memset(w->t_dx, 0, shard.targets.size() * static_cast<size_t>(shape_.dim) * sizeof(float));
    std::memset(w->m_dx, 0, shard.marks.size() * static_cast<size_t>(shape_.dim) * sizeof(float));
  }
  head(shard, parameters, loss_scale, gradients, w, results);
  if (gradients == nullptr) return;
  for (size_t l = layers_.size(); l-- > 0;) {
    backward_layer(l, shard, parameters, gradients, w);
    if (static_cast<int64_t>(l) != mark_layer()) continue;
    for (size_t i = 0; i < shard.marks.size(); ++i) {
      ops_.table->add(w->dx + shard.marks[i].position * shape_.dim, w->m_dx + static_cast<int64_t>(i) * shape_.dim, shape_.dim);
    }
  }
  embed_backward(shard, parameters, gradients, w);
}

void Network::logits(const Shard& shard, const float* parameters, ShardWorkspace* w, float* out) const {
  forward(shard, parameters, w);
  for (size_t i = 0; i < shard.targets.size(); ++i) {
    ops_.train().norm(w->h_norm, w->x + static_cast<int64_t>(i) * shape_.dim, parameters + layout_.output_norm, shape_.dim,
                      static_cast<float>(shape_.norm_eps));
    ops_.typed().store(w->h_norm, shape_.dim, w->h_rows.data);
    output_.forward(ops_, w->h_rows, 0, 1, out + static_cast<int64_t>(i) * shape_.n_vocab, shape_.n_vocab, false);
  }
}

}  // namespace firesteel
