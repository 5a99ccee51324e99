// Rows of a dataset to encoded samples, with the tokenizer, template, number markers and patches that serve.
//
//   supervised   {"messages": [{"role", "content"}, ...]}: each assistant message is an example, what stands before it is its prompt
//   preference   {"prompt": "..." or [messages], "chosen": "...", "rejected": "..."}, or OpenAI's
//                {"input": {"messages": [...]}, "preferred_output": [message], "non_preferred_output": [message]}
//
// One row of JSON a line, in a file, or rows.jsonl of a folder (a dataset version). A message's content is text, or a list of parts:
// {"type": "text", "text"} and {"type": "image", "image": FILE or data URI} (also OpenAI's image_url). Files are relative to the rows' folder.
// A row may say "thinking": true or false and "tools": true (the calculator is offered); else the run's mode holds.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "train/sample_encoder.h"
#include "tune/base_model.h"

namespace firesteel {

enum class TuneKind : uint8_t { kSupervised, kPreference };

struct TuneDataOptions {
  TuneKind kind = TuneKind::kSupervised;
  bool thinking = false;          // the mode of rows that do not say
  bool tools = false;
  int64_t n_tokens_max = 1024;    // longer examples are passed over, with a count
  std::vector<int32_t> activation = {};  // tokens from whose last occurrence in the prompt on the adapter counts (model/adapter.h); without it: refused
};

struct TuneData {
  // Supervised: one each. Preference: 2 i the chosen, 2 i + 1 the rejected answer of pair i, to the same prompt.
  std::vector<EncodedSample> samples;
  int64_t n_rows = 0;
  int64_t n_refused = 0;          // rows that could not be used
  std::vector<std::string> refusals;  // the first ten: "row 7: ..."
  std::string digest;             // of the rows' bytes
  std::string version;            // of a dataset folder: its name; else empty
};

// kInvalidArgument: no usable row, or more than a tenth refused (with the first reason); kNotFound, kIo; kResourceExhausted: too large.
Result<TuneData> read_tune_data(const std::string& path, const BaseModel& base, const TuneDataOptions& options);

// One row; appends to `samples`. For tests and fuzzing. folder: where picture files lie, empty: none may be named.
Status encode_row(const std::string& line, const BaseModel& base, const TuneDataOptions& options, const std::string& folder, std::vector<EncodedSample>* samples);

}  // namespace firesteel
