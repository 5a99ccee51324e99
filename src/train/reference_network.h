// The network in double precision, as plainly as it can be written: the oracle for losses, and by finite differences for gradients.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "train/network_shape.h"
#include "train/shard.h"

namespace firesteel {

class ReferenceNetwork {
 public:
  explicit ReferenceNetwork(const NetworkShape& shape) : s_(shape), layout_(plan_parameters(shape)) {}

  // Sum of the losses of the targets.
  double loss(const Shard& shard, const std::vector<double>& p) const {
    double sum = 0;
    const std::vector<double> logits = this->logits(shard, p);
    for (size_t i = 0; i < shard.targets.size(); ++i) {
      const double* row = logits.data() + i * static_cast<size_t>(s_.n_vocab);
      double max = row[0], total = 0;
      for (int64_t v = 0; v < s_.n_vocab; ++v) max = std::max(max, row[v]);
      for (int64_t v = 0; v < s_.n_vocab; ++v) total += std::exp(row[v] - max);
      sum += std::log(total) + max - row[shard.targets[i].next];
    }
    return sum;
  }

  std::vector<double> logits(const Shard& shard, const std::vector<double>& p) const {
    const auto n = static_cast<int64_t>(shard.tokens.size());
    const int64_t dim = s_.dim;
    std::vector<double> x(static_cast<size_t>(n * dim));
    for (int64_t t = 0; t < n; ++t) {
      for (int64_t i = 0; i < dim; ++i) at(x, t * dim + i) = at(p, layout_.embedding + shard.tokens[static_cast<size_t>(t)] * dim + i);
    }
    const int64_t patch_dim = s_.patches.patch_dim();
    for (size_t k = 0; k < shard.patches.size(); ++k) {
      const ShardPatch& patch = shard.patches[k];
      std::vector<double> row(static_cast<size_t>(dim));
      for (int64_t i = 0; i < dim; ++i) {
        double sum = at(p, layout_.patch_bias + i);
        for (int64_t j = 0; j < patch_dim; ++j) {
          sum += at(p, layout_.patch_weight + i * patch_dim + j) * static_cast<double>(shard.patch_values[k * static_cast<size_t>(patch_dim) + static_cast<size_t>(j)]);
        }
        at(row, i) = sum;
      }
      row = norm(row, p, layout_.patch_norm);
      for (int64_t i = 0; i < dim; ++i) {
        at(x, patch.position * dim + i) = at(row, i) + at(p, layout_.patch_row + patch.row * dim + i) + at(p, layout_.patch_column + patch.column * dim + i);
      }
    }
    for (const LayerOffsets& o : layout_.layers) {
      for (const ShardSegment& segment : shard.segments) attend(segment, o, p, &x);
      for (int64_t t = 0; t < n; ++t) feed_forward(o, p, x.data() + t * dim);
    }
    std::vector<double> out;
    for (const ShardTarget& target : shard.targets) {
      const std::vector<double> row(x.begin() + target.position * dim, x.begin() + (target.position + 1) * dim);
      const std::vector<double> h = norm(row, p, layout_.output_norm);
      const std::vector<double> y = times(h, p, layout_.embedding, s_.n_vocab);
      out.insert(out.end(), y.begin(), y.end());
    }
    return out;
  }

 private:
  template <typename V>
  static auto at(V& v, int64_t i) -> decltype(v[0]) { return v[static_cast<size_t>(i)]; }

  std::vector<double> norm(const std::vector<double>& x, const std::vector<double>& p, int64_t weight) const {
    double sum = 0;
    for (const double v : x) sum += v * v;
    const double inv = 1 / std::sqrt(sum / static_cast<double>(x.size()) + s_.norm_eps);
    std::vector<double> out(x.size());
    for (size_t i = 0; i < x.size(); ++i) out[i] = x[i] * inv * at(p, weight + static_cast<int64_t>(i));
    return out;
  }

  static std::vector<double> times(const std::vector<double>& x, const std::vector<double>& p, int64_t offset, int64_t n_out) {
    const auto n_in = static_cast<int64_t>(x.size());
    std::vector<double> out(static_cast<size_t>(n_out));
    for (int64_t o = 0; o < n_out; ++o) {
      for (int64_t i = 0; i < n_in; ++i) at(out, o) += at(p, offset + o * n_in + i) * at(x, i);
    }
    return out;
  }

  void attend(const ShardSegment& segment, const LayerOffsets& o, const std::vector<double>& p, std::vector<double>* x) const {
    const int64_t dim = s_.dim, hd = s_.head_dim;
    std::vector<std::vector<double>> qkv;
    for (int64_t t = 0; t < segment.n_tokens; ++t) {
      const auto first = x->begin() + (segment.start + t) * dim;
      qkv.push_back(times(norm(std::vector<double>(first, first + dim), p, o.attn_norm), p, o.qkv, s_.qkv_dim()));
      for (int64_t h = 0; h < s_.n_heads + s_.n_kv_heads; ++h) {
        for (int64_t i = 0; i < hd / 2; ++i) {
          const double angle = static_cast<double>(t) * std::pow(s_.rope_theta, -2.0 * static_cast<double>(i) / static_cast<double>(hd));
          double &a = at(qkv.back(), h * hd + 2 * i), &b = at(qkv.back(), h * hd + 2 * i + 1);
          const double c = a * std::cos(angle) - b * std::sin(angle);
          b = a * std::sin(angle) + b * std::cos(angle);
          a = c;
        }
      }
    }
    for (int64_t t = 0; t < segment.n_tokens; ++t) {
      std::vector<double> out(static_cast<size_t>(s_.q_dim()));
      for (int64_t h = 0; h < s_.n_heads; ++h) {
        const int64_t kv = s_.q_dim() + h / (s_.n_heads / s_.n_kv_heads) * hd;
        std::vector<double> scores;
        double total = 0;
        for (int64_t j = 0; j <= t; ++j) {
          double score = 0;
          for (int64_t i = 0; i < hd; ++i) score += at(at(qkv, t), h * hd + i) * at(at(qkv, j), kv + i);
          scores.push_back(std::exp(score / std::sqrt(static_cast<double>(hd))));
          total += scores.back();
        }
        for (int64_t j = 0; j <= t; ++j) {
          for (int64_t i = 0; i < hd; ++i) at(out, h * hd + i) += at(scores, j) / total * at(at(qkv, j), kv + s_.kv_dim() + i);
        }
      }
      const std::vector<double> y = times(out, p, o.attn_output, dim);
      for (int64_t i = 0; i < dim; ++i) at(*x, (segment.start + t) * dim + i) += at(y, i);
    }
  }

  void feed_forward(const LayerOffsets& o, const std::vector<double>& p, double* x) const {
    const std::vector<double> y = times(norm(std::vector<double>(x, x + s_.dim), p, o.ffn_norm), p, o.gate_up, 2 * s_.ffn_dim);
    std::vector<double> act;
    for (int64_t i = 0; i < s_.ffn_dim; ++i) act.push_back(at(y, i) / (1 + std::exp(-at(y, i))) * at(y, i + s_.ffn_dim));
    const std::vector<double> out = times(act, p, o.down, s_.dim);
    for (int64_t i = 0; i < s_.dim; ++i) x[i] += at(out, i);
  }

  NetworkShape s_;
  ParameterLayout layout_;
};

}  // namespace firesteel
