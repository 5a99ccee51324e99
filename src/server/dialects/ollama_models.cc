// POST /api/embed and /api/show, GET /api/tags, /api/ps and /api/version.
#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>
#include <string>
#include <utility>

#include "base/clock.h"
#include "server/dialects/dialects.h"
#include "server/dialects/json_writer.h"
#include "server/dialects/ollama_common.h"
#include "server/dialects/openai_common.h"

namespace firesteel {
namespace {

constexpr size_t kInputsMax = 2048;

constexpr Parameter kEmbed[] = {
    {"model"},
    {"input", Support::kSupported, "a string or at most 2048"},
    {"dimensions", Support::kSupported, "only the model's own"},
    {"truncate", Support::kIgnored, "what is too long is refused"},
    {"options", Support::kIgnored},
    {"keep_alive", Support::kIgnored, "the model stays loaded"},
};
constexpr Parameter kShow[] = {{"model"}, {"name", Support::kSupported, "older name of model"}, {"verbose", Support::kIgnored},
                               {"system", Support::kIgnored}, {"template", Support::kIgnored}, {"options", Support::kIgnored}};

// "656K", "1.2B": as Ollama shows it.
std::string parameter_size(int64_t n) {
  const auto scaled = [&](int64_t unit, const char* letter) {
    const int64_t tenths = n / (unit / 10);
    return std::to_string(tenths / 10) + (tenths >= 1000 ? "" : "." + std::to_string(tenths % 10)) + letter;
  };
  if (n >= 1'000'000'000) return scaled(1'000'000'000, "B");
  if (n >= 1'000'000) return scaled(1'000'000, "M");
  if (n >= 1'000) return scaled(1'000, "K");
  return std::to_string(n);
}

void write_details(const ModelInfo& info, JsonWriter* json) {
  json->key("details").begin_object().member("parent_model", "").member("format", "gguf").member("family", info.architecture);
  json->key("families").begin_array().value(info.architecture).end_array();
  json->member("parameter_size", parameter_size(info.n_parameters)).member("quantization_level", info.quantisation).end_object();
}

void write_models(const ExchangeContext& context, bool running, std::string* out) {
  const ModelInfo info = context.generator->info();
  std::vector<std::string> names = {context.model_id};
  if (!running) names.insert(names.end(), context.aliases.begin(), context.aliases.end());
  JsonWriter json(out);
  json.begin_object().key("models").begin_array();
  for (const std::string& name : names) {
    json.begin_object().member("name", name).member("model", name).member("size", info.file_bytes).member("digest", info.digest);
    write_details(info, &json);
    if (running) {
      // It never expires; clients parse the time.
      json.member("expires_at", "9999-12-31T23:59:59Z").member("size_vram", 0).member("context_length", info.context_length);
    } else {
      json.member("modified_at", rfc3339(info.created_unix_s));
    }
    json.end_object();
  }
  json.end_array().end_object();
}

}  // namespace

extern const ParameterTable kOllamaEmbedTable, kOllamaShowTable;
const ParameterTable kOllamaEmbedTable = {"POST /api/embed", kEmbed};
const ParameterTable kOllamaShowTable = {"POST /api/show", kShow};

std::string rfc3339(int64_t unix_s) {
  const std::time_t time = static_cast<std::time_t>(std::clamp<int64_t>(unix_s, 0, 253402300799));  // up to the year 9999
  std::tm utc{};
  gmtime_r(&time, &utc);
  std::array<char, 32> text{};
  const size_t n = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &utc);
  return std::string(text.data(), n);
}

std::string read_ollama_model(const BodyReader& body, const ExchangeContext& context) {
  constexpr std::string_view kLatestTag = ":latest";
  const auto name = body.string("model");
  if (name && name->size() > kLatestTag.size() && name->substr(name->size() - kLatestTag.size()) == kLatestTag) {
    const std::string base = name->substr(0, name->size() - kLatestTag.size());
    if (is_model_name(base, context)) return *name;
  }
  return read_model(body, context);
}

