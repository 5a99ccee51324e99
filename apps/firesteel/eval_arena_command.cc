// firesteel eval arena and eval import.
#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>

#include <fmt/format.h>

#include "base/mapped_file.h"
#include "commands.h"
#include "eval/arena.h"
#include "eval/import.h"
#include "eval/judge.h"
#include "eval/statistics.h"
#include "eval_commands.h"
#include "load_model.h"
#include "terminal.h"

namespace firesteel {
namespace {

constexpr uint64_t kImportBytesMax = 256u << 20;

struct ArenaArguments {
  std::vector<std::string> reports;
  ModelOptions judge;
  std::string labels;
  int64_t limit = -1;
  bool by_model = false, no_length_control = false, json = false;
};

struct Judged {
  std::vector<Match> matches;
  int64_t n_asked = 0, n_consistent = 0;
  int64_t n_labelled = 0, n_agreed = 0;
};

// "suite\nid" > score of the first report's answer; of two reports.
Result<std::map<std::string, double>> read_labels(const std::string& path) {
  std::map<std::string, double> labels;
  if (path.empty()) return labels;
  FS_TRY(const std::string text, read_file(path, kImportBytesMax));
  std::string_view rest = text;
  for (int n = 1; !rest.empty(); ++n) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    if (line.empty()) continue;
    const auto json = Json::parse(line, {.depth = 4, .values = 64});
    const Json* id = json.ok() ? json->find("id") : nullptr;
    const Json* winner = json.ok() ? json->find("winner") : nullptr;
    const std::string word = winner != nullptr && winner->is_string() ? winner->as_string() : "";
    if (id == nullptr || !id->is_string() || (word != "first" && word != "second" && word != "tie")) {
      return Error{ErrorCode::kInvalidArgument, fmt::format("{}:{}: expected {{\"id\": ITEM, \"winner\": \"first\", \"second\" or \"tie\"}}", path, n)};
    }
    labels[id->as_string()] = word == "first" ? 1 : word == "second" ? 0 : 0.5;
  }
  return labels;
}

Result<Judged> judge_pairs(const std::vector<Report>& reports, const ArenaArguments& arguments) {
  FS_TRY(const auto labels, read_labels(arguments.labels));
  FS_TRY(const LoadedModel loaded, load_model(arguments.judge, /*want_template=*/true));
  if (loaded.tokenizer == nullptr || loaded.chat_template == nullptr) return Error{ErrorCode::kFailedPrecondition, loaded.path + ": a judge needs a tokenizer and a chat template"};
  FS_TRY(const std::unique_ptr<Engine> engine, create_engine(loaded, arguments.judge, {}));
  FS_TRY(const std::vector<Match> pairs, matches_by_grade(reports));
  const auto n_items = static_cast<size_t>(arguments.limit < 0 ? INT64_MAX : arguments.limit);
  Judged judged;
  Progress progress("judge", std::min(pairs.size(), n_items), arguments.json);
  for (size_t a = 0; a < reports.size(); ++a) {
    for (size_t b = a + 1; b < reports.size(); ++b) {
      for (const SuiteReport& suite : reports[a].suites) {
        const auto other = std::find_if(reports[b].suites.begin(), reports[b].suites.end(), [&](const SuiteReport& s) { return s.name == suite.name; });
        if (other == reports[b].suites.end()) continue;
        if (suite.sealed) return Error{ErrorCode::kFailedPrecondition, suite.name + ": is sealed, its report has no texts to judge"};
        for (const ReportItem& item : suite.items) {
          const auto second = std::find_if(other->items.begin(), other->items.end(), [&](const ReportItem& i) { return i.id == item.id; });
          if (second == other->items.end() || judged.matches.size() >= n_items) continue;
          // In both orders: a judge that only likes what stands first gives a tie.
          FS_TRY(const double forward, judge_pair(engine.get(), item.question, item.attempt.text, second->attempt.text));
          FS_TRY(const double backward, judge_pair(engine.get(), item.question, second->attempt.text, item.attempt.text));
          Match match;
          match.a = a;
          match.b = b;
          match.score = (forward + 1 - backward) / 2;
          if (forward + backward != 1) match.score = 0.5;
          match.length_a = static_cast<double>(std::max<size_t>(item.attempt.text.size(), 1));
          match.length_b = static_cast<double>(std::max<size_t>(second->attempt.text.size(), 1));
          ++judged.n_asked;
          judged.n_consistent += forward + backward == 1 ? 1 : 0;
          if (const auto label = labels.find(item.id); label != labels.end() && reports.size() == 2) {
            ++judged.n_labelled;
            judged.n_agreed += label->second == match.score ? 1 : 0;
          }
          judged.matches.push_back(match);
          progress.update(judged.matches.size(), fmt::format("{} consistent", judged.n_consistent));
        }
      }
    }
  }
  progress.clear();
  return judged;
}

int arena_command(const ArenaArguments& arguments) {
  if (arguments.reports.size() < 2) return fail_usage("an arena needs at least two reports, found one: " + arguments.reports.front());
  std::vector<Report> reports;
  std::vector<std::string> names;
  for (const std::string& path : arguments.reports) {
    Result<Report> report = read_report(path);
    if (!report.ok()) return fail(report.error(), arguments.json);
    names.push_back(report->model + " (" + path + ")");
    reports.push_back(std::move(*report));
  }
  Judged judged;
  if (arguments.by_model) {
    Result<Judged> asked = judge_pairs(reports, arguments);
    if (!asked.ok()) return fail(asked.error(), arguments.json);
    judged = std::move(*asked);
  } else {
    Result<std::vector<Match>> matches = matches_by_grade(reports);
    if (!matches.ok()) return fail(matches.error(), arguments.json);
    judged.matches = std::move(*matches);
  }
  const Result<ArenaResult> result = rate_players(names, judged.matches, !arguments.no_length_control, 1);
  if (!result.ok()) return fail(result.error(), arguments.json);
  if (arguments.json) {
    Json::Array players;
    for (const Strength& p : result->players) players.push_back(Json::Object{{"name", p.name}, {"rating", p.rating}, {"low", p.low}, {"high", p.high}, {"n", p.n}, {"wins", p.wins}});
    fmt::print("{}\n", Json(Json::Object{{"players", std::move(players)}, {"length_effect", result->length_effect}, {"n_judged", judged.n_asked}, {"n_consistent", judged.n_consistent},
                                         {"n_labelled", judged.n_labelled}, {"n_agreed", judged.n_agreed}}).dump());
    return kExitOk;
  }
  for (const Strength& p : result->players) fmt::print("{:+7.0f}  ({:+.0f} to {:+.0f})  {:g} of {} won  {}\n", p.rating, p.low, p.high, p.wins, p.n, p.name);
  fmt::print("400 points are odds of 10 to 1; 95 % intervals\n");
  if (!arguments.no_length_control) fmt::print("twice the length is worth {:+.0f} points, which are not counted\n", result->length_effect);
  if (judged.n_asked > 0) fmt::print("the judge was the same in both orders for {} of {} pairs; the others count as ties\n", judged.n_consistent, judged.n_asked);
  if (judged.n_labelled > 0) {
    const Interval interval = wilson_interval(judged.n_agreed, judged.n_labelled);
    fmt::print("it agrees with the labels in {} of {} ({:.0f} to {:.0f} %)\n", judged.n_agreed, judged.n_labelled, 100 * interval.low, 100 * interval.high);
  }
  return kExitOk;
}

struct ImportArguments {
  std::string file, format = "openai", out, name;
};

Status import_command(const ImportArguments& arguments) {
  FS_TRY(const std::string text, read_file(arguments.file, kImportBytesMax));
  FS_TRY(const ImportedSuite suite, arguments.format == "openai" ? import_openai_evals(text, arguments.file) : import_promptfoo(text, arguments.file));
  std::error_code error;
  std::filesystem::create_directories(arguments.out, error);
  if (error) return Error{ErrorCode::kIo, arguments.out + ": " + error.message()};
  std::string lines;
  for (const std::string& line : suite.lines) lines += line + "\n";
  FS_TRY_VOID(write_file_atomic(arguments.out + "/items.jsonl", lines));
  const std::string name = arguments.name.empty() ? "imported/" + std::filesystem::path(arguments.file).stem().string() : arguments.name;
  FS_TRY_VOID(write_file_atomic(arguments.out + "/suite.toml", fmt::format("name = {}\nmode = \"instant\"\nmax_tokens = 512\n", Json(name).dump())));
  for (const std::string& note : suite.left_out) fmt::print(stderr, "left out: {}\n", note);
  fmt::print("{}/suite.toml: {} items, {} notes\n", arguments.out, suite.lines.size(), suite.left_out.size());
  return {};
}

}  // namespace

