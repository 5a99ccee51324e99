// firesteel models convert, average, quantize and verify: work that takes a while, with progress, and that Ctrl-C stops without a trace.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <numeric>
#include <vector>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/json.h"
#include "checkpoint/convert.h"
#include "checkpoint/verify.h"
#include "commands.h"
#include "embedded_model.h"
#include "load_model.h"
#include "model_store.h"
#include "terminal.h"

namespace firesteel {
namespace {

volatile std::sig_atomic_t interrupted = 0;

void stop_on_interrupt() {
  struct sigaction action {};
  action.sa_handler = [](int) { interrupted = 1; };
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

struct ConvertCommand {
  std::string in, out;
  std::vector<std::string> others;  // of an average
  std::string shares;
  ConvertOptions convert;
  ModelOptions engine;  // for --threads
  bool force = false, json = false;
};

// "6,1" for two models: 6/7 and 1/7. Empty: equal shares.
Result<std::vector<float>> parse_shares(const std::string& text, size_t n_models) {
  std::vector<double> parts;
  for (size_t at = 0; !text.empty() && at <= text.size();) {
    const size_t end = std::min(text.find(',', at), text.size());
    const std::string one = text.substr(at, end - at);
    char* stop = nullptr;
    parts.push_back(std::strtod(one.c_str(), &stop));
    if (one.empty() || *stop != '\0' || !(parts.back() > 0) || parts.back() > 1e6) return Error{ErrorCode::kInvalidArgument, "--shares: expected numbers above 0 with commas between, found '" + one + "'"};
    at = end + 1;
  }
  if (parts.empty()) parts.assign(n_models, 1.0);
  if (parts.size() != n_models) return Error{ErrorCode::kInvalidArgument, fmt::format("--shares: expected {} numbers, one for each model, found {}", n_models, parts.size())};
  const double sum = std::accumulate(parts.begin(), parts.end(), 0.0);
  std::vector<float> out;
  for (const double part : parts) out.push_back(static_cast<float>(part / sum));
  return out;
}

Status run_convert(ConvertCommand* command) {
  FS_TRY(const std::string path, resolve_model(command->in));
  FS_TRY(const std::shared_ptr<const Checkpoint> checkpoint, open_model(path));
  std::vector<std::shared_ptr<const Checkpoint>> others;
  FS_TRY(const std::vector<float> shares, parse_shares(command->shares, 1 + command->others.size()));
  command->convert.own_share = shares[0];
  for (size_t i = 0; i < command->others.size(); ++i) {
    FS_TRY(const std::string other, resolve_model(command->others[i]));
    FS_TRY(std::shared_ptr<const Checkpoint> opened, open_model(other));
    others.push_back(std::move(opened));
    command->convert.mix.push_back({others.back().get(), shares[i + 1]});
  }
  if (!command->force && MappedFile::open(command->out).ok()) {
    return Error{ErrorCode::kFailedPrecondition, command->out + ": exists already; --force replaces it"};
  }
  stop_on_interrupt();
  Progress progress("writing " + command->out, 0, command->json);
  command->convert.n_threads = threads_to_use(command->engine);
  command->convert.progress = [&](const ConvertProgress& state) {
    progress.update(state.done_bytes, state.total_bytes, fmt::format("{}/{} {}", state.tensor, state.n_tensors, state.name));
    return interrupted == 0;
  };
  const int64_t start_us = system_clock().now_us();
  FS_TRY(const ConvertReport report, convert(*checkpoint, command->out, command->convert));
  const double seconds = static_cast<double>(system_clock().now_us() - start_us) * 1e-6;
  progress.clear();
  if (command->json) {
    Json out;
    out.set("in", path);
    out.set("out", command->out);
    out.set("in_bytes", static_cast<int64_t>(report.in_bytes));
    out.set("out_bytes", static_cast<int64_t>(report.out_bytes));
    out.set("n_tensors", static_cast<int64_t>(report.n_tensors));
    out.set("n_fallbacks", report.n_fallbacks);
    out.set("n_requantised", report.n_requantised);
    out.set("seconds", seconds);
    fmt::print("{}\n", out.dump());
    return {};
  }
  fmt::print("{}: {} tensors, {} from {}, {:.1f} s\n", command->out, report.n_tensors, format_bytes(report.out_bytes),
             format_bytes(report.in_bytes), seconds);
  if (report.n_fallbacks > 0) {
    fmt::print(stderr, "firesteel: {} tensors have rows that are not whole blocks of {}; they got another type\n", report.n_fallbacks, command->convert.type);
  }
  if (report.n_requantised > 0) {
    fmt::print(stderr, "firesteel: {} tensors were quantised already: quality is lost twice; start from an F16 or BF16 file if there is one\n",
               report.n_requantised);
  }
  return {};
}

void add_common(Command* command, const std::shared_ptr<ConvertCommand>& options) {
  command->flag("--pure", &options->convert.pure, "Every matrix in that type, without the preset's mix");
  command->integer("-t,--threads", &options->engine.n_threads, 1, 256, "Threads (default: the CPUs this process may use)", "FIRESTEEL_THREADS");
  command->flag("--force", &options->force, "Replace OUT if it exists");
  command->flag("--json", &options->json, "Print one JSON object");
  command->run([options] {
    const Status status = run_convert(options.get());
    return status.ok() ? kExitOk : fail(status.error(), options->json);
  });
}

struct VerifyCommand {
  std::string model;
  ModelOptions engine;  // for --threads
  bool list = false, json = false;
};

void print_verified(const VerifyCommand& command, const VerifyReport& report) {
  for (const VerifyTensor& tensor : report.tensors) {
    const bool bad = tensor.n_bad_blocks > 0;
    if (!bad && !command.list) continue;
    fmt::print("{}  {:6} {:44} {}\n", tensor.digest, dtype_info(tensor.dtype).name, tensor.name,
               bad ? fmt::format("{} blocks are not numbers, the first at element {}", tensor.n_bad_blocks, tensor.first_bad) : "");
  }
  fmt::print("{}  {} tensors, {} read, {}\n", report.digest, report.tensors.size(), format_bytes(report.n_bytes),
             report.ok() ? "all values are numbers" : fmt::format("{} tensors are damaged", report.n_bad_tensors));
}

void print_verified_json(const std::string& path, const VerifyReport& report) {
  Json::Array tensors;
  for (const VerifyTensor& tensor : report.tensors) {
    tensors.push_back(Json::Object{{"name", tensor.name}, {"type", dtype_info(tensor.dtype).name}, {"digest", tensor.digest},
                                   {"n_bytes", static_cast<int64_t>(tensor.n_bytes)},
                                   {"n_bad_blocks", static_cast<int64_t>(tensor.n_bad_blocks)}});
  }
  Json out;
  out.set("path", path);
  out.set("ok", report.ok());
  out.set("digest", report.digest);
  out.set("n_bytes", static_cast<int64_t>(report.n_bytes));
  out.set("n_bad_tensors", static_cast<int64_t>(report.n_bad_tensors));
  out.set("tensors", std::move(tensors));
  fmt::print("{}\n", out.dump());
}

// True when all is well. Loading checks the shapes that the configuration implies, and the tokenizer and the template.
Result<bool> run_verify(const VerifyCommand& command) {
  ModelOptions model;
  model.model = command.model;
  FS_TRY(const LoadedModel loaded, load_model(model, /*want_template=*/true));
  stop_on_interrupt();
  Progress progress("reading " + loaded.path, loaded.checkpoint->file_bytes(), command.json);
  VerifyOptions options;
  options.n_threads = threads_to_use(command.engine);
  options.progress = [&](uint64_t done, uint64_t total) {
    progress.update(done, total, "");
    return interrupted == 0;
  };
  FS_TRY(const VerifyReport report, verify(*loaded.checkpoint, options));
  progress.clear();
  command.json ? print_verified_json(loaded.path, report) : print_verified(command, report);
  return report.ok();
}

}  // namespace

void add_models_verify(Command models) {
  const auto options = std::make_shared<VerifyCommand>();
  Command command = models.subcommand("verify", "Read every byte: header, shapes, tokenizer, template, and that all weights are numbers");
  command.text("model", &options->model, "A .gguf file, a folder with safetensors, or a name");
  command.required("model");
  command.flag("--list", &options->list, "Print the digest of every tensor");
  command.integer("-t,--threads", &options->engine.n_threads, 1, 256, "Threads (default: the CPUs this process may use)", "FIRESTEEL_THREADS");
  command.flag("--json", &options->json, "Print one JSON object");
  command.examples(
      "  firesteel models verify MODEL.gguf\n"
      "  firesteel models verify MODEL_FOLDER --json\n"
      "The digest printed last is equal for equal weights. Exit code 1 when anything is damaged.");
  command.run([options] {
    const Result<bool> ok = run_verify(*options);
    if (!ok.ok()) return fail(ok.error(), options->json);
    return static_cast<int>(*ok ? kExitOk : kExitFailed);
  });
}

void add_models_convert(Command models) {
  const auto options = std::make_shared<ConvertCommand>();
  Command command = models.subcommand("convert", "Write a model of either format as one GGUF file");
  command.text("in", &options->in, "A folder with safetensors, a .gguf file (of a split model any part), or a name");
  command.text("out", &options->out, "The .gguf file to write; it appears complete or not at all");
  command.required("in");
  command.required("out");
  command.text("--type", &options->convert.type, "Element type of the matrices, such as F16, Q8_0 or Q4_K_M (default: as they are)");
  command.text("--pre-tokenizer", &options->convert.pre_tokenizer, "Name of the pre-tokenizer, such as llama-bpe, when it is not recognised");
  command.examples(
      "  firesteel models convert MODEL_FOLDER model-f16.gguf --type F16\n"
      "  firesteel models convert model-00001-of-00003.gguf model.gguf");
  add_common(&command, options);
}

void add_models_average(Command models) {
  const auto options = std::make_shared<ConvertCommand>();
  Command command = models.subcommand("average", "Write the average of models of the same shape, trained on from common weights");
  command.text("out", &options->out, "The .gguf file to write; it appears complete or not at all");
  command.text("in", &options->in, "The first model, whose tokenizer and settings are kept: a .gguf file, or a name");
  command.paths("other", &options->others, "The others");
  for (const char* const name : {"out", "in", "other"}) command.required(name);
  command.text("--shares", &options->shares, "How much of each, in their order, such as 6,1 (default: equal)");
  command.text("--type", &options->convert.type, "Element type of the matrices, such as F16 or Q8_0 (default: as the first model has them)");
  command.examples(
      "  firesteel models average both.gguf run-a/model.gguf run-b/model.gguf\n"
      "  firesteel models average mostly-a.gguf run-a/model.gguf run-b/model.gguf --shares 6,1 --type Q8_0\n"
      "Such an average is often better than each of them; of models that share no past it is noise.");
  add_common(&command, options);
}

void add_models_quantize(Command models) {
  const auto options = std::make_shared<ConvertCommand>();
  Command command = models.subcommand("quantize", "Write a model with fewer bits per weight");
  command.text("in", &options->in, "A .gguf file, a folder with safetensors, or a name; best with F16, BF16 or F32 weights");
  command.text("out", &options->out, "The .gguf file to write; it appears complete or not at all");
  command.text("type", &options->convert.type, "Q4_K_M is the usual choice; Q8_0 loses least; also Q2_K .. Q6_K, Q4_0, Q4_1, Q5_0, Q5_1, IQ4_NL, IQ4_XS, MXFP4");
  for (const char* const name : {"in", "out", "type"}) command.required(name);
  command.examples(
      "  firesteel models quantize model-f16.gguf model-Q4_K_M.gguf Q4_K_M\n"
      "  firesteel models quantize MODEL_FOLDER model-Q8_0.gguf Q8_0 --threads 2");
  add_common(&command, options);
}

}  // namespace firesteel
