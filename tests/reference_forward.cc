#include "reference_forward.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>
#include <numeric>
#include <string>

#include "base/check.h"
#include "tensor/quantise.h"

namespace firesteel {
namespace {

using Vector = std::vector<double>;

size_t at(int64_t i) { return static_cast<size_t>(i); }

class Reference {
 public:
  explicit Reference(const Checkpoint& checkpoint) : checkpoint_(checkpoint) {
    arch_ = std::string(*checkpoint.metadata().get_string("general.architecture").value());
    n_layers_ = integer("block_count");
    dim_ = integer("embedding_length");
    n_heads_ = integer("attention.head_count");
    n_kv_heads_ = integer("attention.head_count_kv", n_heads_);
    head_dim_ = integer("attention.key_length", dim_ / n_heads_);
    n_experts_ = integer("expert_count", 0);
    n_used_ = integer("expert_used_count", 0);
    ffn_dim_ = n_experts_ > 0 ? integer("expert_feed_forward_length", integer("feed_forward_length", 0)) : integer("feed_forward_length");
    eps_ = number("attention.layer_norm_rms_epsilon", 1e-5);
    is_gemma_ = arch_ == "gemma2" || arch_ == "gemma3";
    neox_ = arch_ != "llama";
    if (const auto own = checkpoint.metadata().get_bool("firesteel.rope.neox").value()) neox_ = *own;
    window_ = integer("attention.sliding_window", 0);
    if (arch_ == "qwen2" || arch_ == "qwen3" || arch_ == "qwen3moe") window_ = 0;
    keys_.resize(at(n_layers_));
    values_.resize(at(n_layers_));
  }

  // Logits of the next token.
  Vector step(TokenId token) {
    const Vector& table = tensor("token_embd.weight");
    Vector x(table.begin() + token * dim_, table.begin() + (token + 1) * dim_);
    if (is_gemma_) {
      for (double& v : x) v *= static_cast<double>(std::sqrt(static_cast<float>(dim_)));
    }
    for (layer_ = 0; layer_ < n_layers_; ++layer_) {
      Vector a = attention(norm(x, block("attn_norm.weight"), dim_));
      if (is_gemma_) a = norm(a, block("post_attention_norm.weight"), dim_);
      for (size_t i = 0; i < x.size(); ++i) x[i] += a[i];
      const Vector h = norm(x, block("ffn_norm.weight"), dim_);
      Vector f = n_experts_ > 0 ? experts(h) : dense(h);
      if (is_gemma_) f = norm(f, block("post_ffw_norm.weight"), dim_);
      for (size_t i = 0; i < x.size(); ++i) x[i] += f[i];
    }
    x = norm(x, "output_norm.weight", dim_);
    const bool tied = checkpoint_.find("output.weight") == nullptr;
    const int64_t n_vocab = checkpoint_.find("token_embd.weight")->ne[1];
    Vector logits = product(tensor(tied ? "token_embd.weight" : "output.weight").data(), x, n_vocab);
    const double cap = number("final_logit_softcapping", arch_ == "gemma2" ? 30 : 0);
    if (cap > 0) {
      for (double& v : logits) v = cap * std::tanh(v / cap);
    }
    ++position_;
    return logits;
  }

 private:
  int64_t integer(const std::string& key) { return *checkpoint_.metadata().get_int(arch_ + "." + key).value(); }
  int64_t integer(const std::string& key, int64_t fallback) {
    return checkpoint_.metadata().get_int(arch_ + "." + key).value().value_or(fallback);
  }
  double number(const std::string& key, double fallback) {
    return checkpoint_.metadata().get_float(arch_ + "." + key).value().value_or(fallback);
  }
  std::string block(const std::string& name) const { return "blk." + std::to_string(layer_) + "." + name; }
  bool has(const std::string& name) const { return checkpoint_.find(name) != nullptr; }

  const Vector& tensor(const std::string& name) {
    const auto found = tensors_.find(name);
    if (found != tensors_.end()) return found->second;
    const TensorInfo* info = checkpoint_.find(name);
    CHECK(info != nullptr);
    Vector& values = tensors_[name];
    std::vector<float> row(at(info->ne[0]));
    for (const std::byte* slice : info->slices) {
      for (int64_t r = 0; r < info->ne[1]; ++r) {
        dequantise_row(info->dtype, slice + at(r) * info->row_bytes(), row.data(), info->ne[0]);
        values.insert(values.end(), row.begin(), row.end());
      }
    }
    return values;
  }

  // Any number of groups of n, each normed by itself.
  Vector norm(Vector x, const std::string& weight_name, int64_t n) {
    const Vector& weight = tensor(weight_name);
    for (size_t first = 0; first < x.size(); first += at(n)) {
      double sum = 0;
      for (size_t i = 0; i < at(n); ++i) sum += x[first + i] * x[first + i];
      const double scale = 1 / std::sqrt(sum / static_cast<double>(n) + eps_);
      for (size_t i = 0; i < at(n); ++i) x[first + i] *= scale * weight[i];
    }
    return x;
  }

