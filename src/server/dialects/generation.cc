#include "server/dialects/generation.h"

#include <algorithm>
#include <array>

#include "base/check.h"
#include "base/rng.h"
#include "server/dialects/json_writer.h"
#include "server/own_tools.h"

namespace firesteel {
namespace {

constexpr Parameter kExtension[] = {
    {"mode", Support::kSupported, "instant, thinking, contemplating (several agents), auto (chooses, and says why)"},
    {"budget_tokens", Support::kSupported, "thinking tokens at most; of several agents: all that they generate"},
    {"seed", Support::kSupported, "as the dialect's own seed"},
    {"agents", Support::kSupported, "1 to 16 in parallel; not with tools, n or logprobs"},
    {"strategy", Support::kSupported, "auto, split, vote, refine"},
    {"error_bound", Support::kSupported, "vote: how likely an early stop may change the answer, 0 to 0.5; default 0.05"},
    {"vote_by", Support::kSupported, "vote: count (default), or confidence: a sample weighs as much as its words were likely"},
    {"tools", Support::kSupported, "the server's own: auto (those that the model uses by itself), none, or a list of names"},
    {"confirm", Support::kSupported, "true: calls that need a person's word are asked about in the stream, and wait"},
    {"regex", Support::kSupported, "the answer matches this regular expression as a whole; not with another form or the request's tools"},
    {"grammar", Support::kSupported, "the same for a grammar; its start is the rule root"},
    {"adapter", Support::kSupported, "name or digest of a loaded adapter; as \"model\": \"MODEL:NAME\""},
};

struct Effort {
  std::string_view name;
  int64_t budget;
};
constexpr std::array<Effort, 6> kEfforts = {{{"none", 0}, {"minimal", 256}, {"low", 1024}, {"medium", 4096}, {"high", 16384}, {"xhigh", -1}}};

bool is_tool_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
  });
}

// "#/$defs/X" -> "#/$defs/PREFIX_X", "#" -> "#/$defs/PREFIX": a schema that moved into another one's definitions.
void move_references(Json* schema, const std::string& prefix, bool names_are_keywords = true) {
  if (schema->is_array()) {
    for (Json& item : schema->as_array()) move_references(&item, prefix);
    return;
  }
  if (!schema->is_object()) return;
  for (auto& [key, value] : schema->as_object()) {
    if (!names_are_keywords) {
      move_references(&value, prefix);
    } else if (key == "$ref" && value.is_string()) {
      const std::string target = value.as_string();
      if (target == "#") value = Json("#/$defs/" + prefix);
      for (const std::string_view root : {"#/$defs/", "#/definitions/"}) {
        if (target.substr(0, root.size()) == root) value = Json("#/$defs/" + prefix + "_" + target.substr(root.size()));
      }
    } else if (key != "enum" && key != "const" && key != "default" && key != "examples") {
      move_references(&value, prefix, key != "properties" && key != "$defs" && key != "definitions");
    }
  }
}

}  // namespace

extern const ParameterTable kExtensionTable;
const ParameterTable kExtensionTable = {"object \"firesteel\"", kExtension};

bool is_model_name(const std::string& name, const ExchangeContext& context) {
  return name == context.model_id || (!name.ends_with('@') && std::find(context.aliases.begin(), context.aliases.end(), name) != context.aliases.end());
}

// "NAME@" among the aliases stands for all versions of a release, which may be many: NAME@3, or by digits of the digest. Which there are is seen
// where the request is routed.
bool is_version_name(const std::string& name, const ExchangeContext& context) {
  const size_t at = name.find('@');
  if (at == std::string::npos || at + 1 == name.size() || name.find_first_not_of("0123456789abcdef", at + 1) != std::string::npos) return false;
  return std::find(context.aliases.begin(), context.aliases.end(), name.substr(0, at + 1)) != context.aliases.end();
}

std::string read_model(const BodyReader& body, const ExchangeContext& context) {
  const auto name = body.string("model");
  if (!name) return context.model_id;
  if (is_model_name(*name, context) || is_version_name(*name, context)) return *name;
  if (!body.ok()) return {};
  body.fail("model", "there is no model " + describe(Json(*name)) + " for this key; GET /v1/models lists those there are", "model_not_found");
  body.state()->error->kind = ApiErrorKind::kNotFound;
  return {};
}

