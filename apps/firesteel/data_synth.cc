// firesteel data synth, kinds, check: data sets as files, what there is, and whether a test was trained on.
#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/mapped_file.h"
#include "commands.h"
#include "data/contamination.h"
#include "data/shards.h"
#include "data/synth.h"
#include "terminal.h"

namespace firesteel {
namespace {

struct DataOptions {
  std::string out;
  int64_t count = 1000;
  int64_t per_shard = 4096;
  int64_t seed = 1;
  std::string split = "train";
  std::vector<std::string> mixture;  // KIND=WEIGHT
  std::vector<std::string> real;     // gsm8k=PATH, mawps=PATH
  std::string folder;
  std::string against;
  bool json = false;
};

volatile std::sig_atomic_t g_interrupted = 0;
void interrupt(int) { g_interrupted = 1; }

Error usage(std::string message) { return Error{ErrorCode::kInvalidArgument, std::move(message)}; }

Result<SynthOptions> synth_options(const DataOptions& options) {
  SynthOptions synth{.seed = static_cast<uint64_t>(options.seed), .split = options.split == "eval" ? Split::kEval : Split::kTrain, .mixture = {}, .generators = {}};
  for (const std::string& line : options.mixture) {
    const size_t equals = line.rfind('=');
    const std::optional<Decimal> weight = equals == std::string::npos ? std::nullopt : Decimal::parse(line.substr(equals + 1));
    if (!weight || weight->sign() < 0) return usage(fmt::format("--mixture: expected KIND=WEIGHT, found '{}'", line));
    synth.mixture.emplace_back(line.substr(0, equals), weight->to_double());
  }
  for (const std::string& line : options.real) {
    if (line.starts_with("gsm8k=")) {
      synth.generators.gsm8k_train = line.substr(6);
    } else if (line.starts_with("mawps=")) {
      synth.generators.mawps = line.substr(6);
    } else {
      return usage(fmt::format("--real: expected gsm8k=PATH or mawps=PATH, found '{}'", line));
    }
  }
  return synth;
}

Status synthesise(const DataOptions& options) {
  FS_TRY(SynthOptions synth, synth_options(options));
  std::signal(SIGINT, interrupt);
  Progress progress("samples", static_cast<uint64_t>(options.count), options.json);
  const ShardOptions shards{.folder = options.out, .n_samples = static_cast<uint64_t>(options.count), .n_per_shard = static_cast<uint64_t>(options.per_shard), .synth = std::move(synth)};
  const Result<DatasetCard> card = write_shards(shards, [&progress](uint64_t n_done) {
    progress.update(n_done);
    return g_interrupted == 0;
  });
  progress.clear();
  if (!card.ok()) return card.error();
  uint64_t bytes = 0;
  for (const uint64_t n : card->shard_bytes) bytes += n;
  if (options.json) {
    const Json summary = Json::Object{{"out", options.out}, {"samples", options.count}, {"shards", static_cast<int64_t>(card->shard_bytes.size())},
                                      {"bytes", static_cast<int64_t>(bytes)}, {"kinds", static_cast<int64_t>(card->kinds.size())}, {"generator", card->generator}};
    std::printf("%s\n", summary.dump().c_str());
  } else {
    std::printf("%s: %s samples of %zu kinds in %zu shards, %s (card.json)\n", options.out.c_str(), format_count(card->n_samples).c_str(), card->kinds.size(),
                card->shard_bytes.size(), format_bytes(bytes).c_str());
  }
  return {};
}

Status list_kinds(const DataOptions& options) {
  FS_TRY(SynthOptions synth, synth_options(options));
  FS_TRY(const std::unique_ptr<SynthSource> source, SynthSource::create(std::move(synth)));
  const std::vector<std::string> kinds = source->kinds();
  if (options.json) {
    Json::Array names(kinds.begin(), kinds.end());
    std::printf("%s\n", Json(Json::Object{{"kinds", std::move(names)}, {"generator", generator_version()}}).dump().c_str());
    return {};
  }
  std::map<std::string, size_t> families;
  for (const std::string& kind : kinds) {
    std::printf("%s\n", kind.c_str());
    ++families[kind.substr(0, kind.find('/'))];
  }
  std::string summary;
  for (const auto& [family, n] : families) summary += fmt::format("{}{} {}", summary.empty() ? "" : ", ", family, n);
  std::printf("%zu kinds: %s\n", kinds.size(), summary.c_str());
  return {};
}

// The questions of a data set: a folder of shards, a card in it, or a file of JSON lines.
Status for_each_question(const std::string& path, const std::function<void(const std::string& text)>& visit) {
  if (path.ends_with(".jsonl")) {
    FS_TRY(const std::string text, read_file(path, uint64_t{1} << 30));
    size_t number = 0;
    for (size_t begin = 0; begin < text.size();) {
      const size_t end = std::min(text.find('\n', begin), text.size());
      const std::string_view line = std::string_view(text).substr(begin, end - begin);
      begin = end + 1;
      ++number;
      if (line.empty()) continue;
      const Result<Json> object = Json::parse(line);
      if (!object.ok()) return Error{ErrorCode::kDataLoss, fmt::format("{}:{}: {}", path, number, object.error().message)};
      std::string question;
      for (const char* name : {"prompt", "Body", "body", "question", "Question", "input", "query", "text"}) {
        const Json* member = object->find(name);
        if (member != nullptr && member->is_string()) question += (question.empty() ? "" : " ") + member->as_string();
      }
      if (question.empty()) return Error{ErrorCode::kDataLoss, fmt::format("{}:{}: expected a text \"prompt\", \"question\" or \"input\"", path, number)};
      visit(question);
    }
    return {};
  }
  const std::string folder = path.ends_with("/card.json") ? path.substr(0, path.size() - 10) : path;
  FS_TRY(const std::unique_ptr<ShardSource> source, ShardSource::open(folder));
  for (uint64_t i = 0; i < source->size(); ++i) {
    FS_TRY(const Sample sample, source->sample(i));
    std::string question;
    for (const SampleMessage& message : sample.messages) {
      if (message.role == "user") question = message.text;
    }
    visit(question);
  }
  return {};
}

Status check(const DataOptions& options) {
  ContaminationIndex index;
  FS_TRY_VOID(for_each_question(options.folder, [&index](const std::string& text) { index.add(text); }));
  const size_t n_texts = index.n_texts();
  index.finish();
  ContaminationReport report;
  FS_TRY_VOID(for_each_question(options.against, [&](const std::string& text) { report.add(index.overlap(text), text); }));
  if (options.json) {
    const Json summary = Json::Object{{"training_texts", static_cast<int64_t>(n_texts)},
                                      {"items", static_cast<int64_t>(report.n_items)},
                                      {"ngram_words", static_cast<int64_t>(kNgramWords)},
                                      {"items_with_shared_ngram", static_cast<int64_t>(report.n_any)},
                                      {"items_with_all_ngrams_shared", static_cast<int64_t>(report.n_all)},
                                      {"mean_shared", report.mean_share},
                                      {"whole_text_numbers_masked", static_cast<int64_t>(report.n_whole_masked)},
                                      {"whole_text", static_cast<int64_t>(report.n_whole)}};
    std::printf("%s\n", summary.dump().c_str());
    return {};
  }
  std::printf("%zu items against %zu training texts, %zu-grams of words, numbers masked\n", report.n_items, n_texts, kNgramWords);
  std::printf("  share an n-gram           %zu (on average %.1f %% of an item's n-grams)\n", report.n_any, 100 * report.mean_share);
  std::printf("  share all their n-grams   %zu\n", report.n_all);
  std::printf("  whole text, masked        %zu\n", report.n_whole_masked);
  std::printf("  whole text, same numbers  %zu\n", report.n_whole);
  for (const std::string& example : report.examples) std::printf("    %s\n", example.c_str());
  return {};
}

using Action = Status (*)(const DataOptions& options);

void run_with(Command command, const std::shared_ptr<DataOptions>& options, Action action) {
  command.flag("--json", &options->json, "Print JSON");
  command.run([options, action] {
    const Status status = action(*options);
    return status.ok() ? kExitOk : fail(status.error(), options->json);
  });
}

void add_stream_options(Command command, const std::shared_ptr<DataOptions>& options) {
  command.integer("--seed", &options->seed, 0, INT64_MAX, "Same seed, same samples");
  command.choice("--split", &options->split, {"train", "eval"}, "eval: sentence forms and values that training never shows");
  command.texts("--real", &options->real, "Real problems: gsm8k=FILE or mawps=FILE; may be repeated");
}

}  // namespace

void add_data_synth(Command data) {
  {
    const auto options = std::make_shared<DataOptions>();
    Command command = data.subcommand("synth", "Write a data set as shards with a card; goes on where it was interrupted");
    command.text("-o,--out", &options->out, "The folder to write");
    command.required("--out");
    command.integer("-n,--count", &options->count, 1, int64_t{1} << 40, "Samples");
    command.integer("--per-shard", &options->per_shard, 1, 1 << 20, "Samples in a shard");
    command.texts("--mixture", &options->mixture, "KIND=WEIGHT: kinds that begin so, and their share; may be repeated");
    add_stream_options(command, options);
    command.examples(
        "  firesteel data synth --out set --count 100000 --seed 1 --split train\n"
        "  firesteel data synth --out math --count 5000 --mixture math=3 --mixture science/chemistry=1");
    run_with(command, options, synthesise);
  }
  {
    const auto options = std::make_shared<DataOptions>();
    Command command = data.subcommand("kinds", "List the kinds of problems");
    add_stream_options(command, options);
    run_with(command, options, list_kinds);
  }
  {
    const auto options = std::make_shared<DataOptions>();
    Command command = data.subcommand("check", "Count what a test shares with training data: n-grams and whole texts");
    command.text("DATA", &options->folder, "A folder of shards (or its card.json), or a .jsonl file");
    command.required("DATA");
    command.text("--against", &options->against, "The test: a folder of shards, or a .jsonl file of questions");
    command.required("--against");
    command.examples("  firesteel data check train-set --against eval-set");
    run_with(command, options, check);
  }
}

}  // namespace firesteel