  static Vector product(const double* weights, const Vector& x, int64_t n_rows) {
    Vector out(at(n_rows));
    const size_t k = x.size();
    for (size_t r = 0; r < out.size(); ++r) {
      const double* row = weights + r * k;
      double sum[4] = {0, 0, 0, 0};
      for (size_t i = 0; i < k; i += 4) {
        for (size_t lane = 0; lane < 4; ++lane) sum[lane] += row[i + lane] * x[i + lane];
      }
      out[r] = sum[0] + sum[1] + sum[2] + sum[3];
    }
    return out;
  }
  Vector linear(const std::string& stem, const Vector& x, int64_t n_rows) {
    Vector out = product(tensor(stem + ".weight").data(), x, n_rows);
    if (has(stem + ".bias")) {
      const Vector& bias = tensor(stem + ".bias");
      for (size_t i = 0; i < out.size(); ++i) out[i] += bias[i];
    }
    return out;
  }

  bool in_window() const {
    if (window_ == 0) return false;
    if (arch_ == "gemma2") return layer_ % 2 == 0;
    if (arch_ == "gemma3") return (layer_ + 1) % 6 != 0;
    return true;
  }

  void rotate(double* head) {
    const bool local = arch_ == "gemma3" && in_window();
    const double base = local ? number("rope.freq_base_swa", 10000) : number("rope.freq_base", 10000);
    const int64_t n_dims = integer("rope.dimension_count", head_dim_);
    const auto type = checkpoint_.metadata().get_string(arch_ + ".rope.scaling.type").value();
    const std::string scaling(local ? "none" : type.value_or("none"));
    const double factor = number("rope.scaling.factor", 1);
    const double original = static_cast<double>(integer("rope.scaling.original_context_length", integer("context_length")));
    double magnitude = 1;
    if (scaling == "yarn") magnitude = number("rope.scaling.attn_factor", 1) * (1 + 0.1 * std::log(factor));
    if (scaling == "longrope") magnitude = number("rope.scaling.attn_factor", 1);
    for (int64_t i = 0; i < n_dims / 2; ++i) {
      double angle = static_cast<double>(position_) * std::pow(base, -2.0 * static_cast<double>(i) / static_cast<double>(n_dims));
      if (!local && has("rope_freqs.weight")) angle /= tensor("rope_freqs.weight")[at(i)];
      if (scaling == "longrope") {
        const bool is_long = static_cast<double>(integer("context_length")) > original;
        angle /= tensor(is_long ? "rope_factors_long.weight" : "rope_factors_short.weight")[at(i)];
      } else if (scaling == "linear") {
        angle /= factor;
      } else if (scaling == "yarn") {
        const auto corner = [&](double beta) {
          return static_cast<double>(n_dims) * std::log(original / (beta * 2 * std::numbers::pi)) / (2 * std::log(base));
        };
        const double low = std::max(0.0, std::floor(corner(32)));
        const double high = std::min(static_cast<double>(n_dims - 1), std::ceil(corner(1)));
        const double ramp = std::min(1.0, std::max(0.0, (static_cast<double>(i) - low) / std::max(0.001, high - low)));
        angle = angle / factor * ramp + angle * (1 - ramp);
      }
      double& a = head[neox_ ? i : 2 * i];
      double& b = head[neox_ ? i + n_dims / 2 : 2 * i + 1];
      const double c = std::cos(angle) * magnitude;
      const double s = std::sin(angle) * magnitude;
      const double rotated = a * c - b * s;
      b = a * s + b * c;
      a = rotated;
    }
  }