void read_effort(const BodyReader& place, std::string_view name, const ModelInfo& info, Generation* out) {
  const auto effort = place.choice(name, {"none", "minimal", "low", "medium", "high", "xhigh"});
  if (!effort) return;
  if (!info.can_think && *effort != "none") return place.note_ignored(name);
  for (const Effort& row : kEfforts) {
    if (row.name != *effort) continue;
    out->thinking.enable = row.budget != 0;
    out->thinking.budget = row.budget;
    out->thinking.effort = *effort;
    out->thinking.mode = row.budget == 0 ? "instant" : "thinking";
  }
}

void read_extension(const BodyReader& body, const ModelInfo& info, Generation* out) {
  const auto object = body.object("firesteel");
  if (!object) return;
  object->check(kExtensionTable);
  const auto mode = object->choice("mode", {"instant", "thinking", "contemplating", "auto"});
  const auto budget = object->integer("budget_tokens", 0, kTokensMax);
  const auto seed = object->integer("seed", INT64_MIN, INT64_MAX);
  if (seed && out->seed && *seed != *out->seed) object->fail("seed", "differs from seed");
  if (seed) out->seed = seed;
  if (const Json* tools = object->get("tools"); tools != nullptr) {
    Result<OwnTools> own = read_own_tools(*tools, info);
    if (!own.ok()) return object->fail("tools", own.error().message);
    out->own_tools = std::move(own).value();
  }
  out->confirms = object->boolean("confirm").value_or(false);
  if (const auto adapter = object->string("adapter")) {
    if (adapter->empty() || adapter->size() > 128) return object->fail("adapter", "expected a name or digest of 1 to 128 bytes");
    out->adapter = *adapter;
  }
  for (const auto& [name, kind] : {std::pair{"regex", Constraint::Kind::kRegex}, {"grammar", Constraint::Kind::kGrammar}}) {
    const auto source = object->string(name);
    if (!source) continue;
    if (source->empty()) return object->fail(name, "expected at least one byte");
    if (out->constraint || !out->tool_list.empty()) return object->fail(name, "not together with another form for the answer, or tools", "unsupported_parameter");
    out->constraint = Constraint{kind, *source};
  }
  if (read_agents(*object, info, out) || !object->ok()) return;
  if (out->own_tools && !out->own_tools->empty()) {
    const char* const obstacle = out->prompt ? "a raw prompt" : !out->tools.is_null() ? "tools of the request's own" : out->constraint ? "a form for the answer" :
                                 out->sampling.n_top_logprobs >= 0 ? "logprobs" : nullptr;
    if (obstacle != nullptr) return object->fail("tools", std::string("not together with ") + obstacle, "unsupported_parameter");
  }
  Thinking& thinking = out->thinking;
  if (mode && *mode == "thinking" && !info.can_think) {
    object->fail("mode", "this model does not think: expected instant or auto, found \"thinking\"");
  } else if (mode && *mode == "thinking" && thinking.mode == "instant") {
    object->fail("mode", "contradicts an effort of none");
  } else if (mode && *mode == "instant") {
    thinking = {.enable = false, .budget = 0, .effort = "none", .mode = "instant"};
  } else if (mode && *mode == "thinking") {
    thinking.enable = true;
    thinking.mode = "thinking";
    if (thinking.budget == 0) thinking.budget = -1;
  } else if (mode && *mode == "auto" && thinking.mode.empty()) {
    thinking.mode = info.can_think ? "thinking" : "instant";
    thinking.reason = info.can_think ? "the model can think, and no limit was asked for" : "the model does not think";
    if (info.can_think) {
      thinking.enable = true;
      thinking.budget = -1;
    }
  }
  if (budget) {
    if (thinking.mode == "instant" && *budget > 0) {
      object->fail("budget_tokens", "expected 0 without thinking, found " + std::to_string(*budget));
    } else if (!info.can_think && *budget > 0) {
      object->note_ignored("budget_tokens");
    } else {
      thinking.budget = *budget;
      thinking.enable = *budget > 0;
      thinking.mode = *budget > 0 ? "thinking" : "instant";
    }
  }
}

