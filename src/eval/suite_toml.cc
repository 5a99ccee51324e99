// Defined as in train_config.cc, the other file that sees toml++: its inline functions must be the same in both.
#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
// Its assertions are about the input, too: "[[[[" meets one before it is refused (version 3.3).
#define TOML_ASSERT(expr) static_cast<void>(0)
#include <toml++/toml.h>

#include <algorithm>

#include "base/mapped_file.h"
#include "base/toml_text.h"
#include "eval/readers.h"
#include "eval/suite.h"

namespace firesteel {
namespace {

constexpr uint64_t kSuiteBytesMax = 1u << 20;
constexpr int64_t kItemsMax = 1'000'000;

// One table, whose keys are taken one by one; what is left over is refused.
class Table {
 public:
  Table(const toml::table* table, std::string where, Status* status) : table_(table), where_(std::move(where)), status_(status) {}

  void text(const char* key, std::string* value) {
    const toml::node* node = take(key);
    if (node == nullptr) return;
    if (const auto found = node->value_exact<std::string>()) *value = *found;
    else fail(key, "a text");
  }
  void integer(const char* key, int64_t low, int64_t high, int64_t* value) {
    const toml::node* node = take(key);
    if (node == nullptr) return;
    const auto found = node->value_exact<int64_t>();
    if (found && *found >= low && *found <= high) *value = *found;
    else fail(key, "a whole number from " + std::to_string(low) + " to " + std::to_string(high));
  }
  void number(const char* key, double low, double high, std::optional<double>* value) {
    const toml::node* node = take(key);
    if (node == nullptr) return;
    const auto found = node->value<double>();
    if (node->is_number() && found && *found >= low && *found <= high) *value = *found;
    else fail(key, "a number in range");
  }
  void boolean(const char* key, bool* value) {
    const toml::node* node = take(key);
    if (node == nullptr) return;
    if (const auto found = node->value_exact<bool>()) *value = *found;
    else fail(key, "true or false");
  }
  void shares(const char* key, std::vector<std::pair<std::string, double>>* value) {
    const toml::node* node = take(key);
    if (node == nullptr) return;
    const toml::table* inner = node->as_table();
    if (inner == nullptr) return fail(key, "a table of shares");
    for (const auto& [name, share] : *inner) {
      const auto number = share.value<double>();
      if (!share.is_number() || !number || !(*number > 0)) return fail(key, "shares above 0");
      value->emplace_back(std::string(name.str()), *number);
    }
  }
  const toml::table* table(const char* key) {
    const toml::node* node = take(key);
    if (node == nullptr) return nullptr;
    if (node->as_table() == nullptr) fail(key, "a table");
    return node->as_table();
  }
  void finish() {
    for (const auto& [key, node] : *table_) {
      if (std::find(taken_.begin(), taken_.end(), key.str()) != taken_.end()) continue;
      std::string names;
      for (const std::string& name : known_) names += (names.empty() ? "" : ", ") + name;
      set({ErrorCode::kInvalidArgument, where_ + ":" + std::to_string(node.source().begin.line) + ": unknown key '" + std::string(key.str()) + "'; there are " + names});
    }
  }
  void fail(const char* key, const std::string& expected) {
    const toml::node* node = table_->get(key);
    set({ErrorCode::kInvalidArgument, where_ + (node != nullptr ? ":" + std::to_string(node->source().begin.line) : "") + ": " + key + ": expected " + expected});
  }

 private:
  const toml::node* take(const char* key) {
    known_.emplace_back(key);
    const toml::node* node = table_->get(key);
    if (node != nullptr) taken_.emplace_back(key);
    return node;
  }
  void set(Error error) {
    if (status_->ok()) *status_ = std::move(error);
  }
  const toml::table* table_;
  std::string where_;
  Status* status_;
  std::vector<std::string> taken_, known_;
};

void read_source(const toml::table* table, const std::string& where, SuiteSource* source, Status* status) {
  Table t(table, where, status);
  std::string kind = "items";
  t.text("kind", &kind);
  if (kind == "items") {
    source->kind = SuiteSource::Kind::kItems;
    t.text("file", &source->file);
    if (source->file.find("..") != std::string::npos || source->file.starts_with('/')) t.fail("file", "a file beside the suite");
  } else if (kind == "synth") {
    source->kind = SuiteSource::Kind::kSynth;
    int64_t seed = 1;
    t.shares("kinds", &source->kinds);
    t.integer("seed", 0, INT64_MAX, &seed);
    source->seed = static_cast<uint64_t>(seed);
    t.integer("count", 1, kItemsMax, &source->count);
    t.text("grader", &source->grader);
    if (const toml::table* parts = t.table("parts")) {
      Table p(parts, where, status);
      int64_t low = 0, high = 0;
      p.integer("min", 2, 16, &low);
      p.integer("max", 2, 16, &high);
      p.finish();
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
  t.finish();
}

}  // namespace

Result<Suite> parse_suite(const std::string& text, const std::string& file) {
  if (const size_t line = foreign_toml_character(text); line > 0) {
    return Error{ErrorCode::kInvalidArgument, file + ":" + std::to_string(line) + ": a character beyond ASCII outside of a text"};
  }
  const toml::parse_result parsed = toml::parse(std::string_view(text), std::string_view(file));
  if (!parsed) {
    const toml::parse_error& error = parsed.error();
    return Error{ErrorCode::kInvalidArgument, file + ":" + std::to_string(error.source().begin.line) + ": " + std::string(error.description())};
  }
  Suite suite;
  suite.file = file;
  Status status;
  Table t(&parsed.table(), file, &status);
  t.text("name", &suite.name);
  t.text("title", &suite.title);
  std::string mode = "thinking", choice = "text";
  t.text("mode", &mode);
  t.text("choice", &choice);
  t.text("system", &suite.system);
  t.integer("max_tokens", 1, 1 << 20, &suite.max_tokens);
  std::optional<double> temperature;
  t.number("temperature", 0, 100, &temperature);
  suite.temperature = temperature.value_or(0);
  t.number("floor", 0, 1, &suite.floor);
  t.number("goal", 0, 1, &suite.goal);
  if (suite.name.empty()) t.fail("name", "the suite's name");
  if (const auto found = eval_mode(mode)) suite.mode = *found;
  else t.fail("mode", "instant, thinking or tools");
  if (choice != "text" && choice != "logprob") t.fail("choice", "text or logprob");
  suite.by_logprob = choice == "logprob";
  if (const toml::table* source = t.table("source")) read_source(source, file, &suite.source, &status);
  t.finish();
  if (!status.ok()) return status.error();
  return suite;
}

Result<Suite> read_suite(const std::string& file) {
  FS_TRY(const std::string text, read_file(file, kSuiteBytesMax));
  return parse_suite(text, file);
}

}  // namespace firesteel
