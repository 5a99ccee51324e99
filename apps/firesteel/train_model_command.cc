// firesteel train CONFIG.toml: samples to a model.
#include <atomic>
#include <csignal>
#include <cstdio>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/mapped_file.h"
#include "commands.h"
#include "data/shards.h"
#include "data/synth.h"
#include "kernels/dispatch.h"
#include "terminal.h"
#include "train/trainer.h"

namespace firesteel {
namespace {

constexpr uint64_t kConfigBytesMax = 1u << 20;
constexpr int64_t kDrawEvery_us = 500'000, kLineEvery_us = 30'000'000;

struct TrainModelOptions {
  std::string config, out, from, init;
  bool resume = false;
  int64_t n_threads = 0, n_feed_threads = 1;
};

std::atomic<bool> stop_requested = false;

void request_stop(int) { stop_requested.store(true); }

// One line that is written over on a terminal, and now and then a plain one elsewhere.
class LiveLine {
 public:
  void progress(const TrainProgress& p) {
    const int64_t now = system_clock().now_us();
    if (now - last_us_ < (on_terminal_ ? kDrawEvery_us : kLineEvery_us) && p.n_tokens < p.n_tokens_all && p.step > 1) return;
    last_us_ = now;
    char text[1024];
    std::snprintf(text, sizeof text, "step %lld  %.2f of %.1fM tokens  loss %.4f  tokens %.1f %%  right: %s  rate %.2e  norm %.2f  %.0f tok/s  %lld:%02lld left",
                  static_cast<long long>(p.step), static_cast<double>(p.n_tokens) * 1e-6, static_cast<double>(p.n_tokens_all) * 1e-6, p.loss,
                  100 * p.token_accuracy, p.kinds.c_str(), p.rate, p.gradient_norm, p.tokens_per_s, static_cast<long long>(p.eta_s) / 60,
                  static_cast<long long>(p.eta_s) % 60);
    std::fprintf(stderr, on_terminal_ ? "\r\033[K%s" : "%s\n", text);
    drawn_ = on_terminal_;
  }
  void note(const std::string& text) {
    std::fprintf(stderr, "%s%s\n", drawn_ ? "\r\033[K" : "", text.c_str());
    drawn_ = false;
  }

 private:
  bool on_terminal_ = is_terminal(2);
  bool drawn_ = false;
  int64_t last_us_ = 0;
};

struct Sources {
  std::unique_ptr<const SampleSource> train, eval;  // eval: may be none
};

// Sets the digest of what is read from files.
Result<Sources> open_sources(TrainConfig* config) {
  Sources sources;
  if (config->source == "files") {
    FS_TRY(std::unique_ptr<ShardFolders> files, ShardFolders::open(config->files));
    config->files_digest = files->digest();
    sources.train = std::move(files);
    if (!config->eval_files.empty()) {
      FS_TRY(sources.eval, ShardFolders::open(config->eval_files));
    }
    return sources;
  }
  SynthOptions synth{.seed = config->seed, .mixture = config->mixture, .generators = {.gsm8k_train = config->real_gsm8k, .mawps = config->real_mawps}};
  FS_TRY(sources.train, SynthSource::create(synth));
  synth.split = Split::kEval;
  FS_TRY(sources.eval, SynthSource::create(synth));
  return sources;
}

Status train_model(const TrainModelOptions& given) {
  FS_TRY(const std::string text, read_file(given.config, kConfigBytesMax));
  TrainerOptions options;
  FS_TRY(options.config, parse_train_config(text, given.config));
  FS_TRY(const std::unique_ptr<const SampleEncoder> encoder, SampleEncoder::open(options.config.tokenizer));
  options.config.shape.n_vocab = encoder->n_vocab();
  FS_TRY(const Sources sources, open_sources(&options.config));
  FS_TRY(options.table, default_kernel_table());
  options.folder = given.out;
  options.n_threads = static_cast<int>(given.n_threads > 0 ? given.n_threads : n_usable_cpus());
  options.n_feed_threads = static_cast<int>(given.n_feed_threads);
  options.resume = given.resume;
  options.from = given.from;
  options.init = given.init;
  options.clock = &system_clock();
  options.stop = &stop_requested;
  LiveLine line;
  options.progress = [&line](const TrainProgress& p) { line.progress(p); };
  options.note = [&line](const std::string& note) { line.note(note); };
  std::signal(SIGINT, request_stop);
  std::signal(SIGTERM, request_stop);
  FS_TRY(const TrainResult result, train(options, *sources.train, sources.eval.get(), *encoder));
  line.note(result.finished ? "finished: " + given.out + "/model.gguf" : "stopped; go on with --resume");
  return {};
}

}  // namespace

void add_train_model(Command train) {
  const auto options = std::make_shared<TrainModelOptions>();
  train.text("config", &options->config, "The configuration, a TOML file (docs/training.md)");
  train.text("-o,--out", &options->out, "Folder of the run: checkpoint.bin, model.gguf, log.jsonl, curve.html");
  train.flag("--resume", &options->resume, "Go on from the folder's checkpoint");
  train.text("--from", &options->from, "Go on from the checkpoint.bin of another run, under this configuration");
  train.text("--init", &options->init, "Begin with the weights of a .gguf model (and its .mmproj.gguf)");
  train.excludes("--from", "--resume");
  train.excludes("--init", "--resume");
  train.excludes("--init", "--from");
  train.integer("-t,--threads", &options->n_threads, 1, 256, "Threads (default: the CPUs this process may use); the result does not depend on it");
  train.integer("--feed-threads", &options->n_feed_threads, 1, 64, "Threads that make samples ahead of the step");
  train.examples(
      "  firesteel train tokenizer --out tokenizer.gguf --text problems.txt\n"
      "  firesteel train kindling.toml --out runs/first\n"
      "  firesteel train kindling.toml --out runs/first --resume\n"
      "Ctrl-C stops after the step, with a checkpoint.");
  train.run([options] {
    if (options->config.empty() || options->out.empty()) return fail_usage("train: give a configuration and --out FOLDER, or a command (see train --help)");
    const Status status = train_model(*options);
    return status.ok() ? kExitOk : fail(status.error());
  });
}

}  // namespace firesteel
