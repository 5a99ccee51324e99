// firesteel bench: how fast and how large, on this machine, now.
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/large_pages.h"
#include "base/mutex.h"
#include "base/rng.h"
#include "build_info.h"
#include "commands.h"
#include "generation.h"
#include "kernels/dispatch.h"
#include "kernels/exec.h"
#include "kernels/matmul.h"
#include "load_model.h"
#include "machine.h"
#include "terminal.h"

namespace firesteel {
namespace {

struct BenchOptions {
  ModelOptions model;
  int64_t n_streams = 0, n_stream_prompt = 32;
  int64_t n_prompt = 512, n_generate = 128, depth = 0, n_branch_tokens = 64, n_startup = 16, n_repetitions = 5;
  std::vector<int64_t> branches, prefixes;
  ConstraintOptions form;
  bool json = false;
};

double seconds_since(int64_t start_us) { return static_cast<double>(system_clock().now_us() - start_us) * 1e-6; }

class Bench {
 public:
  Bench(const BenchOptions& options, const LoadedModel& loaded, Engine* engine, const char* isa)
      : options_(options), loaded_(loaded), engine_(engine), isa_(isa), n_threads_(engine->n_threads()), probe_(n_threads_) {}

  Status run();

 private:
  Status prefill();
  double kernel_gmacs() const;
  Status decode(int64_t depth);
  Result<double> decode_rate(const std::shared_ptr<Context>& context, int64_t round, const std::optional<Constraint>& constraint) const;
  Status branch(int64_t prefix, int64_t n_branches);
  Status streams();
  Status startup();
  struct Child {
    double first_byte_ms = 0;  // from before it was started
    std::string out;
  };
  Result<Child> run_ask(const std::string& prompt, bool json) const;
  void memory();

  std::vector<TokenId> random_tokens(int64_t n, uint64_t seed) const;
  StopParams exactly(int64_t n_tokens) const;
  Result<GenerateEvent> drain(TokenStream* stream) const;
  // extra: further members of the record.
  void report(const std::string& name, const char* unit, const std::vector<double>& samples, Json extra, const std::string& remark);

