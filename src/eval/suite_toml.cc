#include <algorithm>

#include "base/mapped_file.h"
#include "base/toml_table.h"
#include "eval/readers.h"
#include "eval/suite.h"

namespace firesteel {
namespace {

constexpr uint64_t kSuiteBytesMax = 1u << 20;
constexpr int64_t kItemsMax = 1'000'000;

Status read_source(TomlTable t, SuiteSource* source) {
  std::string kind = "items";
  t.text("kind", &kind);
  if (kind == "items") {
    source->kind = SuiteSource::Kind::kItems;
    t.text("file", &source->file);
    if (source->file.find("..") != std::string::npos || source->file.starts_with('/')) t.fail("file", "a file beside the suite");
  } else if (kind == "synth") {
    source->kind = SuiteSource::Kind::kSynth;
    int64_t seed = 1;
    t.weights("kinds", &source->kinds, /*above_zero=*/true);
    t.integer("seed", &seed, 0, INT64_MAX);
    source->seed = static_cast<uint64_t>(seed);
    t.integer("count", &source->count, 1, kItemsMax);
    t.text("grader", &source->grader);
    if (TomlTable p = t.table("parts"); p.is_there()) {
      int64_t low = 0, high = 0;
      p.integer("min", &low, 2, 16);
      p.integer("max", &high, 2, 16);
      FS_TRY_VOID(p.finish());
      if (low == 0 || high < low) t.fail("parts", "min and max, 2 to 16");
      source->parts_min = static_cast<int>(low);
      source->parts_max = static_cast<int>(high);
    }
    if (source->kinds.empty()) t.fail("kinds", "a table of kinds and their shares");
    if (source->count == 0) t.fail("count", "the number of items");
    if (!source->grader.empty() && !grading_kind(source->grader)) t.fail("grader", "the name of a grader");
  } else if (kind == "external") {
    source->kind = SuiteSource::Kind::kExternal;
    t.text("reader", &source->reader);
    t.text("path", &source->path);
    t.text("question", &source->question);
    t.text("filter", &source->filter);
    if (!source->filter.empty() && (source->filter != "held_out" || source->reader != "mawps")) t.fail("filter", "held_out, of the reader mawps");
    const std::vector<std::string> names = reader_names();
    if (std::find(names.begin(), names.end(), source->reader) == names.end()) {
      std::string all;
      for (const std::string& name : names) all += (all.empty() ? "" : ", ") + name;
      t.fail("reader", "one of " + all);
    }
    if (source->path.empty()) t.fail("path", "a path below the data folder");
    if (source->path.find("..") != std::string::npos || source->path.starts_with('/')) t.fail("path", "a path below the data folder");
  } else {
    t.fail("kind", "items, synth or external");
  }
  t.text("digest", &source->digest);
  return t.finish();
}

}  // namespace

Result<Suite> parse_suite(const std::string& text, const std::string& file) {
  FS_TRY(TomlTable t, TomlTable::parse(text, file));
  Suite suite;
  suite.file = file;
  t.text("name", &suite.name);
  t.text("title", &suite.title);
  std::string mode = "thinking", choice = "text";
  t.text("mode", &mode);
  t.text("choice", &choice);
  t.text("system", &suite.system);
  t.integer("max_tokens", &suite.max_tokens, 1, 1 << 20);
  std::optional<double> temperature;
  t.number("temperature", &temperature, 0, 100);
  suite.temperature = temperature.value_or(0);
  t.number("floor", &suite.floor, 0, 1);
  t.number("goal", &suite.goal, 0, 1);
  if (suite.name.empty()) t.fail("name", "the suite's name");
  if (const auto found = eval_mode(mode)) suite.mode = *found;
  else t.fail("mode", "instant, thinking or tools");
  if (choice != "text" && choice != "logprob") t.fail("choice", "text or logprob");
  suite.by_logprob = choice == "logprob";
  if (TomlTable source = t.table("source"); source.is_there()) FS_TRY_VOID(read_source(std::move(source), &suite.source));
  FS_TRY_VOID(t.finish());
  return suite;
}

Result<Suite> read_suite(const std::string& file) {
  FS_TRY(const std::string text, read_file(file, kSuiteBytesMax));
  return parse_suite(text, file);
}

}  // namespace firesteel
