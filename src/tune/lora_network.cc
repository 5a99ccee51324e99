#include "tune/lora_network.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/check.h"
#include "tensor/quantise.h"
#include "train/attention.h"
#include "tune/lora_workspace.h"

namespace firesteel {
namespace {

constexpr int64_t kBlock = 126;  // tokens of a task: nine register tiles

using Target = AdapterTarget;
size_t index_of(Target target) { return static_cast<size_t>(target); }

int64_t even(int64_t n) { return n + n % 2; }

}  // namespace

class LoraNetwork::Impl {
 public:
  Impl(const ModelConfig& config, const ModelWeights& weights, const FrozenVision& vision, const LoraSet& set, const KernelTable& table, TrainType type,
       const LoraPassLimits& limits, Exec* exec)
      : c_(config), weights_(weights), vision_(vision), set_(set), ops_{&table, type}, limits_(limits), exec_(exec), rank_(set.settings().rank), rank2_(even(rank_)),
        dim_(c_.dim), ffn_(c_.ffn_dim), q_dim_(int64_t{c_.n_heads} * c_.head_dim), kv_dim_(int64_t{c_.n_kv_heads} * c_.head_dim), qkv_(q_dim_ + 2 * kv_dim_),
        eps_(static_cast<float>(c_.norm_eps)) {
    size_t kept = 0;
    for (const LayerWeights& w : weights_.layers) {
      layers_.push_back({FrozenMatrix(w.q), FrozenMatrix(w.k), FrozenMatrix(w.v), FrozenMatrix(w.o), FrozenMatrix(w.gate), FrozenMatrix(w.up), FrozenMatrix(w.down)});
      for (const FrozenMatrix& matrix : layers_.back()) kept += matrix.kept_bytes(ops_);
    }
    output_ = FrozenMatrix(Linear{weights_.output, nullptr});
    kept += output_.kept_bytes(ops_);
    if (vision_.patch_dim > 0) {
      patch_ = FrozenMatrix(Linear{{DType::kF32, reinterpret_cast<const std::byte*>(vision_.weight.data()), dim_, vision_.patch_dim}, vision_.bias.data()});
      patch_.keep(exec_, ops_);
    }
    if (kept <= limits_.keep_bytes_max) {
      for (auto& layer : layers_) {
        for (FrozenMatrix& matrix : layer) matrix.keep(exec_, ops_);
      }
      output_.keep(exec_, ops_);
    }
    Arena measure;
    LoraWorkspace().plan(c_, ops_, rank2_, vision_.patch_dim, limits_.n_tokens, limits_.n_segment, limits_.checkpointing, exec_->n_threads(), &measure);
    memory_.reset(measure.used());
    Arena arena(memory_.data(), memory_.size());
    w_.plan(c_, ops_, rank2_, vision_.patch_dim, limits_.n_tokens, limits_.n_segment, limits_.checkpointing, exec_->n_threads(), &arena);
    const int64_t n_pairs = c_.rope.n_dims / 2;
    angles_.resize(static_cast<size_t>(limits_.n_segment * n_pairs * 2));
    for (int64_t p = 0; p < limits_.n_segment; ++p) weights_.rope.fill(static_cast<int32_t>(p), angles_.data() + p * n_pairs * 2);
    angles_back_ = angles_;
    for (size_t i = 1; i < angles_back_.size(); i += 2) angles_back_[i] = -angles_back_[i];
    plan_adapter();
  }

  const LoraPassLimits& limits() const { return limits_; }
  void set_adapter(std::span<const float> flat);
  void run(const Shard& pass, float loss_scale, std::span<float> d_flat, std::span<SegmentResult> results);
  void logits(const Shard& pass, float* out);

 private:
  // A and B of one matrix, packed for both directions.
  struct Tuned {
    bool is_tuned = false;
    int64_t a = 0, b = 0;  // in the flat array
    LinearLayer down{0, 0, 0}, up{0, 0, 0};
  };

  void plan_adapter();
  bool is_tuned(size_t l, Target target) const { return adapter_on_ && tuned_[l][index_of(target)].is_tuned; }
  const Tuned& tuned(size_t l, Target target) const { return tuned_[l][index_of(target)]; }

  // fn(first, n, thread) for blocks of [0, n_rows).
  template <typename Fn>
  void for_blocks(int64_t n_rows, Fn&& fn) {
    exec_->parallel_for((n_rows + kBlock - 1) / kBlock, [&](int64_t task, int thread) { fn(task * kBlock, std::min(kBlock, n_rows - task * kBlock), thread); });
  }