  const BenchOptions& options_;
  const LoadedModel& loaded_;
  Engine* engine_;
  const char* isa_;
  int n_threads_;
  BandwidthProbe probe_;
  bool printed_header_ = false;
};

std::vector<TokenId> Bench::random_tokens(int64_t n, uint64_t seed) const {
  Rng rng(seed);
  std::vector<TokenId> ids;
  for (int64_t i = 0; i < n; ++i) ids.push_back(static_cast<TokenId>(rng.below(static_cast<uint64_t>(loaded_.model->config().n_vocab))));
  return ids;
}

StopParams Bench::exactly(int64_t n_tokens) const {
  StopParams stop;
  stop.max_tokens = n_tokens;
  stop.ignore_end_of_generation = true;
  return stop;
}

Result<GenerateEvent> Bench::drain(TokenStream* stream) const {
  GenerateEvent last;
  while (std::optional<GenerateEvent> event = stream->next()) last = std::move(*event);
  if (last.reason == FinishReason::kError) return last.error;
  return last;
}

void Bench::report(const std::string& name, const char* unit, const std::vector<double>& samples, Json extra, const std::string& remark) {
  const Spread spread = spread_of(samples);
  if (!options_.json) {
    if (!printed_header_) fmt::print("{:44} {:>10} {:>10} {:>10}  {}\n", "measure", "median", "min", "max", "unit");
    printed_header_ = true;
    fmt::print("{:44} {:10.2f} {:10.2f} {:10.2f}  {}{}\n", name, spread.median, spread.min, spread.max, unit, remark.empty() ? "" : "   " + remark);
    std::fflush(stdout);
    return;
  }
  Json::Array values;
  for (const double sample : samples) values.emplace_back(sample);
  Json out;
  out.set("name", name);
  out.set("unit", unit);
  out.set("median", spread.median);
  out.set("min", spread.min);
  out.set("max", spread.max);
  out.set("samples", std::move(values));
  if (extra.is_object()) {
    for (const auto& [key, value] : extra.as_object()) out.set(key, value);
  }
  out.set("model", loaded_.path);
  out.set("model_bytes", static_cast<int64_t>(loaded_.checkpoint->file_bytes()));
  const MappedPages pages = mapped_pages(loaded_.path);
  if (pages.resident_bytes > 0) out.set("in_large_pages", static_cast<double>(pages.large_bytes) / static_cast<double>(pages.resident_bytes));
  out.set("threads", n_threads_);
  out.set("kv", kv_type_name(engine_->kv_layout().type));
  out.set("precision", options_.model.precision);
  out.set("isa", isa_);
  out.set("cpu", cpu_name());
  out.set("commit", build_commit());
  out.set("compiler", build_compiler());
  out.set("flags", build_flags());
  fmt::print("{}\n", out.dump());
  std::fflush(stdout);
}

Status Bench::run() {
  warm_page_cache(loaded_.path);
  if (options_.n_startup > 0) FS_TRY_VOID(startup());
  if (options_.n_prompt > 0) FS_TRY_VOID(prefill());
  if (options_.n_generate > 1) {
    FS_TRY_VOID(decode(0));
    if (options_.depth > 0) FS_TRY_VOID(decode(options_.depth));
  }
  for (const int64_t prefix : options_.prefixes) {
    for (const int64_t n : options_.branches) FS_TRY_VOID(branch(prefix, n));
  }
  if (options_.n_streams > 0) FS_TRY_VOID(streams());
  memory();
  return {};
}

// What the kernel of the model's products does where nothing but arithmetic holds it up: 12 columns, weights and activations in the first cache,
// all threads. GMAC/s.
double Bench::kernel_gmacs() const {
  const Result<const KernelTable*> table = default_kernel_table();
  const std::optional<DType> dtype = dtype_from_name(engine_->info().quantisation);
  if (!table.ok() || !dtype) return 0;
  const KernelTable& kernels = **table;
  const ActKind kind = act_kind(*dtype, options_.model.precision == "high" ? Precision::kHigh : Precision::kFast);
  constexpr int64_t kFloatSteps = 64;
  struct alignas(64) Memory {
    QTile tiles[2]{};
    float floats[size_t{2} * kFloatSteps * kPanelRows] = {};
    float acts[size_t{kTileK} * kMaxCols] = {};
    float sums[size_t{2} * kMaxCols * kPanelRows] = {};
  };
  const auto n_threads = static_cast<size_t>(n_threads_);
  std::vector<Memory> memory(n_threads);
  std::vector<double> rates(n_threads, 0);
  Exec exec(n_threads_);
  exec.parallel_for(static_cast<int64_t>(n_threads), [&](int64_t task, int) {
    Memory& own = memory[static_cast<size_t>(task)];
    constexpr int64_t kCalls = 1000;
    for (int round = 0; round < 10; ++round) {  // the best: others may want the core, too
      const int64_t begin_us = system_clock().now_us();
      int64_t n_k = kTileK;
      for (int64_t i = 0; i < kCalls; ++i) {
        if (kind == ActKind::kInt8) {
          kernels.qdot[tile_kind(*dtype)](own.sums, kMaxCols, 2, own.tiles, kTileK / kActBlock, own.acts);
          n_k = 2 * kTileK;
        } else if (kind == ActKind::kF32) {
          kernels.fdot(own.sums, kMaxCols, 2, own.floats, kFloatSteps, own.acts);
          n_k = 2 * kFloatSteps;
        } else {
          kernels.bdot(own.sums, kMaxCols, 2, reinterpret_cast<const uint16_t*>(own.floats), kFloatSteps, reinterpret_cast<const uint16_t*>(own.acts));
          n_k = 4 * kFloatSteps;
        }
      }
      const double seconds = seconds_since(begin_us);
      rates[static_cast<size_t>(task)] = std::max(rates[static_cast<size_t>(task)], static_cast<double>(kCalls * n_k * kPanelRows * kMaxCols) / seconds * 1e-9);
    }
  });
  double sum = 0;
  for (const double rate : rates) sum += rate;
  return sum;
}

Status Bench::prefill() {
  std::vector<double> samples;
  for (int64_t i = -1; i < options_.n_repetitions; ++i) {  // the first touches memory and is not counted
    GenerateRequest request;
    request.prompt = TokenPrompt{random_tokens(options_.n_prompt, static_cast<uint64_t>(i + 2))};
    request.sampling.temperature = 0;
    request.stop = exactly(1);
    request.use_prefix_cache = false;
    FS_TRY(const std::unique_ptr<TokenStream> stream, engine_->submit(std::move(request)));
    FS_TRY(const GenerateEvent done, drain(stream.get()));
    if (i >= 0) samples.push_back(static_cast<double>(options_.n_prompt) / (static_cast<double>(done.usage.first_token_us) * 1e-6));
  }
  const double gmacs = spread_of(samples).median * static_cast<double>(loaded_.model->macs_per_token()) * 1e-9;
  const double in_cache = kernel_gmacs();
  Json extra;
  extra.set("gmac_per_s", gmacs);
  extra.set("kernel_gmac_per_s", in_cache);
  if (in_cache > 0) extra.set("share_of_kernel", gmacs / in_cache);
  report(fmt::format("prefill/n={}", options_.n_prompt), "tok/s", samples, std::move(extra),
         fmt::format("{:.0f} GMAC/s, {:.0f} % of the kernel's {:.0f} in cache", gmacs, in_cache > 0 ? gmacs / in_cache * 100 : 0, in_cache));
  return {};
}

// Tokens per second of one branch, without its first token.
Result<double> Bench::decode_rate(const std::shared_ptr<Context>& context, int64_t round, const std::optional<Constraint>& constraint) const {
  std::vector<BranchRequest> branches(1);
  branches[0].suffix = TokenPrompt{random_tokens(1, static_cast<uint64_t>(round + 2))};
  branches[0].sampling.temperature = 0;
  branches[0].stop = exactly(options_.n_generate);
  branches[0].constraint = constraint;
  FS_TRY(const std::vector<std::unique_ptr<TokenStream>> streams, engine_->fork(context, std::move(branches)));
  FS_TRY(const GenerateEvent done, drain(streams.front().get()));
  if (constraint && done.usage.generated_tokens < options_.n_generate / 2) {
    return Error{ErrorCode::kInvalidArgument, fmt::format("a text of this form ended after {} tokens, expected at least {}: ask for a longer one (\"minItems\")", done.usage.generated_tokens, options_.n_generate / 2)};
  }
  return static_cast<double>(done.usage.generated_tokens - 1) / (static_cast<double>(done.usage.total_us - done.usage.first_token_us) * 1e-6);
}

Status Bench::decode(int64_t depth) {
  std::vector<double> samples, bandwidths, constrained, costs;
  FS_TRY(const std::optional<Constraint> constraint, read_constraint(options_.form));
  GenerateRequest prefix;
  prefix.prompt = TokenPrompt{random_tokens(std::max<int64_t>(depth, 1), 1)};
  prefix.use_prefix_cache = false;
  FS_TRY(const std::shared_ptr<Context> context, engine_->prefill(std::move(prefix)));
  for (int64_t i = -1; i < options_.n_repetitions; ++i) {
    bandwidths.push_back(probe_.measure(3));
    FS_TRY(const double rate, decode_rate(context, i, std::nullopt));
    if (i >= 0) samples.push_back(rate);
    if (!constraint) continue;
    FS_TRY(const double with_form, decode_rate(context, i, constraint));
    if (i < 0) continue;
    constrained.push_back(with_form);
    costs.push_back(rate / with_form - 1);
  }
  // Bytes that one token must read: the weights, and the keys and values of the positions before it.
  const KvLayout layout = engine_->kv_layout();
  const double kv_bytes = static_cast<double>(layout.block_bytes()) / kKvBlockTokens *
                          (static_cast<double>(depth) + static_cast<double>(options_.n_generate) / 2);
  const double gb_per_s = spread_of(samples).median * (static_cast<double>(loaded_.model->weight_bytes_per_token()) + kv_bytes) * 1e-9;
  const double bandwidth = spread_of(bandwidths).median;
  Json extra;
  extra.set("gb_per_s", gb_per_s);
  extra.set("bandwidth_gb_per_s", bandwidth);
  if (bandwidth > 0) extra.set("share_of_bandwidth", gb_per_s / bandwidth);
  report(fmt::format("decode/n={}/depth={}", options_.n_generate, depth), "tok/s", samples, std::move(extra),
         fmt::format("{:.1f} GB/s, {:.0f} % of {:.1f} GB/s", gb_per_s, bandwidth > 0 ? gb_per_s / bandwidth * 100 : 0, bandwidth));
  if (!constraint) return {};
  const double cost = spread_of(costs).median;
  Json of_form;
  of_form.set("cost", cost);  // more time per token than the run without it just before
  report(fmt::format("decode/n={}/depth={}/constrained", options_.n_generate, depth), "tok/s", constrained, std::move(of_form), fmt::format("{:+.1f} % time per token", cost * 100));
  return {};
}

Status Bench::branch(int64_t prefix, int64_t n_branches) {
  std::vector<double> totals, decodes, prefills;
  uint64_t kv_bytes = 0;  // the most that prefix and branches held together
  for (int64_t i = -1; i < options_.n_repetitions; ++i) {
    GenerateRequest request;
    request.prompt = TokenPrompt{random_tokens(prefix, static_cast<uint64_t>(i + 2))};
    request.use_prefix_cache = false;
    const int64_t start_us = system_clock().now_us();
    FS_TRY(const std::shared_ptr<Context> context, engine_->prefill(std::move(request)));
    const double prefill_s = seconds_since(start_us);
    std::vector<BranchRequest> branches(static_cast<size_t>(n_branches));
    for (size_t b = 0; b < branches.size(); ++b) {
      branches[b].suffix = TokenPrompt{random_tokens(1, 1000 + b)};
      branches[b].sampling.temperature = 0;
      branches[b].stop = exactly(options_.n_branch_tokens);
    }
    FS_TRY(const std::vector<std::unique_ptr<TokenStream>> streams, engine_->fork(context, std::move(branches)));
    // All branches advance in the same steps, so one of them tells when memory is at its most; looked at in the run that is not counted.
    while (i < 0 && !streams.back()->done()) {
      if (!streams.back()->next()) break;
      kv_bytes = std::max(kv_bytes, engine_->stats().kv_bytes_used);
    }
    for (const std::unique_ptr<TokenStream>& stream : streams) {
      if (i < 0 && stream == streams.back()) continue;
      const Result<GenerateEvent> done = drain(stream.get());
      if (!done.ok()) return done.error();
    }
    const double total_s = seconds_since(start_us);
    if (i < 0) continue;
    totals.push_back(total_s);
    prefills.push_back(prefill_s);
    decodes.push_back(static_cast<double>(n_branches * options_.n_branch_tokens) / (total_s - prefill_s));
  }
  const std::string name = fmt::format("branches/n={}/prefix={}/tokens={}", n_branches, prefix, options_.n_branch_tokens);
  Json extra;
  extra.set("prefill_s", spread_of(prefills).median);
  extra.set("kv_bytes_used", static_cast<int64_t>(kv_bytes));
  extra.set("decode_tokens_per_second", spread_of(decodes).median);
  report(name, "s", totals, std::move(extra), fmt::format("{:.1f} tok/s over all branches after the prefix, KV {}", spread_of(decodes).median, format_bytes(kv_bytes)));
  return {};
}

// Independent requests at the same moment, read by one thread as a server would: what `firesteel_load streams` sees over HTTP, without HTTP.
Status Bench::streams() {
  std::vector<double> rates, gaps_ms, firsts_ms;
  for (int64_t round = -1; round < options_.n_repetitions; ++round) {
    Mutex mutex;
    CondVar changed;
    bool rung = false;
    struct Reader {
      std::unique_ptr<TokenStream> stream;
      int64_t last_us = 0;
      bool done = false;
    };
    std::vector<Reader> readers;
    const int64_t start_us = system_clock().now_us();
    for (int64_t i = 0; i < options_.n_streams; ++i) {
      GenerateRequest request;
      request.prompt = TokenPrompt{random_tokens(options_.n_stream_prompt, static_cast<uint64_t>((round + 2) * 100'000 + i))};
      request.sampling.temperature = 0;
      request.stop = exactly(options_.n_generate);
      request.flow = FlowId{1};
      Reader reader;
      FS_TRY(reader.stream, engine_->submit(std::move(request)));
      readers.push_back(std::move(reader));
    }
    for (Reader& reader : readers) {
      reader.stream->set_waker([&] {
        MutexLock lock(mutex);
        rung = true;
        changed.notify_one();
      });
    }
    int64_t n_tokens = 0;
    for (size_t n_open = readers.size(); n_open > 0;) {
      {
        MutexLock lock(mutex);
        while (!rung) changed.wait(mutex);
        rung = false;
      }
      for (Reader& reader : readers) {
        while (!reader.done) {
          const std::optional<GenerateEvent> event = reader.stream->try_next();
          if (!event) break;
          if (event->kind == GenerateEvent::Kind::kDone) {
            reader.done = true;
            --n_open;
            if (event->reason == FinishReason::kError) return event->error;
            break;
          }
          const int64_t now_us = system_clock().now_us();
          ++n_tokens;
          if (round >= 0) (reader.last_us == 0 ? firsts_ms : gaps_ms).push_back(static_cast<double>(now_us - (reader.last_us == 0 ? start_us : reader.last_us)) * 1e-3);
          reader.last_us = now_us;
        }
      }
    }
    for (Reader& reader : readers) reader.stream->set_waker({});
    if (round >= 0) rates.push_back(static_cast<double>(n_tokens) / seconds_since(start_us));
  }
  const auto quantile = [](std::vector<double>* values, double q) {
    std::sort(values->begin(), values->end());
    return values->empty() ? 0 : (*values)[std::min(values->size() - 1, static_cast<size_t>(q * static_cast<double>(values->size())))];
  };
  Json extra;
  extra.set("gap_ms_p50", quantile(&gaps_ms, 0.5));
  extra.set("gap_ms_p99", quantile(&gaps_ms, 0.99));
  extra.set("first_token_ms_p50", quantile(&firsts_ms, 0.5));
  extra.set("first_token_ms_p99", quantile(&firsts_ms, 0.99));
  const std::string remark = fmt::format("gaps p50 {:.2f} ms, p99 {:.2f} ms", quantile(&gaps_ms, 0.5), quantile(&gaps_ms, 0.99));
  report(fmt::format("streams/n={}/prompt={}/tokens={}", options_.n_streams, options_.n_stream_prompt, options_.n_generate), "tok/s", rates, std::move(extra), remark);
  return {};
}

// Runs this program as a user would, and times the way to its first byte of output.
Status Bench::startup() {
  if (loaded_.tokenizer == nullptr) return {};
  std::string text = "The";
  int64_t n_tokens = 0;
  for (int64_t i = 0; i < 4 * options_.n_startup && n_tokens < options_.n_startup; ++i) {
    text += " the";
    std::vector<TokenId> ids;
    FS_TRY_VOID(loaded_.tokenizer->encode(text, {.parse_special = false, .add_special = true}, &ids));
    n_tokens = static_cast<int64_t>(ids.size());
  }
  std::vector<double> samples, peaks;
  for (int64_t i = -1; i < options_.n_repetitions; ++i) {
    FS_TRY(const Child streamed, run_ask(text, /*json=*/false));
    if (i >= 0) samples.push_back(streamed.first_byte_ms);
  }
  report(fmt::format("exec_to_first_token/prompt={}", n_tokens), "ms", samples, {}, "");
  FS_TRY(const Child measured, run_ask(text, /*json=*/true));
  FS_TRY(const Json json, Json::parse(measured.out));
  const Json* const peak = json.find("peak_memory_bytes");
  if (peak != nullptr && peak->is_int()) peaks.push_back(static_cast<double>(peak->as_int()) / (1 << 20));
  if (!peaks.empty()) report(fmt::format("peak_rss_of_ask/prompt={}", n_tokens), "MiB", peaks, {}, "mapped weights included");
  return {};
}

Result<Bench::Child> Bench::run_ask(const std::string& prompt, bool json) const {
  const std::string n_threads = std::to_string(n_threads_);
  std::vector<std::string> words = {"firesteel", "ask", "--raw", "--max-tokens", "1", "--temperature", "0", "--threads", n_threads,
                                    "--precision", options_.model.precision, "--model", loaded_.path};
  if (!options_.model.kv.empty()) words.insert(words.end(), {"--kv", options_.model.kv});
  if (json) words.emplace_back("--json");
  words.push_back(prompt);
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);

  int pipe_fds[2];
  if (pipe2(pipe_fds, O_CLOEXEC) != 0) return Error{ErrorCode::kIo, std::string("pipe: ") + std::strerror(errno)};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, pipe_fds[1], STDOUT_FILENO);
  const int64_t start_us = system_clock().now_us();
  pid_t pid = 0;
  const int error = posix_spawn(&pid, "/proc/self/exe", &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(pipe_fds[1]);
  if (error != 0) {
    close(pipe_fds[0]);
    return Error{ErrorCode::kIo, std::string("cannot start myself: ") + std::strerror(error)};
  }
  Child child;
  char buffer[4096];
  for (;;) {
    const ssize_t n = read(pipe_fds[0], buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (child.out.empty()) child.first_byte_ms = seconds_since(start_us) * 1e3;
    if (n <= 0) break;
    child.out.append(buffer, static_cast<size_t>(n));
  }
  close(pipe_fds[0]);
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) return Error{ErrorCode::kInternal, "firesteel ask failed; its message is above"};
  return child;
}

void Bench::memory() {
  const EngineStats stats = engine_->engine_stats();
  Json extra;
  extra.set("kv_bytes_touched", static_cast<int64_t>(stats.kv_bytes_touched));
  extra.set("workspace_bytes", static_cast<int64_t>(stats.workspace_bytes));
  report("memory_beside_weights", "MiB", {static_cast<double>(stats.kv_bytes_touched + stats.workspace_bytes) / (1 << 20)}, std::move(extra),
         "KV " + format_bytes(stats.kv_bytes_touched) + ", buffers " + format_bytes(stats.workspace_bytes));
}

Status bench(const BenchOptions& options) {
  FS_TRY(const KernelTable* const table, default_kernel_table());
  FS_TRY(const LoadedModel loaded, load_model(options.model, /*want_template=*/false));
  const int64_t n_branches = options.branches.empty() ? 0 : *std::max_element(options.branches.begin(), options.branches.end());
  const int64_t prefix = options.prefixes.empty() ? 0 : *std::max_element(options.prefixes.begin(), options.prefixes.end());
  const int64_t longest = std::max({options.n_prompt + 1, std::max<int64_t>(options.depth, 1) + 1 + options.n_generate,
                                    n_branches > 0 ? prefix + 1 + options.n_branch_tokens : 0,
                                    options.n_streams > 0 ? options.n_stream_prompt + options.n_generate : 0});
  const int64_t trained = loaded.model->config().context_length;
  const int64_t context = options.model.context_length > 0 ? options.model.context_length : std::max(trained, int64_t{0});
  if (longest > context) {
    return Error{ErrorCode::kInvalidArgument, fmt::format("this measures up to {} tokens in one context, which has {}: "
                                                          "lower --prompt, --generate, --depth or --prefix, or raise --ctx", longest, context)};
  }
  // Memory for the longest sequence, and for every branch's own blocks (its last one partly filled).
  const KvLayout layout = loaded.model->kv_layout(kv_type_to_use(options.model, loaded.model->default_kv_type()));
  const int64_t n_blocks = 2 * (longest / kKvBlockTokens + 2) + (n_branches + 1) * (options.n_branch_tokens / kKvBlockTokens + 3) +
                           options.n_streams * ((options.n_stream_prompt + options.n_generate) / kKvBlockTokens + 3);
  Engine::Options engine_options;
  engine_options.context_length = longest;
  engine_options.kv_bytes_max = static_cast<uint64_t>(n_blocks) * layout.block_bytes();
  engine_options.max_sequences = static_cast<int>(std::max<int64_t>({n_branches, options.n_streams, 1}));
  engine_options.table = table;
  ModelOptions model_options = options.model;
  model_options.context_length = longest;
  FS_TRY(const std::unique_ptr<Engine> engine, create_engine(loaded, model_options, engine_options));
  return Bench(options, loaded, engine.get(), table->isa).run();
}

}  // namespace

void add_bench(Command root) {
  const auto options = std::make_shared<BenchOptions>();
  Command command = root.subcommand("bench", "Measure speed, start-up and memory with a model");
  add_model_option(&command, &options->model);
  command.integer("-p,--prompt", &options->n_prompt, 0, 1 << 20, "Tokens of the prefill measure; 0 leaves it out (default 512)");
  command.integer("-n,--generate", &options->n_generate, 0, 1 << 20, "Tokens of the decode measure; 0 leaves it out (default 128)");
  command.integer("-d,--depth", &options->depth, 0, 1 << 20, "Also decode behind a context of this many tokens");
  command.integers("--branches", &options->branches, 1, 256, "Numbers of branches forked from one prefix, such as 1,2,4,8,16");
  command.integers("--prefix", &options->prefixes, 1, 1 << 20, "Lengths of that prefix, such as 512,1024");
  command.integer("--branch-tokens", &options->n_branch_tokens, 1, 1 << 16, "Tokens of each branch (default 64)");
  command.integer("--streams", &options->n_streams, 0, 512, "Independent requests at once, each --generate tokens long: tokens per second and gaps between tokens");
  command.integer("--stream-prompt", &options->n_stream_prompt, 1, 1 << 20, "Prompt tokens of each (default 32)");
  command.integer("--startup-prompt", &options->n_startup, 0, 4096, "Prompt tokens of the start-up measure; 0 leaves it out (default 16)");
  command.integer("-r,--repetitions", &options->n_repetitions, 1, 1000, "Counted runs of each measure, after one that is not (default 5)");
  options->model.n_draft = 0;  // a model with random weights repeats itself, which would flatter its decoding
  add_engine_options(&command, &options->model);
  add_constraint_options(&command, &options->form);
  command.flag("--json", &options->json, "One JSON object per line and measure, with commit, CPU and flags");
  command.examples(
      "  firesteel bench --model MODEL.gguf\n"
      "  firesteel bench --model MODEL.gguf --threads 2 --depth 2048 --json\n"
      "  firesteel bench --model MODEL.gguf --prompt 0 --generate 0 --branches 1,2,4,8,16 --prefix 512,1024\n"
      "  firesteel bench --model MODEL.gguf --prompt 0 --json-schema '{\"type\":\"array\",\"items\":{\"type\":\"number\"},\"minItems\":500}'\n"
      "With a form (--json-schema, --regex, --grammar) each decode run has one beside it whose answer must have it: what forms cost.\n"
      "The model file is read once first, so that it is in the page cache. Bandwidth is probed beside every decode run.");
  command.run([options] {
    if (options->branches.empty() != options->prefixes.empty()) return fail_usage("--branches and --prefix belong together");
    const Status status = bench(*options);
    return status.ok() ? kExitOk : fail(status.error(), options->json);
  });
}

}  // namespace firesteel
