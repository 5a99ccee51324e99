// firesteel eval: run, items, show and compare.
#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>

#include <fmt/format.h>

#include "base/json.h"
#include "base/mapped_file.h"
#include "answering.h"
#include "ask_agents.h"
#include "build_info.h"
#include "commands.h"
#include "eval/compare.h"
#include "eval/answer_text.h"
#include "eval/report.h"
#include "eval/twins.h"
#include "eval/vault.h"
#include "eval_commands.h"
#include "eval_programs.h"
#include "eval_solver.h"
#include "installation.h"
#include "load_model.h"
#include "release/registry.h"
#include "served_solver.h"
#include "terminal.h"

namespace firesteel {
namespace {

constexpr int64_t kFailuresShown = 40;

struct RunArguments {
  AgentOptions agents;
  ModelOptions model;
  std::vector<std::string> suites;
  std::string data, out, mode, key, variant, state_dir, served, server_key, served_model = "kindling";
  double temperature = -1;
  int64_t max_tokens = -1, limit = -1, n_parallel = 48, seed = 0, n_votes = 1;
  bool slices = false, json = false, check = false, twins = false, one_by_one = false;
};

std::string data_folder(const std::string& given) {
  if (!given.empty()) return given;
  const char* shared = std::getenv("FS_SHARED");
  return shared != nullptr ? std::string(shared) + "/data/evals" : std::string();
}

std::string file_name_of(std::string name) {
  std::replace_if(name.begin(), name.end(), [](char c) { return !((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_'); }, '_');
  return name;
}

Result<std::vector<Suite>> load_suites(const RunArguments& arguments) {
  std::vector<std::string> files;
  for (const std::string& path : arguments.suites) {
    FS_TRY(const std::vector<std::string> found, find_suites(path));
    files.insert(files.end(), found.begin(), found.end());
  }
  const SuiteInputs inputs = make_suite_inputs(data_folder(arguments.data));
  std::vector<Suite> suites;
  for (const std::string& file : files) {
    Suite suite;
    if (file.ends_with(kSealedEnding)) {
      FS_TRY(suite, open_vault(file, arguments.key, arguments.limit));
    } else {
      FS_TRY(suite, read_suite(file));
      FS_TRY_VOID(load_items(&suite, inputs, arguments.limit));
    }
    if (arguments.limit >= 0) suite.source.digest.clear();  // of all items
    if (arguments.twins) {
      if (suite.sealed) return Error{ErrorCode::kFailedPrecondition, file + ": is sealed; twins are of items that may be written down"};
      suite.items = with_twins(suite.items, static_cast<uint64_t>(arguments.seed));
      suite.digest = items_digest(suite.items);
      suite.source.digest.clear();
    }
    for (const Suite& other : suites) {
      if (other.name == suite.name) return Error{ErrorCode::kInvalidArgument, file + ": the name " + suite.name + " is also that of " + other.file};
    }
    suites.push_back(std::move(suite));
  }
  return suites;
}

Status write_report(const std::string& folder, const Report& report) {
  FS_TRY_VOID(write_file_atomic(folder + "/report.json", report_json(report).dump(1) + "\n"));
  return write_file_atomic(folder + "/report.html", report_html(report, kFailuresShown));
}

// "helper@candidate" of the installation's registry.
Result<Variant> find_variant(const RunArguments& arguments) {
  const size_t at = arguments.variant.find('@');
  FS_TRY(const Installation installation, open_installation(state_dir_to_use(arguments.state_dir), 0));
  Registry registry(*installation.store, *installation.tenants);
  return registry.find(arguments.variant.substr(0, at), at == std::string::npos ? "champion" : arguments.variant.substr(at + 1));
}

// As the server uses a variant: its settings where the command says nothing, its system text before the suite's.
Status use_variant(const Variant& variant, const ModelInfo& info, bool has_tools, EvalSettings* settings, std::vector<Suite>* suites) {
  if (!variant.spec.base.empty() && variant.spec.base != info.digest) {
    return Error{ErrorCode::kFailedPrecondition, fmt::format("{} {} belongs to another base model; --model names it", variant.name, variant.number)};
  }
  const Json& said = variant.spec.settings;
  if (const Json* t = said.find("temperature"); t != nullptr && !settings->temperature) settings->temperature = t->as_double();
  if (const Json* n = said.find("max_tokens"); n != nullptr && !settings->max_tokens && n->as_int() > 0) settings->max_tokens = n->as_int();
  if (const Json* thinking = said.find("thinking"); thinking != nullptr && !settings->mode) settings->mode = !thinking->as_bool() ? EvalMode::kInstant : has_tools ? EvalMode::kTools : EvalMode::kThinking;
  for (Suite& suite : *suites) {
    if (!variant.spec.system.empty()) suite.system = suite.system.empty() ? variant.spec.system : variant.spec.system + "\n\n" + suite.system;
  }
  return {};
}

// Who answers, and what that means for the report.
struct Answerer {
  Solve solve;
  std::string model, identity;      // what is reported, and what results depend on
  int64_t n_parameters = 0;
  int n_at_once = 0;                // items
  std::unique_ptr<const LoadedModel> loaded;   // outlives the engine
  std::unique_ptr<Engine> engine;   // its own ...
  std::shared_ptr<ServedSolver> served;   // ... or a running server
};

Result<Answerer> own_engine(const RunArguments& arguments, const std::optional<Variant>& variant, EvalSettings* settings, std::vector<Suite>* suites) {
  Answerer out;
  FS_TRY(LoadedModel model, load_model(arguments.model, /*want_template=*/true));
  out.loaded = std::make_unique<const LoadedModel>(std::move(model));
  const LoadedModel& loaded = *out.loaded;
  if (loaded.tokenizer == nullptr) return Error{ErrorCode::kNotFound, loaded.path + ": has no tokenizer"};
  if (loaded.chat_template == nullptr) return Error{ErrorCode::kFailedPrecondition, loaded.path + ": this model has no chat template"};
  Engine::Options engine_options;
  // Of several agents a few items at a time fill the batch, and the lanes of an item are to advance together.
  const bool several = !arguments.agents.agents.empty() || !arguments.agents.strategy.empty();
  out.n_at_once = static_cast<int>(several ? std::min<int64_t>(arguments.n_parallel, 4) : arguments.n_parallel);
  engine_options.max_sequences = std::max(static_cast<int>(arguments.n_parallel), several ? out.n_at_once * kFanOutMax : 0);
  FS_TRY(out.engine, create_engine(loaded, arguments.model, engine_options));
  FS_TRY(settings->agents, agent_params(arguments.agents, {}));
  FS_TRY(settings->adapter, use_adapter(out.engine.get(), arguments.model));
  const ModelInfo info = out.engine->info();
  FS_TRY(const AgentTools own_tools, tools_to_offer({}, {}, loaded));
  if (variant) FS_TRY_VOID(use_variant(*variant, info, !own_tools.empty(), settings, suites));
  if (variant && !variant->spec.adapter.empty() && settings->adapter != variant->spec.adapter) {
    FS_TRY(const AdapterInfo adapter, out.engine->load_adapter(adapter_store(state_dir_to_use(arguments.state_dir)) + "/" + variant->spec.adapter + ".gguf"));
    if (adapter.digest != variant->spec.adapter) return Error{ErrorCode::kDataLoss, "the stored adapter " + variant->spec.adapter + " has another content"};
    settings->adapter = adapter.digest;
  }
  out.model = info.name;
  out.identity = info.digest;
  out.n_parameters = info.n_parameters;
  out.solve = make_solver(out.engine.get(), loaded, *settings);
  return out;
}

Result<Answerer> running_server(const RunArguments& arguments, const std::optional<Variant>& variant, const EvalSettings& settings, const std::vector<Suite>& suites) {
  const auto refuse = [](const std::string& what) { return Error{ErrorCode::kInvalidArgument, "--served: " + what}; };
  if (arguments.n_votes > 1 || !arguments.agents.agents.empty() || !arguments.agents.strategy.empty()) return refuse("--votes, --agents and --strategy are for an engine of the command's own");
  for (const Suite& suite : suites) {
    if (suite.sealed) return refuse(suite.name + " is sealed: its items would lie in the server's store");
    if (suite.by_logprob) return refuse(suite.name + " compares letters by their probability, which batches do not tell");
  }
  Answerer out;
  ServedOptions options{.port = 0, .key = arguments.server_key, .model = variant ? arguments.variant : arguments.served_model, .is_variant = variant.has_value()};
  FS_TRY(options.port, parse_served(arguments.served));
  if (options.key.empty()) {
    const Result<std::string> admin = read_file(state_dir_to_use(arguments.state_dir) + "/admin.key", 4096);
    if (!admin.ok()) return refuse("a key is needed: --server-key or FIRESTEEL_API_KEY");
    options.key = std::string(trim(*admin));
  }
  out.model = options.model;
  out.identity = variant ? variant->digest : "served " + options.model;
  out.n_at_once = static_cast<int>(std::max<int64_t>(arguments.n_parallel, static_cast<int64_t>(4 * ServedSolver::kBatchItems)));
  out.served = std::make_shared<ServedSolver>(std::move(options), settings);
  FS_TRY_VOID(out.served->check());
  out.solve = [served = out.served](const Suite& suite, const EvalItem& item, size_t index) { return served->solve(suite, item, index); };
  return out;
}

Result<Report> run(const RunArguments& arguments) {
  FS_TRY(std::vector<Suite> suites, load_suites(arguments));
  std::optional<Variant> variant;
  if (!arguments.variant.empty()) {
    FS_TRY(variant, find_variant(arguments));
  }
  if (!arguments.out.empty()) {
    std::error_code error;
    std::filesystem::create_directories(arguments.out, error);
    if (error) return Error{ErrorCode::kIo, arguments.out + ": " + error.message()};
  }

  EvalSettings settings;
  settings.mode = eval_mode(arguments.mode);
  if (arguments.temperature >= 0) settings.temperature = arguments.temperature;
  if (arguments.max_tokens >= 0) settings.max_tokens = arguments.max_tokens;
  settings.seed = static_cast<uint64_t>(arguments.seed);
  settings.n_votes = static_cast<int>(arguments.n_votes);
  settings.one_by_one = arguments.one_by_one;
  if (arguments.one_by_one && (settings.n_votes > 1 || !arguments.agents.agents.empty() || !arguments.agents.strategy.empty())) {
    return Error{ErrorCode::kInvalidArgument, "--one-by-one asks one agent: leave --votes, --agents and --strategy out"};
  }
  if (arguments.one_by_one && !arguments.served.empty()) return Error{ErrorCode::kInvalidArgument, "--one-by-one is for an engine of the command's own, not for --served"};
  Result<Answerer> found = arguments.served.empty() ? own_engine(arguments, variant, &settings, &suites) : running_server(arguments, variant, settings, suites);
  if (!found.ok()) return std::move(found).error();
  const Answerer& answerer = *found;
  FS_TRY(const Solve solve, with_programs(answerer.solve, suites));
  const std::string identity = variant ? variant->digest : answerer.identity;  // of what answers

  Report report;
  report.model = variant ? fmt::format("{}@{}", variant->name, variant->number) : answerer.model;
  report.model_digest = identity;
  report.n_parameters = answerer.n_parameters;
  report.version = fmt::format("firesteel {} ({})", build_version(), build_commit());
  report.settings = Json::Object{{"seed", arguments.seed}, {"precision", arguments.model.precision}};
  if (!settings.adapter.empty()) report.settings.set("adapter", settings.adapter);
  if (arguments.n_votes > 1) report.settings.set("votes", arguments.n_votes);
  if (arguments.one_by_one) report.settings.set("one_by_one", true);
  std::string agents = settings.agents ? fmt::format("{} {} {}", arguments.agents.agents, arguments.agents.strategy, arguments.agents.error_bound) : std::string();
  if (settings.agents && !arguments.agents.vote_by.empty()) agents += " by " + arguments.agents.vote_by;
  if (!agents.empty()) report.settings.set("agents", agents);
  if (settings.mode) report.settings.set("mode", eval_mode_name(*settings.mode));
  if (settings.temperature) report.settings.set("temperature", *settings.temperature);
  if (settings.max_tokens) report.settings.set("max_tokens", *settings.max_tokens);
  for (const Suite& suite : suites) {
    const EvalMode mode = settings.mode.value_or(suite.mode);
    Progress progress(suite.name, suite.items.size(), arguments.json);
    RunOptions options;
    options.n_parallel = answerer.n_at_once;
    options.settings = Json::Object{{"model", identity}, {"mode", eval_mode_name(mode)}, {"system", suite.system}, {"by_logprob", suite.by_logprob},
                                    {"temperature", settings.temperature.value_or(suite.temperature)}, {"max_tokens", settings.max_tokens.value_or(suite.max_tokens)},
                                    {"seed", arguments.seed}, {"votes", arguments.n_votes}, {"precision", arguments.model.precision}};
    if (!agents.empty()) options.settings.set("agents", agents);
    if (arguments.one_by_one) options.settings.set("one_by_one", true);
    if (!settings.adapter.empty()) options.settings.set("adapter", settings.adapter);
    // A sealed suite leaves nothing behind, so an interrupted run begins anew.
    if (!arguments.out.empty() && !suite.sealed) options.journal = arguments.out + "/" + file_name_of(suite.name) + ".journal.jsonl";
    options.on_progress = [&](size_t n_done, size_t n_right) {
      progress.update(n_done, fmt::format("{} % right", percent(static_cast<double>(n_right) / static_cast<double>(n_done))));
    };
    if (suite.sealed) FS_TRY_VOID(count_exposure(suite, identity));  // before the first item is shown
    Result<SuiteRun> done = run_suite(suite, solve, options);
    if (!done.ok() && answerer.served != nullptr && !answerer.served->problem().empty()) return Error{done.error().code, done.error().message + ": " + answerer.served->problem()};
    if (!done.ok()) return std::move(done).error();
    progress.clear();
    report.suites.push_back(make_suite_report(suite, mode, *done));
  }
  // Samples of one question are computed once where they say the same; how much that was depends on timing a little, so it is no part of the report.
  if (settings.agents && answerer.engine != nullptr && !arguments.json) {
    const EngineStats stats = answerer.engine->engine_stats();
    fmt::print(stderr, "{} tokens were generated, {} rows of logits computed for them\n", stats.n_generated_tokens, stats.n_decode_tokens);
  }
  if (!arguments.out.empty()) FS_TRY_VOID(write_report(arguments.out, report));
  return report;
}

int run_command(const RunArguments& arguments) {
  const Result<Report> report = run(arguments);
  if (!report.ok()) return fail(report.error(), arguments.json);
  if (arguments.json) {
    std::printf("%s\n", report_json(*report).dump().c_str());
  } else {
    fmt::print("{}", report_table(*report, arguments.slices));
    if (const auto gaps = compare_twins(*report); gaps) fmt::print("\n{}", comparison_table(*gaps, "the public wording", "the same as people write it (twins)"));
    if (!arguments.out.empty()) fmt::print(stderr, "report: {}/report.html and report.json\n", arguments.out);
  }
  const bool below = std::any_of(report->suites.begin(), report->suites.end(), [](const SuiteReport& suite) {
    return suite.floor && static_cast<double>(suite.n_right) < *suite.floor * static_cast<double>(suite.n);
  });
  return arguments.check && below ? kExitFailed : kExitOk;
}

void add_eval_run(Command eval) {
  const auto arguments = std::make_shared<RunArguments>();
  Command command = eval.subcommand("run", "Ask a model all questions of suites and grade its answers");
  command.paths("suite", &arguments->suites, "Suites: files, or folders that hold some");
  command.required("suite");
  add_model_option(&command, &arguments->model);
  add_vision_option(&command, &arguments->model);
  add_adapter_option(&command, &arguments->model);
  command.text("--chat-template", &arguments->model.chat_template_file, "Use this Jinja file instead of the model's own template");
  command.choice("--mode", &arguments->mode, {"instant", "thinking", "tools"}, "tools: thinking with the calculator (default: as each suite says)");
  command.text("-o,--out", &arguments->out, "Folder for report.json, report.html and what an interrupted run goes on from");
  command.integer("--limit", &arguments->limit, 1, 1 << 30, "Only the first N items of each suite");
  command.text("--variant", &arguments->variant, "Answer as NAME@ALIAS of the registry does (firesteel release): its prompt and settings");
  add_state_option(&command, &arguments->state_dir);
  command.text("--served", &arguments->served, "Ask the server at http://127.0.0.1:PORT, as batches in the background beside its other work, instead of an engine of its own");
  command.text("--server-key", &arguments->server_key, "API key for --served (default: the admin key of the state folder)", "FIRESTEEL_API_KEY");
  command.text("--served-model", &arguments->served_model, "Which model --served is asked for, without --variant (default kindling)");
  command.text("--key", &arguments->key, "Owner's key of sealed suites (files that end with .sealed)", "FIRESTEEL_EVAL_KEY");
  command.text("--data", &arguments->data, "Folder of the external sets (default: data/evals below $FS_SHARED)");
  command.integer("--parallel", &arguments->n_parallel, 1, 512, "Items in flight at a time (default 48); the results do not depend on it");
  command.number("--temperature", &arguments->temperature, 0, 100, "Instead of the suite's, which is mostly 0");
  command.integer("--max-tokens", &arguments->max_tokens, 1, 1 << 20, "Of one generation, instead of the suite's");
  command.flag("--one-by-one", &arguments->one_by_one, "Ask the parts of a compound question one after the other in one conversation: what --agents is to be compared with");
  command.integer("--votes", &arguments->n_votes, 1, 64, "Answer each item N times (at temperature 0.7 unless another is given); the most frequent answer counts");
  add_agent_options(&command, &arguments->agents);
  command.integer("--seed", &arguments->seed, 0, INT64_MAX, "Of sampling; item i has seed + i");
  add_engine_options(&command, &arguments->model);
  command.flag("--slices", &arguments->slices, "Slices of each suite in the table");
  command.flag("--twins", &arguments->twins, "Ask each item a second time the way people write, and show the gap");
  command.flag("--check", &arguments->check, "Exit with 1 when a suite is below its floor");
  command.flag("--json", &arguments->json, "Print the report as JSON");
  command.examples(
      "  firesteel eval run suites/kindling --model MODEL.gguf --out results/base\n"
      "  firesteel eval run suites/kindling/math.toml --model MODEL.gguf --mode instant --limit 100 --slices\n"
      "  firesteel eval run suites/external/svamp.toml --data sets --model MODEL.gguf\n"
      "  firesteel eval run suites/external/gsm8k.toml --limit 300 --twins"
      "\n  firesteel eval run suites/safety --slices"
      "\n  firesteel eval run suites/kindling/math.toml --served http://127.0.0.1:8080 --variant helper@candidate --out new");
  command.run([arguments] { return run_command(*arguments); });
}

struct ItemsArguments {
  std::vector<std::string> suites;
  std::string data;
  int64_t limit = -1;
  bool digest = false;
};

int items_command(const ItemsArguments& arguments) {
  RunArguments run;
  run.suites = arguments.suites;
  run.data = arguments.data;
  run.limit = arguments.limit;
  const Result<std::vector<Suite>> suites = load_suites(run);
  if (!suites.ok()) return fail(suites.error());
  for (const Suite& suite : *suites) {
    if (arguments.digest) {
      fmt::print("{} {} {} items\n", suite.digest, suite.name, suite.items.size());
      continue;
    }
    for (const EvalItem& item : suite.items) {
      Json::Array messages, answers;
      for (const SampleMessage& message : item.messages) messages.push_back(Json::Object{{"role", message.role}, {"content", message.text}});
      for (const std::string& answer : item.grading.answers) answers.emplace_back(answer);
      Json line = Json::Object{{"suite", suite.name}, {"id", item.id}, {"messages", std::move(messages)}, {"n_images", static_cast<int64_t>(item.images.size())},
                               {"grader", grading_kind_name(item.grading.kind)}, {"answer", std::move(answers)}};
      if (!item.grading.unit.empty()) line.set("unit", item.grading.unit);
      std::printf("%s\n", line.dump().c_str());
    }
  }
  return kExitOk;
}

void add_eval_items(Command eval) {
  const auto arguments = std::make_shared<ItemsArguments>();
  Command command = eval.subcommand("items", "Print the questions of suites without asking them, one JSON object a line");
  command.paths("suite", &arguments->suites, "Suites: files, or folders that hold some");
  command.required("suite");
  command.integer("--limit", &arguments->limit, 1, 1 << 30, "Only the first N items of each suite");
  command.text("--data", &arguments->data, "Folder of the external sets (default: data/evals below $FS_SHARED)");
  command.flag("--digest", &arguments->digest, "Only the digest of each suite's items, as suite.toml may name it");
  command.examples(
      "  firesteel eval items suites/kindling/math.toml --limit 5\n"
      "  firesteel eval items suites/kindling --digest");
  command.run([arguments] { return items_command(*arguments); });
}

struct ShowArguments {
  std::string file, html;
  int64_t n_failures = 10;
  bool slices = false;
};

int show_command(const ShowArguments& arguments) {
  const Result<Report> report = read_report(arguments.file);
  if (!report.ok()) return fail(report.error());
  if (!arguments.html.empty()) {
    const Status status = write_file_atomic(arguments.html, report_html(*report, arguments.n_failures));
    return status.ok() ? kExitOk : fail(status.error());
  }
  fmt::print("{} ({})\n{}", report->model, report->version, report_table(*report, arguments.slices));
  for (const SuiteReport& suite : report->suites) {
    int64_t n_shown = 0;
    for (const ReportItem& item : suite.items) {
      if (item.right || n_shown++ >= arguments.n_failures) continue;
      fmt::print("\n[{} {}] {}\n", suite.name, item.id, item.question);
      if (!item.attempt.thinking.empty()) fmt::print("  thinking: {}\n", item.attempt.thinking);
      for (const AttemptCall& call : item.attempt.calls) fmt::print("  {} {} = {}\n", call.name, call.arguments, call.result);
      fmt::print("  answer: {}\n  expected {}, read {}\n", item.attempt.error.empty() ? item.attempt.text : item.attempt.error, item.expected,
                 item.read.empty() ? "nothing" : item.read);
    }
  }
  return kExitOk;
}

void add_eval_show(Command eval) {
  const auto arguments = std::make_shared<ShowArguments>();
  Command command = eval.subcommand("show", "Show a report with the transcripts of wrong answers");
  command.text("report", &arguments->file, "A report.json");
  command.required("report");
  command.integer("--failures", &arguments->n_failures, 0, 1 << 20, "Transcripts of each suite (default 10)");
  command.flag("--slices", &arguments->slices, "Slices of each suite in the table");
  command.text("--html", &arguments->html, "Write the page to this file instead (without pictures)");
  command.examples("  firesteel eval show results/base/report.json --slices --failures 3");
  command.run([arguments] { return show_command(*arguments); });
}

struct CompareArguments {
  std::string first, second;
  bool json = false;
};

int compare_command(const CompareArguments& arguments) {
  const Result<Report> a = read_report(arguments.first), b = read_report(arguments.second);
  if (!a.ok()) return fail(a.error(), arguments.json);
  if (!b.ok()) return fail(b.error(), arguments.json);
  const auto comparisons = compare_reports(*a, *b);
  if (!comparisons.ok()) return fail(comparisons.error(), arguments.json);
  const std::string name_a = a->model + " (" + arguments.first + ")", name_b = b->model + " (" + arguments.second + ")";
  if (arguments.json) {
    std::printf("%s\n", comparison_json(*comparisons, name_a, name_b).dump().c_str());
  } else {
    fmt::print("{}", comparison_table(*comparisons, name_a, name_b));
  }
  return kExitOk;
}

void add_eval_compare(Command eval) {
  const auto arguments = std::make_shared<CompareArguments>();
  Command command = eval.subcommand("compare", "Compare two reports item by item");
  command.text("first", &arguments->first, "A report.json");
  command.text("second", &arguments->second, "Another, of the same suites");
  command.required("first");
  command.required("second");
  command.flag("--json", &arguments->json, "Print one JSON object with the ids");
  command.examples("  firesteel eval compare results/base/report.json results/tuned/report.json");
  command.run([arguments] { return compare_command(*arguments); });
}

struct SealArguments {
  std::string suite, out, key, data;
  int64_t limit = -1;
};

Status seal_suite(const SealArguments& arguments) {
  if (!arguments.out.ends_with(kSealedEnding)) return Error{ErrorCode::kInvalidArgument, "--out " + arguments.out + ": expected a name that ends with " + kSealedEnding};
  FS_TRY(Suite suite, read_suite(arguments.suite));
  FS_TRY_VOID(load_items(&suite, make_suite_inputs(data_folder(arguments.data)), arguments.limit));
  FS_TRY(const bool made, make_vault_key(arguments.key));
  if (made) fmt::print(stderr, "made the owner's key {} (mode 0600); without it nobody can open what it seals\n", arguments.key);
  FS_TRY_VOID(seal_vault(suite, arguments.key, arguments.out));
  fmt::print("{}: {} items of {} sealed\n", arguments.out, suite.items.size(), suite.name);
  return {};
}

void add_eval_seal(Command eval) {
  const auto arguments = std::make_shared<SealArguments>();
  Command command = eval.subcommand("seal", "Encrypt a suite under an owner's key; only 'eval run' can use it then");
  command.text("suite", &arguments->suite, "A suite file");
  command.required("suite");
  command.text("-o,--out", &arguments->out, "The sealed file, NAME.sealed");
  command.required("--out");
  command.text("--key", &arguments->key, "Owner's key; made when it is not there", "FIRESTEEL_EVAL_KEY");
  command.required("--key");
  command.integer("--limit", &arguments->limit, 1, 1 << 30, "Only the first N items");
  command.text("--data", &arguments->data, "Folder of the external sets (default: data/evals below $FS_SHARED)");
  command.examples("  firesteel eval seal suites/kindling/math.toml --out math.sealed --key owner.key\n"
                   "  firesteel eval run math.sealed --key owner.key --out results/base");
  command.run([arguments] {
    const Status status = seal_suite(*arguments);
    return status.ok() ? static_cast<int>(kExitOk) : fail(status.error());
  });
}

void add_eval_vault(Command eval) {
  struct VaultArguments { std::string file; bool json = false; };
  const auto arguments = std::make_shared<VaultArguments>();
  Command command = eval.subcommand("vault", "Show what a sealed suite tells without its key: name, count, how often which model saw it");
  command.text("file", &arguments->file, "A sealed file");
  command.required("file");
  command.flag("--json", &arguments->json, "Print one JSON object");
  command.examples("  firesteel eval vault math.sealed");
  command.run([arguments] {
    const auto info = read_vault_info(arguments->file);
    if (!info.ok()) return fail(info.error(), arguments->json);
    if (arguments->json) {
      Json::Array seen;
      for (const VaultExposure& e : info->exposures) seen.push_back(Json::Object{{"version", e.version}, {"n_runs", e.n_runs}, {"n_items", e.n_items}, {"n_max", e.n_max}});
      fmt::print("{}\n", Json(Json::Object{{"name", info->name}, {"n_items", info->n_items}, {"exposures", std::move(seen)}}).dump());
      return static_cast<int>(kExitOk);
    }
    fmt::print("{}: {} items, sealed\n", info->name, info->n_items);
    for (const VaultExposure& e : info->exposures) fmt::print("  model {}: {} runs, {} items shown, one at most {} times\n", e.version.substr(0, 16), e.n_runs, e.n_items, e.n_max);
    return static_cast<int>(kExitOk);
  });
}

}  // namespace

void add_eval(Command root) {
  Command eval = root.subcommand("eval", "Measure what a model can do, with intervals and transcripts");
  add_eval_run(eval);
  add_eval_items(eval);
  add_eval_show(eval);
  add_eval_compare(eval);
  add_eval_seal(eval);
  add_eval_vault(eval);
  add_eval_arena(eval);
  add_eval_import(eval);
}

}  // namespace firesteel
