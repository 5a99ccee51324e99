// firesteel tune: adapters from data, merged, and exchanged with PEFT.
#include <atomic>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mapped_file.h"
#include "commands.h"
#include "embedded_model.h"
#include "kernels/dispatch.h"
#include "load_model.h"
#include "machine.h"
#include "model/adapter.h"
#include "model_store.h"
#include "terminal.h"
#include "train/export_model.h"
#include "tune/dataset.h"
#include "tune/merge.h"
#include "tune/peft.h"
#include "tune/tuner.h"

namespace firesteel {
namespace {

constexpr int64_t kDrawEvery_us = 300'000, kLineEvery_us = 20'000'000;

struct TuneArguments {
  ModelOptions model;
  std::string data, out, name, targets = "all", mode = "instant", loss = "dpo", precision = "bf16", checkpointing = "auto", activate_at;
  int64_t rank = 8, epochs = 3, batch = 16, seed = 1, n_threads = 0, lanes = 4, max_tokens = 1024, save_every = 50, memory_mib = 4096;
  double alpha = 16, rate = -1, warmup = 0.05, beta = 0.1, lambda = 0.2, decay = 0, clip = 1;
  bool resume = false, json = false, by_length = false, tools = false;
};

std::atomic<bool> stop_requested = false;
void request_stop(int) { stop_requested.store(true); }

class LiveLine {
 public:
  explicit LiveLine(bool quiet) : quiet_(quiet) {}
  void progress(const TuneProgress& p) {
    const int64_t now = system_clock().now_us();
    if (quiet_ || (now - last_us_ < (on_terminal_ ? kDrawEvery_us : kLineEvery_us) && p.step < p.n_steps && p.step > 1)) return;
    last_us_ = now;
    const auto left = static_cast<int64_t>(p.eta_s);
    const std::string text = fmt::format("step {} of {}  epoch {:.2f}  loss {:.4f}  right {:.1f} %  rate {:.2e}  norm {:.2f}  {:.0f} tok/s  {}:{:02} left", p.step, p.n_steps,
                                         p.epoch, p.loss, 100 * p.accuracy, p.rate, p.gradient_norm, p.tokens_per_s, left / 60, left % 60);
    fmt::print(stderr, "{}{}{}", on_terminal_ ? "\r\033[K" : "", text, on_terminal_ ? "" : "\n");
    drawn_ = on_terminal_;
  }
  void note(const std::string& text) {
    if (quiet_) return;
    fmt::print(stderr, "{}{}\n", drawn_ ? "\r\033[K" : "", text);
    drawn_ = false;
  }