  FrozenForward forward_job(size_t l, Target target, const LoraWorkspace::Saved& s, float* y, int64_t ldy, bool add) const {
    const bool on = is_tuned(l, target);
    return {.w = &layers_[l][index_of(target)], .y = y, .ldy = ldy, .add = add, .b = on ? &tuned(l, target).up : nullptr, .mid = s.mid[index_of(target)]};
  }
  FrozenBackward backward_job(size_t l, Target target, const OperandRows& dy) const {
    const bool on = is_tuned(l, target);
    return {.w = &layers_[l][index_of(target)], .dy = dy, .a = on ? &tuned(l, target).down : nullptr, .d_mid = w_.d_mid[index_of(target)]};
  }
  void make_mid(size_t l, Target target, const OperandRows& x, int64_t n_rows, const float* scale, const OperandRows& mid);
  void make_d_mid(size_t l, Target target, const OperandRows& dy, int64_t n_rows, const float* scale);
  void add_gradients(size_t l, std::initializer_list<Target> targets, const OperandRows& x, int64_t n_rows, std::initializer_list<OperandRows> dy, const LoraWorkspace::Saved& s,
                     std::span<float> d_flat);

  void begin(const Shard& pass);
  void embed(const Shard& pass);
  void rotate(float* heads, int64_t row, const std::vector<float>& angles) const;
  void forward_layer(size_t l, const Shard& pass, bool again);
  void backward_layer(size_t l, const Shard& pass, std::span<float> d_flat);
  void head(const Shard& pass, float loss_scale, bool gradients, std::span<SegmentResult> results);
  float* after(size_t l) { return l + 1 < layers_.size() ? w_.saved[l + 1].x1 : w_.x; }