void add_tool(const BodyReader& place, std::string_view schema_name, Generation* out) {
  const auto name = place.string("name");
  const auto description = place.string("description");
  const auto schema = place.object(schema_name);
  place.boolean("strict");
  if (!place.ok()) return;
  if (!name || !is_tool_name(*name)) {
    return place.fail("name", "expected 1 to 64 letters, digits, '_', '-' or '.', found " + (name ? describe(Json(*name)) : std::string("nothing")));
  }
  for (const Tool& other : out->tool_list) {
    if (other.name == *name) return place.fail("name", "two tools have the name " + describe(Json(*name)));
  }
  Json function = Json::Object{{"name", *name}};
  if (description) function.set("description", *description);
  function.set("parameters", schema ? schema->json() : Json(Json::Object{{"type", "object"}, {"properties", Json::Object{}}}));
  if (out->tools.is_null()) out->tools = Json::Array{};
  out->tools.as_array().push_back(Json::Object{{"type", "function"}, {"function", std::move(function)}});
  out->tool_list.push_back({*name, schema ? schema->json() : Json()});
}

void read_tools(const BodyReader& body, bool flat, Generation* out) {
  const Json::Array* tools = body.array("tools", kToolsMax);
  if (tools == nullptr) return;
  static constexpr Parameter kFunction[] = {{"name"}, {"description"}, {"parameters"}, {"strict", Support::kSupported}};
  static constexpr Parameter kFlat[] = {{"type"}, {"name"}, {"description"}, {"parameters"}, {"strict"}};
  static constexpr Parameter kWrapped[] = {{"type"}, {"function"}};
  for (size_t i = 0; i < tools->size() && body.ok(); ++i) {
    const std::string path = body.path("tools") + "[" + std::to_string(i) + "]";
    if (!(*tools)[i].is_object()) return body.state()->fail(path, "expected an object, found " + describe((*tools)[i]));
    const BodyReader tool((*tools)[i], path, body.state());
    const auto type = tool.string("type");
    if (!type) return tool.fail("type", "missing");
    if (*type != "function") return tool.fail("type", "only \"function\" is supported, found " + describe(Json(*type)), "unsupported_parameter");
    tool.check({"tool", flat ? std::span<const Parameter>(kFlat) : std::span<const Parameter>(kWrapped)});
    if (flat) {
      add_tool(tool, "parameters", out);
    } else if (const auto function = tool.object("function")) {
      function->check({"function", kFunction});
      add_tool(*function, "parameters", out);
    } else {
      tool.fail("function", "missing");
    }
  }
}

namespace {

// A schema moved into the definitions of another one, where it is called `prefix`.
void move_into_definitions(Json schema, const std::string& prefix, Json* definitions) {
  for (const char* key : {"$defs", "definitions"}) {
    const Json* inner = schema.find(key);
    if (inner == nullptr || !inner->is_object()) continue;
    for (const auto& [inner_name, definition] : inner->as_object()) {
      Json moved = definition;
      move_references(&moved, prefix);
      definitions->set(prefix + "_" + inner_name, std::move(moved));
    }
    auto& members = schema.as_object();
    members.erase(std::find_if(members.begin(), members.end(), [&](const Json::Member& m) { return m.first == key; }));
  }
  move_references(&schema, prefix);
  definitions->set(prefix, std::move(schema));
}

// {"name": "f", "arguments": {...}} for each tool of that name; empty: for each.
Json::Array call_schemas(std::string_view name, const std::vector<Tool>& tools, Json* definitions) {
  Json::Array calls;
  for (size_t i = 0; i < tools.size(); ++i) {
    const Tool& tool = tools[i];
    if (!name.empty() && tool.name != name) continue;
    const std::string prefix = "tool" + std::to_string(i);
    move_into_definitions(tool.parameters.is_null() ? Json(Json::Object{{"type", "object"}, {"additionalProperties", false}}) : tool.parameters, prefix, definitions);
    Json properties = Json::Object{{"name", Json::Object{{"const", tool.name}}}, {"arguments", Json::Object{{"$ref", "#/$defs/" + prefix}}}};
    calls.push_back(Json::Object{{"type", "object"},
                                 {"properties", std::move(properties)},
                                 {"required", Json::Array{"name", "arguments"}},
                                 {"additionalProperties", false}});
  }
  return calls;
}

}  // namespace

