#include "generation.h"

#include <sys/random.h>

#include <algorithm>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/mapped_file.h"
#include "machine.h"
#include "terminal.h"

namespace firesteel {
namespace {

constexpr uint64_t kConstraintBytesMax = 1u << 20;

}  // namespace

void add_generation_options(Command* command, GenerationOptions* options) {
  command->integer("-n,--max-tokens", &options->max_tokens, 1, 1 << 24, "At most N tokens of answer (default: until the context is full)");
  command->number("--temperature", &options->temperature, 0, 100, "0: always the likeliest token (default 0.8; Kindling 0)");
  command->integer("--top-k", &options->top_k, 0, 1 << 24, "Sample from the K likeliest tokens (0: off)");
  command->number("--top-p", &options->top_p, 0, 1, "Sample from the likeliest tokens that hold this probability (1: off)");
  command->number("--min-p", &options->min_p, 0, 1, "Drop tokens less likely than this share of the likeliest (0: off)");
  command->number("--repetition-penalty", &options->repetition_penalty, 0.01, 100, "Make seen tokens less likely (1: off)");
  command->integer("--seed", &options->seed, 0, INT64_MAX, "Same seed, same answer (default: a fresh one, named by --stats)");
  command->texts("--stop", &options->stop, "End the answer before this text; may be repeated");
  command->choice("--mode", &options->mode, {"instant", "thinking", "contemplating", "auto"},
                  "Without thinking, with it, with subagents, or as the question wants (ask only, the last two)");
  command->integer("--thinking-budget", &options->thinking_budget, 0, 1 << 24, "At most N tokens of thinking");
}

void add_constraint_options(Command* command, ConstraintOptions* options) {
  command->text("--json-schema", &options->json_schema, "The answer is JSON of this schema: a file, or the schema itself (begins with {)");
  command->text("--regex", &options->regex, "The answer matches this regular expression as a whole");
  command->text("--grammar", &options->grammar, "The answer is a text of the grammar in this file (rules as name ::= ...)");
  command->excludes("--json-schema", "--regex");
  command->excludes("--json-schema", "--grammar");
  command->excludes("--regex", "--grammar");
}

Result<std::optional<Constraint>> read_constraint(const ConstraintOptions& options) {
  const auto from_file = [](const char* flag, const std::string& path) -> Result<std::string> {
    Result<std::string> text = read_file(path, kConstraintBytesMax);
    if (text.ok()) return text;
    return Error{text.error().code, std::string(flag) + ": " + text.error().message};
  };
  if (!options.regex.empty()) return std::optional<Constraint>({Constraint::Kind::kRegex, options.regex});
  if (!options.grammar.empty()) {
    FS_TRY(std::string text, from_file("--grammar", options.grammar));
    return std::optional<Constraint>({Constraint::Kind::kGrammar, std::move(text)});
  }
  if (options.json_schema.empty()) return std::optional<Constraint>();
  const size_t first = options.json_schema.find_first_not_of(" \t\r\n");
  if (first != std::string::npos && options.json_schema[first] == '{') {
    return std::optional<Constraint>({Constraint::Kind::kJsonSchema, options.json_schema});
  }
  FS_TRY(std::string text, from_file("--json-schema", options.json_schema));
  return std::optional<Constraint>({Constraint::Kind::kJsonSchema, std::move(text)});
}

uint64_t seed_to_use(const GenerationOptions& options) {
  if (options.seed >= 0) return static_cast<uint64_t>(options.seed);
  uint64_t seed = 0;
  if (getrandom(&seed, sizeof seed, 0) != sizeof seed) seed = static_cast<uint64_t>(system_clock().now_us());
  return seed >> 1;  // fits --seed
}

double temperature_to_use(const GenerationOptions& options, const LoadedModel& loaded) {
  return options.temperature >= 0 ? options.temperature : loaded.sampling.temperature.value_or(0.8);
}

SamplingParams sampling_params(const GenerationOptions& options, const LoadedModel& loaded, uint64_t seed) {
  SamplingParams sampling;
  sampling.temperature = temperature_to_use(options, loaded);
  const SamplingDefaults& wishes = loaded.sampling;
  sampling.top_k = options.top_k >= 0 ? static_cast<int>(options.top_k) : wishes.top_k.value_or(0);
  sampling.top_p = options.top_p >= 0 ? options.top_p : wishes.top_p.value_or(1);
  sampling.min_p = options.min_p >= 0 ? options.min_p : wishes.min_p.value_or(0);
  sampling.repetition_penalty = options.repetition_penalty > 0 ? options.repetition_penalty : wishes.repetition_penalty.value_or(1);
  sampling.seed = seed;
  return sampling;
}

StopParams stop_params(const GenerationOptions& options) {
  StopParams stop;
  stop.max_tokens = options.max_tokens;
  stop.strings = options.stop;
  stop.thinking_budget = options.mode == "instant" ? 0 : options.thinking_budget;
  return stop;
}

Json template_variables(const GenerationOptions& options, const LoadedModel& loaded, std::string* note) {
  if (options.mode != "instant" && options.mode != "thinking") return {};
  if (loaded.chat_template == nullptr || !loaded.chat_template->mentions("enable_thinking")) {
    *note = "this model's template has no switch for thinking: --mode " + options.mode + " has no effect on the prompt";
    return {};
  }
  Json variables;
  variables.set("enable_thinking", options.mode == "thinking");
  return variables;
}

Answer read_answer(TokenStream* stream, const std::function<void(std::string_view, bool)>& on_text) {
  Answer answer;
  while (std::optional<GenerateEvent> event = stream->next()) {
    if (!event->text.empty()) {
      (event->thinking ? answer.thinking : answer.text) += event->text;
      on_text(event->text, event->thinking);
    }
    if (event->kind == GenerateEvent::Kind::kDone) answer.done = std::move(*event);
  }
  return answer;
}

double decode_tokens_per_second(const Usage& usage) {
  const int64_t decode_us = usage.total_us - usage.first_token_us;
  if (usage.generated_tokens < 2 || decode_us <= 0) return 0;
  return static_cast<double>(usage.generated_tokens - 1) / (static_cast<double>(decode_us) * 1e-6);
}

std::string describe_usage(const Usage& usage, int64_t load_us) {
  std::string text = fmt::format("{} prompt tokens", usage.prompt_tokens);
  if (usage.cached_tokens > 0) text += fmt::format(" ({} reused)", usage.cached_tokens);
  text += fmt::format(", first token {:.1f} ms", static_cast<double>(load_us + usage.first_token_us) * 1e-3);
  text += fmt::format(", {} tokens", usage.generated_tokens);
  if (const double speed = decode_tokens_per_second(usage); speed > 0) text += fmt::format(" at {:.1f} tok/s", speed);
  return text + ", peak memory " + format_bytes(peak_rss_bytes());
}

}  // namespace firesteel