  const ModelConfig& c_;
  const ModelWeights& weights_;
  const FrozenVision& vision_;
  const LoraSet& set_;
  const TrainOps ops_;
  const LoraPassLimits limits_;
  Exec* const exec_;
  const int64_t rank_, rank2_;
  const int64_t dim_, ffn_, q_dim_, kv_dim_, qkv_;
  const float eps_;
  std::vector<std::array<FrozenMatrix, kNAdapterTargets>> layers_;
  FrozenMatrix output_, patch_;
  std::vector<std::array<Tuned, kNAdapterTargets>> tuned_;
  std::vector<float> operands_;  // A and B with their rank made even
  bool adapter_on_ = false;
  AlignedBytes memory_;
  LoraWorkspace w_;
  std::vector<float> angles_, angles_back_;  // [positions][pairs][2]
  std::vector<int32_t> position_;            // of each token, in its sample
  std::vector<float> scale_, t_scale_;       // of each token (target): s, or 0 before the adapter begins
  std::vector<double> losses_;
  std::vector<int> hits_;
};

void LoraNetwork::Impl::plan_adapter() {
  tuned_.resize(layers_.size());
  int64_t n = 0;
  for (const LoraSet::Place& place : set_.places()) {
    Tuned& t = tuned_[static_cast<size_t>(place.layer)][index_of(place.target)];
    t.is_tuned = true;
    t.a = place.a;
    t.b = place.b;
    t.down = LinearLayer(rank2_, place.k, n);
    t.up = LinearLayer(place.n_rows, rank2_, n + rank2_ * place.k);
    t.down.reserve(ops_);
    t.up.reserve(ops_);
    n += rank2_ * (place.k + place.n_rows);
  }
  operands_.resize(static_cast<size_t>(n));
}

void LoraNetwork::Impl::set_adapter(std::span<const float> flat) {
  adapter_on_ = !flat.empty();
  if (!adapter_on_) return;
  CHECK(static_cast<int64_t>(flat.size()) == set_.n());
  const std::vector<LoraSet::Place>& places = set_.places();
  exec_->parallel_for(static_cast<int64_t>(places.size()), [&](int64_t index, int thread) {
    const LoraSet::Place& place = places[static_cast<size_t>(index)];
    Tuned& t = tuned_[static_cast<size_t>(place.layer)][index_of(place.target)];
    std::copy_n(flat.data() + place.a, rank_ * place.k, operands_.data() + t.down.offset());
    for (int64_t row = 0; row < place.n_rows; ++row) std::copy_n(flat.data() + place.b + row * rank_, rank_, operands_.data() + t.up.offset() + row * rank2_);
    for (LinearLayer* layer : {&t.down, &t.up}) {
      std::byte* scratch = exec_->scratch(thread, layer->pack_scratch_bytes());
      for (int64_t part = 0; part < layer->n_parts(); ++part) layer->pack(ops_, operands_.data(), part, scratch);
    }
  });
}

// mid = scale * A x.
void LoraNetwork::Impl::make_mid(size_t l, Target target, const OperandRows& x, int64_t n_rows, const float* scale, const OperandRows& mid) {
  if (!is_tuned(l, target)) return;
  for_blocks(n_rows, [&](int64_t first, int64_t n, int thread) {
    auto* values = reinterpret_cast<float*>(exec_->scratch(thread, static_cast<size_t>(kBlock * rank2_) * sizeof(float)));
    tuned(l, target).down.forward(ops_, x, first, n, values, rank2_, false);
    for (int64_t i = 0; i < n * rank2_; ++i) values[i] *= scale[first + i / rank2_];
    ops_.typed().store(values, n * rank2_, mid.at(ops_, first));
  });
}

// d_mid = scale * B^T dy.
void LoraNetwork::Impl::make_d_mid(size_t l, Target target, const OperandRows& dy, int64_t n_rows, const float* scale) {
  if (!is_tuned(l, target)) return;
  for_blocks(n_rows, [&](int64_t first, int64_t n, int thread) {
    auto* values = reinterpret_cast<float*>(exec_->scratch(thread, static_cast<size_t>(kBlock * rank2_) * sizeof(float)));
    tuned(l, target).up.backward_input(ops_, dy, first, n, values, rank2_, false);
    for (int64_t i = 0; i < n * rank2_; ++i) values[i] *= scale[first + i / rank2_];
    ops_.typed().store(values, n * rank2_, w_.d_mid[index_of(target)].at(ops_, first));
  });
}

// The gradients of matrices with the same input x.
void LoraNetwork::Impl::add_gradients(size_t l, std::initializer_list<Target> targets, const OperandRows& x, int64_t n_rows, std::initializer_list<OperandRows> dy,
                                      const LoraWorkspace::Saved& s, std::span<float> d_flat) {
  std::vector<TokenProduct> of_a;
  for (const Target target : targets) {
    if (!is_tuned(l, target)) continue;
    const size_t i = index_of(target);
    OperandPanels left = w_.p_d_mid[i];
    left.cols = rank_;
    left.pack(ops_, w_.d_mid[i], 0, n_rows, 0);
    w_.p_d_mid[i].cols = rank_;
    of_a.push_back({&w_.p_d_mid[i], d_flat.data() + tuned(l, target).a, false});
  }
  add_token_products(exec_, ops_, x, x.ld, n_rows, of_a);
  const OperandRows* rows = dy.begin();
  for (const Target target : targets) {
    const OperandRows& one = *rows++;
    if (!is_tuned(l, target)) continue;
    const size_t i = index_of(target);
    w_.p_mid[i].cols = rank_;
    w_.p_mid[i].pack(ops_, s.mid[i], 0, n_rows, 0);
    const TokenProduct of_b{&w_.p_mid[i], d_flat.data() + tuned(l, target).b, true};
    add_token_products(exec_, ops_, one, layers_[l][i].n_rows(), n_rows, std::span(&of_b, 1));
  }
}

void LoraNetwork::Impl::begin(const Shard& pass) {
  CHECK(static_cast<int64_t>(pass.tokens.size()) <= limits_.n_tokens);
  position_.assign(pass.tokens.size(), 0);
  scale_.assign(pass.tokens.size(), 0);
  const auto scale = static_cast<float>(set_.scale());
  for (const ShardSegment& segment : pass.segments) {
    CHECK(segment.n_tokens <= limits_.n_segment);
    for (int32_t i = 0; i < segment.n_tokens; ++i) {
      position_[static_cast<size_t>(segment.start + i)] = i;
      scale_[static_cast<size_t>(segment.start + i)] = i >= segment.adapter_from ? scale : 0;
    }
  }
  t_scale_.clear();
  for (const ShardTarget& target : pass.targets) t_scale_.push_back(scale_[static_cast<size_t>(target.position)]);
}

void LoraNetwork::Impl::embed(const Shard& pass) {
  float* x = w_.saved[0].x1;
  const WeightView& embedding = weights_.embedding;
  for_blocks(static_cast<int64_t>(pass.tokens.size()), [&](int64_t first, int64_t n, int) {
    for (int64_t t = first; t < first + n; ++t) {
      const auto token = static_cast<size_t>(pass.tokens[static_cast<size_t>(t)]);
      dequantise_row(embedding.dtype, embedding.data + token * embedding.row_bytes(), x + t * dim_, dim_);
    }
  });
  const auto n_patches = static_cast<int64_t>(pass.patches.size());
  for (int64_t p0 = 0; p0 < n_patches; p0 += w_.v_n) {
    const int64_t n = std::min(w_.v_n, n_patches - p0);
    ops_.typed().store(pass.patch_values.data() + p0 * vision_.patch_dim, n * vision_.patch_dim, w_.v_in.data);
    const FrozenForward job{.w = &patch_, .y = w_.v_out, .ldy = dim_};
    frozen_forward(exec_, ops_, w_.v_in, n, std::span(&job, 1));
    for (int64_t i = 0; i < n; ++i) {
      const ShardPatch& patch = pass.patches[static_cast<size_t>(p0 + i)];
      float* row = x + patch.position * dim_;
      ops_.train().norm(row, w_.v_out + i * dim_, vision_.norm.data(), dim_, eps_);
      ops_.table->add(row, vision_.row.data() + patch.row * dim_, dim_);
      ops_.table->add(row, vision_.column.data() + patch.column * dim_, dim_);
    }
  }
}

// The heads of q, then of k, of one token.
void LoraNetwork::Impl::rotate(float* heads, int64_t row, const std::vector<float>& angles) const {
  const float* cs = angles.data() + position_[static_cast<size_t>(row)] * c_.rope.n_dims;
  for (int head = 0; head < c_.n_heads + c_.n_kv_heads; ++head) ops_.table->rope(heads + head * c_.head_dim, cs, c_.rope.n_dims / 2, c_.rope.neox ? 1 : 0);
}

// again: for the backward pass of a layer whose insides were not kept; what follows `down` is not needed then.
void LoraNetwork::Impl::forward_layer(size_t l, const Shard& pass, bool again) {
  const LayerWeights& weights = weights_.layers[l];
  LoraWorkspace::Saved& s = w_.saved[l];
  const TrainTypeKernels& typed = ops_.typed();
  const auto n_tokens = static_cast<int64_t>(pass.tokens.size());
  for_blocks(n_tokens, [&](int64_t first, int64_t n, int thread) {
    float* row = w_.row[static_cast<size_t>(thread)];
    for (int64_t t = first; t < first + n; ++t) {
      s.inv1[t] = ops_.train().norm(row, s.x1 + t * dim_, weights.attn_norm, dim_, eps_);
      typed.store(row, dim_, s.h1.at(ops_, t));
    }
  });
  for (const Target target : {Target::kQ, Target::kK, Target::kV}) make_mid(l, target, s.h1, n_tokens, scale_.data(), s.mid[index_of(target)]);
  const std::array qkv = {forward_job(l, Target::kQ, s, w_.wide, qkv_, false), forward_job(l, Target::kK, s, w_.wide + q_dim_, qkv_, false),
                          forward_job(l, Target::kV, s, w_.wide + q_dim_ + kv_dim_, qkv_, false)};
  frozen_forward(exec_, ops_, s.h1, n_tokens, qkv);
  const int64_t n_heads = c_.n_heads + c_.n_kv_heads;
  for_blocks(n_tokens, [&](int64_t first, int64_t n, int) {
    for (int64_t t = first; t < first + n; ++t) {
      float* heads = w_.wide + t * qkv_;
      if (c_.qk_norm) {
        std::copy_n(heads, q_dim_ + kv_dim_, s.qk + t * (q_dim_ + kv_dim_));
        for (int64_t head = 0; head < n_heads; ++head) {
          float* values = heads + head * c_.head_dim;
          s.inv_qk[t * n_heads + head] = ops_.train().norm(values, values, head < c_.n_heads ? weights.q_norm : weights.k_norm, c_.head_dim, eps_);
        }
      }
      rotate(heads, t, angles_);
      typed.store(heads, qkv_, s.qkv.at(ops_, t));
    }
  });
  const AttentionShape shape{c_.n_heads, c_.n_kv_heads, c_.head_dim};
  exec_->parallel_for(static_cast<int64_t>(pass.segments.size()) * c_.n_kv_heads, [&](int64_t task, int thread) {
    const ShardSegment& segment = pass.segments[static_cast<size_t>(task / c_.n_kv_heads)];
    attention_forward(ops_, shape, s.qkv, s.a, segment.start, segment.n_tokens, {task % c_.n_kv_heads, 1}, w_.attention[static_cast<size_t>(thread)]);
  });
  // After the last attention only rows with a target matter: from here on, row i is that of target i.
  const bool last = l + 1 == layers_.size();
  const int64_t n_rows = last ? static_cast<int64_t>(pass.targets.size()) : n_tokens;
  const float* scale = last ? t_scale_.data() : scale_.data();
  for_blocks(n_rows, [&](int64_t first, int64_t n, int) {
    if (!last) {
      std::copy_n(s.x1 + first * dim_, n * dim_, s.x2 + first * dim_);
      return;
    }
    for (int64_t i = first; i < first + n; ++i) {
      const int64_t t = pass.targets[static_cast<size_t>(i)].position;
      std::memcpy(w_.t_a.at(ops_, i), s.a.at(ops_, t), static_cast<size_t>(q_dim_) * ops_.element_bytes());
      std::copy_n(s.x1 + t * dim_, dim_, s.x2 + i * dim_);
    }
  });
  const OperandRows& a = last ? w_.t_a : s.a;
  make_mid(l, Target::kO, a, n_rows, scale, s.mid[index_of(Target::kO)]);
  const FrozenForward out = forward_job(l, Target::kO, s, s.x2, dim_, true);
  frozen_forward(exec_, ops_, a, n_rows, std::span(&out, 1));
  for_blocks(n_rows, [&](int64_t first, int64_t n, int thread) {
    float* row = w_.row[static_cast<size_t>(thread)];
    for (int64_t t = first; t < first + n; ++t) {
      s.inv2[t] = ops_.train().norm(row, s.x2 + t * dim_, weights.ffn_norm, dim_, eps_);
      typed.store(row, dim_, s.h2.at(ops_, t));
    }
  });
  for (const Target target : {Target::kGate, Target::kUp}) make_mid(l, target, s.h2, n_rows, scale, s.mid[index_of(target)]);
  const std::array gate_up = {forward_job(l, Target::kGate, s, w_.wide, 2 * ffn_, false), forward_job(l, Target::kUp, s, w_.wide + ffn_, 2 * ffn_, false)};
  frozen_forward(exec_, ops_, s.h2, n_rows, gate_up);
  for_blocks(n_rows, [&](int64_t first, int64_t n, int thread) {
    float* row = w_.row[static_cast<size_t>(thread)];
    for (int64_t t = first; t < first + n; ++t) {
      const float* gate = w_.wide + t * 2 * ffn_;
      typed.store(gate, 2 * ffn_, s.gate_up.at(ops_, t));
      ops_.table->silu_mul(row, gate, gate + ffn_, ffn_);
      typed.store(row, ffn_, w_.act.at(ops_, t));
    }
  });
  make_mid(l, Target::kDown, w_.act, n_rows, scale, s.mid[index_of(Target::kDown)]);
  if (again) return;
  for_blocks(n_rows, [&](int64_t first, int64_t n, int) { std::copy_n(s.x2 + first * dim_, n * dim_, after(l) + first * dim_); });
  const FrozenForward down = forward_job(l, Target::kDown, s, after(l), dim_, true);
  frozen_forward(exec_, ops_, w_.act, n_rows, std::span(&down, 1));
}

void LoraNetwork::Impl::backward_layer(size_t l, const Shard& pass, std::span<float> d_flat) {
  if (limits_.checkpointing) forward_layer(l, pass, true);
  const LayerWeights& weights = weights_.layers[l];
  LoraWorkspace::Saved& s = w_.saved[l];
  const TrainTypeKernels& typed = ops_.typed();
  const auto n_tokens = static_cast<int64_t>(pass.tokens.size());
  const bool last = l + 1 == layers_.size();  // row i is that of target i, as in the forward pass
  const int64_t n_rows = last ? static_cast<int64_t>(pass.targets.size()) : n_tokens;
  const float* scale = last ? t_scale_.data() : scale_.data();
  float* const dx = last ? w_.t_dx : w_.dx;
  const auto store_dx = [&] { for_blocks(n_rows, [&](int64_t first, int64_t n, int) { typed.store(dx + first * dim_, n * dim_, w_.o_dim.at(ops_, first)); }); };

  store_dx();  // the feed-forward part
  make_d_mid(l, Target::kDown, w_.o_dim, n_rows, scale);
  const FrozenBackward down = backward_job(l, Target::kDown, w_.o_dim);
  frozen_backward(exec_, ops_, n_rows, std::span(&down, 1), w_.wide, ffn_);
  const OperandRows d_gate_up{w_.d_rows.data, 2 * ffn_}, d_gate = d_gate_up, d_up{d_gate_up.at(ops_, 0, ffn_), 2 * ffn_};
  for_blocks(n_rows, [&](int64_t first, int64_t n, int thread) {
    float *d = w_.row[static_cast<size_t>(thread)], *gate = d + 2 * ffn_;
    auto* out = reinterpret_cast<float*>(exec_->scratch(thread, static_cast<size_t>(ffn_) * sizeof(float)));
    for (int64_t t = first; t < first + n; ++t) {
      typed.load(s.gate_up.at(ops_, t), 2 * ffn_, gate);
      ops_.train().swiglu_backward(out, d, d + ffn_, w_.wide + t * ffn_, gate, gate + ffn_, ffn_);
      typed.store(out, ffn_, w_.act.at(ops_, t));
      typed.store(d, 2 * ffn_, d_gate_up.at(ops_, t));
    }
  });
  add_gradients(l, {Target::kDown}, w_.act, n_rows, {w_.o_dim}, s, d_flat);
  make_d_mid(l, Target::kGate, d_gate, n_rows, scale);
  make_d_mid(l, Target::kUp, d_up, n_rows, scale);
  add_gradients(l, {Target::kGate, Target::kUp}, s.h2, n_rows, {d_gate, d_up}, s, d_flat);
  const std::array gate_up = {backward_job(l, Target::kGate, d_gate), backward_job(l, Target::kUp, d_up)};
  frozen_backward(exec_, ops_, n_rows, gate_up, w_.d_wide, dim_);
  // The norms are frozen: their own gradient goes nowhere.
  for_blocks(n_rows, [&](int64_t first, int64_t n, int thread) {
    for (int64_t t = first; t < first + n; ++t) {
      ops_.train().norm_backward(dx + t * dim_, w_.row[static_cast<size_t>(thread)], w_.d_wide + t * dim_, s.x2 + t * dim_, weights.ffn_norm, s.inv2[t], dim_);
    }
  });

  store_dx();  // attention
  const OperandRows &a = last ? w_.t_a : s.a, &d_a = last ? w_.t_d_a : w_.d_a;
  make_d_mid(l, Target::kO, w_.o_dim, n_rows, scale);
  add_gradients(l, {Target::kO}, a, n_rows, {w_.o_dim}, s, d_flat);
  const FrozenBackward out = backward_job(l, Target::kO, w_.o_dim);
  frozen_backward(exec_, ops_, n_rows, std::span(&out, 1), w_.d_wide, q_dim_);
  for_blocks(n_rows, [&](int64_t first, int64_t n, int) { typed.store(w_.d_wide + first * q_dim_, n * q_dim_, d_a.at(ops_, first)); });
  if (last) {
    const size_t a_bytes = static_cast<size_t>(q_dim_) * ops_.element_bytes();
    std::fill_n(w_.dx, n_tokens * dim_, 0.0f);
    std::memset(w_.d_a.data, 0, static_cast<size_t>(n_tokens) * a_bytes);
    for (int64_t i = 0; i < n_rows; ++i) {
      const int64_t t = pass.targets[static_cast<size_t>(i)].position;
      std::memcpy(w_.d_a.at(ops_, t), w_.t_d_a.at(ops_, i), a_bytes);
      std::copy_n(w_.t_dx + i * dim_, dim_, w_.dx + t * dim_);
    }
  }
  const AttentionShape shape{c_.n_heads, c_.n_kv_heads, c_.head_dim};
  exec_->parallel_for(static_cast<int64_t>(pass.segments.size()) * c_.n_kv_heads, [&](int64_t task, int thread) {
    const ShardSegment& segment = pass.segments[static_cast<size_t>(task / c_.n_kv_heads)];
    attention_backward(ops_, shape, s.qkv, w_.d_a, w_.wide + segment.start * qkv_, segment.start, segment.n_tokens, {task % c_.n_kv_heads, 1},
                       w_.attention[static_cast<size_t>(thread)]);
  });
  const OperandRows d_q{w_.d_rows.data, qkv_}, d_k{d_q.at(ops_, 0, q_dim_), qkv_}, d_v{d_q.at(ops_, 0, q_dim_ + kv_dim_), qkv_};
  const int64_t n_heads = c_.n_heads + c_.n_kv_heads;
  for_blocks(n_tokens, [&](int64_t first, int64_t n, int thread) {
    float *row = w_.row[static_cast<size_t>(thread)], *unused = row + qkv_;
    for (int64_t t = first; t < first + n; ++t) {
      float* d = w_.wide + t * qkv_;
      rotate(d, t, angles_back_);
      if (c_.qk_norm) {
        std::fill_n(row, q_dim_ + kv_dim_, 0.0f);
        for (int64_t head = 0; head < n_heads; ++head) {
          const int64_t at = head * c_.head_dim;
          ops_.train().norm_backward(row + at, unused, d + at, s.qk + t * (q_dim_ + kv_dim_) + at, head < c_.n_heads ? weights.q_norm : weights.k_norm,
                                     s.inv_qk[t * n_heads + head], c_.head_dim);
        }
        std::copy_n(row, q_dim_ + kv_dim_, d);
      }
      typed.store(d, qkv_, d_q.at(ops_, t));
    }
  });
  make_d_mid(l, Target::kQ, d_q, n_tokens, scale_.data());
  make_d_mid(l, Target::kK, d_k, n_tokens, scale_.data());
  make_d_mid(l, Target::kV, d_v, n_tokens, scale_.data());
  add_gradients(l, {Target::kQ, Target::kK, Target::kV}, s.h1, n_tokens, {d_q, d_k, d_v}, s, d_flat);
  if (l == 0) return;  // below are the embeddings, which are frozen
  const std::array qkv = {backward_job(l, Target::kQ, d_q), backward_job(l, Target::kK, d_k), backward_job(l, Target::kV, d_v)};
  frozen_backward(exec_, ops_, n_tokens, qkv, w_.d_wide, dim_);
  for_blocks(n_tokens, [&](int64_t first, int64_t n, int thread) {
    for (int64_t t = first; t < first + n; ++t) {
      ops_.train().norm_backward(w_.dx + t * dim_, w_.row[static_cast<size_t>(thread)], w_.d_wide + t * dim_, s.x1 + t * dim_, weights.attn_norm, s.inv1[t], dim_);
    }
  });
}

void LoraNetwork::Impl::head(const Shard& pass, float loss_scale, bool gradients, std::span<SegmentResult> results) {
  const auto n_targets = static_cast<int64_t>(pass.targets.size());
  const int64_t n_vocab = c_.n_vocab;
  losses_.resize(pass.targets.size());
  hits_.resize(pass.targets.size());
  for (int64_t c0 = 0; c0 < n_targets; c0 += w_.h_n) {
    const int64_t n_chunk = std::min(w_.h_n, n_targets - c0);
    for_blocks(n_chunk, [&](int64_t first, int64_t n, int thread) {
      float* row = w_.row[static_cast<size_t>(thread)];
      for (int64_t i = first; i < first + n; ++i) {
        w_.h_inv[i] = ops_.train().norm(row, w_.x + (c0 + i) * dim_, weights_.output_norm, dim_, eps_);
        ops_.typed().store(row, dim_, w_.h_rows.at(ops_, i));
      }
    });
    const FrozenForward job{.w = &output_, .y = w_.h_logits, .ldy = n_vocab};
    frozen_forward(exec_, ops_, w_.h_rows, n_chunk, std::span(&job, 1));
    exec_->parallel_for(n_chunk, [&](int64_t i, int) {
      const ShardTarget& target = pass.targets[static_cast<size_t>(c0 + i)];
      const auto at = static_cast<size_t>(c0 + i);
      losses_[at] = ops_.train().cross_entropy(w_.h_logits + i * n_vocab, n_vocab, target.next, loss_scale * target.weight, &hits_[at]);
      if (gradients) ops_.typed().store(w_.h_logits + i * n_vocab, n_vocab, w_.h_d_logits.at(ops_, i));
    });
    if (!gradients) continue;
    const FrozenBackward back{.w = &output_, .dy = w_.h_d_logits};
    frozen_backward(exec_, ops_, n_chunk, std::span(&back, 1), w_.h_dh, dim_);
    for_blocks(n_chunk, [&](int64_t first, int64_t n, int thread) {
      for (int64_t i = first; i < first + n; ++i) {
        float* dx = w_.t_dx + (c0 + i) * dim_;
        std::fill_n(dx, dim_, 0.0f);
        ops_.train().norm_backward(dx, w_.row[static_cast<size_t>(thread)], w_.h_dh + i * dim_, w_.x + (c0 + i) * dim_, weights_.output_norm, w_.h_inv[i], dim_);
      }
    });
  }
  for (size_t i = 0; i < results.size(); ++i) {
    results[i] = {};
    const ShardSegment& segment = pass.segments[i];
    for (int32_t t = segment.first_target; t < segment.first_target + segment.n_targets; ++t) {
      results[i].loss += losses_[static_cast<size_t>(t)];
      results[i].n_hits += hits_[static_cast<size_t>(t)];
    }
  }
}

void LoraNetwork::Impl::run(const Shard& pass, float loss_scale, std::span<float> d_flat, std::span<SegmentResult> results) {
  CHECK(results.size() == pass.segments.size());
  begin(pass);
  embed(pass);
  for (size_t l = 0; l < layers_.size(); ++l) forward_layer(l, pass, false);
  head(pass, loss_scale, !d_flat.empty(), results);
  if (d_flat.empty()) return;
  CHECK(adapter_on_ && static_cast<int64_t>(d_flat.size()) == set_.n());
  for (size_t l = layers_.size(); l-- > 0;) backward_layer(l, pass, d_flat);
}

void LoraNetwork::Impl::logits(const Shard& pass, float* out) {
  begin(pass);
  embed(pass);
  for (size_t l = 0; l < layers_.size(); ++l) forward_layer(l, pass, false);
  for (size_t i = 0; i < pass.targets.size(); ++i) {
    ops_.train().norm(w_.row[0], w_.x + static_cast<int64_t>(i) * dim_, weights_.output_norm, dim_, eps_);
    ops_.typed().store(w_.row[0], dim_, w_.h_rows.data);
    const FrozenForward job{.w = &output_, .y = out + static_cast<int64_t>(i) * c_.n_vocab, .ldy = c_.n_vocab};
    frozen_forward(exec_, ops_, w_.h_rows, 1, std::span(&job, 1));
  }
}

size_t LoraNetwork::planned_bytes(const ModelConfig& config, const LoraSet& set, TrainType type, const LoraPassLimits& limits, int n_threads) {
  Arena measure;
  const TrainOps ops{nullptr, type};
  const int64_t rank2 = even(set.settings().rank);
  LoraWorkspace().plan(config, ops, rank2, 0, limits.n_tokens, limits.n_segment, limits.checkpointing, n_threads, &measure);
  const int64_t q_dim = int64_t{config.n_heads} * config.head_dim, kv_dim = int64_t{config.n_kv_heads} * config.head_dim;
  const int64_t weights = config.n_layers * (config.dim * (2 * q_dim + 2 * kv_dim) + 3 * config.dim * config.ffn_dim) + config.n_vocab * config.dim;
  const size_t kept = static_cast<size_t>(weights) * ops.element_bytes() * 2;
  // A, B, their gradients and the optimiser's two moments in f32; operands of both directions, and f32 once more to pack them from.
  const size_t of_set = static_cast<size_t>(set.n()) * (4 * sizeof(float) + sizeof(float) + 2 * ops.element_bytes());
  const size_t per_thread = size_t{2} << 20;
  return measure.used() + (kept <= limits.keep_bytes_max ? kept : 0) + of_set + static_cast<size_t>(n_threads) * per_thread;
}

LoraNetwork::LoraNetwork(const ModelConfig& config, const ModelWeights& weights, const FrozenVision& vision, const LoraSet& set, const KernelTable& table, TrainType type,
                         const LoraPassLimits& limits, Exec* exec)
    : impl_(std::make_unique<Impl>(config, weights, vision, set, table, type, limits, exec)) {}
LoraNetwork::~LoraNetwork() = default;

const LoraPassLimits& LoraNetwork::limits() const { return impl_->limits(); }
void LoraNetwork::set_adapter(std::span<const float> flat) { impl_->set_adapter(flat); }
void LoraNetwork::run(const Shard& pass, float loss_scale, std::span<float> d_flat, std::span<SegmentResult> results) { impl_->run(pass, loss_scale, d_flat, results); }
void LoraNetwork::logits(const Shard& pass, float* out) { impl_->logits(pass, out); }

}  // namespace firesteel
