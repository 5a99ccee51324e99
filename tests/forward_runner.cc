#include "forward_runner.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <new>

#include "base/check.h"
#include "kernels/dispatch.h"

namespace firesteel {
namespace {

template <typename T>
T value_or_abort(Result<T> result) {
  if (!result.ok()) {
    std::fprintf(stderr, "%s\n", result.error().message.c_str());
    std::abort();
  }
  return std::move(result).value();
}

}  // namespace

std::string shared_folder() {
  const char* folder = std::getenv("FS_SHARED");
  const std::string path = folder != nullptr ? folder : FS_SHARED_DEFAULT;
  return std::filesystem::is_directory(path) ? path : "";
}

std::shared_ptr<const Model> load_model(const std::string& path, Precision precision) {
  return value_or_abort(Model::load(value_or_abort(Checkpoint::open(path)), {.precision = precision}));
}

struct ForwardRunner::Sequence {
  struct Free {
    void operator()(std::byte* p) const { ::operator delete(p, std::align_val_t{64}); }
  };
  std::vector<std::unique_ptr<std::byte, Free>> owned;
  std::vector<std::byte*> blocks;
  int32_t n_tokens = 0;

  void grow(int32_t n, size_t block_bytes) {
    n_tokens += n;
    while (static_cast<int32_t>(blocks.size()) * kKvBlockTokens < n_tokens) {
      auto* block = static_cast<std::byte*>(::operator new(block_bytes, std::align_val_t{64}));
      std::memset(block, 0xFF, block_bytes);
      owned.emplace_back(block);
      blocks.push_back(block);
    }
  }
};

ForwardRunner::ForwardRunner(std::shared_ptr<const Model> model, Options options)
    : model_(std::move(model)), options_(std::move(options)), exec_(options_.n_threads), layout_(model_->kv_layout(options_.kv_type)) {
  table_ = value_or_abort(options_.isa.empty() ? default_kernel_table() : kernel_table(options_.isa));
  workspace_ = model_->new_workspace(options_.max_rows, options_.max_rows, 1 << 20);
}

ForwardRunner::~ForwardRunner() = default;

std::span<const float> ForwardRunner::step(std::span<const Piece> pieces) {
  rows_.clear();
  attn_seqs_.clear();
  for (const Piece& piece : pieces) {
    const size_t index = static_cast<size_t>(piece.seq);
    while (sequences_.size() <= index) sequences_.push_back(std::make_unique<Sequence>());
    Sequence& sequence = *sequences_[index];
    int32_t position = sequence.n_tokens;
    sequence.grow(static_cast<int32_t>(piece.tokens.size()), layout_.block_bytes());
    for (const TokenId token : piece.tokens) {
      rows_.push_back({.token = token, .position = position++, .seq = static_cast<int32_t>(attn_seqs_.size()), .wants_logits = true});
    }
    attn_seqs_.push_back({.blocks = sequence.blocks.data(), .n_blocks = static_cast<int32_t>(sequence.blocks.size())});
  }
  const size_t n_logits = rows_.size() * static_cast<size_t>(model_->config().n_vocab);
  if (logits_.size() < n_logits) logits_.resize(n_logits);
  model_->forward(&exec_, *table_, workspace_.get(), layout_, {.rows = rows_, .seqs = attn_seqs_}, logits_.data());
  return {logits_.data(), n_logits};
}

std::vector<float> ForwardRunner::run(int seq, std::span<const TokenId> tokens, int64_t chunk) {
  chunk = std::min<int64_t>(chunk, options_.max_rows);
  std::vector<float> all;
  for (size_t first = 0; first < tokens.size(); first += static_cast<size_t>(chunk)) {
    const Piece piece{.seq = seq, .tokens = tokens.subspan(first, std::min(static_cast<size_t>(chunk), tokens.size() - first))};
    const std::span<const float> logits = step({&piece, 1});
    all.insert(all.end(), logits.begin(), logits.end());
  }
  return all;
}

LogitsDistance compare_logits(std::span<const double> reference, std::span<const float> other, int64_t n_vocab, double margin) {
  CHECK(reference.size() == other.size());
  LogitsDistance distance;
  const size_t n = static_cast<size_t>(n_vocab);
  const auto log_sum = [n](const auto* row) {
    double max = -1e300;
    for (size_t i = 0; i < n; ++i) max = std::max(max, static_cast<double>(row[i]));
    double sum = 0;
    for (size_t i = 0; i < n; ++i) sum += std::exp(static_cast<double>(row[i]) - max);
    return max + std::log(sum);
  };
  for (size_t first = 0; first < reference.size(); first += n) {
    const double* a = reference.data() + first;
    const float* b = other.data() + first;
    const double log_a = log_sum(a);
    const double log_b = log_sum(b);
    double kl = 0;
    size_t top_a = 0;
    size_t top_b = 0;
    double second = -1e300;
    for (size_t i = 0; i < n; ++i) {
      const double difference = std::abs(a[i] - static_cast<double>(b[i]));
      distance.max_abs = difference <= distance.max_abs ? distance.max_abs : difference;  // NaN shows
      kl += std::exp(a[i] - log_a) * ((a[i] - log_a) - (static_cast<double>(b[i]) - log_b));
      if (a[i] > a[top_a]) top_a = i;
      if (b[i] > b[top_b]) top_b = i;
    }
    for (size_t i = 0; i < n; ++i) {
      if (i != top_a) second = std::max(second, a[i]);
    }
    distance.mean_kl += kl;
    distance.max_kl = kl <= distance.max_kl ? distance.max_kl : kl;
    ++distance.n_rows;
    if (top_a == top_b) {
      ++distance.n_same_top;
    } else if (a[top_a] - second > margin) {
      ++distance.n_wrong_top;
    }
  }
  distance.mean_kl /= static_cast<double>(std::max<int64_t>(distance.n_rows, 1));
  return distance;
}

}  // namespace firesteel
