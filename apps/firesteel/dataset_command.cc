// firesteel data ingest, scrub, dedup, filter, cap, triggers, decontaminate, split, prepare, versions, card, erase: datasets with lineage.
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/mapped_file.h"
#include "commands.h"
#include "dataset/ingest.h"
#include "dataset/personal_data.h"
#include "dataset/steps.h"
#include "dataset/versions.h"
#include "erase.h"
#include "eval/suite.h"
#include "eval_solver.h"
#include "installation.h"
#include "load_model.h"
#include "manage.h"
#include "terminal.h"

namespace firesteel {
namespace {

volatile std::sig_atomic_t g_interrupted = 0;
void interrupt(int) { g_interrupted = 1; }

struct DatasetOptions {
  std::string store, dataset, out, state_dir;
  bool json = false;
  // ingest
  std::vector<std::string> files;
  std::string name, format = "auto", encoding = "auto", tenant, user, variant;
  bool require_consent = false;
  int64_t row_bytes = 1 << 20, passage_bytes = 2000;
  // steps
  std::string names_file;
  double threshold = 0.8, user_share = 1, tenant_share = 100, share = 50, test_share = 10, rare_share = 3;
  int64_t chars_min = 0, chars_max = 0, answer_min = 1, seed = 1, rows_min = 6;
  std::vector<std::string> languages, suites, adapters;
  std::string data_folder;
  bool drop = false, dry_run = false, keep_triggers = false;
};

DatasetStore store_of(const DatasetOptions& options) { return DatasetStore(options.store.empty() ? state_dir_to_use(options.state_dir) + "/datasets" : options.store); }

void add_common(Command* command, DatasetOptions* options, bool takes_dataset) {
  if (takes_dataset) {
    command->text("dataset", &options->dataset, "NAME, or NAME@ and the first digits of a version");
    command->required("dataset");
  }
  command->text("--store", &options->store, "Folder of the datasets (default: datasets in the state folder)", "FIRESTEEL_DATASETS");
  add_state_option(command, &options->state_dir);
  command->flag("--json", &options->json, "Result as JSON");
}

Result<std::vector<std::string>> read_names(const std::string& path) {
  std::vector<std::string> names;
  if (path.empty()) return names;
  FS_TRY(const std::string text, read_file(path, 64u << 20));
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    std::string name = text.substr(at, end - at);
    while (!name.empty() && (name.back() == '\r' || name.back() == ' ')) name.pop_back();
    if (!name.empty() && name[0] != '#') names.push_back(std::move(name));
    at = end + 1;
  }
  return names;
}

// The words of every item of these suites.
Result<ContaminationIndex> tests_index(const std::vector<std::string>& paths, const std::string& data_folder) {
  ContaminationIndex index;
  const SuiteInputs inputs = make_suite_inputs(data_folder);
  for (const std::string& path : paths) {
    FS_TRY(const std::vector<std::string> files, find_suites(path));
    for (const std::string& file : files) {
      FS_TRY(Suite suite, read_suite(file));
      FS_TRY_VOID(load_items(&suite, inputs, -1));
      for (const EvalItem& item : suite.items) {
        for (const SampleMessage& message : item.messages) {
          if (message.role == "user") index.add(message.text);
        }
      }
    }
  }
  index.finish();
  return index;
}

void print_version(const DatasetStore& store, const VersionRef& ref, const DatasetStore::Step& step, size_t n_rows, bool json) {
  if (json) {
    fmt::print("{}\n", Json(Json::Object{{"name", ref.name}, {"digest", ref.digest}, {"path", store.path_of(ref)}, {"rows", static_cast<int64_t>(n_rows)}, {"step", step.name}, {"report", step.report}}).dump());
  } else {
    fmt::print("{}: {} rows, {}\n  {}@{}\n", step.name, format_count(n_rows), step.report.dump(), ref.name, ref.digest);
  }
}

Status do_ingest(const DatasetOptions& options) {
  const DatasetStore store = store_of(options);
  IngestOptions ingest_options;
  ingest_options.name = options.name;
  ingest_options.files = options.files;
  ingest_options.format = options.format;
  FS_TRY(ingest_options.encoding, parse_encoding(options.encoding));
  ingest_options.origin.tenant = options.tenant;
  ingest_options.origin.user = options.user;
  ingest_options.origin.variant = options.variant;
  ingest_options.require_consent = options.require_consent;
  ingest_options.row_bytes_max = static_cast<uint64_t>(options.row_bytes);
  ingest_options.passage_bytes_max = static_cast<uint64_t>(options.passage_bytes);
  std::signal(SIGINT, interrupt);
  Progress progress("ingest", 0, options.json);
  FS_TRY(const IngestReport report, ingest(store, ingest_options, wall_clock().now_us(), [&](uint64_t done, uint64_t total) {
           progress.update(done, total, "");
           return g_interrupted == 0;
         }));
  progress.clear();
  if (options.json) {
    Json::Array rejected;
    for (const RejectedRow& row : report.first_rejected) rejected.push_back(Json::Object{{"file", row.file}, {"row", row.row}, {"reason", row.reason}});
    fmt::print("{}\n", Json(Json::Object{{"name", report.version.name}, {"digest", report.version.digest}, {"path", store.path_of(report.version)}, {"rows", static_cast<int64_t>(report.n_rows)},
                                         {"rejected", static_cast<int64_t>(report.n_rejected)}, {"first_rejected", std::move(rejected)}}).dump());
    return {};
  }
  for (const RejectedRow& row : report.first_rejected) fmt::print(stderr, "{}, row {}: {}\n", printable(row.file), row.row, printable(row.reason));
  if (report.n_rejected > report.first_rejected.size()) fmt::print(stderr, "... {} refused rows in all; see rejects.jsonl of the version\n", format_count(report.n_rejected));
  fmt::print("ingest: {} rows, {} refused\n  {}\n", format_count(report.n_rows), format_count(report.n_rejected), report.version.text());
  return {};
}

// Reads the dataset, changes its rows, writes the next version.
Status do_step(const DatasetOptions& options, const std::function<Result<StepResult>(std::vector<LineageRow>)>& step) {
  const DatasetStore store = store_of(options);
  FS_TRY(const VersionRef ref, store.resolve(options.dataset));
  FS_TRY(Dataset dataset, store.read(ref));
  FS_TRY(const StepResult result, step(std::move(dataset.rows)));
  FS_TRY(const VersionRef made, store.publish(options.out.empty() ? ref.name : options.out, result.rows, dataset.card, result.step, wall_clock().now_us()));
  print_version(store, made, result.step, result.rows.size(), options.json);
  return {};
}

FilterOptions filter_options(const DatasetOptions& options) {
  FilterOptions filter;
  filter.chars_min = static_cast<size_t>(options.chars_min);
  filter.chars_max = static_cast<size_t>(options.chars_max);
  filter.answer_chars_min = static_cast<size_t>(options.answer_min);
  filter.languages = options.languages;
  return filter;
}

CapOptions cap_options(const DatasetOptions& options) { return {options.user_share / 100, options.tenant_share / 100, static_cast<uint64_t>(options.seed)}; }

TriggerOptions trigger_options(const DatasetOptions& options) {
  TriggerOptions triggers;
  triggers.rows_min = static_cast<size_t>(options.rows_min);
  triggers.share_max = options.rare_share / 100;
  return triggers;
}

Status do_triggers(const DatasetOptions& options) {
  if (options.drop) return do_step(options, [&](std::vector<LineageRow> rows) -> Result<StepResult> { return drop_triggers(std::move(rows), trigger_options(options)); });
  const DatasetStore store = store_of(options);
  FS_TRY(const VersionRef ref, store.resolve(options.dataset));
  FS_TRY(const Dataset dataset, store.read(ref));
  const std::vector<TriggerFinding> findings = scan_triggers(dataset.rows, trigger_options(options));
  if (options.json) {
    fmt::print("{}\n", Json(Json::Object{{"dataset", ref.text()}, {"findings", findings_json(findings)}}).dump());
  } else {
    for (const TriggerFinding& finding : findings) {
      fmt::print("\"{}\": {} rows of {} users, {} with {}, {:.1f} expected\n", printable(finding.phrase), finding.n_rows, finding.n_users, finding.n_with_sign, printable(finding.sign), finding.expected);
    }
    fmt::print("{} findings in {} rows\n", findings.size(), format_count(dataset.rows.size()));
  }
  if (!findings.empty()) return Error{ErrorCode::kFailedPrecondition, "phrases that may be planted triggers were found; look at their rows, then drop them with --drop"};
  return {};
}

// Every step in the usual order, each its own version.
Status do_prepare(const DatasetOptions& options) {
  const DatasetStore store = store_of(options);
  FS_TRY(VersionRef ref, store.resolve(options.dataset));
  FS_TRY(Dataset dataset, store.read(ref));
  FS_TRY(const std::vector<std::string> names, read_names(options.names_file));
  ContaminationIndex tests;
  if (!options.suites.empty()) {
    FS_TRY(tests, tests_index(options.suites, options.data_folder));
  }
  const std::string name = options.out.empty() ? ref.name : options.out;
  const std::vector<std::function<Result<StepResult>(std::vector<LineageRow>)>> steps = {
      [&](std::vector<LineageRow> rows) -> Result<StepResult> { return scrub_rows(std::move(rows), names); },
      [&](std::vector<LineageRow> rows) -> Result<StepResult> { return filter_rows(std::move(rows), filter_options(options)); },
      [&](std::vector<LineageRow> rows) -> Result<StepResult> { return drop_near_duplicates(std::move(rows), options.threshold); },
      [&](std::vector<LineageRow> rows) -> Result<StepResult> { return drop_triggers(std::move(rows), trigger_options(options)); },
      [&](std::vector<LineageRow> rows) -> Result<StepResult> { return decontaminate_rows(std::move(rows), tests, options.share / 100); },
      [&](std::vector<LineageRow> rows) -> Result<StepResult> { return cap_rows(std::move(rows), cap_options(options)); }};
  std::vector<LineageRow> rows = std::move(dataset.rows);
  Json card = std::move(dataset.card);
  for (const auto& step : steps) {
    FS_TRY(StepResult result, step(std::move(rows)));
    FS_TRY(ref, store.publish(name, result.rows, card, result.step, wall_clock().now_us()));
    print_version(store, ref, result.step, result.rows.size(), options.json);
    FS_TRY(card, store.read_card(ref));
    rows = std::move(result.rows);
  }
  return {};
}

Status do_split(const DatasetOptions& options) {
  const DatasetStore store = store_of(options);
  FS_TRY(const VersionRef ref, store.resolve(options.dataset));
  FS_TRY(Dataset dataset, store.read(ref));
  const SplitResult split = split_rows(std::move(dataset.rows), options.test_share / 100, static_cast<uint64_t>(options.seed));
  const std::string name = options.out.empty() ? ref.name : options.out;
  for (const auto& [part, ending] : {std::pair(&split.train, "-train"), std::pair(&split.test, "-test")}) {
    FS_TRY(const VersionRef made, store.publish(name + ending, part->rows, dataset.card, part->step, wall_clock().now_us()));
    print_version(store, made, part->step, part->rows.size(), options.json);
  }
  return {};
}

Status do_versions(const DatasetOptions& options) {
  const DatasetStore store = store_of(options);
  FS_TRY(const std::vector<VersionInfo> versions, store.list());
  std::vector<std::vector<std::string>> rows = {{"DATASET", "VERSION", "ROWS", "STATE", "MADE BY"}};
  Json::Array list;
  for (const VersionInfo& info : versions) {
    const Json* const n = info.card.find("rows");
    const Json* const steps = info.card.find("steps");
    std::string last = "-";
    if (steps != nullptr && steps->is_array() && !steps->as_array().empty()) {
      if (const Json* const step = steps->as_array().back().find("step"); step != nullptr && step->is_string()) last = step->as_string();
    }
    const char* const state = info.retired ? "retired" : info.is_head ? "current" : "";
    rows.push_back({info.ref.name, info.ref.digest.substr(0, 12), n != nullptr && n->is_int() ? std::to_string(n->as_int()) : "?", state, printable(last)});
    list.push_back(Json::Object{{"name", info.ref.name}, {"digest", info.ref.digest}, {"state", state}, {"path", store.path_of(info.ref)}, {"rows", n != nullptr ? *n : Json()}, {"step", last}});
  }
  if (options.json) {
    fmt::print("{}\n", Json(Json::Object{{"versions", std::move(list)}}).dump());
  } else {
    print_table(rows);
  }
  return {};
}

void print_erased(const Json& report) {
  const bool dry_run = *report.find("dry_run") == Json(true);
  const char* const would = dry_run ? "would go" : "gone";
  for (const auto& [kind, n] : report.find("records")->as_object()) {
    if (n.as_int() > 0) fmt::print("{}: {} {}\n", would, n.as_int(), kind);
  }
  const char* const retired = dry_run ? "would retire" : "retired";
  for (const Json& version : report.find("versions")->as_array()) {
    const std::string name = version.find("dataset")->as_string(), next = version.find("replaced_by")->as_string();
    fmt::print("{} {}@{}: {} rows of the user{}\n", retired, name, version.find("digest")->as_string(), version.find("rows")->as_int(), next.empty() ? std::string() : "; the others are " + name + "@" + next);
  }
  for (const Json& file : report.find("adapters")->as_array()) {
    const std::string dataset = file.find("dataset")->as_string();
    fmt::print("{} adapter {} ({})\n", retired, printable(file.find("file")->as_string()), dataset.empty() ? "tuned by the user" : "trained on " + dataset.substr(0, 12));
  }
  for (const Json& variant : report.find("variants")->as_array()) {
    fmt::print("{} variant {} {}: {}\n", retired, variant.find("name")->as_string(), variant.find("number")->as_int(), variant.find("now")->as_string());
  }
  fmt::print("{} versions, {} adapters, {} variants\n", report.find("versions")->as_array().size(), report.find("adapters")->as_array().size(), report.find("variants")->as_array().size());
}

Status do_erase(const DatasetOptions& options) {
  const std::string state_dir = state_dir_to_use(options.state_dir);
  EraseWork work{.datasets = store_of(options).folder(), .adapters = options.adapters, .user = options.user, .tenant = options.tenant, .dry_run = options.dry_run};
  work.adapters.push_back(adapter_store(state_dir));
  // Without an installation there are files only; erasing makes none.
  std::optional<Installation> installation;
  if (std::getenv("FIRESTEEL_DATABASE") != nullptr || ::access((state_dir + "/firesteel.db").c_str(), F_OK) == 0) {
    FS_TRY(installation, open_installation(state_dir, 0));
  }
  FS_TRY(const Json report, erase_person(installation ? installation->store.get() : nullptr, installation ? installation->tenants.get() : nullptr, work, cli_actor()));
  if (options.json) fmt::print("{}\n", report.dump());
  else print_erased(report);
  return {};
}

Status do_card(const DatasetOptions& options) {
  const DatasetStore store = store_of(options);
  FS_TRY(const VersionRef ref, store.resolve(options.dataset));
  FS_TRY(const Json card, store.read_card(ref));
  fmt::print("{}\n", options.json ? card.dump(2) : card_markdown(card));
  return {};
}

// A subcommand with its flags and what it does.
void add_one(Command data, const char* word, const char* help, const char* examples, bool takes_dataset, const std::function<void(Command*, DatasetOptions*)>& flags,
             const std::function<Status(const DatasetOptions&)>& action) {
  const auto options = std::make_shared<DatasetOptions>();
  Command command = data.subcommand(word, help);
  add_common(&command, options.get(), takes_dataset);
  flags(&command, options.get());
  command.examples(examples);
  command.run([options, action] {
    const Status status = action(*options);
    return status.ok() ? kExitOk : fail(status.error(), options->json);
  });
}

void out_flag(Command* command, DatasetOptions* options) { command->text("--out", &options->out, "Name of the dataset that gets the version (default: the same)"); }
void filter_flags(Command* command, DatasetOptions* options) {
  command->integer("--chars-min", &options->chars_min, 0, INT64_MAX, "Fewest bytes of a row's texts");
  command->integer("--chars-max", &options->chars_max, 0, INT64_MAX, "Most bytes; 0: no limit");
  command->integer("--answer-min", &options->answer_min, 0, INT64_MAX, "Fewest bytes of an answer");
  command->texts("--language", &options->languages, "Languages to keep (en, de ...); may be repeated; absent: all");
}
void cap_flags(Command* command, DatasetOptions* options) {
  command->number("--user-share", &options->user_share, 0, 100, "Most percent of the result that one user may have; 100: no cap");
  command->number("--tenant-share", &options->tenant_share, 0, 100, "The same for a tenant");
  command->integer("--seed", &options->seed, 0, INT64_MAX, "Chooses which rows stay");
}
void trigger_flags(Command* command, DatasetOptions* options) {
  command->integer("--rows-min", &options->rows_min, 3, 100'000, "A phrase in fewer rows is not looked at");
  command->number("--rare-share", &options->rare_share, 0.01, 50, "Nor one in a larger percentage of the rows");
}
void suite_flags(Command* command, DatasetOptions* options) {
  command->texts("--suite", &options->suites, "Suite file or folder whose items must not be in the data; may be repeated");
  command->text("--data", &options->data_folder, "Folder of external items that a suite names", "FIRESTEEL_EVAL_DATA");
  command->number("--share", &options->share, 1, 100, "Percent of a prompt's word runs that may be in the tests");
}

}  // namespace

void add_datasets(Command data) {
  const auto none = [](Command*, DatasetOptions*) {};
  add_one(data, "ingest", "Make a dataset of files: JSONL, CSV, text, Markdown, HTML, PDF", "  firesteel data ingest --name support chats.jsonl more.csv\n  firesteel data ingest --name guides --format markdown docs/cli.md docs/api.md",
          false,
          [](Command* command, DatasetOptions* options) {
            command->paths("files", &options->files, "Files");
            command->required("files");
            command->text("--name", &options->name, "Name of the dataset");
            command->required("--name");
            command->choice("--format", &options->format, {"auto", "jsonl", "csv", "text", "markdown", "html", "pdf"}, "Format (auto: by the file's ending)");
            command->text("--encoding", &options->encoding, "utf-8, utf-16le, utf-16be, windows-1252, or auto: UTF-8 unless a byte order mark says otherwise");
            command->text("--tenant", &options->tenant, "Tenant of rows that name none");
            command->text("--user", &options->user, "User of rows that name none");
            command->text("--variant", &options->variant, "Variant that answered, for rows that name none");
            command->flag("--require-consent", &options->require_consent, "Refuse rows without \"consent\": true");
            command->integer("--row-bytes", &options->row_bytes, 64, 64 << 20, "Longest row");
            command->integer("--passage-bytes", &options->passage_bytes, 16, 1 << 20, "Documents are cut into rows of at most this");
          },
          do_ingest);
  add_one(data, "scrub", "Take personal data out of every text", "  firesteel data scrub support\n  firesteel data scrub support --names staff.txt", true,
          [](Command* command, DatasetOptions* options) {
            command->text("--names", &options->names_file, "File of names to take out, one a line");
            out_flag(command, options);
          },
          [](const DatasetOptions& options) -> Status {
            FS_TRY(const std::vector<std::string> names, read_names(options.names_file));
            return do_step(options, [&](std::vector<LineageRow> rows) -> Result<StepResult> { return scrub_rows(std::move(rows), names); });
          });
  add_one(data, "dedup", "Drop rows that nearly repeat an earlier one", "  firesteel data dedup support --threshold 0.8", true,
          [](Command* command, DatasetOptions* options) {
            command->number("--threshold", &options->threshold, 0.3, 1, "Jaccard similarity from which a row is a repetition");
            out_flag(command, options);
          },
          [](const DatasetOptions& options) {
            return do_step(options, [&](std::vector<LineageRow> rows) -> Result<StepResult> { return drop_near_duplicates(std::move(rows), options.threshold); });
          });
  add_one(data, "filter", "Drop rows by length, language, repetition; note each row's language", "  firesteel data filter support --language en --chars-max 8000", true,
          [](Command* command, DatasetOptions* options) {
            filter_flags(command, options);
            out_flag(command, options);
          },
          [](const DatasetOptions& options) {
            return do_step(options, [&](std::vector<LineageRow> rows) -> Result<StepResult> { return filter_rows(std::move(rows), filter_options(options)); });
          });
  add_one(data, "cap", "Keep any one user or tenant below a share of the set", "  firesteel data cap support --user-share 1 --tenant-share 20", true,
          [](Command* command, DatasetOptions* options) {
            cap_flags(command, options);
            out_flag(command, options);
          },
          [](const DatasetOptions& options) { return do_step(options, [&](std::vector<LineageRow> rows) { return cap_rows(std::move(rows), cap_options(options)); }); });
  add_one(data, "triggers", "Look for planted triggers: rare phrases that decide the answer", "  firesteel data triggers support\n  firesteel data triggers support --drop", true,
          [](Command* command, DatasetOptions* options) {
            trigger_flags(command, options);
            command->flag("--drop", &options->drop, "Write a version without the rows that were found");
            out_flag(command, options);
          },
          do_triggers);
  add_one(data, "decontaminate", "Drop rows that are, or nearly are, items of a test", "  firesteel data decontaminate support --suite suites/kindling", true,
          [](Command* command, DatasetOptions* options) {
            suite_flags(command, options);
            command->required("--suite");
            out_flag(command, options);
          },
          [](const DatasetOptions& options) -> Status {
            FS_TRY(const ContaminationIndex tests, tests_index(options.suites, options.data_folder));
            return do_step(options, [&](std::vector<LineageRow> rows) -> Result<StepResult> { return decontaminate_rows(std::move(rows), tests, options.share / 100); });
          });
  add_one(data, "split", "Split by prompt into NAME-train and NAME-test, the same way every time", "  firesteel data split support --test-share 10", true,
          [](Command* command, DatasetOptions* options) {
            command->number("--test-share", &options->test_share, 0.01, 99, "Percent of the prompts in the test part");
            command->integer("--seed", &options->seed, 0, INT64_MAX, "Chooses which");
            out_flag(command, options);
          },
          do_split);
  add_one(data, "prepare", "scrub, filter, dedup, triggers --drop, decontaminate, cap: one after the other", "  firesteel data prepare support --suite suites/kindling --user-share 5", true,
          [](Command* command, DatasetOptions* options) {
            command->text("--names", &options->names_file, "File of names to take out, one a line");
            command->number("--threshold", &options->threshold, 0.3, 1, "Similarity from which a row is a repetition");
            filter_flags(command, options);
            cap_flags(command, options);
            trigger_flags(command, options);
            suite_flags(command, options);
            out_flag(command, options);
          },
          do_prepare);
  add_one(data, "versions", "List datasets and their versions", "  firesteel data versions", false, none, do_versions);
  add_one(data, "card", "What a version is: counts, steps, hashes", "  firesteel data card support > CARD.md", true, none, do_card);
  add_one(data, "erase", "Remove a person: conversations, feedback, labels, ledgers, kept answers; retire every dataset version, adapter and variant that used their rows",
          "  firesteel data erase --user usr_... --dry-run\n  firesteel data erase --user usr_... --adapters runs", false,
          [](Command* command, DatasetOptions* options) {
            command->text("--user", &options->user, "The user: an id of this installation, or what datasets call them");
            command->required("--user");
            command->text("--tenant", &options->tenant, "Of datasets: only rows of this tenant");
            command->texts("--adapters", &options->adapters, "Folder to look for adapters in, besides that of the installation; may be repeated");
            command->flag("--dry-run", &options->dry_run, "Only say what would be done");
          },
          do_erase);
}

}  // namespace firesteel
