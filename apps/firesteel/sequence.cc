#include "sequence.h"

#include <sys/mman.h>

#include <algorithm>

#include "base/check.h"
#include "kernels/dispatch.h"

namespace firesteel {
namespace {

constexpr int kRowsPerStep = 128;  // enough for full speed; a bound on the logits buffer

}  // namespace

Result<std::unique_ptr<Sequence>> Sequence::create(const LoadedModel& loaded, const ModelOptions& options, KvType kv_otherwise, int64_t max_tokens) {
  CHECK(max_tokens > 0 && max_tokens <= (int64_t{1} << 24));
  FS_TRY(const KernelTable* const table, default_kernel_table());
  const KvLayout layout = loaded.model->kv_layout(kv_type_to_use(options, kv_otherwise));
  std::unique_ptr<Sequence> sequence(new Sequence(loaded, options, table, layout, max_tokens));

  const size_t n_blocks = static_cast<size_t>((max_tokens + kKvBlockTokens - 1) / kKvBlockTokens);
  const size_t n_bytes = n_blocks * layout.block_bytes();
  void* const memory = mmap(nullptr, n_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    return Error{ErrorCode::kResourceExhausted, "no memory for the keys and values of " + std::to_string(max_tokens) + " tokens (" +
                                                    std::to_string(n_bytes) + " bytes)"};
  }
  sequence->memory_ = static_cast<std::byte*>(memory);
  sequence->memory_bytes_ = n_bytes;
  for (size_t i = 0; i < n_blocks; ++i) sequence->blocks_.push_back(sequence->memory_ + i * layout.block_bytes());
  return sequence;
}

Sequence::Sequence(const LoadedModel& loaded, const ModelOptions& options, const KernelTable* table, KvLayout layout, int64_t max_tokens)
    : model_(loaded.model), table_(table), layout_(layout), max_tokens_(max_tokens), exec_(threads_to_use(options)),
      workspace_(model_->new_workspace(kRowsPerStep, kRowsPerStep, max_tokens)) {
  logits_.resize(static_cast<size_t>(kRowsPerStep) * static_cast<size_t>(model_->config().n_vocab));
}

Sequence::~Sequence() {
  if (memory_ != nullptr) munmap(memory_, memory_bytes_);
}

void Sequence::feed(std::span<const TokenId> tokens, int64_t first_wanted, const OnLogits& on_logits) {
  CHECK(n_tokens_ + static_cast<int64_t>(tokens.size()) <= max_tokens_);
  const auto n_vocab = static_cast<size_t>(model_->config().n_vocab);
  std::vector<ForwardRow> rows;
  for (size_t start = 0; start < tokens.size(); start += kRowsPerStep) {
    const size_t n = std::min<size_t>(kRowsPerStep, tokens.size() - start);
    rows.clear();
    std::vector<int64_t> wanted;
    for (size_t i = 0; i < n; ++i) {
      const auto index = static_cast<int64_t>(start + i);
      const bool wants_logits = index >= first_wanted;
      rows.push_back({.token = tokens[start + i], .position = static_cast<int32_t>(n_tokens_++), .seq = 0, .wants_logits = wants_logits});
      if (wants_logits) wanted.push_back(index);
    }
    const AttnSeq seq{blocks_.data(), static_cast<int32_t>(blocks_.size())};
    model_->forward(&exec_, *table_, workspace_.get(), layout_, {.rows = rows, .seqs = std::span(&seq, 1)}, logits_.data());
    for (size_t i = 0; i < wanted.size(); ++i) {
      if (!on_logits(wanted[i], std::span<const float>(logits_).subspan(i * n_vocab, n_vocab))) return;
    }
  }
}

}  // namespace firesteel