void require_call(std::string_view name, Generation* out) {
  Json definitions = Json::Object{};
  Json::Array calls = call_schemas(name, out->tool_list, &definitions);
  Json schema = calls.size() == 1 ? std::move(calls.front()) : Json(Json::Object{{"anyOf", std::move(calls)}});
  schema.set("$defs", std::move(definitions));
  out->constraint = Constraint{Constraint::Kind::kJsonSchema, schema.dump()};
  out->format.only_call = true;
}

void allow_call_or_format(Generation* out) {
  // Any object is a call's form, too: the parser of answers tells them apart by the tool's name.
  if (out->constraint->kind != Constraint::Kind::kJsonSchema) return;
  Result<Json> schema = Json::parse(out->constraint->text);
  CHECK(schema.ok());  // it was a member of the body
  Json definitions = Json::Object{};
  Json::Array choices = call_schemas({}, out->tool_list, &definitions);
  move_into_definitions(std::move(*schema), "answer", &definitions);
  choices.push_back(Json::Object{{"$ref", "#/$defs/answer"}});
  out->constraint->text = Json(Json::Object{{"anyOf", std::move(choices)}, {"$defs", std::move(definitions)}}).dump();
}

void read_response_format(const BodyReader& body, std::string_view name, bool flat, Generation* out) {
  const auto format = body.object(name);
  if (!format) return;
  const auto type = format->choice("type", {"text", "json_object", "json_schema"});
  if (!format->ok()) return;
  if (!type) return format->fail("type", "missing");
  static constexpr Parameter kPlain[] = {{"type"}};
  static constexpr Parameter kWrapped[] = {{"type"}, {"json_schema"}};
  static constexpr Parameter kSchema[] = {{"name"}, {"description"}, {"schema"}, {"strict"}};
  static constexpr Parameter kFlat[] = {{"type"}, {"name"}, {"description"}, {"schema"}, {"strict"}};
  if (*type != "json_schema") {
    format->check({"format", kPlain});
    if (*type == "json_object") out->constraint = Constraint{Constraint::Kind::kJsonObject, {}};
    return;
  }
  format->check({"format", flat ? std::span<const Parameter>(kFlat) : std::span<const Parameter>(kWrapped)});
  const auto holder = flat ? format : format->object("json_schema");
  if (!format->ok()) return;
  if (!holder) return format->fail("json_schema", "missing");
  if (!flat) holder->check({"json_schema", kSchema});
  holder->string("name");
  holder->string("description");
  holder->boolean("strict");
  const auto schema = holder->object("schema");
  if (!holder->ok()) return;
  if (!schema) return holder->fail("schema", "missing");
  out->constraint = Constraint{Constraint::Kind::kJsonSchema, schema->json().dump()};
}

void read_stop(const BodyReader& body, std::string_view name, size_t n_max, Generation* out) {
  const Json* stop = body.get(name);
  if (stop == nullptr) return;
  if (stop->is_string()) {
    if (!stop->as_string().empty()) out->stop.strings.push_back(stop->as_string());
    return;
  }
  const Json::Array* list = body.array(name, n_max);
  if (list == nullptr) return;
  for (size_t i = 0; i < list->size(); ++i) {
    const Json& one = (*list)[i];
    if (!one.is_string() || one.as_string().empty() || one.as_string().size() > 1024) {
      return body.state()->fail(body.path(name) + "[" + std::to_string(i) + "]", "expected a string of 1 to 1024 bytes, found " + describe(one));
    }
    out->stop.strings.push_back(one.as_string());
  }
}

void read_logit_bias(const BodyReader& body, const ModelInfo& info, Generation* out) {
  const auto object = body.object("logit_bias");
  if (!object) return;
  if (object->json().as_object().size() > 1024) return body.fail("logit_bias", "expected at most 1024 tokens");
  for (const auto& [key, value] : object->json().as_object()) {
    int64_t id = 0;
    bool valid = !key.empty() && key.size() <= 9;
    for (const char c : key) {
      valid = valid && c >= '0' && c <= '9';
      id = valid ? id * 10 + (c - '0') : 0;
    }
    if (!valid || id >= info.n_vocab) {
      return body.fail("logit_bias", "expected token ids from 0 to " + std::to_string(info.n_vocab - 1) + ", found " + describe(Json(key)));
    }
    const auto bias = object->number(key, -100, 100);
    if (!bias) return body.fail("logit_bias." + key, "expected a number from -100 to 100, found null");
    out->sampling.logit_bias.emplace_back(static_cast<TokenId>(id), static_cast<float>(*bias));
  }
}

