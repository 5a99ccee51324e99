// firesteel perplexity: how surprised a model is by a text, scored as llama.cpp does, so that figures compare: the text is cut into
// chunks of --ctx tokens, each starts with an empty context (its first token replaced by BOS where the model wants one), and only the
// second half of a chunk is scored, where the context is long enough to be fair.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mapped_file.h"
#include "commands.h"
#include "load_model.h"
#include "sequence.h"
#include "terminal.h"

namespace firesteel {
namespace {

struct PerplexityOptions {
  ModelOptions model;
  std::string file;
  int64_t n_chunks = 0;  // 0: all
  bool json = false;
};

// -log p(target) from a row of logits, in f64.
double negative_log_likelihood(std::span<const float> row, TokenId target) {
  const auto highest = static_cast<double>(*std::max_element(row.begin(), row.end()));
  double sum = 0;
  for (const float logit : row) sum += std::exp(static_cast<double>(logit) - highest);
  return std::log(sum) + highest - static_cast<double>(row[static_cast<size_t>(target)]);
}

Status measure(const PerplexityOptions& options) {
  FS_TRY(const LoadedModel loaded, load_model(options.model, /*want_template=*/false));
  if (loaded.tokenizer == nullptr) return Error{ErrorCode::kNotFound, loaded.path + ": has no tokenizer"};
  const Tokenizer& tokenizer = *loaded.tokenizer;
  const int64_t trained = loaded.model->config().context_length;
  const int64_t ctx = options.model.context_length > 0 ? options.model.context_length : std::min<int64_t>(512, trained);
  if (ctx < 4) return Error{ErrorCode::kInvalidArgument, "--ctx " + std::to_string(ctx) + ": at least 4 are needed to score anything"};

  FS_TRY(const std::string text, read_file(options.file, 1u << 30));
  std::vector<TokenId> ids;
  FS_TRY_VOID(tokenizer.encode(text, {.parse_special = false, .add_special = true}, &ids));
  const auto n_tokens = static_cast<int64_t>(ids.size());
  int64_t n_chunks = n_tokens / ctx;
  if (n_chunks == 0) {
    return Error{ErrorCode::kInvalidArgument, options.file + ": " + std::to_string(n_tokens) + " tokens, at least one chunk of " +
                                                  std::to_string(ctx) + " is needed; give a smaller --ctx or a longer text"};
  }
  if (options.n_chunks > 0) n_chunks = std::min(n_chunks, options.n_chunks);

  FS_TRY(const std::unique_ptr<Sequence> sequence, Sequence::create(loaded, options.model, loaded.model->default_kv_type(), ctx));
  const int64_t start_us = system_clock().now_us();
  Progress progress("perplexity", static_cast<uint64_t>(n_chunks), options.json);
  double sum = 0, sum_of_squares = 0;
  int64_t n_scored = 0;
  for (int64_t chunk = 0; chunk < n_chunks; ++chunk) {
    std::vector<TokenId> tokens(ids.begin() + chunk * ctx, ids.begin() + (chunk + 1) * ctx);
    const std::vector<TokenId> targets(tokens.begin() + 1, tokens.end());
    if (tokenizer.adds_bos() && tokenizer.bos()) tokens.front() = *tokenizer.bos();
    sequence->restart();
    tokens.pop_back();  // the last one is only a target
    sequence->feed(tokens, ctx / 2, [&](int64_t i, std::span<const float> row) {
      const double nll = negative_log_likelihood(row, targets[static_cast<size_t>(i)]);
      sum += nll;
      sum_of_squares += nll * nll;
      ++n_scored;
      return true;
    });
    progress.update(static_cast<uint64_t>(chunk) + 1, fmt::format("ppl {:.4f}", std::exp(sum / static_cast<double>(n_scored))));
  }
  progress.clear();
  const auto n = static_cast<double>(n_scored);
  const double mean = sum / n;
  // Of the mean, by the spread of the scores; carried through exp.
  const double error = n_scored > 1 ? std::sqrt(std::max(0.0, sum_of_squares / n - mean * mean) / (n - 1)) * std::exp(mean) : 0;
  const double seconds = static_cast<double>(system_clock().now_us() - start_us) * 1e-6;
  if (options.json) {
    Json out;
    out.set("perplexity", std::exp(mean));
    out.set("error", error);
    out.set("nll", mean);
    out.set("n_scored", n_scored);
    out.set("n_chunks", n_chunks);
    out.set("ctx", ctx);
    out.set("seconds", seconds);
    std::printf("%s\n", out.dump().c_str());
  } else {
    fmt::print("perplexity {:.4f} +/- {:.4f} ({} tokens scored in {} chunks of {}, {:.1f} s)\n", std::exp(mean), error, n_scored, n_chunks, ctx, seconds);
  }
  return {};
}

}  // namespace

void add_perplexity(Command root) {
  const auto options = std::make_shared<PerplexityOptions>();
  Command command = root.subcommand("perplexity", "Measure how well a model predicts a text");
  add_model_option(&command, &options->model);
  add_engine_options(&command, &options->model);
  command.text("--file", &options->file, "The text");
  command.required("--file");
  command.integer("--chunks", &options->n_chunks, 1, 1 << 30, "Score only the first N chunks");
  command.flag("--json", &options->json, "Print one JSON object");
  command.examples(
      "  firesteel perplexity --model MODEL.gguf --file text.txt\n"
      "  firesteel perplexity --model MODEL.gguf --file text.txt --ctx 256 --chunks 20 --json\n"
      "As in llama.cpp: chunks of --ctx tokens (default 512), the second half of each is scored.");
  command.run([options] {
    const Status status = measure(*options);
    return status.ok() ? kExitOk : fail(status.error(), options->json);
  });
}

}  // namespace firesteel