ReplyOrError answer_ollama_embed(const HttpRequest& request, const ExchangeContext& context) {
  ReadState state;
  const auto body_json = parse_body(request.body, &state);
  if (!body_json) return *state.error;
  const BodyReader body(*body_json, "", &state);
  const ModelInfo info = context.generator->info();
  body.check(kOllamaEmbedTable);
  const std::string model = read_ollama_model(body, context);
  if (const auto dimensions = body.integer("dimensions", 1, kTokensMax); dimensions && *dimensions != info.embedding_dim) {
    body.fail("dimensions", "expected the model's " + std::to_string(info.embedding_dim) + ", found " + std::to_string(*dimensions));
  }
  std::vector<Prompt> inputs;
  const Json* input = body.get("input");
  if (input == nullptr || !input->is_array() || !input->as_array().empty()) inputs = read_prompts(body, "input", kInputsMax, info);
  if (!state.ok()) return *state.error;
  const int64_t start_us = system_clock().now_us();
  std::string out;
  JsonWriter json(&out);
  int64_t n_tokens = 0;
  json.begin_object().member("model", model).key("embeddings").begin_array();
  for (const Prompt& prompt : inputs) {
    const auto count = context.generator->count_tokens(prompt);
    auto vector = count.ok() ? context.generator->embed(prompt) : Result<std::vector<float>>(count.error());
    if (!vector.ok()) return to_api_error(vector.error());
    n_tokens += *count;
    json.begin_array();
    for (const float value : *vector) json.value(value);
    json.end_array();
  }
  json.end_array().member("total_duration", (system_clock().now_us() - start_us) * 1000).member("load_duration", 0);
  json.member("prompt_eval_count", n_tokens).end_object();
  HttpResponse response = json_response(200, std::move(out));
  add_ignored_header(state.ignored, &response.headers);
  return response;
}

ReplyOrError answer_ollama_tags(const HttpRequest&, const ExchangeContext& context) {
  std::string out;
  write_models(context, false, &out);
  return json_response(200, std::move(out));
}

ReplyOrError answer_ollama_ps(const HttpRequest&, const ExchangeContext& context) {
  std::string out;
  write_models(context, true, &out);
  return json_response(200, std::move(out));
}

ReplyOrError answer_ollama_version(const HttpRequest&, const ExchangeContext&) { return json_response(200, "{\"version\":\"0.1.0\"}"); }

ReplyOrError answer_ollama_show(const HttpRequest& request, const ExchangeContext& context) {
  ReadState state;
  auto body_json = parse_body(request.body, &state);
  if (!body_json) return *state.error;
  if (const Json* name = body_json->find("name"); name != nullptr && body_json->find("model") == nullptr) {
    const Json copy = *name;
    body_json->set("model", copy);
  }
  const BodyReader body(*body_json, "", &state);
  body.check(kOllamaShowTable);
  const std::string model = read_ollama_model(body, context);
  if (!state.ok()) return *state.error;
  const ModelInfo info = context.generator->info();
  const auto mentions = [&](std::string_view word) { return info.chat_template.find(word) != std::string::npos; };
  std::string out;
  JsonWriter json(&out);
  json.begin_object().member("modelfile", "").member("parameters", "").member("template", info.chat_template);
  write_details(info, &json);
  json.key("model_info").begin_object().member("general.architecture", info.architecture).member("general.parameter_count", info.n_parameters);
  json.member(info.architecture + ".context_length", info.context_length).member(info.architecture + ".embedding_length", info.embedding_dim);
  json.member(info.architecture + ".vocab_size", info.n_vocab).end_object();
  json.key("capabilities").begin_array().value("completion");
  if (mentions("tools")) json.value("tools");
  if (info.can_think) json.value("thinking");
  if (info.can_see) json.value("vision");
  json.value("embedding").end_array().member("modified_at", rfc3339(info.created_unix_s)).end_object();
  return json_response(200, std::move(out));
}

}  // namespace firesteel