void use_sampling_defaults(const ModelInfo& info, SamplingParams* sampling) {
  sampling->top_k = info.sampling.top_k.value_or(sampling->top_k);
  sampling->min_p = info.sampling.min_p.value_or(sampling->min_p);
  sampling->repetition_penalty = info.sampling.repetition_penalty.value_or(sampling->repetition_penalty);
}

uint64_t choice_seed(uint64_t seed, uint32_t choice) {
  if (choice == 0) return seed;
  const auto words = philox4x32({choice, 0, 0, 0xc401ceu}, seed);
  return (uint64_t{words[0]} << 32) | words[1];
}

int64_t effective_seed(const Generation& generation, const ExchangeContext& context) {
  return generation.seed ? *generation.seed : static_cast<int64_t>(context.random_seed & ((uint64_t{1} << 53) - 1));
}

std::vector<GenerateRequest> make_requests(Generation generation, int64_t seed, const ExchangeContext& context) {
  GenerateRequest request;
  request.sampling = std::move(generation.sampling);
  request.stop = std::move(generation.stop);
  request.constraint = std::move(generation.constraint);
  request.stop.thinking_budget = generation.thinking.budget;
  request.agents = generation.agents;
  request.adapter = generation.adapter;
  request.images = std::move(generation.images.images);
  // One call and no more: Hermes-like models end there.
  const bool one_call = generation.format.tools && !generation.format.only_call && !generation.format.parallel;
  if (one_call && request.stop.strings.size() < kStopStringsMax) request.stop.strings.emplace_back(kCallEndMarker);
  if (generation.prompt) {
    request.prompt = std::move(*generation.prompt);
  } else {
    ChatPrompt chat{.messages = std::move(generation.messages), .tools = std::move(generation.tools), .template_variables = {}, .now_unix_s = context.now_unix_s};
    if (generation.thinking.enable) chat.template_variables.set("enable_thinking", *generation.thinking.enable);
    if (!generation.thinking.effort.empty()) chat.template_variables.set("reasoning_effort", generation.thinking.effort);
    request.prompt = std::move(chat);
  }
  // tool_choice none takes the client's tools away, and with them ours. Tools that were named have been checked by read_extension.
  const bool no_tools = !generation.tool_list.empty() || generation.no_own_tools;
  if (!no_tools) static_cast<void>(use_own_tools(generation.own_tools, context.generator->info(), /*reports_calls=*/false, &request));
  if (request.tools) {
    request.tools->confirms = generation.confirms;
    // Nobody here knows what an earlier answer was made of: text of strangers, to be sure.
    const auto* chat = std::get_if<ChatPrompt>(&request.prompt);
    const bool has_answers = chat != nullptr && chat->messages.is_array() && std::any_of(chat->messages.as_array().begin(), chat->messages.as_array().end(), [](const Json& message) {
      const Json* role = message.find("role");
      return role != nullptr && *role == Json("assistant");
    });
    if (has_answers) request.tools->tainted_by = "earlier answers";
  }
  std::vector<GenerateRequest> requests(static_cast<size_t>(generation.n), request);
  for (size_t i = 0; i < requests.size(); ++i) requests[i].sampling.seed = choice_seed(static_cast<uint64_t>(seed), static_cast<uint32_t>(i));
  return requests;
}

std::string extension_report(const Generation& generation, int64_t seed, const std::vector<std::string>& ignored) {
  std::string out;
  JsonWriter json(&out);
  json.begin_object().member("seed", seed);
  if (!generation.thinking.mode.empty()) json.member("mode", generation.thinking.mode);
  if (!generation.thinking.reason.empty()) json.member("mode_reason", generation.thinking.reason);
  if (!ignored.empty()) {
    json.key("ignored").begin_array();
    for (const std::string& name : ignored) json.value(name);
    json.end_array();
  }
  json.end_object();
  return out;
}

}  // namespace firesteel
