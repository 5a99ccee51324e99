// firesteel logits: the numbers behind the answers, for comparison with other engines.
#include <cstdio>
#include <memory>

#include "base/mapped_file.h"
#include "commands.h"
#include "input.h"
#include "load_model.h"
#include "sequence.h"
#include "terminal.h"

namespace firesteel {
namespace {

struct LogitsOptions {
  ModelOptions model;
  std::string tokens_file, out_file;
};

Status write_logits(const LogitsOptions& options) {
  FS_TRY(const LoadedModel loaded, load_model(options.model, /*want_template=*/false));
  const ModelConfig& config = loaded.model->config();
  FS_TRY(const std::string text, options.tokens_file == "-" ? read_stdin() : read_file(options.tokens_file, kInputBytesMax));
  FS_TRY(const std::vector<TokenId> ids, parse_token_ids(text, options.tokens_file, config.n_vocab));
  const int64_t limit = options.model.context_length > 0 ? options.model.context_length : config.context_length;
  const auto n_tokens = static_cast<int64_t>(ids.size());
  if (n_tokens == 0) return Error{ErrorCode::kInvalidArgument, options.tokens_file + ": no token ids"};
  if (n_tokens > limit) {
    return Error{ErrorCode::kInvalidArgument, options.tokens_file + ": " + std::to_string(n_tokens) +
                                                  " tokens are more than the context of " + std::to_string(limit)};
  }
  FS_TRY(const std::unique_ptr<Sequence> sequence, Sequence::create(loaded, options.model, KvType::kF32, n_tokens));
  FS_TRY(AtomicFileWriter writer, AtomicFileWriter::create(options.out_file));
  Progress progress("logits", ids.size());
  Status status;
  sequence->feed(ids, 0, [&](int64_t i, std::span<const float> row) {
    // All supported machines are little-endian.
    status = writer.write(std::as_bytes(row));
    progress.update(static_cast<uint64_t>(i) + 1);
    return status.ok();
  });
  FS_TRY_VOID(std::move(status));
  return writer.commit();
}

}  // namespace

void add_logits(Command root) {
  const auto options = std::make_shared<LogitsOptions>();
  Command command = root.subcommand("logits", "Write the logits of every position of one sequence");
  add_model_option(&command, &options->model);
  add_engine_options(&command, &options->model);
  command.text("--tokens", &options->tokens_file, "File of token ids as text, separated by white space; - is stdin");
  command.text("--out", &options->out_file, "Output: little-endian float32 [n_tokens, n_vocab], row i is what follows token i");
  command.required("--tokens");
  command.required("--out");
  command.examples(
      "  firesteel logits --model MODEL.gguf --tokens tokens.txt --out logits.f32\n"
      "  FS_ISA=generic firesteel logits --model MODEL.gguf --precision high --tokens tokens.txt --out reference.f32\n"
      "Keys and values are kept as f32 unless --kv says otherwise. No beginning-of-text token is added.");
  command.run([options] {
    const Status status = write_logits(*options);
    return status.ok() ? kExitOk : fail(status.error());
  });
}

}  // namespace firesteel
