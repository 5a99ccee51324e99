// Runs a model on token sequences without the engine: blocks of KV on the heap, one step per call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "kernels/exec.h"
#include "model/model.h"

namespace firesteel {

// Where the optional test data lies; empty when absent. Tests then skip.
std::string shared_folder();

// Loads a file or folder; prints the error and aborts when it cannot.
std::shared_ptr<const Model> load_model(const std::string& path, Precision precision = Precision::kFast);

// Tokens to append to a sequence in one step.
struct Piece {
  int seq = 0;
  std::span<const TokenId> tokens;
};

class ForwardRunner {
 public:
  struct Options {
    int n_threads = 1;
    int max_rows = 256;
    KvType kv_type = KvType::kF32;
    std::string isa = {};  // empty: the default column
  };
  ForwardRunner(std::shared_ptr<const Model> model, Options options);
  ~ForwardRunner();

  // One step; logits of every row, in order of pieces and tokens: [n][n_vocab]. Sequences come into being at their first piece.
  // New blocks are filled with NaN.
  std::span<const float> step(std::span<const Piece> pieces);
  // The sequence alone, `chunk` tokens per step.
  std::vector<float> run(int seq, std::span<const TokenId> tokens, int64_t chunk = 1 << 30);

  const Model& model() const { return *model_; }

 private:
  struct Sequence;
  std::shared_ptr<const Model> model_;
  Options options_;
  const KernelTable* table_ = nullptr;
  Exec exec_;
  KvLayout layout_;
  std::unique_ptr<Workspace> workspace_;
  std::vector<std::unique_ptr<Sequence>> sequences_;
  std::vector<ForwardRow> rows_;
  std::vector<AttnSeq> attn_seqs_;
  std::vector<float> logits_;
};

// How far rows of logits are from those of a reference.
struct LogitsDistance {
  double max_abs = 0;
  double mean_kl = 0;   // KL(reference || other), natural log, per row
  double max_kl = 0;
  int64_t n_rows = 0;
  int64_t n_same_top = 0;
  // Rows whose arg-max differs although the reference's first two are more than `margin` apart.
  int64_t n_wrong_top = 0;
};
LogitsDistance compare_logits(std::span<const double> reference, std::span<const float> other, int64_t n_vocab, double margin);

}  // namespace firesteel
