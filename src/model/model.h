// A loaded model: immutable weights (views into the mapped checkpoint) and the forward pass over a batch of rows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "checkpoint/checkpoint.h"
#include "kernels/attention.h"
#include "kernels/exec.h"
#include "kernels/matmul.h"
#include "model/adapter.h"
#include "model/config.h"
#include "tensor/kv_layout.h"

namespace firesteel {

// One token of a step. Rows of a sequence are consecutive, with ascending consecutive positions.
struct ForwardRow {
  TokenId token = 0;
  int32_t position = 0;
  int32_t seq = 0;           // index into ForwardBatch::seqs
  bool wants_logits = false;
  bool wants_hidden = false;  // its last hidden state, see ForwardBatch::hidden
  // [dim], instead of the token's embedding, as it is (not scaled): a patch of a picture (model/vision.h). Then `token` may be any
  // number at or above n_vocab; it names the row's content for those who keep it.
  const float* embedding = nullptr;
  bool base_only = false;  // the sequence's adapter does not count for it (activated LoRA: what is before the activation)
};

struct ForwardBatch {
  std::span<const ForwardRow> rows;   // at most the workspace's max_rows
  std::span<const AttnSeq> seqs;      // writable blocks up to every row's position
  std::span<const Adapter* const> adapters = {};  // one per sequence, null: the base alone; empty: all null
  // [rows that want it, in row order][dim]: what the output matrix reads, that is after the last norm. Null when none wants it.
  float* hidden = nullptr;
};

// Buffers of a step, allocated once from stated limits; a step allocates nothing. Owned by the thread that calls forward.
class Workspace;

class Model {
 public:
  struct Options {
    Precision precision = Precision::kFast;
  };
  // Checks that every tensor the configuration implies is there with the right shape and a supported type. Keeps the checkpoint
  // alive. Reads no weights (they are mapped; norms and biases are read when first used).
  static Result<std::shared_ptr<const Model>> load(std::shared_ptr<const Checkpoint> checkpoint, Options options);

  virtual ~Model() = default;

  virtual const ModelConfig& config() const = 0;
  virtual const Checkpoint& checkpoint() const = 0;
  // What cached keys and values belong to. Fakes have no checkpoint.
  virtual const std::string& identity() const { return checkpoint().identity(); }
  // f32 for models with f32 or f16 matrices and at high precision, else bf16.
  virtual KvType default_kv_type() const = 0;
  KvLayout kv_layout(KvType type) const;
  // Bytes of weights read per decoded token, and multiply-adds per token (without attention): for rooflines.
  virtual uint64_t weight_bytes_per_token() const = 0;
  virtual uint64_t macs_per_token() const = 0;

  virtual std::unique_ptr<Workspace> new_workspace(int max_rows, int max_logit_rows, int64_t max_context) const = 0;

  // An adapter's file for this model, see Adapter::load. What a fake cannot have is refused.
  virtual Result<std::shared_ptr<const Adapter>> load_adapter(const std::string& path) const {
    return Error{ErrorCode::kUnsupported, path + ": this model takes no adapters"};
  }

  // Runs all rows; logits of the rows that want them, in row order, go to logits [n_wanted][n_vocab]. Writes the rows' K and V.
  // A row's logits depend on its sequence only, to the bit. Token ids of rows without an embedding must be < n_vocab (CHECKed: the
  // engine validates).
  virtual void forward(Exec* exec, const KernelTable& table, Workspace* workspace, const KvLayout& layout, const ForwardBatch& batch,
                       float* logits) const = 0;
};

class Workspace {
 public:
  virtual ~Workspace() = default;
  virtual int max_rows() const = 0;
  virtual size_t n_bytes() const = 0;
};

}  // namespace firesteel