void add_eval_arena(Command eval) {
  const auto arguments = std::make_shared<ArenaArguments>();
  Command command = eval.subcommand("arena", "Rate several reports against each other, pair by pair (Bradley-Terry)");
  command.paths("report", &arguments->reports, "report.json of eval run, of the same suites");
  command.required("report");
  command.flag("--judge", &arguments->by_model, "Let a model say which answer is better (asked in both orders), instead of the graders");
  add_model_option(&command, &arguments->judge);
  add_engine_options(&command, &arguments->judge);
  command.text("--labels", &arguments->labels, "People's choices as JSONL, {\"id\", \"winner\"}: how often the judge agrees is told");
  command.integer("--limit", &arguments->limit, 1, 1 << 30, "Judge only the first N pairs");
  command.flag("--no-length-control", &arguments->no_length_control, "Count what length alone explains, too");
  command.flag("--json", &arguments->json, "Print one JSON object");
  command.examples("  firesteel eval arena base/report.json tuned/report.json\n"
                   "  firesteel eval arena base/report.json tuned/report.json --judge --model MODEL.gguf --labels labels.jsonl");
  command.run([arguments] { return arena_command(*arguments); });
}

void add_eval_import(Command eval) {
  const auto arguments = std::make_shared<ImportArguments>();
  Command command = eval.subcommand("import", "Make a suite of another program's evaluation data");
  command.text("file", &arguments->file, "OpenAI Evals samples (JSONL), or a promptfoo configuration (JSON)");
  command.required("file");
  command.choice("--format", &arguments->format, {"openai", "promptfoo"}, "What the file is (default openai)");
  command.text("-o,--out", &arguments->out, "Folder of the suite");
  command.required("--out");
  command.text("--name", &arguments->name, "Name of the suite (default: imported/ and the file's name)");
  command.examples("  firesteel eval import samples.jsonl --out suites/mine\n  firesteel eval import promptfooconfig.json --format promptfoo --out suites/mine");
  command.run([arguments] {
    const Status status = import_command(*arguments);
    return status.ok() ? static_cast<int>(kExitOk) : fail(status.error());
  });
}

}  // namespace firesteel
