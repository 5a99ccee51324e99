// A checkpoint of either format to one GGUF file, in the same or other element types.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "checkpoint/checkpoint.h"

namespace firesteel {

struct ConvertProgress {
  uint64_t done_bytes = 0, total_bytes = 0;  // of source weights
  size_t tensor = 0, n_tensors = 0;
  std::string_view name;
};

// A further model of the same shape, whose weights are added.
struct MixPart {
  const Checkpoint* model = nullptr;  // outlives the call
  float share = 0;
};

struct ConvertOptions {
  // A preset or type of quantise_plan.h ("Q4_K_M", "F16"); empty: each matrix keeps its type.
  std::string type = {};
  bool pure = false;           // every matrix in the base type, without the preset's mix
  int n_threads = 1;
  // Name of the pre-tokenizer ("llama-bpe"), for a Hugging Face tokenizer whose pattern is not recognised.
  std::string pre_tokenizer = {};
  // Not empty: each weight becomes own_share times itself plus the parts' shares of theirs, in this order. Averages of models that were trained
  // on from common weights are often better than each of them (Wortsman et al. 2022, arXiv:2203.05482). Metadata is that of `in`.
  std::vector<MixPart> mix = {};
  float own_share = 1;
  // Called from the calling thread several times per second or per tensor; false stops with kCancelled, and nothing is left behind.
  std::function<bool(const ConvertProgress&)> progress = {};
};

struct ConvertReport {
  uint64_t in_bytes = 0, out_bytes = 0;  // source weights; whole file
  size_t n_tensors = 0;
  int n_fallbacks = 0;    // rows that are not whole blocks of the wanted type
  int n_requantised = 0;  // quantised in the source already: quality is lost twice
};

// Writes `out` atomically: it appears complete or not at all. Hugging Face Llama rows are brought into GGUF's order and the
// tokenizer is embedded, so that other GGUF engines load the file. A weight that is not finite, or too large for F16 when that is
// the target, is refused by tensor and index (kDataLoss), and so is a part of a mix with other tensors (kInvalidArgument). Memory: about 16 MiB plus a row per thread.
Result<ConvertReport> convert(const Checkpoint& in, const std::string& out, const ConvertOptions& options);

}  // namespace firesteel
