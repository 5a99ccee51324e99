// firesteel label: queues of answers that people judge, and what comes of it.
#include <algorithm>
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
#include "input.h"
#include "labels/collect.h"
#include "labels/exchange.h"
#include "labels/label_queue.h"
#include "manage.h"

namespace firesteel {
namespace {

struct LabelOptions {
  ManageOptions manage;
  std::string tenant, queue, kind = "pairwise", title, guideline, format = "pairs", file, user, labeller = "cli", task, value, out;
  std::vector<std::string> rubric, tags;
  int64_t twice = 20, lease_s = 900, limit = 1000;
};

// The tenant by name or id; the only one when none is named.
Result<TenantId> tenant_of(Installation& installation, const LabelOptions& options) {
  if (!options.tenant.empty()) {
    FS_TRY(const TenantRecord found, find_tenant(*installation.tenants, options.tenant));
    return found.id;
  }
  const std::vector<TenantRecord> all = installation.tenants->list_tenants();
  if (all.size() == 1) return all[0].id;
  return Error{ErrorCode::kInvalidArgument, fmt::format("there are {} tenants: name one with --tenant", all.size())};
}

void print_json(const Json& json) { fmt::print("{}\n", json.dump()); }

Status audited(Installation& installation, const TenantId& tenant, const char* action, const std::string& target, const Json& details) {
  return installation.tenants->audit(tenant, cli_actor(), action, target, details.dump());
}

using Action = Status (*)(Installation&, const TenantId&, const LabelOptions&);

void add_one(Command label, const char* word, const char* help, const char* examples, bool takes_queue, const std::function<void(Command*, LabelOptions*)>& flags, Action action) {
  const auto options = std::make_shared<LabelOptions>();
  Command command = label.subcommand(word, help);
  if (takes_queue) {
    command.text("queue", &options->queue, "Name of the queue");
    command.required("queue");
  }
  flags(&command, options.get());
  command.text("--tenant", &options->tenant, "Tenant, by name or id; may be absent when there is only one");
  add_manage_options(&command, &options->manage);
  command.examples(examples);
  command.run([options, action] {
    return with_installation(options->manage, /*must_exist=*/true, [&](Installation& installation) -> Status {
      FS_TRY(const TenantId tenant, tenant_of(installation, *options));
      return action(installation, tenant, *options);
    });
  });
}

Status do_queues(Installation& installation, const TenantId& tenant, const LabelOptions& options) {
  FS_TRY(const std::vector<QueueCounts> queues, LabelQueues(*installation.store).queues(tenant));
  std::vector<std::vector<std::string>> rows = {{"QUEUE", "KIND", "OPEN", "DONE", "FLAGGED", "TITLE"}};
  Json::Array list;
  for (const QueueCounts& one : queues) {
    rows.push_back({one.queue.name, one.queue.kind, std::to_string(one.n_open), std::to_string(one.n_done), std::to_string(one.n_flagged), printable(one.queue.title)});
    list.push_back(Json::Object{{"name", one.queue.name}, {"kind", one.queue.kind}, {"open", one.n_open}, {"done", one.n_done}, {"flagged", one.n_flagged}, {"title", one.queue.title}});
  }
  if (options.manage.json) {
    print_json(Json::Object{{"queues", std::move(list)}});
  } else {
    print_table(rows);
  }
  return {};
}

Status do_create(Installation& installation, const TenantId& tenant, const LabelOptions& options) {
  LabelQueue queue;
  queue.tenant = tenant;
  queue.name = options.queue;
  queue.kind = options.kind;
  queue.title = options.title;
  queue.guideline = options.guideline;
  queue.double_percent = options.twice;
  queue.lease_s = options.lease_s;
  for (const std::string& line : options.rubric) {  // NAME=HELP
    const size_t equals = line.find('=');
    queue.rubric.as_array().push_back(Json::Object{{"name", line.substr(0, equals)}, {"help", equals == std::string::npos ? "" : line.substr(equals + 1)}});
  }
  for (const std::string& tag : options.tags) queue.tags.as_array().push_back(tag);
  FS_TRY(queue, LabelQueues(*installation.store).put_queue(queue, wall_clock().now_us()));
  FS_TRY_VOID(audited(installation, tenant, "label.queue", queue.name, Json::Object{{"kind", queue.kind}}));
  fmt::print("queue {} of kind {}\n", queue.name, queue.kind);
  return {};
}

Status add_all(Installation& installation, const TenantId& tenant, const LabelOptions& options, const std::vector<LabelTask>& tasks, size_t n_rejected) {
  LabelQueues queues(*installation.store);
  for (size_t i = 0; i < tasks.size(); i += 1000) {
    const std::vector<LabelTask> part(tasks.begin() + static_cast<std::ptrdiff_t>(i), tasks.begin() + static_cast<std::ptrdiff_t>(std::min(tasks.size(), i + 1000)));
    FS_TRY([[maybe_unused]] const int64_t n, queues.add_tasks(tenant, options.queue, part, wall_clock().now_us()));
  }
  FS_TRY_VOID(audited(installation, tenant, "label.add", options.queue, Json::Object{{"tasks", static_cast<int64_t>(tasks.size())}}));
  if (options.manage.json) {
    print_json(Json::Object{{"tasks", static_cast<int64_t>(tasks.size())}, {"refused", static_cast<int64_t>(n_rejected)}});
  } else {
    fmt::print("{} tasks, {} rows refused\n", tasks.size(), n_rejected);
  }
  return {};
}

Status do_import(Installation& installation, const TenantId& tenant, const LabelOptions& options) {
  FS_TRY(const std::string text, options.file == "-" ? read_stdin() : read_file(options.file, 64u << 20));
  FS_TRY(const ImportedTasks imported, import_tasks(options.format, text));
  for (size_t i = 0; i < std::min<size_t>(imported.rejected.size(), 20); ++i) fmt::print(stderr, "{}, row {}: {}\n", printable(options.file), imported.rejected[i].row, printable(imported.rejected[i].reason));
  return add_all(installation, tenant, options, imported.tasks, imported.rejected.size());
}

Status do_collect(Installation& installation, const TenantId& tenant, const LabelOptions& options) {
  FS_TRY(const LabelQueue queue, LabelQueues(*installation.store).queue(tenant, options.queue));
  FS_TRY(const std::vector<LabelTask> tasks, collect_tasks(*installation.store, tenant, queue.kind, options.limit));
  return add_all(installation, tenant, options, tasks, 0);
}

Status do_next(Installation& installation, const TenantId& tenant, const LabelOptions& options) {
  FS_TRY(const std::optional<Assignment> next, LabelQueues(*installation.store).next(tenant, options.queue, options.labeller, wall_clock().now_us()));
  if (options.manage.json) {
    print_json(next ? Json(Json::Object{{"task", next->task.id.str()}, {"payload", next->task.payload}, {"lease_until_us", next->lease_until_us}}) : Json(Json::Object{{"task", Json()}}));
    return {};
  }
  if (!next) {
    fmt::print("nothing to do\n");
    return {};
  }
  const auto text = [&](const char* name) { return next->task.payload.find(name) != nullptr && next->task.payload.find(name)->is_string() ? printable(next->task.payload.find(name)->as_string()) : std::string(); };
  fmt::print("{} ({})\n\n{}\n", next->task.id.str(), text("why"), text("prompt"));
  char side = 'A';
  for (const Json& answer : next->task.payload.find("answers")->as_array()) fmt::print("\n{}: {}\n", side++, printable(answer.as_string()));
  return {};
}

Status do_submit(Installation& installation, const TenantId& tenant, const LabelOptions& options) {
  const auto id = LabelTaskId::parse(options.task);
  if (!id) return Error{ErrorCode::kNotFound, "no such label task"};
  FS_TRY(const Json value, Json::parse(options.value, {.depth = 8, .values = 1000}));
  FS_TRY(const LabelQueues::Submitted done, LabelQueues(*installation.store).submit(tenant, *id, options.labeller, value, wall_clock().now_us()));
  if (options.manage.json) {
    print_json(Json::Object{{"task", id->str()}, {"gold", !done.gold.empty()}, {"right", done.right}});
  } else {
    fmt::print("saved{}\n", done.gold.empty() ? "" : done.right ? "; a gold item, right" : "; a gold item, not right: " + done.gold);
  }
  return {};
}

Status do_stats(Installation& installation, const TenantId& tenant, const LabelOptions& options) {
  FS_TRY(const QueueStats stats, LabelQueues(*installation.store).stats(tenant, options.queue));
  std::vector<std::vector<std::string>> rows = {{"LABELLER", "LABELS", "GOLD", "SHARED", "DIFFERS", "MEDIAN", "PER HOUR", ""}};
  Json::Array list;
  for (const LabellerStats& one : stats.labellers) {
    rows.push_back({one.labeller, std::to_string(one.n_labels), fmt::format("{}/{}", one.n_gold_right, one.n_gold), std::to_string(one.n_shared), std::to_string(one.n_differs), fmt::format("{:.1f} s", one.median_s),
                    fmt::format("{:.0f}", one.per_hour), one.too_fast ? "very fast: look at these" : ""});
    list.push_back(Json::Object{{"labeller", one.labeller}, {"labels", one.n_labels}, {"gold", one.n_gold}, {"gold_right", one.n_gold_right}, {"shared", one.n_shared}, {"differs", one.n_differs},
                                {"median_s", one.median_s}, {"per_hour", one.per_hour}, {"too_fast", one.too_fast}});
  }
  if (options.manage.json) {
    print_json(Json::Object{{"alpha", stats.alpha ? Json(*stats.alpha) : Json()}, {"alpha_low", stats.interval ? Json(stats.interval->low) : Json()}, {"alpha_high", stats.interval ? Json(stats.interval->high) : Json()},
                            {"double", stats.n_double}, {"labellers", std::move(list)}});
    return {};
  }
  print_table(rows);
  fmt::print("Krippendorff's alpha over {} tasks with two labels or more: {}{}\n", stats.n_double, stats.alpha ? fmt::format("{:.3f}", *stats.alpha) : "not enough of them",
             stats.interval ? fmt::format(" ({:.3f} to {:.3f})", stats.interval->low, stats.interval->high) : std::string());
  return {};
}

Status do_export(Installation& installation, const TenantId& tenant, const LabelOptions& options) {
  std::string text;
  if (options.queue == "feedback") {
    FS_TRY(text, export_feedback(*installation.store, tenant, 100'000));
  } else {
    LabelQueues queues(*installation.store);
    FS_TRY(const LabelQueue queue, queues.queue(tenant, options.queue));
    FS_TRY(const std::vector<LabelQueues::Judged> judged, queues.judged(tenant, options.queue));
    FS_TRY(text, export_labels(options.format, queue, judged));
  }
  FS_TRY_VOID(audited(installation, tenant, "label.export", options.queue, Json::Object{{"format", options.format}}));
  if (!options.out.empty()) return write_file_atomic(options.out, text);
  fmt::print("{}", text);
  return {};
}

Status do_erase(Installation& installation, const TenantId& tenant, const LabelOptions& options) {
  FS_TRY(const int64_t n, erase_feedback(*installation.store, tenant, options.user));
  FS_TRY_VOID(audited(installation, tenant, "label.erase", options.user, Json::Object{{"rows", n}}));
  fmt::print("{} feedback rows and label tasks of {} are gone\n", n, printable(options.user));
  return {};
}

}  // namespace

void add_label(Command root) {
  Command label = root.subcommand("label", "Let people judge answers: queues, tasks, agreement, import and export");
  label.examples("  firesteel label create interest --kind pairwise --title \"Which answer is better?\"\n  firesteel label collect interest\n  firesteel label stats interest\n  firesteel label export interest --out pairs.jsonl");
  const auto none = [](Command*, LabelOptions*) {};
  const auto labeller = [](Command* command, LabelOptions* options) { command->text("--labeller", &options->labeller, "Who labels"); };
  add_one(label, "queues", "List queues", "  firesteel label queues", false, none, do_queues);
  add_one(label, "create", "Make a queue, or change one", "  firesteel label create interest --rubric \"Correct=holds when checked\" --double 20", true,
          [](Command* command, LabelOptions* options) {
            command->choice("--kind", &options->kind, {"pairwise", "rubric", "correction", "tags", "flag"}, "What is asked");
            command->text("--title", &options->title, "The question above each task");
            command->text("--guideline", &options->guideline, "How to decide");
            command->texts("--rubric", &options->rubric, "NAME=HELP of a criterion, scored 0 to 3; may be repeated");
            command->texts("--tag", &options->tags, "A word that may be given; may be repeated");
            command->integer("--double", &options->twice, 0, 100, "Percent of the tasks that two people label");
            command->integer("--lease", &options->lease_s, 10, 86'400, "Seconds for which a task is somebody's");
          },
          do_create);
  add_one(label, "import", "Add tasks from a file", "  firesteel label import interest pairs.jsonl --format pairs", true,
          [](Command* command, LabelOptions* options) {
            command->text("file", &options->file, "File, - for standard input");
            command->required("file");
            command->choice("--format", &options->format, {"pairs", "messages", "openai", "label-studio", "open-webui"}, "Format");
          },
          do_import);
  add_one(label, "collect", "Add tasks from feedback that was given with consent, and votes that disagreed", "  firesteel label collect interest", true,
          [](Command* command, LabelOptions* options) { command->integer("--limit", &options->limit, 1, 100'000, "Newest feedback looked at"); }, do_collect);
  add_one(label, "next", "Take a task", "  firesteel label next interest --labeller ann", true, labeller, do_next);
  add_one(label, "submit", "Label a task", "  firesteel label submit TASK '{\"choice\": 1}' --labeller ann", false,
          [](Command* command, LabelOptions* options) {
            command->text("task", &options->task, "Id of the task");
            command->text("value", &options->value, "JSON: choice 1 to 5 (1: A much better), scores, correction, tags, flag, skip");
            command->required("task");
            command->required("value");
            command->text("--labeller", &options->labeller, "Who labels");
          },
          do_submit);
  add_one(label, "stats", "Agreement, gold items and pace", "  firesteel label stats interest", true, none, do_stats);
  add_one(label, "export", "What was judged, as lines for data ingest; queue feedback: corrections and thumbs up", "  firesteel label export interest --format pairs --out pairs.jsonl\n  firesteel label export feedback --out feedback.jsonl", true,
          [](Command* command, LabelOptions* options) {
            command->choice("--format", &options->format, {"pairs", "messages", "openai", "label-studio"}, "Format");
            command->text("--out", &options->out, "File; absent: standard output");
          },
          do_export);
  add_one(label, "erase", "Remove a user's feedback, and tasks and labels about it", "  firesteel label erase --user usr_...", false,
          [](Command* command, LabelOptions* options) {
            command->text("--user", &options->user, "The user");
            command->required("--user");
          },
          do_erase);
}

}  // namespace firesteel
