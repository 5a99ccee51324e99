// What ask and chat share: sampling options, and writing a stream to the terminal.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "api/generator.h"
#include "command_line.h"
#include "load_model.h"

namespace firesteel {

struct GenerationOptions {
  int64_t max_tokens = -1;
  double temperature = -1;  // -1: what suits the model, see temperature_to_use
  // -1: what the model wishes, or off.
  int64_t top_k = -1;
  double top_p = -1;
  double min_p = -1;
  double repetition_penalty = -1;
  int64_t seed = -1;        // -1: a fresh one, which statistics name so that an answer can be repeated
  int64_t thinking_budget = -1;
  std::vector<std::string> stop;
  std::string mode;         // "", "instant", "thinking", "contemplating", "auto"
};

// What the answer must be. The parser sees to it that at most one is given.
struct ConstraintOptions {
  std::string json_schema;  // a file, or the schema itself; "{}" is any JSON
  std::string regex;
  std::string grammar;      // a file
};

void add_generation_options(Command* command, GenerationOptions* options);

void add_constraint_options(Command* command, ConstraintOptions* options);

// nullopt when none is given. kNotFound, kIo: the file of a flag.
Result<std::optional<Constraint>> read_constraint(const ConstraintOptions& options);

SamplingParams sampling_params(const GenerationOptions& options, const LoadedModel& loaded, uint64_t seed);
// Unless one is given: the model's, or 0.8.
double temperature_to_use(const GenerationOptions& options, const LoadedModel& loaded);

StopParams stop_params(const GenerationOptions& options);
uint64_t seed_to_use(const GenerationOptions& options);

// The variables that --mode sets in the template. `note` says when the model has no such switch.
Json template_variables(const GenerationOptions& options, const LoadedModel& loaded, std::string* note);

struct Answer {
  std::string text;      // without what lay between think markers
  std::string thinking;
  GenerateEvent done;
};

// Reads the stream to its end. on_text(text, thinking) is called as text becomes showable.
Answer read_answer(TokenStream* stream, const std::function<void(std::string_view, bool)>& on_text);

// "12 prompt tokens, first token 34 ms, 56.7 tok/s, peak memory 89.0 MiB": for people.
std::string describe_usage(const Usage& usage, int64_t load_us);
double decode_tokens_per_second(const Usage& usage);

}  // namespace firesteel