 private:
  const bool quiet_, on_terminal_ = is_terminal(2);
  bool drawn_ = false;
  int64_t last_us_ = 0;
};

struct BaseFiles {
  std::string path;
  std::shared_ptr<const Checkpoint> model, vision;
};

// The model and, where it has one, its part that sees.
Result<BaseFiles> open_base(const ModelOptions& options) {
  BaseFiles files;
  FS_TRY(files.path, resolve_model(options.model));
  FS_TRY(files.model, open_model(files.path));
  if (files.path == kEmbeddedModelName) {
    FS_TRY(files.vision, open_embedded_vision_model());
    return files;
  }
  std::error_code ignored;
  if (std::filesystem::exists(mmproj_path(files.path), ignored)) {
    FS_TRY(files.vision, Checkpoint::open(mmproj_path(files.path)));
    const auto architecture = files.vision->metadata().get_string("general.architecture");
    if (!architecture.ok() || architecture->value_or("") != "kindling-vision") files.vision = nullptr;  // another program's
  }
  return files;
}

// The text as the tokens that a template's markers become.
Result<std::vector<int32_t>> activation_tokens(const Tokenizer& tokenizer, std::string text) {
  for (size_t at = text.find("\\n"); at != std::string::npos; at = text.find("\\n", at)) text.replace(at, 2, "\n");
  std::vector<TokenId> ids;
  FS_TRY_VOID(tokenizer.encode(text, {.parse_special = true}, &ids));
  if (ids.empty() || ids.size() > kActivationTokensMax) {
    return Error{ErrorCode::kInvalidArgument, "--activate-at: expected a text of 1 to " + std::to_string(kActivationTokensMax) + " tokens, found " + std::to_string(ids.size())};
  }
  return ids;
}

Status run_tuning(const TuneArguments& given, bool preferences) {
  TuneSettings settings;
  settings.method = !preferences ? TuneMethod::kSft : given.loss == "orpo" ? TuneMethod::kOrpo : TuneMethod::kDpo;
  settings.lora.rank = static_cast<int>(given.rank);
  settings.lora.alpha = given.alpha;
  FS_TRY(settings.lora.targets, parse_targets(given.targets));
  settings.epochs = given.epochs;
  settings.batch = given.batch;
  settings.rate = given.rate >= 0 ? given.rate : preferences ? 3e-4 : 2e-3;
  settings.warmup = given.warmup;
  settings.beta = given.beta;
  settings.lambda = given.lambda;
  settings.by_length = given.by_length;
  settings.weight_decay = given.decay;
  settings.clip = given.clip;
  settings.seed = static_cast<uint64_t>(given.seed);
  settings.shard_tokens = given.max_tokens;
  settings.lanes = given.lanes;
  settings.precision = given.precision;
  FS_TRY_VOID(settings.check());

  LiveLine line(given.json);
  FS_TRY(const BaseFiles files, open_base(given.model));
  FS_TRY(const BaseModel base, BaseModel::open(files.model, files.vision));
  if (!given.activate_at.empty()) {
    FS_TRY(settings.activation, activation_tokens(*base.tokenizer, given.activate_at));
  }
  TuneDataOptions data_options{.kind = preferences ? TuneKind::kPreference : TuneKind::kSupervised, .thinking = given.mode == "thinking", .tools = given.tools,
                               .n_tokens_max = std::min(given.max_tokens, base.config.context_length), .activation = settings.activation};
  FS_TRY(const TuneData data, read_tune_data(given.data, base, data_options));
  for (const std::string& refusal : data.refusals) line.note("passed over: " + refusal);
  if (data.n_refused > static_cast<int64_t>(data.refusals.size())) line.note(fmt::format("{} rows passed over in all", data.n_refused));

  TuneOptions options;
  options.settings = settings;
  options.folder = given.out;
  options.name = given.name.empty() ? std::filesystem::path(given.out).lexically_normal().filename().string() : given.name;
  options.resume = given.resume;
  options.save_every_steps = given.save_every;
  options.n_threads = static_cast<int>(given.n_threads > 0 ? given.n_threads : n_usable_cpus());
  options.memory_max = static_cast<uint64_t>(given.memory_mib) << 20;
  if (given.checkpointing != "auto") options.checkpointing = given.checkpointing == "on";
  FS_TRY(options.table, default_kernel_table());
  options.clock = &system_clock();
  options.stop = &stop_requested;
  options.progress = [&line](const TuneProgress& p) { line.progress(p); };
  options.note = [&line](const std::string& text) { line.note(text); };
  std::signal(SIGINT, request_stop);
  std::signal(SIGTERM, request_stop);
  FS_TRY(const TuneResult result, tune(options, base, data));
  if (given.json) {
    const Json out = Json::Object{{"finished", result.finished}, {"steps", result.step}, {"steps_in_all", result.n_steps}, {"tokens", result.n_tokens}, {"loss", result.loss},
                                  {"accuracy", result.accuracy}, {"rows", data.n_rows}, {"rows_refused", data.n_refused}, {"adapter", result.adapter}, {"digest", result.digest}};
    std::printf("%s\n", out.dump().c_str());
  } else if (result.finished) {
    fmt::print("{}  {}\nTry it: firesteel ask{} --adapter {} \"...\"\n", result.adapter, result.digest,
               given.model.model.empty() ? "" : " --model " + given.model.model, result.adapter);
  } else {
    line.note(fmt::format("stopped after step {} of {}; go on with --resume", result.step, result.n_steps));
  }
  return {};
}

void add_run(Command tune_command, bool preferences) {
  const auto options = std::make_shared<TuneArguments>();
  Command command = tune_command.subcommand(preferences ? "dpo" : "sft", preferences ? "Learn which of two answers is preferred" : "Learn to answer as examples do");
  add_model_option(&command, &options->model);
  command.text("--data", &options->data, preferences ? "JSONL of {prompt, chosen, rejected}, or a dataset version's folder" : "JSONL of {messages}, or a dataset version's folder");
  command.required("--data");
  command.text("-o,--out", &options->out, "Folder of the run: adapter.gguf, checkpoint.bin, log.jsonl, tune.json");
  command.required("--out");
  command.flag("--resume", &options->resume, "Go on from the folder's checkpoint");
  command.text("--name", &options->name, "Name in the adapter's file (default: the folder's)");
  command.integer("--rank", &options->rank, 1, kAdapterRankMax, "Rank of the change (default 8)");
  command.number("--alpha", &options->alpha, 1e-3, 1e4, "The change counts alpha / rank (default 16)");
  command.text("--targets", &options->targets, "all, attention, ffn, or some of q,k,v,o,gate,up,down (default all)");
  command.integer("--epochs", &options->epochs, 1, 1000, "How often each example is seen (default 3)");
  command.integer("--batch", &options->batch, 1, 4096, preferences ? "Pairs of a step (default 16)" : "Examples of a step (default 16)");
  command.number("--lr", &options->rate, 0, 1, preferences ? "Learning rate at its highest (default 3e-4)" : "Learning rate at its highest (default 2e-3)");
  command.number("--warmup", &options->warmup, 0, 1, "Share of the steps in which the rate rises (default 0.05)");
  if (preferences) {
    command.choice("--loss", &options->loss, {"dpo", "orpo"}, "dpo: against the model with the adapter off; orpo: without a reference (default dpo)");
    command.number("--beta", &options->beta, 0, 100, "dpo: how firmly the model is held to the reference (default 0.1)");
    command.flag("--by-length", &options->by_length, "dpo: log-probabilities per token, so that length does not count");
    command.number("--lambda", &options->lambda, 0, 100, "orpo: weight of the preference beside the chosen answers (default 0.2)");
  }
  command.choice("--mode", &options->mode, {"instant", "thinking"}, "Mode of rows that do not say \"thinking\" (default instant)");
  command.flag("--tools", &options->tools, "The calculator is offered in rows that do not say \"tools\"");
  command.text("--activate-at", &options->activate_at, "Activated LoRA: the adapter counts from the last occurrence of this text in the prompt on, such as \"<|im_start|>assistant\"; what is before is shared with the base");
  command.integer("--max-tokens", &options->max_tokens, 16, 65536, "Longer examples are passed over (default 1024)");
  command.number("--weight-decay", &options->decay, 0, 10, "Of A and B (default 0)");
  command.number("--clip", &options->clip, 0, 1e6, "Largest norm of the gradient, 0: no limit (default 1)");
  command.choice("--precision", &options->precision, {"bf16", "f32"}, "Of products (default bf16)");
  command.integer("--seed", &options->seed, 0, INT64_MAX, "Of A's first numbers and the order of examples (default 1)");
  command.integer("--lanes", &options->lanes, 1, 64, "So many times --max-tokens go through the model at once; the result depends on it (default 4)");
  command.choice("--checkpointing", &options->checkpointing, {"auto", "on", "off"}, "Compute layers again on the way back instead of keeping them: less memory, the same bytes (default auto: when it would not fit)");
  command.integer("-t,--threads", &options->n_threads, 1, 256, "Threads (default: the CPUs this process may use); the result does not depend on it");
  command.integer("--save-every", &options->save_every, 1, 1 << 30, "Steps between checkpoints (default 50)");
  command.integer("--memory-mib", &options->memory_mib, 64, 1 << 24, "What tuning may take, the model's file included; refused if it would not fit (default 4096)");
  command.flag("--json", &options->json, "No progress; one JSON object at the end");
  command.examples(preferences ? "  firesteel tune dpo --data pairs.jsonl --out runs/polite\n"
                                 "  firesteel tune dpo --data store/feedback/5f1c --out runs/polite --beta 0.2 --by-length\n"
                                 "  firesteel tune dpo --data pairs.jsonl --out runs/orpo --loss orpo\n"
                                 "Ctrl-C stops after the step, with a checkpoint; --resume goes on to the same bytes."
                               : "  firesteel tune sft --data examples.jsonl --out runs/legal\n"
                                 "  firesteel tune sft --model MODEL.gguf --data examples.jsonl --out runs/legal --rank 16 --targets q,v --epochs 5\n"
                                 "  firesteel ask --adapter runs/legal/adapter.gguf \"...\"\n"
                                 "Ctrl-C stops after the step, with a checkpoint; --resume goes on to the same bytes.");
  command.run([options, preferences] {
    const Status status = run_tuning(*options, preferences);
    if (status.ok()) return int{kExitOk};
    return fail(status.error(), options->json);
  });
}

struct AdapterArguments {
  ModelOptions model;
  std::string adapter, out, type;
};

Status merge(const AdapterArguments& given) {
  FS_TRY(const BaseFiles files, open_base(given.model));
  FS_TRY(const ModelConfig config, read_config(files.model->metadata()));
  FS_TRY(const std::shared_ptr<const Adapter> adapter, Adapter::load(given.adapter, config));
  std::optional<DType> type;
  if (!given.type.empty()) {
    type = dtype_from_name(given.type);
    if (!type) return Error{ErrorCode::kInvalidArgument, "--type " + given.type + ": no type of tensors; f32, f16, bf16, q8_0, q4_k ... are"};
  }
  FS_TRY_VOID(merge_adapter(*files.model, config, *adapter, type, std::filesystem::path(given.out).stem().string(), given.out));
  // What sees does not change, and belongs beside the model.
  if (files.vision != nullptr) {
    std::error_code ignored;
    const std::string pictures = mmproj_path(given.out);
    if (files.path == kEmbeddedModelName) {
      const EmbeddedFile embedded = embedded_vision_model();
      FS_TRY_VOID(write_file_atomic(pictures, {reinterpret_cast<const char*>(embedded.bytes.data()), embedded.bytes.size()}));
    } else {
      std::filesystem::copy_file(mmproj_path(files.path), pictures, std::filesystem::copy_options::overwrite_existing, ignored);
      if (ignored) return Error{ErrorCode::kIo, pictures + ": " + ignored.message()};
    }
  }
  fmt::print("{}\n", given.out);
  return {};
}

void add_adapter_command(Command tune_command, const char* name, const char* help, const char* first, const char* first_help, const char* out_help, const char* examples, bool with_type,
                         Status (*action)(const AdapterArguments&)) {
  const auto options = std::make_shared<AdapterArguments>();
  Command command = tune_command.subcommand(name, help);
  add_model_option(&command, &options->model);
  command.text(first, &options->adapter, first_help);
  command.required(first);
  command.text("-o,--out", &options->out, out_help);
  command.required("--out");
  if (with_type) command.text("--type", &options->type, "Type of the changed matrices (default: as they were)");
  command.examples(examples);
  command.run([options, action] {
    const Status status = action(*options);
    return status.ok() ? int{kExitOk} : fail(status.error());
  });
}

Status export_adapter(const AdapterArguments& given) {
  FS_TRY(const BaseFiles files, open_base(given.model));
  FS_TRY(const ModelConfig config, read_config(files.model->metadata()));
  FS_TRY_VOID(export_peft(given.adapter, config, files.path, given.out));
  fmt::print("{}/adapter_config.json\n{}/adapter_model.safetensors\n", given.out, given.out);
  return {};
}

Status import_adapter(const AdapterArguments& given) {
  FS_TRY(const BaseFiles files, open_base(given.model));
  FS_TRY(const ModelConfig config, read_config(files.model->metadata()));
  FS_TRY_VOID(import_peft(given.adapter, config, given.out));
  FS_TRY(const std::shared_ptr<const Adapter> adapter, Adapter::load(given.out, config));  // its numbers are checked here
  fmt::print("{}  {}\n", given.out, adapter->digest());
  return {};
}

}  // namespace

void add_tune(Command root) {
  Command command = root.subcommand("tune", "Adapters: learn from examples or preferences, merge, exchange with PEFT");
  add_run(command, false);
  add_run(command, true);
  add_adapter_command(command, "merge", "A model file of base and adapter", "--adapter", "GGUF file of the adapter", "The .gguf file to write",
                      "  firesteel tune merge --adapter runs/legal/adapter.gguf --out legal.gguf\n"
                      "  firesteel tune merge --model MODEL.gguf --adapter adapter.gguf --type f16 --out merged.gguf",
                      true, merge);
  add_adapter_command(command, "export", "An adapter as a PEFT folder", "--adapter", "GGUF file of the adapter", "The folder to write",
                      "  firesteel tune export --adapter runs/legal/adapter.gguf --out legal-peft", false, export_adapter);
  add_adapter_command(command, "import", "A PEFT folder as a GGUF adapter", "--peft", "Folder with adapter_config.json and adapter_model.safetensors", "The .gguf file to write",
                      "  firesteel tune import --model MODEL.gguf --peft legal-peft --out legal.gguf", false, import_adapter);
}

}  // namespace firesteel
