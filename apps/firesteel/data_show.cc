// firesteel data show: single training or evaluation samples to read, their pictures as PNG files.
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include <fmt/format.h>

#include "base/json.h"
#include "base/mapped_file.h"
#include "commands.h"
#include "data/pictures/png.h"
#include "data/synth.h"

namespace firesteel {
namespace {

struct ShowOptions {
  std::string kind, split = "train", png;
  int64_t seed = 1, first = 0, n = 5;
  bool json = false;
};

// Every kind that the prefix names, evenly: show is for looking at all of them.
Result<std::vector<size_t>> kinds_below(const SynthSource& source, const std::string& prefix) {
  const std::vector<std::string> kinds = source.kinds();
  std::vector<size_t> out;
  for (size_t i = 0; i < kinds.size(); ++i) {
    if (kinds[i] == prefix || kinds[i].starts_with(prefix + "/") || prefix.empty()) out.push_back(i);
  }
  if (out.empty()) return Error{ErrorCode::kInvalidArgument, "--kind " + prefix + ": no kind begins with that"};
  return out;
}

void print_sample(const Sample& sample, int64_t index, const std::string& file) {
  fmt::print("--- {} {} ({}{})\n", index, sample.kind, sample.thinking ? "think" : "instant", sample.tools ? "; calculator" : "");
  if (!file.empty()) fmt::print("[picture {}, {} x {}]\n", file, sample.images[0].width, sample.images[0].height);
  for (const SampleMessage& message : sample.messages) fmt::print("{}: {}\n", message.role, message.text);
  fmt::print("=> {}\n", sample.target);
}

Status show(const ShowOptions& options) {
  SynthOptions synth;
  synth.seed = static_cast<uint64_t>(options.seed);
  synth.split = options.split == "eval" ? Split::kEval : Split::kTrain;
  FS_TRY(const std::unique_ptr<SynthSource> source, SynthSource::create(synth));
  FS_TRY(const std::vector<size_t> kinds, kinds_below(*source, options.kind));
  if (!options.png.empty() && mkdir(options.png.c_str(), 0755) != 0 && errno != EEXIST) {
    return Error{ErrorCode::kIo, options.png + ": " + std::strerror(errno)};
  }
  for (int64_t i = options.first; i < options.first + options.n; ++i) {
    const size_t kind = kinds[static_cast<size_t>(i) % kinds.size()];
    FS_TRY(const Sample sample, source->sample_of(kind, static_cast<uint64_t>(i)));
    std::string file;
    if (!sample.images.empty() && !options.png.empty()) {
      file = fmt::format("{}/{:04}.png", options.png, i);
      FS_TRY_VOID(write_file_atomic(file, pictures::png_bytes(sample.images[0])));
    }
    if (!options.json) {
      print_sample(sample, i, file);
      continue;
    }
    Json::Array messages;
    for (const SampleMessage& message : sample.messages) messages.push_back(Json::Object{{"role", message.role}, {"text", message.text}});
    fmt::print("{}\n", Json(Json::Object{{"index", i}, {"kind", sample.kind}, {"thinking", sample.thinking}, {"tools", sample.tools}, {"picture", file},
                                         {"messages", std::move(messages)}, {"target", sample.target}, {"answer", sample.answer}, {"grader", sample.grader}})
                           .dump());
  }
  return {};
}

}  // namespace

void add_data_show(Command data) {
  const auto options = std::make_shared<ShowOptions>();
  Command command = data.subcommand("show", "Print samples: what is asked, and what the model is to write");
  command.text("--kind", &options->kind, "Beginning of a kind: pictures, math/buying ...; absent: all");
  command.choice("--split", &options->split, {"train", "eval"}, "train, or eval: what training never sees");
  command.integer("--seed", &options->seed, 0, INT64_MAX, "Seed");
  command.integer("--first", &options->first, 0, INT64_MAX / 2, "Index of the first sample");
  command.integer("-n,--count", &options->n, 1, 1'000'000, "How many");
  command.text("--png", &options->png, "Folder for their pictures (made if absent)");
  command.flag("--json", &options->json, "One JSON object per line");
  command.examples("  firesteel data show --kind math -n 10\n  firesteel data show --kind pictures/bars --png bars");
  command.run([options] {
    const Status status = show(*options);
    return status.ok() ? kExitOk : fail(status.error(), options->json);
  });
}

}  // namespace firesteel