  Vector attention(const Vector& h) {
    const int64_t q_dim = n_heads_ * head_dim_;
    const int64_t kv_dim = n_kv_heads_ * head_dim_;
    Vector q, k, v;
    if (has(block("attn_qkv.weight"))) {
      const Vector all = linear(block("attn_qkv"), h, q_dim + 2 * kv_dim);
      q.assign(all.begin(), all.begin() + q_dim);
      k.assign(all.begin() + q_dim, all.begin() + q_dim + kv_dim);
      v.assign(all.begin() + q_dim + kv_dim, all.end());
    } else {
      q = linear(block("attn_q"), h, q_dim);
      k = linear(block("attn_k"), h, kv_dim);
      v = linear(block("attn_v"), h, kv_dim);
    }
    if (has(block("attn_q_norm.weight"))) {
      q = norm(q, block("attn_q_norm.weight"), head_dim_);
      k = norm(k, block("attn_k_norm.weight"), head_dim_);
    }
    for (int64_t head = 0; head < n_heads_; ++head) rotate(q.data() + head * head_dim_);
    for (int64_t head = 0; head < n_kv_heads_; ++head) rotate(k.data() + head * head_dim_);
    keys_[at(layer_)].push_back(k);
    values_[at(layer_)].push_back(v);

    const double scale = number("attention.scale", 1 / std::sqrt(static_cast<double>(head_dim_)));
    const double cap = number("attn_logit_softcapping", arch_ == "gemma2" ? 50 : 0);
    const int64_t first = in_window() ? std::max<int64_t>(0, position_ - window_ + 1) : 0;
    Vector out(at(q_dim), 0.0);
    for (int64_t head = 0; head < n_heads_; ++head) {
      const int64_t kv_head = head / (n_heads_ / n_kv_heads_);
      Vector scores;
      for (int64_t p = first; p <= position_; ++p) {
        const double* key = keys_[at(layer_)][at(p)].data() + kv_head * head_dim_;
        double score = 0;
        for (int64_t i = 0; i < head_dim_; ++i) score += q[at(head * head_dim_ + i)] * key[i];
        score *= scale;
        scores.push_back(cap > 0 ? cap * std::tanh(score / cap) : score);
      }
      const double max = *std::max_element(scores.begin(), scores.end());
      double sum = 0;
      for (double& s : scores) sum += s = std::exp(s - max);
      for (int64_t p = first; p <= position_; ++p) {
        const double* value = values_[at(layer_)][at(p)].data() + kv_head * head_dim_;
        for (int64_t i = 0; i < head_dim_; ++i) out[at(head * head_dim_ + i)] += scores[at(p - first)] / sum * value[i];
      }
    }
    return linear(block("attn_output"), out, dim_);
  }

  double activate(double g) const {
    if (!is_gemma_) return g / (1 + std::exp(-g));
    return 0.5 * g * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (g + 0.044715 * g * g * g)));
  }

  Vector dense(const Vector& h) {
    Vector gate, up;
    if (has(block("ffn_gate.weight"))) {
      gate = linear(block("ffn_gate"), h, ffn_dim_);
      up = linear(block("ffn_up"), h, ffn_dim_);
    } else {
      const Vector both = linear(block("ffn_up"), h, 2 * ffn_dim_);
      gate.assign(both.begin(), both.begin() + ffn_dim_);
      up.assign(both.begin() + ffn_dim_, both.end());
    }
    for (size_t i = 0; i < gate.size(); ++i) gate[i] = activate(gate[i]) * up[i];
    return linear(block("ffn_down"), gate, dim_);
  }

  // Softmax over all, the best n_used, renormalised.
  Vector experts(const Vector& h) {
    Vector scores = product(tensor(block("ffn_gate_inp.weight")).data(), h, n_experts_);
    const double max = *std::max_element(scores.begin(), scores.end());
    for (double& s : scores) s = std::exp(s - max);
    std::vector<size_t> order(scores.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(), [&scores](size_t a, size_t b) { return scores[a] > scores[b]; });
    double sum = 0;
    for (size_t rank = 0; rank < at(n_used_); ++rank) sum += scores[order[rank]];
    Vector out(at(dim_), 0.0);
    for (size_t rank = 0; rank < at(n_used_); ++rank) {
      const size_t slice = order[rank] * at(dim_ * ffn_dim_);
      Vector gate = product(tensor(block("ffn_gate_exps.weight")).data() + slice, h, ffn_dim_);
      const Vector up = product(tensor(block("ffn_up_exps.weight")).data() + slice, h, ffn_dim_);
      for (size_t i = 0; i < gate.size(); ++i) gate[i] = activate(gate[i]) * up[i];
      const Vector down = product(tensor(block("ffn_down_exps.weight")).data() + slice, gate, dim_);
      for (size_t i = 0; i < out.size(); ++i) out[i] += scores[order[rank]] / sum * down[i];
    }
    return out;
  }

  const Checkpoint& checkpoint_;
  std::string arch_;
  int64_t n_layers_ = 0, dim_ = 0, ffn_dim_ = 0, n_heads_ = 0, n_kv_heads_ = 0, head_dim_ = 0, n_experts_ = 0, n_used_ = 0, window_ = 0;
  double eps_ = 0;
  bool is_gemma_ = false, neox_ = false;
  int64_t layer_ = 0, position_ = 0;
  std::map<std::string, Vector> tensors_;
  std::vector<std::vector<Vector>> keys_, values_;  // [layer][position][n_kv_heads * head_dim]
};

}  // namespace

std::vector<double> reference_forward(const Checkpoint& checkpoint, std::span<const TokenId> tokens) {
  Reference reference(checkpoint);
  std::vector<double> logits;
  for (const TokenId token : tokens) {
    const Vector row = reference.step(token);
    logits.insert(logits.end(), row.begin(), row.end());
  }
  return logits;
}

}  // namespace firesteel
