// What the dialects have in common on the way to the generator: model names, modes, tools, response formats, choices.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/answer_parser.h"
#include "api/generator.h"
#include "server/dialects/images.h"
#include "server/dialects/parameters.h"
#include "server/exchange.h"
#include "server/own_tools.h"

namespace firesteel {

constexpr int64_t kChoicesMax = 16;
constexpr size_t kMessagesMax = 16384;
constexpr size_t kPartsMax = 1024;
constexpr size_t kToolsMax = 128;
constexpr size_t kStopStringsMax = 16;         // the generator's
constexpr int64_t kTokensMax = int64_t{1} << 40;   // of max_tokens and budgets: the context is the real limit

struct Tool {
  std::string name;
  Json parameters;   // a schema, or null
};

// Whether and how much the model thinks before it answers.
struct Thinking {
  std::optional<bool> enable = {};   // absent: as the template does when nobody says
  int64_t budget = -1;               // tokens; -1: no limit
  std::string effort = {};           // "low" ...: some templates ask for it
  std::string mode = {};             // of the extension object, as it will be reported; empty: nothing was said
  std::string reason = {};           // why, when mode was "auto"
};

// One request of a dialect in common terms.
struct Generation {
  Json messages = Json::Array{};
  Json tools = {};                   // as templates take them, or null
  std::vector<Tool> tool_list = {};
  std::optional<Prompt> prompt = {}; // instead of messages
  SamplingParams sampling = {};
  StopParams stop = {};
  std::optional<Constraint> constraint = {};
  std::optional<int64_t> seed = {};
  int64_t n = 1;
  Thinking thinking = {};
  AnswerFormat format = {};
  std::optional<AgentParams> agents = {};
  OwnTools own_tools = {};           // the server's, that it runs itself
  bool confirms = false;             // the client answers questions about calls
  bool no_own_tools = false;         // the client wants no calls at all
  std::string adapter = {};          // as asked for: a name or a digest; start_generation() resolves it
  RequestImages images = {};         // in the order of the parts {"type": "image"} of messages
};

// The name in `model`, or the served model's when absent; fails with 404 model_not_found for names that are not the context's.
std::string read_model(const BodyReader& body, const ExchangeContext& context);
bool is_model_name(const std::string& name, const ExchangeContext& context);

// The extension object "firesteel" of every dialect.
void read_extension(const BodyReader& body, const ModelInfo& info, Generation* out);
// Its part about agents; true when several may answer (then budget_tokens is all lanes'). Fails where the server or the request cannot.
bool read_agents(const BodyReader& object, const ModelInfo& info, Generation* out);
// reasoning_effort and its like: none, minimal, low, medium, high, xhigh.
void read_effort(const BodyReader& place, std::string_view name, const ModelInfo& info, Generation* out);

// Tools as {"type": "function", "function": {...}}, or with flat = true {"type": "function", "name": ...}.
void read_tools(const BodyReader& body, bool flat, Generation* out);
// One tool from its parts; fails with what is wrong below `place`.
void add_tool(const BodyReader& place, std::string_view schema_name, Generation* out);
// Every answer is a call of one of the tools; `name` empty: of any.
void require_call(std::string_view name, Generation* out);
// The answer is a call of one of the tools or has the form that the constraint says so far.
void allow_call_or_format(Generation* out);

// {"type": "text" | "json_object" | "json_schema", ...}; the schema lies in "json_schema" or (flat) beside the type.
void read_response_format(const BodyReader& body, std::string_view name, bool flat, Generation* out);

// A string or a list of them, at most n_max; none empty.
void read_stop(const BodyReader& body, std::string_view name, size_t n_max, Generation* out);
// {"token id": -100..100}
void read_logit_bias(const BodyReader& body, const ModelInfo& info, Generation* out);

// What of the model's wishes no parameter of the dialect can say otherwise: top_k, min_p, repetition_penalty.
void use_sampling_defaults(const ModelInfo& info, SamplingParams* sampling);

// Seeds of the choices: the first has the seed itself.
uint64_t choice_seed(uint64_t seed, uint32_t choice);
// The seed that was asked for, or a fresh one that a JSON reader can hold exactly.
int64_t effective_seed(const Generation& generation, const ExchangeContext& context);
// The generator's requests, n for each prompt.
std::vector<GenerateRequest> make_requests(Generation generation, int64_t seed, const ExchangeContext& context);

// {"seed": ..., "mode": ..., "ignored": [...]}: what an answer reports in its "firesteel".
std::string extension_report(const Generation& generation, int64_t seed, const std::vector<std::string>& ignored);

}  // namespace firesteel
