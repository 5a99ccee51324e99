// One sequence through the model, without scheduler: for commands that want the numbers themselves.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "kernels/exec.h"
#include "load_model.h"

namespace firesteel {

class Sequence {
 public:
  // kv_otherwise: the KV type when the user named none. kResourceExhausted when memory for max_tokens cannot be reserved.
  static Result<std::unique_ptr<Sequence>> create(const LoadedModel& loaded, const ModelOptions& options, KvType kv_otherwise, int64_t max_tokens);
  ~Sequence();
  Sequence(const Sequence&) = delete;
  Sequence& operator=(const Sequence&) = delete;

  void restart() { n_tokens_ = 0; }  // forgets the context

  // Appends tokens (valid ids; at most max_tokens in all) and calls on_logits(i, row [n_vocab]) for i = first_wanted.. in order, where i
  // counts from the first of these tokens. The row is valid during the call; false from it ends the feeding early.
  using OnLogits = std::function<bool(int64_t i, std::span<const float> row)>;
  void feed(std::span<const TokenId> tokens, int64_t first_wanted, const OnLogits& on_logits);

 private:
  Sequence(const LoadedModel& loaded, const ModelOptions& options, const KernelTable* table, KvLayout layout, int64_t max_tokens);

  std::shared_ptr<const Model> model_;
  const KernelTable* table_;
  KvLayout layout_;
  int64_t max_tokens_;
  int64_t n_tokens_ = 0;
  Exec exec_;
  std::unique_ptr<Workspace> workspace_;
  std::byte* memory_ = nullptr;
  size_t memory_bytes_ = 0;
  std::vector<std::byte*> blocks_;
  std::vector<float> logits_;
};

}  // namespace firesteel
