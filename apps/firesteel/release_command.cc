// firesteel release: variants, aliases and rollouts of an installation.
#include <filesystem>
#include <memory>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/mapped_file.h"
#include "commands.h"
#include "load_model.h"
#include "manage.h"
#include "release/evidence.h"
#include "release/monitor.h"
#include "release/registry.h"
#include "release/view.h"
#include "tenants/crypto.h"

namespace firesteel {
namespace {

constexpr uint64_t kPlanBytesMax = 1u << 20;

struct ReleaseOptions {
  ManageOptions manage;
  ModelOptions model;
  std::string name, which, reason, plan_file;
  std::string adapter, system, system_file, dataset, report, note;
  std::vector<std::string> settings;
  std::string champion_report, candidate_report, expected;
};

using Action = std::function<Status(Installation&, Registry&, const ReleaseOptions&)>;

Command add_action(Command release, const char* word, const char* help, const char* examples, const std::shared_ptr<ReleaseOptions>& options, bool must_exist, const Action& action) {
  Command command = release.subcommand(word, help);
  add_manage_options(&command, &options->manage);
  command.examples(examples);
  command.run([options, must_exist, action] {
    return with_installation(options->manage, must_exist, [&](Installation& installation) -> Status {
      Registry registry(*installation.store, *installation.tenants);
      return action(installation, registry, *options);
    });
  });
  return command;
}

// "temperature=0.7" as JSON: numbers and true or false as such.
Result<Json> parse_settings(const std::vector<std::string>& words) {
  Json settings(Json::Object{});
  for (const std::string& word : words) {
    const size_t equals = word.find('=');
    if (equals == std::string::npos) return Error{ErrorCode::kInvalidArgument, "--set " + word + ": expected NAME=VALUE, such as temperature=0.7"};
    const auto value = Json::parse(std::string_view(word).substr(equals + 1));
    if (!value.ok()) return Error{ErrorCode::kInvalidArgument, "--set " + word + ": expected a number, true or false"};
    settings.set(word.substr(0, equals), *value);
  }
  return settings;
}

Status create_variant(Installation&, Registry& registry, const ReleaseOptions& options) {
  VariantSpec spec;
  FS_TRY(const LoadedModel loaded, load_model(options.model, /*want_template=*/true));
  spec.base = loaded.checkpoint->identity();
  if (!options.model.chat_template_file.empty()) {
    FS_TRY(const std::string source, chat_template_source(*loaded.checkpoint, options.model.chat_template_file));
    spec.chat_template = hex(plain_hash(source));
  }
  spec.adapter = options.adapter;
  std::error_code ignored;
  if (std::filesystem::is_regular_file(options.adapter, ignored)) {
    FS_TRY(spec.adapter, store_adapter(options.adapter, loaded, state_dir_to_use(options.manage.state_dir)));
  } else if (options.adapter.find_first_not_of("0123456789abcdef") != std::string::npos) {
    return Error{ErrorCode::kNotFound, "--adapter " + options.adapter + ": no such file, and no digest of an adapter either"};
  }
  spec.system = options.system;
  if (!options.system_file.empty()) {
    FS_TRY(spec.system, read_file(options.system_file, 64 << 10));
  }
  FS_TRY(spec.settings, parse_settings(options.settings));
  FS_TRY(const Variant made, registry.create(options.name, spec, {options.dataset, options.report, options.note}, cli_actor()));
  FS_TRY(const std::vector<AliasRecord> aliases, registry.aliases(options.name));
  const Json view = variant_view(made, aliases);
  if (options.manage.json) {
    fmt::print("{}\n", view.dump());
  } else {
    std::string names;
    for (const Json& alias : view.find("aliases")->as_array()) names += " @" + alias.as_string();
    fmt::print("{} {}: {}{}\n", made.name, made.number, made.digest.substr(0, 12), names);
  }
  return {};
}

Status list_variants(Installation&, Registry& registry, const ReleaseOptions& options) {
  FS_TRY(const std::vector<Variant> variants, registry.list(options.name));
  Json::Array list;
  std::vector<std::vector<std::string>> rows = {{"VARIANT", "DIGEST", "ALIASES", "ADAPTER", "DATASET", "MADE", "BY", "NOTE"}};
  for (const Variant& variant : variants) {
    FS_TRY(const std::vector<AliasRecord> aliases, registry.aliases(variant.name));
    Json view = variant_view(variant, aliases);
    std::string names;
    for (const Json& alias : view.find("aliases")->as_array()) names += (names.empty() ? "@" : " @") + alias.as_string();
    rows.push_back({fmt::format("{} {}", variant.name, variant.number), variant.digest.substr(0, 12), names.empty() ? "-" : names,
                    variant.spec.adapter.empty() ? "-" : variant.spec.adapter.substr(0, 12), variant.dataset.empty() ? "-" : printable(variant.dataset),
                    time_text(variant.created_us), printable(variant.created_by), printable(variant.note)});
    list.push_back(std::move(view));
  }
  if (options.manage.json) fmt::print("{}\n", Json(Json::Object{{"variants", std::move(list)}}).dump());
  else print_table(rows);
  return {};
}

Status show_variant(Installation&, Registry& registry, const ReleaseOptions& options) {
  FS_TRY(const Variant variant, registry.find(options.name, options.which.empty() ? "champion" : options.which));
  FS_TRY(const std::vector<AliasRecord> aliases, registry.aliases(options.name));
  FS_TRY(const std::vector<AliasChange> history, registry.history(options.name, 10));
  Json view = variant_view(variant, aliases);
  if (options.manage.json) {
    fmt::print("{}\n", view.dump());
    return {};
  }
  for (const auto& [key, value] : view.as_object()) {
    if (key != "created_us") fmt::print("{:14} {}\n", key, value.is_string() ? printable(value.as_string()) : value.dump());
  }
  fmt::print("\nchanges of aliases of {}, newest first\n", options.name);
  for (const AliasChange& change : history) fmt::print("{}  @{} = {}  {}  {}\n", time_text(change.at_us), change.alias, change.digest.substr(0, 12), printable(change.actor), printable(change.reason));
  return {};
}

Result<RolloutPlan> read_plan(const std::string& file) {
  FS_TRY(const std::string text, read_file(file, kPlanBytesMax));
  return parse_plan(text, file);
}

Result<std::vector<SuiteResult>> read_suites(const ReleaseOptions& options) {
  if (options.champion_report.empty() != options.candidate_report.empty()) {
    return Error{ErrorCode::kInvalidArgument, "--champion-report and --candidate-report go together: a gate compares the two on the same items"};
  }
  if (options.champion_report.empty()) return std::vector<SuiteResult>();
  FS_TRY(const Report champion, read_report(options.champion_report));
  FS_TRY(const Report candidate, read_report(options.candidate_report));
  return suite_results(champion, candidate);
}

std::string gate_line(const GateReading& r) {
  const std::string name = r.gate + (r.surface.empty() ? "" : " on " + r.surface);
  return fmt::format("  {:44} {:20} {:>7}  {:+6.1f} ({:+.1f} to {:+.1f})  needs {}{}{}\n", name, verdict_name(r.verdict), r.n, 100 * r.difference, 100 * r.low, 100 * r.high, r.needs,
                     r.note.empty() ? "" : "; ", r.note);
}

Status check_plan(Installation&, Registry& registry, const ReleaseOptions& options) {
  FS_TRY(const RolloutPlan plan, read_plan(options.plan_file));
  FS_TRY(const Variant champion, registry.find(plan.name, "champion"));
  FS_TRY(const Variant candidate, registry.find(plan.name, plan.candidate));
  FS_TRY(const std::vector<SuiteResult> suites, read_suites(options));
  if (options.manage.json) {
    fmt::print("{}\n", Json(Json::Object{{"plan", plan_json(plan)}, {"champion", champion.digest}, {"candidate", candidate.digest}}).dump());
    return {};
  }
  fmt::print("{} {} (champion) against {} (candidate), promotion {}\n", plan.name, champion.number, candidate.number, plan.promotes_itself ? "by itself" : "by a person");
  for (const SurfacePlan& surface : plan.surfaces) {
    fmt::print("  {}: {}", surface.name, surface.shadow > 0 ? fmt::format("{} shadow answers, ", surface.shadow) : "");
    fmt::print("{:g} % of users, at least {} answers in each step\n", fmt::join(surface.steps, " %, "), surface.min_answers);
  }
  for (const GateReading& reading : read_suite_gates(plan, suites)) fmt::print("{}", gate_line(reading));
  for (const LiveGate& gate : plan.live) {
    fmt::print("  live {} on {}: worse by less than {:.1f} points, at least {} answers\n", live_metric_name(gate.metric), gate.surface.empty() ? "each surface" : gate.surface, 100 * gate.margin, gate.min);
  }
  return {};
}

Status print_rollout(Registry& registry, const RolloutRecord& rollout, bool json) {
  if (json) {
    FS_TRY(const Json view, rollout_view(&registry, rollout, 100));
    fmt::print("{}\n", view.dump());
    return {};
  }
  FS_TRY(const Evidence evidence, registry.evidence(rollout));
  FS_TRY(const std::vector<RolloutEvent> events, registry.events(rollout.id, 12));
  fmt::print("{} {}: {}{}{}\n", rollout.id, rollout.name, rollout_status_name(rollout.state.status), rollout.state.reason.empty() ? "" : ", ", rollout.state.reason);
  for (size_t i = 0; i < rollout.plan.surfaces.size(); ++i) {
    fmt::print("  {:12} {:9} {:5.1f} % of users, {} answers of the candidate, {} in the shadow\n", rollout.plan.surfaces[i].name, surface_phase_name(rollout.state.surfaces[i].phase),
               100 * candidate_share(rollout.plan, rollout.state, i), evidence.surfaces[i].n_candidate, evidence.surfaces[i].n_shadow);
  }
  for (const GateReading& reading : all_gates(rollout, evidence)) fmt::print("{}", gate_line(reading));
  for (const RolloutEvent& event : events) fmt::print("  {}  {:12} {}{}{}\n", time_text(event.at_us), event.kind, event.surface, event.surface.empty() ? "" : ": ", event.text);
  return {};
}

Status start_rollout(Installation&, Registry& registry, const ReleaseOptions& options) {
  FS_TRY(const RolloutPlan plan, read_plan(options.plan_file));
  FS_TRY(const std::vector<SuiteResult> suites, read_suites(options));
  // A gate that waits takes new reports; anything else is a new rollout.
  FS_TRY(const std::vector<RolloutRecord> running, registry.rollouts(plan.name, /*only_running=*/true, 1));
  if (!running.empty() && running.front().state.status == RolloutStatus::kGate && !suites.empty()) {
    FS_TRY_VOID(registry.put_suites(running.front().id, suites, cli_actor()));
    FS_TRY(const RolloutRecord moved, registry.advance_stored(running.front().id, cli_actor()));
    return print_rollout(registry, moved, options.manage.json);
  }
  FS_TRY(const RolloutRecord started, registry.start(plan, suites, cli_actor()));
  return print_rollout(registry, started, options.manage.json);
}

Status show_status(Installation&, Registry& registry, const ReleaseOptions& options) {
  FS_TRY(const std::vector<RolloutRecord> records, registry.rollouts(options.name, /*only_running=*/false, 1));
  if (records.empty()) return Error{ErrorCode::kNotFound, "no rollout yet; firesteel release start PLAN.toml begins one"};
  return print_rollout(registry, records.front(), options.manage.json);
}

Status promote_variant(Installation&, Registry& registry, const ReleaseOptions& options) {
  FS_TRY(const Variant variant, registry.find(options.name, options.which.empty() ? "candidate" : options.which));
  FS_TRY(const std::vector<RolloutRecord> running, registry.rollouts(options.name, /*only_running=*/true, 1));
  const bool is_ready = !running.empty() && running.front().candidate == variant.digest && running.front().state.status == RolloutStatus::kReady;
  if (!is_ready && options.reason.empty()) {
    return Error{ErrorCode::kFailedPrecondition, fmt::format("{} {} has not passed every gate of a rollout; to promote it all the same give a --reason, which the audit log keeps", options.name, variant.number)};
  }
  std::optional<std::string> expected;
  if (!options.expected.empty()) {
    FS_TRY(const Variant before, registry.find(options.name, options.expected));
    expected = before.digest;
  }
  FS_TRY_VOID(registry.promote(options.name, variant.digest, expected, options.reason.empty() ? "passed every gate" : options.reason, cli_actor()));
  if (options.manage.json) fmt::print("{}\n", Json(Json::Object{{"champion", variant.digest}, {"number", variant.number}}).dump());
  else fmt::print("{}@champion is {} ({})\n", options.name, variant.number, variant.digest.substr(0, 12));
  return {};
}

Status roll_back_name(Installation&, Registry& registry, const ReleaseOptions& options) {
  FS_TRY(const Variant now, registry.roll_back(options.name, options.reason.empty() ? "by hand" : options.reason, cli_actor()));
  if (options.manage.json) fmt::print("{}\n", Json(Json::Object{{"champion", now.digest}, {"number", now.number}}).dump());
  else fmt::print("{}@champion is {} ({}); everybody is on it\n", options.name, now.number, now.digest.substr(0, 12));
  return {};
}

Status show_monitors(Installation& installation, Registry& registry, const ReleaseOptions& options) {
  FS_TRY(const std::string text, read_file(options.plan_file, kPlanBytesMax));
  FS_TRY(const MonitorFile file, parse_monitor_file(text, options.plan_file));
  FS_TRY(const std::vector<MonitorReading> readings, read_monitors(*installation.store, file.rules, wall_clock().now_us() / 3'600'000'000));
  FS_TRY(const std::vector<Variant> variants, registry.list(""));
  const auto name_of = [&](const std::string& digest) {
    for (const Variant& variant : variants) {
      if (variant.digest == digest) return fmt::format("{} {}", variant.name, variant.number);
    }
    return digest.substr(0, 12);
  };
  Json::Array list;
  std::vector<std::vector<std::string>> rows = {{"RULE", "VARIANT", "SURFACE", "TENANT", "VALUE", "ANSWERS", "STATE"}};
  for (const MonitorReading& r : readings) {
    list.push_back(Json::Object{{"rule", r.rule}, {"variant", r.variant}, {"surface", r.surface}, {"tenant", r.tenant}, {"value", r.value}, {"n", r.n}, {"known", r.known}, {"alerting", r.alerting}});
    rows.push_back({r.rule, name_of(r.variant), r.surface.empty() ? "-" : r.surface, r.tenant.empty() ? "-" : r.tenant, fmt::format("{:.4g}", r.value), std::to_string(r.n),
                    r.alerting ? "ALERT" : r.known ? "good" : "too few"});
  }
  if (options.manage.json) fmt::print("{}\n", Json(Json::Object{{"readings", std::move(list)}}).dump());
  else print_table(rows);
  return {};
}

void add_reports(Command* command, ReleaseOptions* options) {
  command->text("--champion-report", &options->champion_report, "report.json of the champion (firesteel eval run --out)");
  command->text("--candidate-report", &options->candidate_report, "report.json of the candidate, on the same suites");
}

}  // namespace

void add_release(Command root) {
  Command release = root.subcommand("release", "Variants of a model, who is on which, and how a better one reaches everybody");
  release.examples("  firesteel release list\n  firesteel release start plan.toml --champion-report base/report.json --candidate-report tuned/report.json\n  firesteel release rollback kindling");
  const auto make = [] { return std::make_shared<ReleaseOptions>(); };
  {
    const auto options = make();
    Command command = add_action(release, "create", "Register a variant: base, adapter, prompt and settings by their content", 
                                 "  firesteel release create kindling --note base\n  firesteel release create kindling --system \"Answer in one line.\" --set temperature=0.3\n"
                                 "  firesteel release create kindling --adapter DIGEST --dataset loans@7", options, false, create_variant);
    command.text("name", &options->name, "What users will ask for: a-z 0-9 . _ -");
    command.required("name");
    add_model_option(&command, &options->model);
    command.text("--chat-template", &options->model.chat_template_file, "A Jinja file instead of the model's own template");
    command.text("--adapter", &options->adapter, "An adapter's file, which is copied into the installation, or its digest (firesteel tune prints it)");
    command.text("--system", &options->system, "Text before each conversation");
    command.text("--system-file", &options->system_file, "The same from a file");
    command.texts("--set", &options->settings, "NAME=VALUE where a request says nothing: temperature, top_p, top_k, min_p, repetition_penalty, max_tokens, thinking");
    command.text("--dataset", &options->dataset, "What it was tuned on: name@version or digest");
    command.text("--report", &options->report, "Its evaluation report");
    command.text("--note", &options->note, "For people");
  }
  {
    const auto options = make();
    Command command = add_action(release, "list", "List variants, newest first", "  firesteel release list\n  firesteel release list kindling --json", options, true, list_variants);
    command.text("name", &options->name, "Only of this name");
  }
  {
    const auto options = make();
    Command command = add_action(release, "show", "Show a variant and how aliases of its name changed", "  firesteel release show kindling\n  firesteel release show kindling 3", options, true, show_variant);
    command.text("name", &options->name, "Its name");
    command.text("which", &options->which, "Number, digest or alias (default: champion)");
    command.required("name");
  }
  {
    const auto options = make();
    Command command = add_action(release, "plan", "Check a rollout plan and say what it would do", "  firesteel release plan plan.toml", options, true, check_plan);
    command.text("plan", &options->plan_file, "A plan in TOML (docs/loop.md)");
    command.required("plan");
    add_reports(&command, options.get());
  }
  {
    const auto options = make();
    Command command = add_action(release, "start", "Begin a rollout, or give new reports to one whose gate waits",
                                 "  firesteel release start plan.toml --champion-report base/report.json --candidate-report tuned/report.json", options, true, start_rollout);
    command.text("plan", &options->plan_file, "A plan in TOML (docs/loop.md)");
    command.required("plan");
    add_reports(&command, options.get());
  }
  {
    const auto options = make();
    Command command = add_action(release, "status", "Show the newest rollout: surfaces, gates, what happened", "  firesteel release status kindling", options, true, show_status);
    command.text("name", &options->name, "Of this name (default: of any)");
  }
  {
    const auto options = make();
    Command command = add_action(release, "monitor", "Read the rules of monitoring once, against what variants did",
                                 "  firesteel release monitor rules.toml\n  firesteel serve --monitor rules.toml      # the same once a minute, with alerts", options, true, show_monitors);
    command.text("rules", &options->plan_file, "Rules in TOML (docs/loop.md)");
    command.required("rules");
  }
  {
    const auto options = make();
    Command command = add_action(release, "promote", "Make a variant the champion, at once and for everybody",
                                 "  firesteel release promote kindling\n  firesteel release promote kindling 3 --reason \"hot fix, seen by hand\"", options, true, promote_variant);
    command.text("name", &options->name, "Its name");
    command.text("which", &options->which, "Number, digest or alias (default: candidate)");
    command.required("name");
    command.text("--reason", &options->reason, "Why, when it has not passed every gate");
    command.text("--expected", &options->expected, "Refuse when the champion is another than this (number, digest)");
  }
  {
    const auto options = make();
    Command command = add_action(release, "rollback", "End a rollout, or without one bring the previous champion back", "  firesteel release rollback kindling --reason \"wrong units\"", options, true, roll_back_name);
    command.text("name", &options->name, "Its name");
    command.required("name");
    command.text("--reason", &options->reason, "Why");
  }
}

}  // namespace firesteel
